"""Which waiting job gets which of a machine's cards.

A card's lock is this user's on the whole machine: it is held while a job works there or a model stays loaded, so that
several data folders share the cards one by one. A job whose model is loaded goes ahead of older ones for a while, since
loading a model takes as long as a clip.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from backends.provider.protocol import DeviceLost

MOST_AHEAD = 8
"""How many jobs whose model is loaded may go ahead of an older one."""

MOST_AHEAD_S = 60.0
"""For how long, since the first of them has."""

LOST_S = 60.0
"""How long a card that was lost gets no job."""

HELD = "waits for a GPU: another data folder on this machine works with them or keeps models loaded"
GONE = "waits for a GPU: none answers; they are tried again within a minute"

Release = Callable[[], None]


@dataclass(eq=False)
class Waiting:
    """A job without a card. seq: its place in the queue. word: what it needs loaded. devices: where it may run.
    tell: takes what it waits for. passed, passed_at: how many have gone ahead of it, and when the first did.
    failure: why it will get none."""

    seq: int
    word: str
    devices: Collection[str]
    tell: Callable[[str], None]
    passed: int = 0
    passed_at: float | None = None
    told: str = ""
    device: str = ""
    failure: Exception | None = None
    given: anyio.Event = field(default_factory=anyio.Event)

    def is_overdue(self, now: float) -> bool:
        """Whether nobody may go ahead of it any more."""
        return self.passed >= MOST_AHEAD or (self.passed_at is not None and now - self.passed_at >= MOST_AHEAD_S)


class Cards:
    """The cards that one worker holds or may have.

    claim: takes a card's lock and returns what frees it, None while another holds it. loaded: what is loaded on every
    card, by card, the one used longest ago first. most: how many models may be loaded on a card. held, gone: what those
    wait for that have none, in words.
    """

    def __init__(
        self,
        claim: Callable[[str], Release | None],
        loaded: Callable[[], Mapping[str, Collection[str]]],
        *,
        most: int = 1,
        held: str = HELD,
        gone: str = GONE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._words = {False: held, True: gone}
        self._claim = claim
        self._loaded = loaded
        self._most = most
        self._now = now
        self._held: dict[str, Release] = {}
        self._busy: set[str] = set()
        self._lost: dict[str, float] = {}
        self._waiting: list[Waiting] = []

    @property
    def held(self) -> Collection[str]:
        """The cards whose locks are ours."""
        return self._held.keys()

    def is_idle(self, device: str) -> bool:
        """Whether the card is ours and nobody works on it."""
        return device in self._held and device not in self._busy

    @asynccontextmanager
    async def one(
        self, seq: int, word: str, devices: Collection[str], tell: Callable[[str], None]
    ) -> AsyncGenerator[str]:
        """Wait for a card, and have it to oneself. A DeviceLost that comes out of it keeps others from it a while."""
        waiting = Waiting(seq, word, devices, tell)
        self._waiting.append(waiting)
        self._waiting.sort(key=lambda one: one.seq)
        try:
            self._deal()
            await waiting.given.wait()
            if waiting.failure is not None:
                raise waiting.failure
            yield waiting.device
        except DeviceLost:
            self._lost[waiting.device] = self._now() + LOST_S
            raise
        finally:
            if waiting.device:
                self._busy.discard(waiting.device)
            else:
                self._waiting.remove(waiting)
            self.look()

    def look(self) -> None:
        """Deal anew, since another may have left a card, and let go of what nobody works with and nothing is on."""
        self._deal()
        loaded = self._loaded()
        for device in [one for one in self._held if one not in self._busy and not loaded.get(one)]:
            self._held.pop(device)()

    def give_up(self, failure: Exception) -> None:
        """Let all that wait fail with that."""
        for one in self._waiting:
            one.failure = failure
            one.given.set()

    def tell(self) -> None:
        """Tell those that wait what for, where none of their cards is ours."""
        now = self._now()
        for one in self._waiting:
            if not any(device in self._held for device in one.devices):
                text = self._words[all(self._is_lost(device, now) for device in one.devices)]
                if text != one.told:
                    one.told = text
                    one.tell(text)

    def _is_lost(self, device: str, now: float) -> bool:
        return self._lost.get(device, 0.0) > now

    def _deal(self) -> None:
        """Give cards to jobs, as long as there are both."""
        while (pair := self._next()) is not None:
            waiting, device = pair
            now = self._now()
            for older in self._waiting[: self._waiting.index(waiting)]:
                if device in older.devices:
                    older.passed += 1
                    older.passed_at = now if older.passed_at is None else older.passed_at
            self._waiting.remove(waiting)
            self._busy.add(device)
            waiting.device = device
            waiting.given.set()

    def _next(self) -> tuple[Waiting, str] | None:
        """The next job and its card. Oldest first, but as long as it may, a job whose card has its model loaded goes
        ahead of those for which another model would have to go."""
        if not self._waiting:
            return None
        now, loaded = self._now(), self._loaded()
        free = [one for one in self._held if one not in self._busy and not self._is_lost(one, now)]
        wanting: tuple[Waiting, str] | None = None
        tried: set[str] = set()
        for waiting in self._waiting:
            ours = [one for one in free if one in waiting.devices]
            if match := [one for one in ours if waiting.word in loaded.get(one, ())]:
                return waiting, match[0]
            if device := self._with_room(waiting, ours, loaded, tried, now):
                return waiting, device
            if ours:
                if waiting.is_overdue(now):
                    return waiting, self._victim(ours, loaded)
                wanting = wanting or (waiting, self._victim(ours, loaded))
        return wanting

    def _with_room(
        self,
        waiting: Waiting,
        ours: Collection[str],
        loaded: Mapping[str, Collection[str]],
        tried: set[str],
        now: float,
    ) -> str:
        """A card that has room for one more model: an empty one of ours, one that nobody holds, then any; "" = none.
        tried: the cards that others hold, as far as is known."""
        if empty := [one for one in ours if not loaded.get(one)]:
            return empty[0]
        for device in waiting.devices:
            if device in self._held or device in tried or self._is_lost(device, now):
                continue
            if (release := self._claim(device)) is not None:
                self._held[device] = release
                return device
            tried.add(device)
        return next((one for one in ours if len(loaded.get(one, ())) < self._most), "")

    def _victim(self, ours: Collection[str], loaded: Mapping[str, Collection[str]]) -> str:
        """The card whose model makes room: one that nobody waits for; of those the one used longest ago."""
        wanted = {one.word for one in self._waiting}
        order = [one for one in loaded if one in ours]
        return min(order, key=lambda one: any(word in wanted for word in loaded[one]))

    def close(self) -> None:
        for device in list(self._held):
            self._held.pop(device)()
