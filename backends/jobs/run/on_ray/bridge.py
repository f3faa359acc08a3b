"""The one process of a worker that speaks with Ray. It ends with its standard input, and when the cluster is lost.

in:  {"ask": QUESTION, "look": N, "provider", "model", "wire"}; {"to": N, "start": NODE}, {"to": N, "order": {...}},
     {"to": N, "kill": true}
out: {"nodes": {NODE: {"name", "cards", "others"}}} when they change; {"looked": N} once they are as they were after
     that was asked for; {"answer": QUESTION, "node", "lacks"};
     {"of": N, "line"} of the engine N, {"of": N, "crashed": true}, {"of": N, "lost": WHY},
     with "node" where that has gone;
     {"gone": WHY} and the end of the process
"""

# Ray ships partial types, and is not installed where these are checked.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import json
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from backends.errors import VideoError
from backends.jobs.context import program_version
from backends.jobs.run.on_ray import actor, files
from backends.provider import on_ray
from backends.provider.protocol import JsonObject

CONNECT_S = 120.0
"""How long Ray may take to start here and find the cluster."""
CALL_S = 10.0
"""How long the head may take to be called at."""
START_S = 120.0
"""How long an engine's process may take to start, with the wait for a card that another user of the cluster had."""
LOOK_EVERY_S, HEAD_S = 1.0, 20.0
"""How often the machines are looked at, and how long the head may be silent."""
ALIVE_S = 60.0
"""How long a machine may take to answer: after that it counts as lost."""
ASK_AGAIN_S = 60.0
"""A machine that lacked something is asked again after so long."""
END_S = 8.0
"""How long the end may take, of a Ray that was started here too."""

Say = Callable[[JsonObject], None]
Orders = queue.SimpleQueue[JsonObject | None]


class Gone(Exception):
    """The cluster is lost, and why."""


log = logging.getLogger("reelwright.ray")


class Bridge:
    """ray: the module, connected. say: takes a message for the worker."""

    def __init__(self, ray: Any, say: Say) -> None:
        self.ray = ray
        self.say = say
        self.engines: dict[int, Engine] = {}
        self.remote_engine = ray.remote(actor.Engine)
        self._lacks = ray.remote(actor.lacks)
        self._present = ray.remote(actor.present)
        self._questions: dict[str, JsonObject] = {}
        self._asked: dict[tuple[str, str], float] = {}
        self._nodes: dict[str, JsonObject] | None = None
        self._group = asyncio.TaskGroup()

    async def run(self, orders: Orders) -> None:
        """Until the orders end. Gone when the cluster is lost."""
        async with self._group as group:
            watching = group.create_task(self._watch())
            while (message := await asyncio.to_thread(orders.get)) is not None:
                self._do(message)
            watching.cancel()
            for engine in list(self.engines.values()):
                engine.kill()

    def _do(self, message: JsonObject) -> None:
        if "ask" in message:
            self._questions[message["ask"]] = message
            self._group.create_task(self._look_for(message["look"]))
        elif "start" in message:
            engine = self.engines[message["to"]] = Engine(self, message["to"], message["start"])
            engine.task = self._group.create_task(engine.run())
        elif (engine := self.engines.get(message["to"])) is not None:
            if "kill" in message:
                engine.kill()
            else:
                engine.orders.put_nowait(message["order"])

    # the machines

    async def _watch(self) -> None:
        while True:
            await self._see()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look_for(self, number: int) -> None:
        """A look of its own for who asks: a machine may have come just before."""
        await self._see()
        self.say({"looked": number})

    async def _see(self) -> None:
        """Tell of the machines when they have changed, and ask them what they have not answered."""
        try:
            found = await asyncio.wait_for(asyncio.to_thread(self._look), HEAD_S)
        except TimeoutError:
            raise Gone(f"its head has not answered for {HEAD_S:g} s") from None
        if found != self._nodes:
            self._nodes = found
            self.say({"nodes": found})
        self._ask()

    def _look(self) -> dict[str, JsonObject]:
        free = import_module("ray._private.state").available_resources_per_node()
        ours = [engine.node for engine in list(self.engines.values())]
        found: dict[str, JsonObject] = {}
        for node in self.ray.nodes():
            key, cards = node["NodeID"], int(node["Resources"].get("GPU", 0))
            if node["Alive"] and cards:
                others = cards - int(free.get(key, {}).get("GPU", 0)) - ours.count(key)
                found[key] = {"name": node["NodeManagerAddress"], "cards": cards, "others": max(0, others)}
        return found

    def _ask(self) -> None:
        """Ask every machine what it has not been asked, or has said no to a while ago."""
        now = time.monotonic()
        for question, asked in self._questions.items():
            for node in self._nodes or ():
                if now >= self._asked.get((question, node), 0.0):
                    self._asked[question, node] = float("inf")
                    self._group.create_task(self._answer(question, asked, node))

    async def _answer(self, question: str, asked: JsonObject, node: str) -> None:
        given = (asked["provider"], asked["model"], asked["wire"], program_version())
        try:
            lacks = await self._on(node, self._lacks, *given)
        except (self.ray.exceptions.RayError, TimeoutError) as error:
            lacks = f"it cannot answer: {last_line(error)}"
            log.warning("%s: %s", node, error)
        if lacks:
            self._asked[question, node] = time.monotonic() + ASK_AGAIN_S
        self.say({"answer": question, "node": node, "lacks": lacks})

    async def _on(self, node: str, function: Any, *arguments: object) -> Any:
        """What a function returns on that very machine. TimeoutError, or an error of Ray's, where it is gone."""
        options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": self.at(node)}
        return await answer(function.options(**options).remote(*arguments), ALIVE_S)

    async def lives(self, node: str) -> bool:
        """Whether a machine is still there: it is asked, since Ray takes seconds to tell."""
        try:
            return await self._on(node, self._present)
        except (self.ray.exceptions.RayError, TimeoutError):
            return False

    def forget(self, node: str) -> None:
        """It is gone, before Ray says so; should Ray go on saying that it is there, it is told of again."""
        (self._nodes or {}).pop(node, None)

    def at(self, node: str) -> Any:
        return import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy(node, soft=False)


