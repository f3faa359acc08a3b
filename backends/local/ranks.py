"""The processes that work on one clip together, seen from the first of them: it starts them, and tells them each job.

All of them run the whole pipeline with the same seed; the first saves the clip. They are in step only as long as
nothing goes wrong in any: after a failure or a cancel the group is over.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import IO, Any, Generic, TypeVar, cast

from backends.errors import VideoError
from backends.local import parallel
from backends.local.memory import Plan
from backends.provider.protocol import DeviceLost, Prepared, Progress, RunAgain, Stopped

T = TypeVar("T")

SEEN_S = 5.0
"""How long an end that has been felt (a broken connection) may take to be seen."""


class OutOfMemory(Exception):
    """The memory of another process' card has run out."""


@dataclass(frozen=True)
class Order:
    """One job for a process. device: torch's name of its card. port: where rank 0 listens."""

    rank: int
    world: int
    device: str
    port: int
    prepared: Prepared
    plan: Plan
    seed: int


@dataclass
class _Ended:
    """A process that has ended, with its last words."""

    rank: int
    pid: int
    code: int
    said: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class _Made(Generic[T]):
    value: T


class Ranks:
    """The other processes of a group of `world`; on a processor, or on cards 0 to world - 1 of those that are
    visible."""

    def __init__(self, world: int, device: str) -> None:
        for name, value in parallel.interfaces(sys.platform).items():
            os.environ.setdefault(name, value)
        self.world = world
        self._device = device
        self._listening = parallel.listener()
        self._port = int(self._listening.getsockname()[1])
        self._joined = False
        self._over = False
        self._heard: SimpleQueue[object] = SimpleQueue()
        self._processes = [self._started(rank) for rank in range(1, world)]

    def _started(self, rank: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "backends.local.rank"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        threading.Thread(target=self._watch, args=(rank, process), daemon=True).start()
        return process

    def _watch(self, rank: int, process: subprocess.Popen[bytes]) -> None:
        said: dict[str, Any] = {}
        with cast(IO[bytes], process.stdout) as told:
            for line in told:
                said = json.loads(line)
        self._heard.put(_Ended(rank, process.pid, process.wait(), said))

    @property
    def is_whole(self) -> bool:
        """Whether all of them live and are in step."""
        return not self._over and self._heard.empty()

    def run(self, prepared: Prepared, plan: Plan, seed: int, work: Callable[[Progress], T], progress: Progress) -> T:
        """Let all of them do a job, the first one `work`, which gets the progress to report to.

        Whatever is raised, the group is over, and its processes have ended. VideoError for a process that has ended;
        DeviceLost, OutOfMemory where it said so; RunAgain for one that had ended before this job came.
        """
        try:
            self._tell(prepared, plan, seed)
            threading.Thread(target=self._work, args=(work, self._reporting(progress)), daemon=True).start()
            heard = self._heard.get()
            if isinstance(heard, _Made):
                return cast("_Made[T]", heard).value
            raise self._reason(heard)
        except BaseException:
            self.close()
            raise

    def join(self) -> None:
        """Wait for the others, in `work` before it needs them; where they are together already it does nothing."""
        if not self._joined:
            parallel.join(0, self.world, self._device, self._port, self._listening)
            self._joined = True

    def _tell(self, prepared: Prepared, plan: Plan, seed: int) -> None:
        for rank, process in enumerate(self._processes, 1):
            device = self._device if self._device == "cpu" else f"cuda:{rank}"
            order = Order(rank, self.world, device, self._port, prepared, plan, seed)
            with suppress(BrokenPipeError):  # it has ended, and that is heard
                pickle.dump(order, cast(IO[bytes], process.stdin))
                cast(IO[bytes], process.stdin).flush()

    def _reporting(self, progress: Progress) -> Progress:
        def report(done: float, phase: str) -> None:
            if self._over:  # nobody waits for this any more
                raise Stopped
            progress(done, phase)

        return report

    def _work(self, work: Callable[[Progress], T], progress: Progress) -> None:
        """In a thread of its own: a card waits for ever for another whose process is gone."""
        try:
            self._heard.put(_Made(work(progress)))
        except BaseException as error:
            self._heard.put(error)

    def _reason(self, heard: object) -> BaseException:
        """What to raise: another process' end rather than what this one felt of it."""
        if isinstance(heard, Exception) and not isinstance(heard, VideoError):
            with suppress(Empty):
                heard = self._heard.get(timeout=SEEN_S)
        if not isinstance(heard, _Ended):
            return cast(BaseException, heard)
        if "error" in heard.said:
            return VideoError.from_json(heard.said["error"])
        if "lost" in heard.said:
            return DeviceLost(heard.said["lost"])
        if "memory" in heard.said:
            return OutOfMemory(heard.said["memory"])
        if self._joined and not heard.said:
            return RunAgain("a process of the job before had ended", {})
        how = signal.Signals(-heard.code).name if heard.code < 0 else f"status {heard.code}"
        text = f"process {heard.rank + 1} of the {self.world} that make this clip together (pid {heard.pid}) has ended"
        return VideoError("provider", f"{text} ({how}): see the worker's log, and the system's if memory has run out")

    def close(self) -> None:
        """End the other processes."""
        self._over = True
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
            with suppress(BrokenPipeError):
                cast(IO[bytes], process.stdin).close()
        self._listening.close()
