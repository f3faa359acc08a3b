"""A Ray cluster as a place: its GPUs by node and number, each with one engine's process on it at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO

import anyio
import anyio.abc
from anyio.streams.text import TextReceiveStream

from backends.errors import VideoError
from backends.jobs.run.box import started
from backends.jobs.run.cards import Release
from backends.jobs.run.place import EngineCrashed, PlaceGone
from backends.plain import one_line
from backends.provider import on_ray
from backends.provider.protocol import DeviceLost, JsonObject, Prepared

BRIDGE = "backends.jobs.run.on_ray.bridge"

NO_NODE = "waiting for a node with a GPU in the Ray cluster"
ASKS = "asking the nodes of the Ray cluster which of them has the model"
CONNECTS = "connecting to the Ray cluster"


@dataclass(frozen=True)
class Node:
    """A machine of the cluster with GPUs. cards: how many; others: how many of them work for somebody else."""

    name: str
    cards: int
    others: int = 0


@dataclass
class Cluster:
    """What is known of the cluster's machines, and which of their cards are ours.

    nodes: by Ray's id. lacks: why a machine cannot do what a question asks, "" when it can, by question and id.
    """

    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    lacks: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    _claimed: dict[str, set[str]] = field(default_factory=dict[str, "set[str]"])

    def claim(self, device: str) -> Release | None:
        node = node_of(device)
        claimed = self._claimed.setdefault(node, set())
        known = self.nodes.get(node)
        if known is None or device in claimed or len(claimed) >= known.cards - known.others:
            return None
        claimed.add(device)
        return partial(claimed.discard, device)

    def answers(self, question: str) -> dict[str, str | None]:
        """What each machine that is there now says to a question, None while it has not answered."""
        return {node: self.lacks.get((question, node)) for node in self.nodes}

    def refusal(self, question: str) -> str:
        """Why no machine can do it, once all have said so; "" as long as one may."""
        answers = self.answers(question)
        if not answers or not all(answers.values()):
            return ""
        said: dict[str, list[str]] = {}
        for node, why in answers.items():
            said.setdefault(str(why), []).append(self.nodes[node].name)
        return "; ".join(f"{', '.join(names)}: {why}" for why, names in said.items())


@dataclass(frozen=True)
class Fitting(Collection[str]):
    """The cards of the machines that can do what a question asks, as machines come and go."""

    cluster: Cluster
    question: str

    def __iter__(self) -> Iterator[str]:
        for node, why in self.cluster.answers(self.question).items():
            if why == "":
                yield from (f"{on_ray.LANE}:{node}/{card}" for card in range(self.cluster.nodes[node].cards))

    def __contains__(self, device: object) -> bool:
        return any(one == device for one in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def node_of(device: str) -> str:
    """The id of a device's machine: "ray:NODE/CARD"."""
    return device.partition(":")[2].rpartition("/")[0]


class Remote:
    """An engine's process on a machine of the cluster, spoken with through the bridge."""

    def __init__(self, say: Callable[[JsonObject], Awaitable[None]]) -> None:
        self._say = say
        self._heard: deque[str] = deque()
        self._new = anyio.Event()
        self._end: Exception | None = None

    @property
    def ended(self) -> bool:
        return self._end is not None

    def hear(self, line: str) -> None:
        self._heard.append(line)
        self._new.set()

    def over(self, end: Exception) -> None:
        self._end = self._end or end
        self._new.set()

    async def send(self, order: JsonObject) -> None:
        if self._end is not None:
            raise self._end
        await self._say({"order": order})

    async def line(self) -> str:
        while not self._heard:
            if self._end is not None:
                raise self._end
            self._new = anyio.Event()
            await self._new.wait()
        return self._heard.popleft()

    async def kill(self) -> None:
        with anyio.CancelScope(shield=True), suppress(PlaceGone):
            await self._say({"kill": True})
        self.over(EngineCrashed())


