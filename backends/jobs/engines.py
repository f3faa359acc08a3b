"""Engine processes: one warm child a provider, started when needed, killed to cancel, gone with the worker."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import anyio
import anyio.abc
from anyio.streams.text import TextReceiveStream

from backends.backend import JsonObject, Output, Prepared
from backends.errors import VideoError
from backends.jobs import codec


class EngineCrashed(Exception):
    """The engine's process ended without an answer."""


class _Child:
    """One engine process and its unread output."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self.process = process
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
    """The engine processes of one worker. At most `size` work at once, each on one job."""

    def __init__(self, env: Mapping[str, str], log: IO[bytes] | int, size: int) -> None:
        self._env = dict(env)
        self._log = log
        self.slots = anyio.Semaphore(size)
        self._idle: dict[str, list[_Child]] = {}

    async def run(
        self, provider: str, base_url: str, prepared: Prepared, dest: Path, progress: Callable[[float, str], None]
    ) -> Output:
        """One job on a warm or new engine. EngineCrashed when its process dies; cancelling kills it."""
        order: JsonObject = {
            "provider": provider,
            "base_url": base_url,
            "prepared": codec.prepared_to_json(prepared, assets=True),
            "dest": str(dest),
        }
        async with self._child(provider) as child:
            await child.send(order)
            while True:
                message: dict[str, Any] = json.loads(await child.line())
                if "progress" in message:
                    progress(message["progress"], message["phase"])
                elif "error" in message:
                    raise VideoError.from_json(message["error"])
                else:
                    return codec.output_from_json(message["output"])

    @asynccontextmanager
    async def _child(self, provider: str) -> AsyncGenerator[_Child]:
        idle = self._idle.setdefault(provider, [])
        child = idle.pop() if idle else await self._start()
        try:
            yield child
        except VideoError:
            idle.append(child)
            raise
        except BaseException:
            await child.kill()
            raise
        idle.append(child)

    async def _start(self) -> _Child:
        process = await anyio.open_process(
            [sys.executable, "-P", "-m", "backends.jobs.engine_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=self._env,
            start_new_session=True,
        )
        return _Child(process)

    async def close(self) -> None:
        for children in self._idle.values():
            while children:
                await children.pop().kill()
