"""Engine processes: warm children, started when needed, ended with the worker.

A child that keeps a model loaded (named by its back end's `warm`) gets only jobs of that model, is asked to stop a
cancelled job before it is killed, and ends when it was idle for long or another model needs its device: only the end of
a process gives all of its memory back.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import anyio
from anyio import to_thread

from backends.errors import VideoError
from backends.jobs.run.box import Box
from backends.jobs.run.cards import Cards, devices_of
from backends.jobs.run.place import EngineCrashed, Place, PlaceGone, Process
from backends.jobs.store import codec
from backends.provider import on_ray
from backends.provider.protocol import POOL, DeviceLost, JsonObject, Output, Prepared, Registration, RunAgain
from backends.provider.registry import registered

STOP_GRACE_S = 5.0
"""Seconds that a child with a loaded model may take to stop a cancelled job (one step of denoising) before it is
killed."""
WARM_S = 600.0
"""Seconds for which a model stays loaded without jobs."""
WARM_MODELS = 1
"""How many models may be loaded on one device at a time."""

FINISHING = 4
"""How many finished clips are checked and saved at once."""

POOLS = (POOL, on_ray.LANE)
"""The lanes of several cards: of this machine, and of a cluster."""

MOST_AGAIN = 9
"""How often one job may ask to be run again: more than any engine has plans to try."""


class _Over(Exception):
    """The engine's process ends, and has said why its job has failed."""

    def __init__(self, error: VideoError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(eq=False)
class _Child:
    """An engine's process. lane: its device, or the devices that it works on at once, with commas between. word: what
    it keeps loaded, "" for nothing."""

    process: Process
    lane: str
    provider: str
    word: str
    idle_since: float = field(default_factory=time.monotonic)

    @property
    def devices(self) -> tuple[str, ...]:
        return devices_of(self.lane)


class Engines:
    """The engine processes of one worker. `place` bounds how many work at once: `size` on the processor, one on each
    other device. warm_s, warm_models: see `WARM_S` and `WARM_MODELS`. only: the cards that the user has named for this
    worker, () = all."""

    def __init__(
        self,
        env: Mapping[str, str],
        log: IO[bytes] | int,
        size: int,
        *,
        warm_s: float = WARM_S,
        warm_models: int = WARM_MODELS,
        only: Collection[str] = (),
    ) -> None:
        self._env = dict(env)
        self._size = size
        self._warm_s = warm_s
        self._warm_models = max(1, warm_models)
        self._slots: dict[str, anyio.Semaphore] = {}
        self._idle: list[_Child] = []
        self._here = Box(env, log, only)
        self._there = _place_of(env, log) or self._here
        most, held, gone = self._most(self._there), self._there.held, self._there.gone
        self.cards = Cards(self._there.claim, self._loaded, most=most, held=held, gone=gone)

    async def serve(self) -> None:
        """What has to go on while there may be jobs on a cluster, until it is cancelled."""
        await self._there.serve(self.cards.give_up)

    def _of(self, device: str) -> Place:
        """The place that a device belongs to."""
        return self._there if device.startswith(f"{on_ray.LANE}:") else self._here

    def _most(self, place: Place) -> int:
        """How many models may be loaded on one device of it."""
        return 1 if place.alone else self._warm_models

    @cached_property
    def finishing(self) -> anyio.CapacityLimiter:
        """Threads that save finished clips. They may wait long for a bucket, and no other work waits for them."""
        return anyio.CapacityLimiter(FINISHING)

    @asynccontextmanager
    async def place(
        self, lane: str, provider: str, prepared: Prepared, seq: int, tell: Callable[[str], None]
    ) -> AsyncGenerator[str]:
        """The device of a job while it works: a processor's lane has several places, a GPU's one, and the lane of
        several GPUs one on each; for a job that works on several, these with commas between. seq: the job's place in
        the queue; tell: receives what it waits for, in words.

        VideoError when no card can ever do it, or it wants more than there are; PlaceGone when their place cannot be
        reached."""
        if lane not in POOLS:
            async with self.room(lane):
                yield lane
            return
        registration = registered(provider)
        count = await self._count(registration, prepared)
        word = self._word(registration, prepared, count)
        devices = await self._there.fitting(provider, prepared, word, tell)
        try:
            async with self.cards.some(seq, _loads(provider, word), devices, tell, count) as given:
                try:
                    yield ",".join(given)
                except DeviceLost:
                    for device in given:
                        await self.unload(device)
                    raise
        finally:
            self.cards.look()

    async def _count(self, registration: Registration, prepared: Prepared) -> int:
        """On how many GPUs at once a job works."""
        if registration.devices is None:
            return 1
        most, why = self._there.most(registration.provider)
        count = await to_thread.run_sync(registration.devices, prepared, self._env, most)
        if count > most > 0:
            options = {name: one for name, one in prepared.request.provider_options.items() if name != "cards"}
            text = f"{count} GPUs are requested for one clip, and {most} may work on it here ({why})"
            raise VideoError("unsupported", text, nearest={"provider_options": options})
        return count

    def room(self, lane: str) -> anyio.Semaphore:
        """The places of a lane that is a device, or of the processor."""
        device = lane if lane.startswith("gpu") else ""
        return self._slots.setdefault(device, anyio.Semaphore(1 if device else self._size))

    def _word(self, registration: Registration, prepared: Prepared, count: int) -> str:
        """What a process on so many devices keeps loaded; "" = nothing that a job would miss."""
        word = registration.warm(prepared, self._env) if registration.warm else ""
        return f"{word} on {count} devices" if word and count > 1 else word

    def _loaded(self) -> dict[str, list[str]]:
        """What idle processes keep loaded on each device, or on several at once (with commas between), the least
        recently used first."""
        found: dict[str, list[str]] = {}
        for child in self._idle:
            found[child.lane] = [*found.pop(child.lane, []), _loads(child.provider, child.word)]
        return found

    def check_there(self, lane: str, provider: str, device: str) -> None:
        """DeviceLost when an engine has just ended on a card that the driver no longer knows."""
        if lane == POOL and not {*devices_of(device)} <= {*self._here.devices(provider)}:
            raise DeviceLost(f"the driver does not know {device} any more")

    @property
    def warm(self) -> bool:
        """Whether an idle process keeps a model loaded that further jobs may need."""
        return any(child.word for child in self._idle)

    async def run(
        self,
        lane: str,
        provider: str,
        base_url: str,
        prepared: Prepared,
        dest: Path,
        progress: Callable[[float, str], None],
    ) -> Output:
        """Run one job on a warm or new engine. EngineCrashed when its process dies or hangs; cancelling the task stops
        it."""
        registration = registered(provider)
        for _ in range(MOST_AGAIN):
            try:
                return await self._once(lane, registration, base_url, prepared, dest, progress)
            except _Over as over:
                raise over.error from None
            except RunAgain as again:
                progress(0.0, f"again: {again}"[:80])
                prepared = replace(prepared, wire={**prepared.wire, **again.wire})
        raise VideoError("provider", "the engine asked to be run again too often: see the worker's log")

    async def _once(
        self,
        lane: str,
        registration: Registration,
        base_url: str,
        prepared: Prepared,
        dest: Path,
        progress: Callable[[float, str], None],
    ) -> Output:
        order: JsonObject = {
            "provider": registration.provider,
            "base_url": base_url,
            "prepared": codec.prepared_to_json(prepared, assets=True),
            "dest": str(dest),
        }
        word = self._word(registration, prepared, len(devices_of(lane)))
        async with self._child(lane, registration.provider, word) as child:
            await child.process.send(order)
            while True:
                message = await self._heard(child, registration.silence_s)
                if "progress" in message:
                    progress(message["progress"], message["phase"])
                elif "error" in message:
                    error = VideoError.from_json(message["error"])
                    raise _Over(error) if "over" in message else error
                elif "again" in message:
                    raise RunAgain(message["again"], message["wire"])
                elif "lost" in message:
                    raise DeviceLost(message["lost"])
                else:
                    return codec.output_from_json(message["output"])

    async def _heard(self, child: _Child, silence_s: float | None) -> dict[str, Any]:
        with anyio.move_on_after(silence_s):
            return json.loads(await child.process.line())
        raise EngineCrashed

    @asynccontextmanager
    async def _child(self, lane: str, provider: str, word: str) -> AsyncGenerator[_Child]:
        child = await self._taken(lane, provider, word)
        try:
            yield child
        except VideoError:
            self._keep(child)
            raise
        except anyio.get_cancelled_exc_class():
            if child.word and await self._stopped(child):
                self._keep(child)
            else:
                await child.process.kill()
            raise
        except BaseException:
            await child.process.kill()
            raise
        self._keep(child)

    def _keep(self, child: _Child) -> None:
        child.idle_since = time.monotonic()
        self._idle.append(child)

    async def _taken(self, lane: str, provider: str, word: str) -> _Child:
        """An idle child with that model, the most recently used; else a new one, which replaces the one idle for
        longest."""
        await self._bury()
        for child in reversed(self._idle):
            if (child.lane, child.provider, child.word) == (lane, provider, word):
                self._idle.remove(child)
                return child
        place = self._of(lane)
        for device in devices_of(lane):
            in_the_way = [one for one in self._idle if device in one.devices and ((word and one.word) or place.alone)]
            for child in in_the_way[: max(0, len(in_the_way) - self._most(place) + 1)]:
                await self._end(child)
        return _Child(await place.start(lane), lane, provider, word)

    async def _bury(self) -> None:
        """Forget idle processes that have ended by themselves."""
        for child in [one for one in self._idle if one.process.ended]:
            await self._end(child)

    async def _stopped(self, child: _Child) -> bool:
        """Ask the child to stop its job; whether it has, and what it has loaded is still usable."""
        over = suppress(EngineCrashed, DeviceLost, PlaceGone)
        with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_GRACE_S), over:
            await child.process.send({"stop": True})
            while True:
                message: dict[str, Any] = json.loads(await child.process.line())
                if "progress" not in message:
                    return not {"again", "lost", "over"} & message.keys()
        return False

    async def tidy(self) -> None:
        """End children whose model was not used for a while."""
        await self._bury()
        for child in [one for one in self._idle if one.word or self._of(one.lane).alone]:
            if time.monotonic() - child.idle_since >= self._warm_s:
                await self._end(child)
        self.cards.look()
        self.cards.tell()

    async def leave_cards(self, *devices: str) -> None:
        """Unload what is idle on these cards, or on all, and free the cards."""
        for device in devices or tuple(self.cards.held):
            if self.cards.is_idle(device):
                await self.unload(device)
        self.cards.look()

    async def unload(self, device: str) -> None:
        """End idle processes on a device."""
        with anyio.CancelScope(shield=True):
            for child in [one for one in self._idle if device in one.devices]:
                await self._end(child)

    async def _end(self, child: _Child) -> None:
        if child in self._idle:
            self._idle.remove(child)
            await child.process.kill()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().process.kill()
        self.cards.close()


def _place_of(env: Mapping[str, str], log: IO[bytes] | int) -> Place | None:
    """The cluster whose GPUs are used, None where none is set."""
    if not env.get(on_ray.SETTING, "").strip():
        return None
    from backends.jobs.run.on_ray.place import RayCluster

    return RayCluster(env, log)


def _loads(provider: str, word: str) -> str:
    return f"{provider} {word}"
