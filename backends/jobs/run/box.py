"""This machine as a place: engines in child processes, cards by the driver's list, each with a lock of this user."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import IO

import anyio
import anyio.abc
from anyio.streams.text import TextReceiveStream

from backends.errors import VideoError
from backends.jobs.lanes.locks import FileLocks, device_locks, is_shared
from backends.jobs.run import cards
from backends.jobs.run.cards import Release, devices_of
from backends.jobs.run.place import EngineCrashed, PlaceGone
from backends.provider.protocol import JsonObject, Prepared
from backends.provider.registry import registered

_DEVICE = "REELWRIGHT_LOCAL_DEVICE"
"""What tells an engine's process which GPU it is to use."""


class Child:
    """A child process and its unread output."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process
        assert process.stdout is not None
        self._text = TextReceiveStream(process.stdout)
        self._rest = ""

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def line(self) -> str:
        while "\n" not in self._rest:
            try:
                self._rest += await self._text.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
                raise EngineCrashed from None
        line, _, self._rest = self._rest.partition("\n")
        return line

    async def send(self, order: JsonObject) -> None:
        assert self._process.stdin is not None
        try:
            await self._process.stdin.send((json.dumps(order) + "\n").encode())
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            raise EngineCrashed from None

    async def kill(self) -> None:
        with anyio.CancelScope(shield=True):
            if self._process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)  # with the processes on its other cards
            await self._process.wait()
            await self._process.aclose()


class Box:
    """only: the cards that a person has named for this worker, () = all."""

    held = cards.HELD
    gone = cards.GONE
    alone = False

    def __init__(self, env: Mapping[str, str], log: IO[bytes] | int, only: Collection[str] = ()) -> None:
        self._env = dict(env)
        self._log = log
        self._only = only

    def devices(self, provider: str) -> tuple[str, ...]:
        """The cards that may work for a provider now."""
        with suppress(VideoError):
            devices = registered(provider).access(self._env).devices
            return tuple(one for one in devices if not self._only or one in self._only)
        return ()

    def most(self, provider: str) -> tuple[int, str]:
        return len(self.devices(provider)), "REELWRIGHT_LOCAL_DEVICE names more"

    async def fitting(
        self, provider: str, prepared: Prepared, word: str, tell: Callable[[str], None]
    ) -> tuple[str, ...]:
        del prepared, word, tell
        return self.devices(provider)

    def claim(self, device: str) -> Release | None:
        lock = FileLocks(device_locks()).take(device, 0.0)
        return None if lock is None else lock.release

    async def start(self, device: str) -> Child:
        own = {_DEVICE: _named(device)} if is_shared(device) else {}
        return Child(await started("backends.jobs.run.engine_child", self._env | own, self._log))

    async def serve(self, gone: Callable[[PlaceGone], None]) -> None:
        """Nothing: its processes are the system's."""


def _named(lane: str) -> str:
    """UUIDs, with commas between."""
    return ",".join(device.partition(":")[2] for device in devices_of(lane))


async def started(module: str, env: Mapping[str, str], log: IO[bytes] | int) -> anyio.abc.Process:
    """A child process of ours that is spoken with over its standard input and output."""
    process: anyio.abc.Process | None = None
    with anyio.CancelScope(shield=True):  # a process whose start is broken off would be nobody's
        process = await anyio.open_process(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=env,
            start_new_session=True,
        )
    assert process is not None
    return process