class Engine:
    """An engine's process on a machine: its actor, told in lines."""

    def __init__(self, bridge: Bridge, number: int, node: str) -> None:
        self.node = node
        self.orders: asyncio.Queue[JsonObject] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None
        self._bridge = bridge
        self._number = number
        self._actor: Any = None
        self._dest = Path()

    def kill(self) -> None:
        self._bridge.engines.pop(self._number, None)
        self._end_actor()
        if self.task is not None:
            self.task.cancel()

    def _end_actor(self) -> None:
        if self._actor is not None:
            self._bridge.ray.kill(self._actor)

    async def run(self) -> None:
        """From its start to its end, which is told. Cancelled when it is killed."""
        placed = {"num_gpus": 1, "num_cpus": 0, "scheduling_strategy": self._bridge.at(self.node)}
        end: JsonObject = {"crashed": True}
        try:
            self._actor = self._bridge.remote_engine.options(max_concurrency=4, **placed).remote()
            await self._call("hello", within_s=START_S)
            writing = asyncio.create_task(self._write())
            try:
                await self._read()
            finally:
                writing.cancel()
        except TimeoutError:
            end = {"lost": f"Ray has given no GPU there for {START_S:g} s"}
        except self._bridge.ray.exceptions.RayError as error:
            log.warning("engine %s: %s", self._number, error)
            if not await self._bridge.lives(self.node):
                self._bridge.forget(self.node)
                end = {"lost": "its machine is gone from the Ray cluster", "node": self.node}
        except (OSError, ValueError) as error:  # a file that is not what was announced
            log.warning("engine %s: %s", self._number, error)
        self._end_actor()
        self._bridge.engines.pop(self._number, None)
        self._bridge.say({"of": self._number, **end})

    async def _call(self, name: str, *arguments: object, within_s: float | None = None) -> Any:
        return await answer(getattr(self._actor, name).remote(*arguments), within_s)

    async def _write(self) -> None:
        """Send orders on, each after its inputs."""
        while True:
            order = await self.orders.get()
            try:
                if "dest" in order:
                    self._dest = Path(order["dest"])
                    for asset in order["prepared"]["assets"].values():
                        await self._put(asset["sha256"], Path(asset["path"]))
                await self._call("send", order)
            except (OSError, self._bridge.ray.exceptions.RayError) as error:
                log.warning("engine %s: %s", self._number, error)
                self._end_actor()  # which ends the reading, and is told there
                return

    async def _put(self, sha256: str, path: Path) -> None:
        if await self._call("has", sha256, path.suffix):
            return
        with path.open("rb") as file:
            while chunk := file.read(files.CHUNK):
                await self._call("put", sha256, path.suffix, chunk)
        if not await self._call("put", sha256, path.suffix, b""):
            raise OSError(f"{path.name} is not what its job was made for")

    async def _read(self) -> None:
        """Pass its lines on until it ends; the files that a line tells of come first."""
        while (line := await self._call("line")) is not None:
            message: JsonObject = json.loads(line)
            for file in message.pop("files", ()):
                if not await files.keep(files.below(self._dest, file["name"]), file, self._chunks(file)):
                    raise OSError(f"{file['name']} has not come whole")
            if "output" in message:
                files.arrived(message["output"], self._dest)
            self._bridge.say({"of": self._number, "line": json.dumps(message)})

    async def _chunks(self, file: JsonObject) -> AsyncIterator[bytes]:
        offset = 0
        while offset < file["bytes"] and (chunk := await self._call("chunk", file["name"], offset, files.CHUNK)):
            offset += len(chunk)
            yield chunk


