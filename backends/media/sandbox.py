"""Untrusted pictures and clips are decoded in a child process: warm, limited, and expendable.

A decoder that crashes, hangs or eats memory takes the child with it and nothing else. The calling process imports no
decoder at all. One child serves one call at a time; it starts at the first call and ends by itself when idle.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, cast

from backends.errors import OwnFault, VideoError
from backends.facts import MediaFacts
from backends.media.provenance.manifest import Made, Part

IDLE_S = 30.0
CHECK_S = 60.0
INSPECT_S = 180.0
SIGN_S = 300.0
END_S = 3.0  # for a child to leave after its stdin closes
_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
)
"""All of the environment that the child sees: no key ever gets there."""


class _Ended(Exception):
    """The child is gone without an answer. code: its exit code, negative for a signal."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Taken(NamedTuple):
    """A still that was taken from a clip. facts: of its PNG. note: what its user should know, "" when nothing."""

    facts: MediaFacts
    note: str


class Sandbox:
    """Decoding at arm's length; thread-safe, calls are served in turn.

    log: a file for what the decoders print (thrown away without one). idle_s: seconds after which an unused child
    ends by itself. check_s, inspect_s: seconds after which a call is given up and its child killed.
    Every method raises VideoError("asset") for input that cannot be used, with the words of the module that does the
    work, and OwnFault where this program failed, which is no fault of the file: a call that a library no longer
    takes, a decoder that its build lacks, memory, a child that cannot be started. A child that crashes or hangs may
    be either's fault; it is told as the file's, and the next call gets a new child.
    """

    def __init__(
        self,
        log: Path | None = None,
        *,
        idle_s: float = IDLE_S,
        check_s: float = CHECK_S,
        inspect_s: float = INSPECT_S,
    ) -> None:
        self._log = log
        self._idle_s = idle_s
        self._check_s = check_s
        self._inspect_s = inspect_s
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def check(self, path: Path, *, sound: bool = False) -> MediaFacts:
        """What the image or clip is, decoded as a proof (an image in full, a clip's first frame). sound: a sound file
        or a clip with sound is wanted instead."""
        return _facts(self._call("check", self._check_s, path=path, sound=sound))

    def heard_until(self, path: Path, most_s: float) -> float:
        """Seconds of a sound up to the last that is heard, of its first `most_s`; 0 in silence."""
        return float(self._call("heard", self._check_s, path=path, most_s=most_s)["seconds"])

    def still(self, path: Path, part: Literal["last_frame", "frame"], t: float, dest_png: Path) -> Taken:
        """Write the last frame, or the one shown at `t` seconds, as a PNG."""
        taken = self._call("still", self._inspect_s, path=path, part=part, t=t, dest=dest_png)
        return Taken(_facts(taken["facts"]), taken["note"])

    def poster(self, path: Path, dest_jpg: Path, t: float | None = None) -> None:
        """Write a picture that stands for the clip, or a small one of the frame shown at `t` seconds."""
        self._call("poster", self._check_s, path=path, dest=dest_jpg, t=t)

    def inspect(self, path: Path, frames: int, dest_jpg: Path, against: Path | None = None) -> dict[str, Any]:
        """For a clip: `facts`, `measures` (see `measure`), `times` (of the sheet's frames), `sheet` (the path of a
        contact sheet of at most 150 KB). For a still: `facts` and `sheet`, which is its coordinate grid.

        against: another clip; then `against` holds its facts, measures and times, the sheet shows both, and `pair` is
        what `difference` says of their first frames, their last frames, and this one's last and the other's first."""
        result = self._call("inspect", self._inspect_s, path=path, frames=frames, dest=dest_jpg, against=against)
        if against is not None:
            result["against"] = {**result["against"], "facts": _facts(result["against"]["facts"])}
        return {**result, "facts": _facts(result["facts"])}

    def sign(
        self, clip: Path, dest: Path, made: Made, parts: Sequence[Part], keys: Mapping[str, str]
    ) -> dict[str, Any]:
        """Write the signed copy of a clip to dest, or its manifest alone where the format cannot hold one (`embedded`
        says which); `source`: what was claimed to have made it. keys: see `signing.credential`. The keys are read by
        the child: they never pass through here.

        VideoError("auth") also for a certificate that cannot be used.
        """
        listed = [asdict(part) for part in parts]
        return self._call("sign", SIGN_S, path=clip, dest=dest, made=asdict(made), parts=listed, keys=dict(keys))

    def provenance(self, path: Path, sidecar: Path | None, anchors: Sequence[Path]) -> dict[str, Any]:
        """What a file claims of its origin, and whether it still is what was signed; see `reading.read`."""
        known = [str(anchor) for anchor in anchors]
        return self._call("provenance", self._inspect_s, path=path, sidecar=sidecar, anchors=known)

    def close(self) -> None:
        """End the child. The sandbox can be used again: a new child starts."""
        with self._lock:
            child, self._child = self._child, None
            if child is not None:
                child.end()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        child = self._child
        return child.process.pid if child is not None and child.process.poll() is None else None

    def _call(self, name: str, timeout_s: float, **arguments: object) -> dict[str, Any]:
        request = {"call": name} | {
            key: str(value.absolute()) if isinstance(value, Path) else value for key, value in arguments.items()
        }
        with self._lock:
            try:
                return self._ask(request, timeout_s)
            except _Ended as ended:
                if ended.code == 0:  # it left for idleness just as this call came
                    try:
                        return self._ask(request, timeout_s)
                    except _Ended as again:
                        ended = again
                raise _crashed(ended.code) from None

    def _ask(self, request: Mapping[str, object], timeout_s: float) -> dict[str, Any]:
        child = self._child
        if child is not None and child.process.poll() is not None:
            child.end()
            child = None
        if child is None:
            child = self._child = _Child(self._log, self._idle_s)
        try:
            reply = child.ask(request, timeout_s)
        except TimeoutError:
            self._child = None
            child.kill()
            raise VideoError(
                "asset",
                f"decoding the file took longer than {timeout_s:g} s and was stopped: give a shorter or smaller one",
            ) from None
        except BaseException:
            self._child = None
            child.kill()
            raise
        if "own_fault" in reply:
            raise OwnFault(reply["own_fault"])
        if "error" in reply:
            raise VideoError.from_json(reply["error"])
        return reply["ok"]


