"""Which waiting job gets which of a machine's GPUs.

A card's lock belongs to this user on the whole machine: it is held while a job works there or a model stays loaded, so
that several data folders share the cards one by one. A job whose model is already loaded may pass older ones for a
while, since loading a model takes as long as a clip.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from backends.provider.protocol import DeviceLost

MOST_AHEAD = 8
"""How many jobs whose model is loaded may pass an older job."""

MOST_AHEAD_S = 60.0
"""For how many seconds, from the first that passed."""

LOST_S = 60.0
"""Seconds for which a card that was lost gets no job."""

HELD = "waiting for a GPU: another data folder on this machine uses them or keeps models loaded"
GONE = "waiting for a GPU: none responds; they are tried again within a minute"

Release = Callable[[], None]


@dataclass(eq=False)
class Waiting:
    """A job without a card. seq: its place in the queue. word: the model that it needs loaded. devices: where it may
    run. tell: receives what it waits for. passed, passed_at: how many jobs have passed it, and when the first did."""

    seq: int
    word: str
    devices: Collection[str]
    tell: Callable[[str], None]
    passed: int = 0
    passed_at: float | None = None
    told: str = ""
    device: str = ""
    given: anyio.Event = field(default_factory=anyio.Event)

    def is_overdue(self, now: float) -> bool:
        """Whether no other job may pass it any more."""
        return self.passed >= MOST_AHEAD or (self.passed_at is not None and now - self.passed_at >= MOST_AHEAD_S)


class Cards:
    """The cards that one worker holds or may take.

    claim: takes a card's lock and returns a function that frees it, None while another process holds it. loaded: what
    is loaded on each card, the least recently used first. most: how many models may be loaded on a card.
    """

    def __init__(
        self,
        claim: Callable[[str], Release | None],
        loaded: Callable[[], Mapping[str, Collection[str]]],
        *,
        most: int = 1,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
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
        """The cards whose locks we hold."""
        return self._held.keys()

    def is_idle(self, device: str) -> bool:
        """Whether we hold the card and no job works on it."""
        return device in self._held and device not in self._busy

    @asynccontextmanager
    async def one(
        self, seq: int, word: str, devices: Collection[str], tell: Callable[[str], None]
    ) -> AsyncGenerator[str]:
        """Wait for a card and use it alone. After a DeviceLost in the `with` block the card gets no job for a while."""
        waiting = Waiting(seq, word, devices, tell)
        self._waiting.append(waiting)
        self._waiting.sort(key=lambda one: one.seq)
        try:
            self._deal()
            await waiting.given.wait()
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
        """Assign cards again, since another process may have freed one, and free cards that have neither a job nor a
        model."""
        self._deal()
        loaded = self._loaded()
        for device in [one for one in self._held if one not in self._busy and not loaded.get(one)]:
            self._held.pop(device)()

    def tell(self) -> None:
        """Tell waiting jobs what they wait for, where we hold none of their cards."""
        now = self._now()
        for one in self._waiting:
            if not any(device in self._held for device in one.devices):
                text = GONE if all(self._is_lost(device, now) for device in one.devices) else HELD
                if text != one.told:
                    one.told = text
                    one.tell(text)

    def _is_lost(self, device: str, now: float) -> bool:
        return self._lost.get(device, 0.0) > now

    def _deal(self) -> None:
        """Assign cards to jobs as long as there are both."""
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
        """The next job and its card: the oldest job first; but for a limited time, jobs whose model is loaded pass
        those that need another one unloaded."""
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
        """A card with room for one more model: an empty one of ours, a free one, then any; "" = none. tried: cards that
        others hold, as far as known."""
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
        """The card whose model is unloaded: one that no waiting job needs; of those the least recently used."""
        wanted = {one.word for one in self._waiting}
        order = [one for one in loaded if one in ours]
        return min(order, key=lambda one: any(word in wanted for word in loaded[one]))

    def close(self) -> None:
        for device in list(self._held):
            self._held.pop(device)()
