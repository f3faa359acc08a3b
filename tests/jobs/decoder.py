"""The decoder of a forked worker, forked beside it: what the nursery saves of a worker's imports, this saves of its
decoder's, which take as long.

It runs the decoder's real `main`, behind pipes of its own, within its limits and its environment. Workers that clients
start, and the tests of tests/media, start decoders as the program does.
"""

from __future__ import annotations

import importlib
import os
import queue
import subprocess
import threading
import time
import traceback
from collections.abc import Callable
from typing import cast

from backends.media import sandbox
from backends.media.sandbox import Sandbox

QUIET = {name: sandbox._QUIET[name] for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX")}
"""What the libraries read of the environment when they are imported: it must hold in the process that forks."""

DECODING = (
    *(f"backends.media.{name}" for name in ("hear", "images", "look", "poster", "probe", "stills")),
    *("backends.media.provenance.reading", "backends.media.provenance.signing"),
    *("av.subtitles.stream", "c2pa", "cryptography.hazmat.backends.openssl.backend", "cv2", "PIL.ImageSequence"),
)


def ready() -> None:
    """Import what decoding, drawing and signing import."""
    from PIL import Image

    for name in DECODING:
        importlib.import_module(name)
    Image.preinit()


def beside() -> Sandbox:
    """A sandbox whose first child runs already, forked from this process: call it before any thread starts."""
    made = Sandbox()
    made._child = _Beside(_Forked(_decode))
    return made


def _decode() -> None:
    from backends.media import sandbox_child

    kept = {name: os.environ[name] for name in sandbox._ENVIRONMENT if name in os.environ}
    os.environ.clear()
    os.environ.update(kept | sandbox._QUIET)
    sandbox_child.main(sandbox.IDLE_S)


class _Forked:
    """A forked process with pipes for its stdin and stdout: as much of `subprocess.Popen` as a sandbox uses."""

    def __init__(self, run: Callable[[], None]) -> None:
        requests, to = os.pipe()
        of, replies = os.pipe()
        self.returncode: int | None = None
        self._lock = threading.Lock()
        self.pid = os.fork()
        if not self.pid:
            try:
                os.setsid()
                os.dup2(requests, 0)
                os.dup2(replies, 1)
                for pipe in (requests, to, of, replies):
                    os.close(pipe)
                run()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(requests)
        os.close(replies)
        self.stdin, self.stdout = os.fdopen(to, "wb"), os.fdopen(of, "rb")

    def poll(self) -> int | None:
        with self._lock:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("the forked decoder", timeout or 0)
            time.sleep(0.002)
        return code

    def kill(self) -> None:
        with self._lock:
            if self.returncode is None:
                os.kill(self.pid, 9)


class _Beside(sandbox._Child):
    """Over a process that is there already."""

    def __init__(self, process: _Forked) -> None:
        self.process = cast("subprocess.Popen[bytes]", process)
        self._stdin = process.stdin
        self._replies: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