async def answer(reference: Any, within_s: float | None) -> Any:
    """What a call on another machine returns. TimeoutError when it takes longer."""
    return await asyncio.wait_for(asyncio.wrap_future(reference.future()), within_s)


def last_line(error: BaseException) -> str:
    """Of what Ray says, whose first lines are a trace."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()


def connected() -> Any:
    """Ray, connected. Gone when it cannot be."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        address = on_ray.cluster(os.environ.get(on_ray.SETTING, ""))
        if address != on_ray.LOCAL:
            _call_at(address)
        ray = import_module("ray")
        where = {} if address == on_ray.LOCAL else {"address": address}
        ray.init(**where, namespace="reelwright", log_to_driver=False, logging_level=logging.WARNING)
    except Gone:
        raise
    except VideoError as error:
        raise Gone(error.message) from None
    except Exception as error:  # Ray raises of every kind
        raise Gone(f"{type(error).__name__}: {' '.join(str(error).split())}"[:250]) from error
    return ray


def _call_at(address: str) -> None:
    """Gone when nothing listens there: Ray itself takes minutes to say so."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CALL_S).close()
    except OSError as error:
        raise Gone(f"nothing answers there ({error.strerror or error})") from None


def _read_orders(orders: Orders) -> None:
    for line in sys.stdin:
        orders.put(json.loads(line))
    orders.put(None)
    time.sleep(END_S)
    os._exit(0)


def _too_long(say: Say) -> None:
    say({"gone": f"Ray has not connected within {CONNECT_S:g} s"})
    os._exit(1)


async def _until_gone(bridge: Bridge, orders: Orders, say: Say) -> None:
    """The end of the process at once when the cluster is lost: threads that wait for its head would never end."""
    try:
        await bridge.run(orders)
    except* Gone as gone:
        say({"gone": str(gone.exceptions[0])})
        os._exit(1)
    except* Exception as failures:  # a defect of ours or of Ray: nothing may wait for this process without end
        say({"gone": f"{type(failures.exceptions[0]).__name__}: {failures.exceptions[0]}"})
        os._exit(1)


def main() -> None:
    """Keep the real stdout for the protocol, and give Ray the log instead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s ray: %(message)s", stream=sys.stderr)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: JsonObject) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    orders: Orders = queue.SimpleQueue()
    threading.Thread(target=_read_orders, args=(orders,), daemon=True).start()
    late = threading.Timer(CONNECT_S, _too_long, (say,))
    late.daemon = True
    late.start()
    try:
        ray = connected()
        late.cancel()
        asyncio.run(_until_gone(Bridge(ray, say), orders, say))
        ray.shutdown()
    except Gone as gone:
        say({"gone": str(gone)})
    os._exit(0)


if __name__ == "__main__":
    main()
