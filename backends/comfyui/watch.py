"""The WebSocket of a server: how far a run is, its current node, and its preview. A hint only: what has become of a job
is requested by HTTP, so that nothing here is missed when the connection breaks.

One socket a server, with a name of its own (`clientId`): a run's messages go to the socket whose name submitted it.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote

from backends.comfyui.servers import Server
from backends.provider.answer import at, listed, number, table, text

AGAIN_S = (0.2, 1.0, 5.0, 15.0)
"""Waits before the socket is opened again; the last one for all that follow."""

KEPT = 64
"""Runs that are remembered."""

FLAGS = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
JPEG = b"\xff\xd8"


@dataclass
class Seen:
    """What is known of a run. done, cached: nodes. running: (value, of) by node. preview: the newest picture."""

    done: set[str] = field(default_factory=set[str])
    cached: set[str] = field(default_factory=set[str])
    running: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    node: str = ""
    since: float = field(default_factory=time.monotonic)
    preview: bytes = b""
    version: int = 0

    def share(self, nodes: int) -> float:
        """Done of the nodes that are not cached, 0..1; a node under way counts by its own steps."""
        needed = max(1, nodes - len(self.cached))
        under_way = sum(value / of for value, of in self.running.values() if of > 0)
        return min(1.0, (len(self.done - self.cached) + min(under_way, len(self.running))) / needed)

    @property
    def steps(self) -> str:
        value, of = self.running.get(self.node, (0.0, 0.0))
        return f"{value:g} of {of:g}" if of > 1 else ""


class Watch:
    """Opened with the first run that is looked at; it opens itself again until `aclose`."""

    def __init__(self, server: Server, client_id: str) -> None:
        self.runs: dict[str, Seen] = {}
        self._server, self._client_id = server, client_id
        self._task: asyncio.Task[None] | None = None
        self._current = ""

    def run(self, prompt_id: str) -> Seen:
        """What is known of a run; from now on it is watched."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._stay())
        if prompt_id not in self.runs:
            while len(self.runs) >= KEPT:
                self.runs.pop(next(iter(self.runs)))
            self.runs[prompt_id] = Seen()
        return self.runs[prompt_id]

    def forget(self, prompt_id: str) -> None:
        self.runs.pop(prompt_id, None)

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _stay(self) -> None:
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException

        base = self._server.url.replace("http", "ws", 1)
        url = f"{base}/ws?clientId={quote(self._client_id)}"
        proxy = None if self._server.is_near else True
        failed = 0
        while True:
            try:
                async with connect(
                    url, additional_headers=dict(self._server.headers), proxy=proxy, max_size=16 << 20, open_timeout=10
                ) as socket:
                    failed = 0
                    await socket.send(json.dumps(FLAGS))
                    async for frame in socket:
                        self._take(frame)
            except (WebSocketException, OSError, ValueError, EOFError, ImportError):
                failed += 1
            self._current = ""
            await asyncio.sleep(AGAIN_S[min(failed, len(AGAIN_S) - 1)])

    def _take(self, frame: str | bytes) -> None:
        """A message that is not understood is no message."""
        if isinstance(frame, bytes):
            self._take_picture(frame)
            return
        try:
            message = table(json.loads(frame))
        except (ValueError, RecursionError):
            return
        data = message.get("data")
        run = text(at(data, "prompt_id"))
        if run not in self.runs:
            return
        seen = self.runs[run]
        seen.version += 1
        word = text(message.get("type"))
        if word == "execution_cached":
            seen.cached |= {text(node) for node in listed(at(data, "nodes"))}
        elif word == "executing":
            self._begin(run, seen, text(at(data, "node")))
        elif word == "progress":
            self._step(seen, text(at(data, "node")) or seen.node, at(data, "value"), at(data, "max"))
        elif word == "progress_state":
            for node, state in table(at(data, "nodes")).items():
                if text(at(state, "state")) == "finished":
                    seen.done.add(node)
                    seen.running.pop(node, None)
                elif text(at(state, "state")) == "running":
                    self._begin(run, seen, node)
                    self._step(seen, node, at(state, "value"), at(state, "max"))

    def _begin(self, run: str, seen: Seen, node: str) -> None:
        if seen.node and seen.node != node:
            seen.done.add(seen.node)
            seen.running.pop(seen.node, None)
        if not seen.node:
            seen.since = time.monotonic()
        seen.node, self._current = node, run

    @staticmethod
    def _step(seen: Seen, node: str, value: object, most: object) -> None:
        done, of = number(value), number(most)
        if done is not None and of is not None and node:
            seen.running[node] = (max(0.0, done), of)

    def _take_picture(self, frame: bytes) -> None:
        """1: a picture of whatever runs. 4: a picture with the run that it is of."""
        if len(frame) < 8:
            return
        (kind,) = struct.unpack(">I", frame[:4])
        if kind == 1:
            self._keep(self._current, frame[8:])
        elif kind == 4:
            (length,) = struct.unpack(">I", frame[4:8])
            with suppress(ValueError):
                told: Mapping[str, object] = table(json.loads(frame[8 : 8 + length]))
                self._keep(text(told.get("prompt_id")), frame[8 + length :])

    def _keep(self, run: str, picture: bytes) -> None:
        if run in self.runs and picture[:2] == JPEG:
            self.runs[run].preview = picture
            self.runs[run].version += 1
