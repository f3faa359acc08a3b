"""StepBar: what a pipeline reports of its steps, and how a job is cancelled between two of them. No torch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from backends.provider.protocol import Progress

LOADED, DENOISED, DECODED = 0.05, 0.85, 0.92
"""Where a job stands, 0..1, once its model is loaded, its steps are done, its frames are decoded."""


class StepBar:
    """Stands in for a pipeline's progress bar, which every family has: reports each step with the time left, and lets
    the job's cancellation out of the loop (progress raises) before the decoding that an interrupted loop would do."""

    def __init__(self, progress: Progress, step_s: list[float]) -> None:
        self._progress = progress
        self._step_s = step_s
        self._total = 0
        self._done = 0
        self._last = 0.0

    def __call__(self, iterable: Iterable[Any] | None = None, total: int | None = None) -> Any:
        self._total = total if total is not None else len(list(iterable or ()))
        self._done, self._last = 0, time.monotonic()
        if iterable is not None:
            return self._over(iterable)
        return self

    def _over(self, iterable: Iterable[Any]) -> Iterator[Any]:
        for item in iterable:
            yield item
            self.update()

    def __enter__(self) -> Self:
        self._progress(LOADED, f"step 0 of {self._total}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._progress(DENOISED, "decoding")

    def update(self, n: int = 1) -> None:
        now = time.monotonic()
        self._step_s.append(now - self._last)
        self._done, self._last = self._done + n, now
        mean = sum(self._step_s) / len(self._step_s)
        left = mean * max(0, self._total - self._done)
        share = LOADED + (DENOISED - LOADED) * self._done / max(1, self._total)
        self._progress(share, f"step {self._done} of {self._total}, about {left:.0f} s left")

    def set_postfix(self, *_: object, **__: object) -> None:
        """Some pipelines tell a figure of their own here."""
