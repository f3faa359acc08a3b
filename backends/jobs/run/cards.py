"""Which waiting job gets which of a machine's GPUs.

A card's lock belongs to this user on the whole machine: it is held while a job works there or a model stays loaded, so
that several data folders share the cards one by one. A job whose model is already loaded may pass older ones for a
while, since loading a model takes as long as a clip. A job that works on several cards gets them together or not at
all.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
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

TOGETHER = "waiting for {count} GPUs at once, of {all}"

Release = Callable[[], None]


@dataclass(eq=False)
class Waiting:
    """A job without a card. seq: its place in the queue. word: the model that it needs loaded. devices: where it may
    run. count: on how many of them at once. tell: receives what it waits for. passed, passed_at: how many jobs have
    passed it, and when the first did. failure: why it will get none."""

    seq: int
    word: str
    devices: Collection[str]
    tell: Callable[[str], None]
    count: int = 1
    passed: int = 0
    passed_at: float | None = None
    told: str = ""
    has: tuple[str, ...] = ()
    failure: Exception | None = None
    given: anyio.Event = field(default_factory=anyio.Event)

    def is_overdue(self, now: float) -> bool:
        """Whether no other job may pass it any more."""
        return self.passed >= MOST_AHEAD or (self.passed_at is not None and now - self.passed_at >= MOST_AHEAD_S)


class Cards:
    """The cards that one worker holds or may take.

    claim: takes a card's lock and returns a function that frees it, None while another process holds it. loaded: what
    is loaded on each card (the key of a model on several cards at once has commas between them), the least recently
    used first. most: how many models may be loaded on a card. held, gone: what a job without a card waits for, in
    words.
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
        self._in_use, self._gone = held, gone
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
    async def some(
        self, seq: int, word: str, devices: Collection[str], tell: Callable[[str], None], count: int = 1
    ) -> AsyncGenerator[tuple[str, ...]]:
        """Wait for so many cards and use them alone. After a DeviceLost in the `with` block they get no job for a
        while."""
        waiting = Waiting(seq, word, devices, tell, count)
        self._waiting.append(waiting)
        self._waiting.sort(key=lambda one: one.seq)
        try:
            self._deal()
            await waiting.given.wait()
            if waiting.failure is not None:
                raise waiting.failure
            yield waiting.has
        except DeviceLost:
            self._lost |= dict.fromkeys(waiting.has, self._now() + LOST_S)
            raise
        finally:
            if waiting.has:
                self._busy.difference_update(waiting.has)
            else:
                self._waiting.remove(waiting)
            self.look()

    def look(self) -> None:
        """Assign cards again, since another process may have freed one, and free cards that have neither a job nor a
        model."""
        self._deal()
        loaded = _by_card(self._loaded())
        for device in [one for one in self._held if one not in self._busy and not loaded.get(one)]:
            self._held.pop(device)()

    def give_up(self, failure: Exception) -> None:
        """Make every waiting job fail with this."""
        for one in self._waiting:
            one.failure = failure
            one.given.set()

    def tell(self) -> None:
        """Tell waiting jobs what they wait for, where we hold none of their cards or they need several at once."""
        now = self._now()
        for one in self._waiting:
            if all(self._is_lost(device, now) for device in one.devices):
                text = self._gone
            elif one.count > 1:
                text = TOGETHER.format(count=one.count, all=len(one.devices))
            elif not any(device in self._held for device in one.devices):
                text = self._in_use
            else:
                continue
            if text != one.told:
                one.told = text
                one.tell(text)

    def _is_lost(self, device: str, now: float) -> bool:
        return self._lost.get(device, 0.0) > now

    def _deal(self) -> None:
        """Assign cards to jobs as long as there are both."""
        while (pair := self._next()) is not None:
            waiting, devices = pair
            now = self._now()
            for older in self._waiting[: self._waiting.index(waiting)]:
                if any(device in older.devices for device in devices):
                    older.passed += 1
                    older.passed_at = now if older.passed_at is None else older.passed_at
            self._waiting.remove(waiting)
            self._busy.update(devices)
            waiting.has = devices
            waiting.given.set()

    def _next(self) -> tuple[Waiting, tuple[str, ...]] | None:
        """The next job and its cards: the oldest job first; but for a limited time, jobs whose model is loaded pass
        those that need another one unloaded, and jobs that have their cards pass one that waits for several. What an
        overdue job waits for is kept for it."""
        if not self._waiting:
            return None
        now, places = self._now(), self._loaded()
        loaded = _by_card(places)
        free = [one for one in self._held if one not in self._busy and not self._is_lost(one, now)]
        wanting: tuple[Waiting, tuple[str, ...]] | None = None
        tried: set[str] = set()
        for waiting in self._waiting:
            ours = [one for one in free if one in waiting.devices]
            if match := _match(waiting, ours, places):
                return waiting, match
            empty = [one for one in ours if not loaded.get(one)]
            if devices := self._gathered(waiting, empty, self._roomy(ours, loaded), tried, now):
                return waiting, devices
            overdue = waiting.is_overdue(now)
            if devices := self._gathered(waiting, empty, self._full(ours, loaded), tried, now):
                if overdue:
                    return waiting, devices
                wanting = wanting or (waiting, devices)
            elif overdue and self._can_have(waiting, now):
                free = [one for one in free if one not in waiting.devices]
                tried.update(waiting.devices)
        return wanting

    def _can_have(self, waiting: Waiting, now: float) -> bool:
        """Whether a job for several cards gets them by waiting for this worker's other jobs alone."""
        ours = [one for one in waiting.devices if one in self._held and not self._is_lost(one, now)]
        return 1 < waiting.count <= len(ours)

    def _roomy(self, ours: Collection[str], loaded: Mapping[str, Collection[str]]) -> list[str]:
        """Cards that have a model loaded, and room for one more."""
        return [one for one in ours if loaded.get(one) and len(loaded[one]) < self._most]

    def _full(self, ours: Collection[str], loaded: Mapping[str, Collection[str]]) -> list[str]:
        """Cards whose models would have to make room: first those that nobody waits for; of those the ones used longest
        ago."""
        wanted = {one.word for one in self._waiting}
        loading = [one for one in loaded if one in ours]
        return sorted(loading, key=lambda one: any(word in wanted for word in loaded[one]))

    def _gathered(
        self, waiting: Waiting, found: Sequence[str], rest: Sequence[str], tried: set[str], now: float
    ) -> tuple[str, ...]:
        """As many cards as are wanted, in their own order: those found, then those that nobody holds, then the rest.
        All, or () where there are too few. tried: the cards that are not to be had, as far as is known."""
        claimed: dict[str, Release] = {}
        for device in waiting.devices:
            if len(found) + len(claimed) >= waiting.count:
                break
            if device in self._held or device in tried or self._is_lost(device, now):
                continue
            if (release := self._claim(device)) is not None:
                claimed[device] = release
            else:
                tried.add(device)
        order = list(waiting.devices)
        devices = tuple(sorted((*found, *claimed, *rest)[: waiting.count], key=order.index))
        if len(devices) < waiting.count:
            for release in claimed.values():
                release()
            return ()
        self._held |= claimed
        return devices

    def close(self) -> None:
        for device in list(self._held):
            self._held.pop(device)()


def devices_of(place: str) -> tuple[str, ...]:
    """The devices that are named with commas between."""
    return tuple(place.split(","))


def _by_card(places: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """What is loaded on each card, whether on it alone or on several; the one used longest ago first."""
    found: dict[str, list[str]] = {}
    for place, words in places.items():
        for device in devices_of(place):
            found[device] = [*found.pop(device, []), *words]
    return found


def _match(waiting: Waiting, ours: Collection[str], places: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Free cards on which its model is loaded already, () = none."""
    for device in ours if waiting.count == 1 else ():
        if waiting.word in places.get(device, ()):
            return (device,)
    for place, words in places.items():
        devices = devices_of(place)
        if waiting.word in words and len(devices) == waiting.count and all(one in ours for one in devices):
            return devices
    return ()
