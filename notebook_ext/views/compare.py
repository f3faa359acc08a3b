"""Compare: takes that play in step, each one's cost, how its prompt differs, and which one is picked."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from backends.catalog.price import money
from backends.errors import VideoError
from backends.jobs.views import Job as JobView
from backends.media_name import JOB_ID_PATTERN
from notebook_ext import saved
from notebook_ext.delivery import Delivers
from notebook_ext.job import Job
from notebook_ext.kept_settings import Kept, kept
from notebook_ext.media_names import literal_path, media_name
from notebook_ext.prompt_diff import Piece, prompt_diff
from notebook_ext.sources import Source, small, source_of
from notebook_ext.view import Answer, Ask, Buffers, ClearAsk, CodeAsk, View

if TYPE_CHECKING:
    from notebook_ext.client import NotebookStudio

MOST = 12
"""The most takes at a time: each is a decoder in the browser."""
FPS = 24.0
"""The frame rate of a clip that does not give its own."""


class PickAsk(Ask):
    index: int = Field(ge=0, lt=MOST)


@dataclass(frozen=True)
class Take:
    """given: as the caller gave it. key: the page's name for its clip, a job's id or "path:N"."""

    given: object
    key: str
    source: Job | Source


class Compare(Delivers, View):
    """The result of `compare`. picked: the picked take, as it was given; None before."""

    NAME: ClassVar[str] = "compare"
    ACTIONS: ClassVar[Mapping[str, type[Ask]]] = {
        **Delivers.DELIVERY,
        "pick": PickAsk,
        "clear": ClearAsk,
        "code": CodeAsk,
    }

    def __init__(self, client: NotebookStudio, takes: list[Take], kept: Kept | None = None) -> None:
        self.client = client
        self._takes = takes
        self._picked: int | None = None
        self._kept = kept or Kept()
        if self._kept.found is not None:
            self._restore(self._kept.found)
        self._lock = threading.Lock()
        self._off: list[Callable[[], None]] = []
        super().__init__(data=self._data())
        for take in takes:
            if isinstance(take.source, Job):
                self._off.append(take.source.listen(lambda _: self._tell()))

    def _restore(self, state: Mapping[str, Any]) -> None:
        index = state.get("picked")
        if isinstance(index, int) and 0 <= index < len(self._takes):
            self._picked = index
            self._kept.restored(f"{chr(ord('A') + index)} is picked")

    @property
    def picked(self) -> Any:
        return None if self._picked is None else self._takes[self._picked].given

    def clip_of(self, job_id: str) -> Path:
        take = next((take for take in self._takes if take.key == job_id), None)
        if take is None:
            raise VideoError("not_found", "that clip is not in this view")
        return take.source.path if isinstance(take.source, Source) else super().clip_of(job_id)

    def poster_of(self, job_id: str) -> Path | None:
        return None if job_id.startswith("path:") else super().poster_of(job_id)

    def do_pick(self, ask: PickAsk, _: Buffers) -> Answer:
        if ask.index >= len(self._takes):
            raise VideoError("invalid_request", f"there are {len(self._takes)} takes")
        self._pick(ask.index)
        return None

    def do_clear(self, _: ClearAsk, __: Buffers) -> Answer:
        self.clear()
        return None

    def do_code(self, _: CodeAsk, __: Buffers) -> Answer:
        return {"code": self.code()}

    def figure(self) -> str:
        shown: list[tuple[bytes, str]] = []
        for number, (take, shown_take) in enumerate(zip(self._takes, self._data()["takes"], strict=True)):
            mark = "\N{CHECK MARK} " if number == self._picked else ""
            shown.append((self._poster(take), f"{mark}{shown_take['title']}, {shown_take['facts']}"))
        best = "none is picked yet" if self._picked is None else f"{chr(ord('A') + self._picked)} is picked"
        return saved.figure(saved.strip(shown), f"compare: {best}", "" if self._picked is None else self.code())

    def _poster(self, take: Take) -> bytes:
        if isinstance(take.source, Source):
            return small(take.source.path, self.client.inner.context.sandbox, 0.0)
        poster = self.client.inner.detail(take.source.job_id).poster
        return poster.read_bytes() if poster is not None and poster.exists() else b""

    def clear(self) -> None:
        """Pick none."""
        self._pick(None)

    def code(self) -> str:
        """The picked take in the form of an argument without this view."""
        if self._picked is None:
            raise VideoError("invalid_request", "nothing is picked in the view yet")
        source = self._takes[self._picked].source
        return f"studio.job({source.job_id!r})" if isinstance(source, Job) else repr(literal_path(source.name))

    def _pick(self, index: int | None) -> None:
        self._picked = index
        self._kept.put(None if index is None else {"picked": index})
        best = None if index is None else self._takes[index].key
        for take in self._takes:
            if isinstance(take.source, Job):
                take.source.pick(take.key == best)
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            data = self._data()
            if data != self.data:
                self.publish(data)

    def _data(self) -> dict[str, Any]:
        prompts = [self._prompt(take) for take in self._takes]
        shown: list[dict[str, Any]] = []
        for number, (take, prompt) in enumerate(zip(self._takes, prompts, strict=True)):
            name = chr(ord("A") + number)
            side = _of_job(take.source, name) if isinstance(take.source, Job) else _of_clip(take.source, name)
            pieces = _marked(prompts[0] if number else "", prompt)
            shown.append({"key": take.key, "name": name, "prompt": [list(piece) for piece in pieces], **side})
        return {"takes": shown, "picked": self._picked, "kept": self._kept.note}

    def _prompt(self, take: Take) -> str:
        return self.client.inner.detail(take.key).prompt if isinstance(take.source, Job) else ""

    def close(self) -> None:
        for off in self._off:
            off()
        super().close()


def _marked(first: str, prompt: str) -> list[Piece]:
    """A take's prompt, with its differences from the first one's marked."""
    if first and prompt == first:
        return [("", "The same prompt as A.")]
    if first and prompt:
        return prompt_diff(first, prompt)
    return [("", prompt)] if prompt else []


def _of_job(job: Job, name: str) -> dict[str, Any]:
    view = job.view
    detail = job.client.inner.detail(view.job_id)
    label = view.label or f"{view.model} {view.job_id[4:10]}"
    done = view.state == "succeeded"
    facts = [
        "" if done else _state_text(view),
        f"{view.model}{' (no generative model)' if view.engine == 'previs' else ''}",
        price_text(view),
        clip_text(view.duration_s, view.width, view.height, view.fps),
        "" if view.seed is None else f"seed {view.seed}",
        f"made in {detail.run_s:.0f} s" if detail.run_s is not None and done else "",
    ]
    title = f"{name}: {label}{f', take {view.take}' if view.take > 1 else ''}"
    return _side(title, facts, view.fps, done)


def _of_clip(clip: Source, name: str) -> dict[str, Any]:
    facts = clip.facts
    facts_text = clip_text(facts.duration_s, facts.width, facts.height, facts.fps)
    return _side(f"{name}: {clip.path.name}", [facts_text], facts.fps, done=True)


def _side(title: str, facts: list[str], fps: float | None, done: bool) -> dict[str, Any]:
    return {"title": title, "facts": ", ".join(filter(None, facts)), "fps": fps or FPS, "done": done}


def _state_text(view: JobView) -> str:
    return f"{view.state}: {view.error.message}" if view.error else view.state


def price_text(view: JobView) -> str:
    """ "$0.38 (est. $0.40)", "est. $0.40", "free" or "price unknown"."""
    dollars = [
        None if usd is None else "free" if not usd else money(Decimal(str(usd)))
        for usd in (view.est_cost_usd, view.cost_usd)
    ]
    estimated, real = dollars
    if real is None:
        return "price unknown" if estimated is None else "free" if estimated == "free" else f"est. {estimated}"
    return real if real == estimated else f"{real} (est. {estimated or 'unknown'})"


def clip_text(seconds: float | None, width: int | None, height: int | None, fps: float | None) -> str:
    size = f"{width}x{height}" if width and height else ""
    length = f"{seconds:.4g} s" if seconds else ""
    return ", ".join(filter(None, (length, size, f"{fps:.5g} fps" if fps else "")))


def compare(*takes: object, name: str | None = None) -> Compare:
    """Play two or more takes in step and pick the best: jobs, their ids, or paths of clips; the result's `picked`.

    The pick is kept by takes and cell, or by `name` if given, and restored when the cell is run again.
    VideoError("invalid_request") for fewer than two or more than twelve, "asset" for what is not a clip.
    """
    from notebook_ext.client import the_studio

    return opened(the_studio(), *takes, name=name)


def opened(client: NotebookStudio, *takes: object, name: str | None = None) -> Compare:
    """`compare` over a given studio."""
    given = list(takes[0]) if len(takes) == 1 and isinstance(takes[0], list | tuple) else list(takes)
    if not 2 <= len(given) <= MOST:
        raise VideoError("invalid_request", f"two to {MOST} takes are compared, not {len(given)}")
    found = [_take(client, one, number) for number, one in enumerate(given)]
    about = {"takes": [str(one.source.path) if isinstance(one.source, Source) else one.key for one in found]}
    return Compare(client, found, kept("compare", about, client.home.folder, name))


def _take(client: NotebookStudio, given: object, number: int) -> Take:
    if isinstance(given, Job):
        return Take(given, given.job_id, given)
    if isinstance(given, str) and re.match(JOB_ID_PATTERN, given.removeprefix("video://jobs/").removesuffix("/clip")):
        job = client.job(given.removesuffix("/clip"))
        return Take(given, job.job_id, job)
    if not isinstance(given, str | os.PathLike):
        kind = type(given).__name__
        raise VideoError("asset", f"{kind} is not a take: give jobs, their ids, or paths of clips")
    clip = source_of(media_name(given, client.home.folder), client.inner, client.home.folder)
    if not clip.is_clip:
        raise VideoError("asset", f"{clip.name[:120]} is an image, and clips are compared")
    return Take(given, f"path:{number}", clip)
