"""Engine processes: warm children, started when needed, ended with the worker.

A child that keeps a model loaded (named by its back end's `warm`) gets only jobs of that model, is asked to stop a
cancelled job before it is killed, and ends when it was idle for long or another model needs its device: only the end of
a process gives all of its memory back.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import anyio
import anyio.abc
from anyio import to_thread
from anyio.streams.text import TextReceiveStream

from backends.errors import VideoError
from backends.jobs.lanes.locks import FileLocks, device_locks, is_shared
from backends.jobs.run.cards import Cards, Release, devices_of
from backends.jobs.store import codec
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

_DEVICE = "REELWRIGHT_LOCAL_DEVICE"
"""The variable that tells an engine's process which GPU to use."""

MOST_AGAIN = 9
"""How often one job may ask to be run again: more than any engine has plans to try."""


class _Over(Exception):
    """The engine's process ends, and has said why its job has failed."""

    def __init__(self, error: VideoError) -> None:
        super().__init__(error.message)
        self.error = error


class EngineCrashed(Exception):
    """The engine's process ended without an answer, or was silent for longer than its back end allows."""


class _Child:
    """One engine process and its unread output. lane: its device, or the devices that it works on at once, with commas
    between."""

    def __init__(self, process: anyio.abc.Process, lane: str, provider: str, word: str) -> None:
        self.process = process
        self.lane = lane
        self.devices = devices_of(lane)
        self.provider = provider
        self.word = word
        self.idle_since = time.monotonic()
        assert process.stdout is not None
        self._text = TextReceiveStream(process.stdout)
        self._rest = ""

    async def line(self) -> str:
        while "\n" not in self._rest:
            try:
                self._rest += await self._text.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
                raise EngineCrashed from None
        line, _, self._rest = self._rest.partition("\n")
        return line

    async def send(self, order: JsonObject) -> None:
        assert self.process.stdin is not None
        try:
            await self.process.stdin.send((json.dumps(order) + "\n").encode())
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            raise EngineCrashed from None

    async def kill(self) -> None:
        with anyio.CancelScope(shield=True):
            if self.process.returncode is None:
                self.process.kill()
            await self.process.wait()
            await self.process.aclose()


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
        self._log = log
        self._size = size
        self._warm_s = warm_s
        self._warm_models = max(1, warm_models)
        self._slots: dict[str, anyio.Semaphore] = {}
        self._only = only
        self._idle: list[_Child] = []
        self.cards = Cards(_claim, self._loaded, most=self._warm_models)

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

        VideoError("unsupported") for more GPUs than there are."""
        if lane != POOL:
            async with self.room(lane):
                yield lane
            return
        registration, devices = registered(provider), self._devices(provider)
        count = await self._count(registration, prepared, len(devices))
        word = _loads(provider, self._word(registration, prepared, count))
        try:
            async with self.cards.some(seq, word, devices, tell, count) as given:
                try:
                    yield ",".join(given)
                except DeviceLost:
                    for device in given:
                        await self.unload(device)
                    raise
        finally:
            self.cards.look()

    async def _count(self, registration: Registration, prepared: Prepared, devices: int) -> int:
        """On how many GPUs at once a job works."""
        if registration.devices is None:
            return 1
        count = await to_thread.run_sync(registration.devices, prepared, self._env, devices)
        if count > max(1, devices):
            options = {name: one for name, one in prepared.request.provider_options.items() if name != "cards"}
            text = f"{count} GPUs are asked for one clip, and {devices} may work here (REELWRIGHT_LOCAL_DEVICE)"
            raise VideoError("unsupported", text, nearest={"provider_options": options})
        return count

    def room(self, lane: str) -> anyio.Semaphore:
        """The places of a lane that is a device, or of the processor."""
        device = lane if lane.startswith("gpu") else ""
        return self._slots.setdefault(device, anyio.Semaphore(1 if device else self._size))

    def _devices(self, provider: str) -> tuple[str, ...]:
        """The cards that may work for a provider now."""
        with suppress(VideoError):
            devices = registered(provider).access(self._env).devices
            return tuple(one for one in devices if not self._only or one in self._only)
        return ()

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
        if lane == POOL and not {*devices_of(device)} <= {*self._devices(provider)}:
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
            await child.send(order)
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
            return json.loads(await child.line())
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
                await child.kill()
            raise
        except BaseException:
            await child.kill()
            raise
        self._keep(child)

    def _keep(self, child: _Child) -> None:
        child.idle_since = time.monotonic()
        self._idle.append(child)

    async def _taken(self, lane: str, provider: str, word: str) -> _Child:
        """An idle child with that model, the most recently used; else a new one, which replaces the one idle for
        longest."""
        for child in reversed(self._idle):
            if (child.lane, child.provider, child.word) == (lane, provider, word):
                self._idle.remove(child)
                return child
        for device in devices_of(lane) if word else ():
            loaded = [child for child in self._idle if child.word and device in child.devices]
            for child in loaded[: max(0, len(loaded) - self._warm_models + 1)]:
                await self._end(child)
        return _Child(await self._start(lane), lane, provider, word)

    async def _stopped(self, child: _Child) -> bool:
        """Ask the child to stop its job; whether it has, and what it has loaded is still usable."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_GRACE_S), suppress(EngineCrashed):
            await child.send({"stop": True})
            while True:
                message: dict[str, Any] = json.loads(await child.line())
                if "progress" not in message:
                    return not {"again", "lost", "over"} & message.keys()
        return False

    async def tidy(self) -> None:
        """End children whose model was not used for a while."""
        for child in [one for one in self._idle if one.word]:
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
            await child.kill()

    async def _start(self, lane: str) -> anyio.abc.Process:
        started: anyio.abc.Process | None = None
        with anyio.CancelScope(shield=True):  # if starting is interrupted, no one would own the process
            started = await anyio.open_process(
                [sys.executable, "-P", "-m", "backends.jobs.run.engine_child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=self._env | ({_DEVICE: _named(lane)} if is_shared(lane) else {}),
                start_new_session=True,
            )
        assert started is not None
        return started

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().kill()
        self.cards.close()


def _claim(device: str) -> Release | None:
    lock = FileLocks(device_locks()).take(device, 0.0)
    return None if lock is None else lock.release


def _named(lane: str) -> str:
    """UUIDs, with commas between."""
    return ",".join(device.partition(":")[2] for device in devices_of(lane))


def _loads(provider: str, word: str) -> str:
    return f"{provider} {word}"
