"""FakeServer: start a fake in a process of its own and control it from a test.

    with FakeServer("paid", state=tmp_path, clips={"": tiny_clip()}, mode="key") as server:
        server.script("submit", {"status": 500, "after_charge": True})
        ... clients use server.url, and may be killed ...
        assert server.counters()["charges"] == 1

The fake outlives its clients, since it is no child of theirs; it ends with the test process, or when this closes.
"""

from __future__ import annotations

import atexit
import http.client
import importlib
import json
import os
import select
import selectors
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.patience import patient

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 20.0

_RESTING: list[subprocess.Popen[bytes]] = []
"""Processes whose service has ended: the next one starts in a hundredth of a second instead of a tenth."""

CHILD = "import sys; sys.path.insert(0, sys.argv[1]); from tests.fakes.server import child; child()"


class FakeServer:
    """One fake service on 127.0.0.1.

    service: a module of `tests.fakes` with a `SERVICE` class ("paid"). state: a folder for its ledger (a temporary
    one when left out); a fake started on the same folder knows its earlier charges. clips: MP4 files to hand out, by
    seconds ("4"), "" for all others. knobs: the service's own settings.
    """

    def __init__(
        self, service: str, *, state: Path | None = None, clips: Mapping[str, Path | str] = {}, **knobs: Any
    ) -> None:
        self._service = service
        self.state = Path(tempfile.mkdtemp(prefix="fake-")) if state is None else state
        if state is None:  # kept as long as this object, so that a test may read the ledger after the end
            weakref.finalize(self, shutil.rmtree, self.state, ignore_errors=True)
        self._config = {"state": str(self.state), "clips": {k: str(v) for k, v in clips.items()}, **knobs}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the fake is not running"
        return self._process.pid

    def start(self) -> Self:
        """Start, on the same port as before where there was one; RuntimeError when it does not come up."""
        self._process = _RESTING.pop() if _RESTING else _process()
        order = {"service": self._service, "port": self.port, "config": self._config}
        self._tell(json.dumps(order).encode())
        self.port = int(self._ready_line())
        return self

    def _tell(self, line: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def _ready_line(self) -> bytes:
        assert self._process is not None and self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            line = self._process.stdout.readline() if selector.select(patient(START_TIMEOUT_S)) else b""
        if not line:
            self.kill()
            raise RuntimeError(f"the fake {self._service!r} did not start: see its traceback above")
        return line

    def stop(self) -> None:
        """End the service and wait for that. Its process is kept for the next one."""
        if self._process is None:
            return
        try:
            self._tell(b"")
            self._ready_line()
        except (OSError, RuntimeError):  # it has ended by itself
            self.kill()
            return
        _RESTING.append(self._process)
        self._process = None

    def kill(self) -> None:
        """SIGKILL: the service is gone in the middle of whatever it did. `start` brings it back on its port."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(patient(10))
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        try:
            if kind is None and self._process is not None and (broken := self.counters()["broken"]):
                raise AssertionError(f"the fake's own code failed {broken} times: see its traceback above")
        finally:
            self.stop()

    def control(self, do: str, **arguments: Any) -> Any:
        """One control call; ValueError in the fake's words when it refuses."""
        return self._call({"do": do, **arguments}, patient(30))

    def _call(self, call: dict[str, Any], timeout_s: float) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("POST", "/_control", json.dumps(call))
            reply = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in reply:
            raise ValueError(f"{call['do']}: {reply['error']}")
        return reply["ok"]

    def script(self, route: str, *outcomes: dict[str, Any]) -> None:
        """Queue outcomes for the next requests of a route (the words are in `tests.fakes.script`)."""
        self.control("script", route=route, outcomes=outcomes)

    def always(self, route: str, *outcomes: dict[str, Any], seed: int = 0) -> None:
        """What holds while the queue is empty; with `chance`, drawn from the seed. No outcome = ordinary answers."""
        self.control("always", route=route, outcomes=outcomes, seed=seed)

    def clear(self, route: str | None = None) -> None:
        """Forget what is queued and standing."""
        self.control("clear", route=route)

    def left(self) -> dict[str, int]:
        """Outcomes that no request has used yet, by route."""
        return self.control("left")

    def set(self, **knobs: Any) -> None:
        """Change knobs from now on."""
        self.control("set", knobs=knobs)

    def counters(self) -> dict[str, Any]:
        """Requests by route, `answered.ROUTE`, charges, refunds, charged_usd, charges_by_key, usd_by_account,
        connections, hanging, and the service's own."""
        return self.control("counters")

    def log(self, route: str | None = None) -> list[dict[str, Any]]:
        """Every request so far, oldest first; credentials as fingerprints."""
        return self.control("log", route=route)

    def jobs(self) -> list[dict[str, Any]]:
        """Every job that the service holds, oldest first, with `ended_at` in POSIX seconds."""
        return self.control("jobs")

    def tricks(self) -> list[tuple[str, str, str]]:
        """What the knob `hostile` has done to which answer: (route, job, trick), oldest first."""
        return [tuple(entry) for entry in self.control("tricks")]

    def tell(self, job: str | None = None, outcome: str = "succeeded", error: dict[str, str] | None = None) -> int:
        """End a job (or all that are open) now; how many that were."""
        return self.control("tell", job=job, outcome=outcome, error=error)

    def release(self) -> None:
        """Let every hanging request end."""
        self.control("release")

    def expire(self) -> int:
        """Let every media URL given out so far die; how many that were."""
        return self.control("expire")

    def wait(self, counter: str, at_least: float = 1, timeout_s: float = 10.0) -> Any:
        """Until a counter is that high; ValueError with all counters when it isn't in time (of a quiet machine)."""
        timeout_s = patient(timeout_s)
        return self._call(
            {"do": "wait", "counter": counter, "at_least": at_least, "timeout_s": timeout_s}, timeout_s + 5
        )


def _process() -> subprocess.Popen[bytes]:
    """One that waits for its first service."""
    # -S -E: nothing but the standard library, so that no package's start-up work slows it or changes it.
    command = [sys.executable, "-S", "-E", "-P", "-c", CHILD, str(ROOT)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@atexit.register
def _end_resting() -> None:
    while _RESTING:
        with _RESTING.pop() as process:
            process.kill()


def child() -> None:
    """The fakes' own process: on stdin the order of a service, on stdout its port; then, at an empty line, "ended".
    It ends when stdin does, or when the parent is gone."""
    import asyncio

    parent = os.getppid()
    while first := _line(parent):
        asyncio.run(_serve(json.loads(first), parent))
        print("ended", flush=True)
    os._exit(0)


def _line(parent: int) -> bytes:
    """The next line of stdin; nothing at its end, or when the parent is gone."""
    read = bytearray()
    while not read.endswith(b"\n"):
        if not select.select([0], [], [], 1.0)[0]:
            if os.getppid() != parent:  # a forked copy of the parent may hold the pipe open
                return b""
        elif byte := os.read(0, 1):
            read += byte
        else:
            return b""
    return bytes(read)


async def _serve(order: dict[str, Any], parent: int) -> None:
    """Until there is something on stdin. Open connections are then cut off, as by any service that goes down."""
    import asyncio

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    made = importlib.import_module(f"tests.fakes.{order['service']}").SERVICE(order["config"])
    listening = await made.wire.listen(order["port"])
    loop.add_reader(0, ended.set)
    print(listening.sockets[0].getsockname()[1], flush=True)
    while not ended.is_set():
        try:
            await asyncio.wait_for(ended.wait(), 1.0)
        except TimeoutError:
            if os.getppid() != parent:
                break
    loop.remove_reader(0)
    listening.close()
    if not _line(parent):
        os._exit(0)