class RayCluster:
    """env: with REELWRIGHT_RAY. log: takes what Ray says."""

    held = "waiting for a GPU of the Ray cluster: others use them"
    gone = "waiting for a GPU of the Ray cluster: none responds"
    alone = True

    def __init__(self, env: Mapping[str, str], log: IO[bytes] | int) -> None:
        self._env = env
        self._log = log
        self._cluster = Cluster()
        self._processes: dict[int, Remote] = {}
        self._looked: set[int] = set()
        self._last = 0
        self._stdin: anyio.abc.ByteSendStream | None = None
        self._why: str | None = None
        self._wanted = anyio.Event()
        self._news = anyio.Event()
        self.claim = self._cluster.claim

    def most(self, provider: str) -> tuple[int, str]:
        return 1, "a Ray cluster gives a clip one GPU"

    async def fitting(
        self, provider: str, prepared: Prepared, word: str, tell: Callable[[str], None]
    ) -> Collection[str]:
        """VideoError("asset") when every machine lacks what it takes, with what each of them said."""
        question = json.dumps([provider, prepared.model, word])
        look = self._number()
        asked = {"ask": question, "look": look, "provider": provider, "model": prepared.model, "wire": prepared.wire}
        self._why = None
        self._wanted.set()
        told, sent = "", False
        while True:
            if self._stdin is not None and not sent:
                sent = True
                await self._say(asked)
            if "" in (answers := self._cluster.answers(question)).values():
                return Fitting(self._cluster, question)
            if look in self._looked and (why := self._cluster.refusal(question)):
                raise VideoError("asset", f"no machine of the Ray cluster can make it: {why}"[:600])
            if self._why is not None:
                raise PlaceGone(self._why)
            text = CONNECTS if not sent else ASKS if answers else NO_NODE
            if text != told:
                tell(text)
                told = text
            await self._news.wait()

    def _number(self) -> int:
        self._last += 1
        return self._last

    async def start(self, device: str) -> Remote:
        number = self._number()
        process = Remote(lambda message: self._say({"to": number, **message}))
        self._processes[number] = process
        await self._say({"to": number, "start": node_of(device)})
        return process

    async def _say(self, message: JsonObject) -> None:
        """PlaceGone when nobody listens any more."""
        if "kill" in message:
            self._processes.pop(message["to"], None)
        try:
            if self._stdin is None:
                raise anyio.ClosedResourceError
            await self._stdin.send((json.dumps(message) + "\n").encode())
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            raise PlaceGone(self._why or self._ended("the process that speaks with it has ended")) from None

    async def serve(self, gone: Callable[[PlaceGone], None]) -> None:
        """Keep the bridge, from the first job on. Where it ends, all jobs are told why; the next starts it again."""
        while True:
            await self._wanted.wait()
            try:
                self._why = await self._bridged()
                gone(PlaceGone(self._why))
            finally:
                self._forget()

    async def _bridged(self) -> str:
        """One bridge from its start to its end; why it has ended."""
        try:
            process = await started(BRIDGE, self._env, self._log)
        except OSError as error:
            return self._ended(str(error))
        assert process.stdin is not None and process.stdout is not None
        self._stdin = process.stdin
        self._hear_of_news()
        why, rest = "", ""
        try:
            with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
                text = TextReceiveStream(process.stdout)
                while True:
                    *lines, rest = (rest + await text.receive()).split("\n")
                    for line in lines:
                        message: JsonObject = json.loads(line)
                        why = one_line(message.get("gone", why), 250)
                        self._hear(message)
        finally:
            with anyio.CancelScope(shield=True):
                await process.stdin.aclose()
                with anyio.move_on_after(10):  # a Ray of this machine alone ends with it
                    await process.wait()
                if process.returncode is None:
                    process.kill()
                await process.aclose()
        return self._ended(why or f"the process that speaks with it has ended ({process.returncode})")

    def _ended(self, why: str) -> str:
        return f"the Ray cluster ({self._env[on_ray.SETTING]}) cannot be reached: {why}"[:300]

    def _hear(self, message: JsonObject) -> None:
        """One line of the bridge."""
        if "nodes" in message:
            self._cluster.nodes = {key: Node(**known) for key, known in message["nodes"].items()}
        elif "answer" in message:
            self._cluster.lacks[message["answer"], message["node"]] = one_line(message["lacks"], 300)
        elif "looked" in message:
            self._looked.add(message["looked"])
        elif "of" in message:
            self._cluster.nodes.pop(message.get("node", ""), None)
            if (process := self._processes.get(message["of"])) is not None:
                _pass_on(message, process)
        self._hear_of_news()

    def _hear_of_news(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    def _forget(self) -> None:
        self._stdin = None
        self._wanted = anyio.Event()
        self._cluster.nodes.clear()
        self._cluster.lacks.clear()
        self._looked.clear()
        for process in self._processes.values():
            process.over(PlaceGone(self._why or self._ended("it was left")))
        self._processes.clear()
        self._hear_of_news()


def _pass_on(message: JsonObject, process: Remote) -> None:
    """A line of an engine's process, or its end."""
    if "line" in message:
        process.hear(message["line"])
    else:
        process.over(DeviceLost(message["lost"]) if "lost" in message else EngineCrashed())


def look(env: Mapping[str, str]) -> tuple[tuple[Node, ...], str]:
    """The machines with GPUs that the cluster of REELWRIGHT_RAY has now, and why they cannot be seen, "" when they
    can. Takes seconds: Ray starts for it."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", BRIDGE],
        env=dict(env),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as bridge:
        assert bridge.stdout is not None
        for line in bridge.stdout:
            message: JsonObject = json.loads(line)
            if "nodes" in message:
                return tuple(Node(**known) for known in message["nodes"].values()), ""
            if "gone" in message:
                return (), one_line(message["gone"], 250)
        return (), "the process that speaks with it has ended"
