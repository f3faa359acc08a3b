"""Where engines' processes run: on this machine (`box`), or on the machines of a cluster (`on_ray`). What is loaded
where, and whose turn it is, is the same for both, and not theirs to say (`engines`, `cards`)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from backends.jobs.run.cards import Release
from backends.provider.protocol import JsonObject, Prepared


class EngineCrashed(Exception):
    """The engine's process ended without an answer, or was silent for longer than its back end allows."""


class PlaceGone(Exception):
    """The place as a whole cannot be reached, and why: its jobs go back to the queue, and it is tried again."""


class Process(Protocol):
    """An engine's process: it takes orders and answers in lines (see `engine_child`).

    Each call may raise EngineCrashed, DeviceLost or PlaceGone; `kill` none of them.
    """

    @property
    def ended(self) -> bool:
        """Whether it is known to have ended."""
        ...

    async def send(self, order: JsonObject) -> None: ...

    async def line(self) -> str: ...

    async def kill(self) -> None: ...


class Place(Protocol):
    """held, gone: what a job waits for where others have the cards, or where none answers, in words. alone: whether a
    process has its card to itself, also while it is idle."""

    @property
    def held(self) -> str: ...

    @property
    def gone(self) -> str: ...

    @property
    def alone(self) -> bool: ...

    def claim(self, device: str) -> Release | None:
        """Take a card and return what frees it; None while others have it."""
        ...

    def most(self, provider: str) -> tuple[int, str]:
        """How many cards may work on one clip at once, and what says so."""
        ...

    async def fitting(
        self, provider: str, prepared: Prepared, word: str, tell: Callable[[str], None]
    ) -> Collection[str]:
        """The cards that can do a job, maybe as they come and go. word: what it needs loaded; tell: takes what is
        waited for. VideoError when none can."""
        ...

    async def start(self, device: str) -> Process:
        """device: several with commas between for one process on all of them."""
        ...

    async def serve(self, gone: Callable[[PlaceGone], None]) -> None:
        """What has to go on meanwhile, until it is cancelled. gone: is called when the place cannot be reached any
        more, for those that wait for one of its cards."""
        ...