class _Child:
    """The process, and a thread that reads its answers and reaps it."""

    def __init__(self, log: Path | None, idle_s: float) -> None:
        errors = log.open("ab") if log is not None else None
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "backends.media.sandbox_child", f"{idle_s:g}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors if errors is not None else subprocess.DEVNULL,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | _QUIET,
                start_new_session=True,  # a Ctrl-C at the terminal is not for the child
            )
        except OSError as error:
            raise OwnFault(
                f"no process for decoding can be started ({error.strerror}), which is no fault of the file: close "
                "other programs and try again"
            ) from None
        finally:
            if errors is not None:
                errors.close()
        self._stdin = cast("BinaryIO", self.process.stdin)
        self._replies: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="sandbox-reader", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with cast("BinaryIO", self.process.stdout) as replies:
            for line in replies:
                self._replies.put(line)
        self.process.wait()
        self._replies.put(None)

    def ask(self, request: Mapping[str, object], timeout_s: float) -> dict[str, Any]:
        with suppress(OSError):  # it is gone; the reader knows why
            self._stdin.write(json.dumps(request).encode() + b"\n")
            self._stdin.flush()
        try:
            line = self._replies.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None
        if line is None:
            raise _Ended(self.process.wait())
        return json.loads(line)

    def end(self) -> None:
        """Let it leave, or kill it."""
        with suppress(OSError):
            self._stdin.close()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._reader.join()

    def kill(self) -> None:
        self.process.kill()
        self.end()


_QUIET = {
    # Decoders and BLAS keep threads and arenas for every core: within a limit on address space that matters.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def _facts(record: Mapping[str, Any]) -> MediaFacts:
    return MediaFacts(**record)


def _crashed(code: int) -> VideoError:
    if code >= 0:  # no signal: the interpreter itself gave up, as when a module of ours cannot be imported
        return OwnFault(
            f"the process for decoding ended by itself (code {code}) before it answered, which is no fault of the "
            "file: update Reelwright (pip install -U reelwright), see reelwright doctor"
        )
    return VideoError(
        "asset",
        f"decoding the file ended its process (code {code}), so it is damaged or hostile: export it again, as H.264 "
        "MP4 or PNG",
    )
