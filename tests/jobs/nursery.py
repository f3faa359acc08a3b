"""Real workers in a hundredth of the time: a process that has imported everything forks one for each order.

Each is a process of its own, with its own environment and crash plan, that runs the worker's real `main`; a kill is a
real SIGKILL. What it saves is only the imports, the worker's own and its decoder's (see `decoder`). Starting workers as
clients do is tested in `test_jobs_launch`.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, cast

from backends.jobs.lanes.process import ProcessId, is_alive, start_time, this_process
from tests.fakes import PLUGIN
from tests.jobs import decoder
from tests.jobs.station import CATALOG, TINY
from tests.patience import patient

ROOT = Path(__file__).resolve().parents[2]
WORKING = (
    *("backends.jobs.run.worker_loop", "backends.comfyui.servers"),
    *("anyio._backends._asyncio", "h11", "httpcore._async.http11", "httpcore._backends.anyio"),
)
"""What a worker imports sooner or later."""


class Nursery:
    """Forks workers and reaps them. It comes up with the first order."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._env = {**os.environ, **decoder.QUIET}
        self._turn = threading.Lock()
        self._mother: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def _start(self) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join(map(str, (ROOT, PLUGIN, TINY)))
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.jobs.nursery"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._env | {"PYTHONPATH": paths},
            )

    def __exit__(self, *_: object) -> None:
        if self._mother is not None:
            assert self._mother.stdin is not None and self._mother.stdout is not None
            self._mother.stdin.close()
            self._mother.wait(patient(10))
            self._mother.stdout.close()

    def _ask(self, **order: Any) -> int:
        with self._turn:
            mother = self._mother = self._mother or self._start()
            assert mother.stdin is not None and mother.stdout is not None
            mother.stdin.write(json.dumps(order).encode() + b"\n")
            mother.stdin.flush()
            answer = mother.stdout.readline()
        assert answer, "the nursery has ended: see its log"
        return int(answer)

    def worker(self, env: Mapping[str, str], crash: str = "", *, stay: bool = False) -> ProcessId:
        """A worker that runs by now. crash: a crash point with its number ("after-post:1"). stay: as with --stay."""
        pid = self._ask(env={**env, "REELWRIGHT_CRASH": crash}, stay=stay)
        return ProcessId(pid, start_time(pid) or 0.0, this_process().boot_id)

    def ended(self, worker: ProcessId) -> int:
        """Wait for it; its exit code, negative for a signal: one that never ends is killed, and its test fails."""
        alarm = threading.Timer(patient(60), lambda: os.kill(worker.pid, signal.SIGKILL))
        alarm.start()
        try:
            return self._ask(wait=worker.pid)
        finally:
            alarm.cancel()


class Started:
    """A worker that a client in this process has started, forked: as much of its `subprocess.Popen` as is used."""

    def __init__(self, nursery: Nursery, env: Mapping[str, str]) -> None:
        self._worker = nursery.worker(env, env.get("REELWRIGHT_CRASH", ""))

    def poll(self) -> int | None:
        return None if is_alive(self._worker) else 0


def _become(env: dict[str, str], stay: bool) -> None:
    """In the forked child: the worker, with the environment that it would have been started with."""
    from backends.jobs import context, crashpoints
    from backends.jobs.run import worker
    from backends.jobs.run.worker_loop import Duty

    null = os.open(os.devnull, os.O_RDWR)
    home = Path(env["REELWRIGHT_HOME"])
    (home / "logs").mkdir(parents=True, exist_ok=True)
    log = os.open(home / "logs" / "worker.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(env)
    importlib.reload(crashpoints)  # it reads its plan from the environment, as in a process that starts
    decoding = decoder.beside()
    context.Sandbox = lambda: decoding
    worker.main(Duty(stay=stay))


def main() -> None:
    from backends.catalog.loader import load
    from backends.provider.registry import registered

    os.setsid()
    for name in WORKING:
        importlib.import_module(name)
    env = {"PAID_API_KEY": "none", "PAID_BASE_URL": "http://127.0.0.1:9"}
    registered("paid").open(env, env["PAID_BASE_URL"])  # the heavy imports of the back end and its client
    load([CATALOG])
    decoder.ready()
    for line in sys.stdin:
        order = cast("dict[str, Any]", json.loads(line))
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        pid = os.fork()
        if not pid:
            code = 1
            try:
                os.setsid()
                _become(order["env"], order["stay"])
                code = 0
            except SystemExit as left:
                code = int(left.code or 0)
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
