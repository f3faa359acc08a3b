"""What runs on a machine of the cluster: an engine's process, as Ray's actor, and the question whether it can.

It is the same code as in a child process on one machine (`engine_child`), with calls in place of pipes. Each machine
has its own environment: its weights, its settings. Inputs come, and clips go, as chunks of bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO, cast

from backends.errors import VideoError
from backends.jobs.context import program_version
from backends.jobs.run import engine_child
from backends.jobs.run.on_ray.files import outgoing
from backends.provider import on_ray
from backends.provider.protocol import JsonObject
from backends.provider.registry import registered

DEVICE = "REELWRIGHT_LOCAL_DEVICE"


def lacks(provider: str, model: str, wire: JsonObject, version: str) -> str:
    """Why this machine cannot run a model, "" when it can. version: of the program that asks."""
    if (own := program_version()) != version:
        return f"it has reelwright {own}, this is {version}: install the same"
    env = _own_environment()
    try:
        registration = registered(provider)
        trouble = registration.access(env).trouble
        return trouble or (registration.lacks and registration.lacks(env, (wire,), model)) or ""
    except VideoError as error:
        return error.message


def _own_environment() -> dict[str, str]:
    """This machine's, whose engines use its own cards."""
    return {name: value for name, value in os.environ.items() if name != on_ray.SETTING}


def present() -> bool:
    """Whether this machine is there: it is, where it answers."""
    return True


class Engine:
    """One engine's process. gpus: the numbers of its cards, as the driver counts them; None = what Ray gave it. root:
    where the folders of such processes lie."""

    def __init__(self, gpus: list[str] | None = None, root: Path | None = None) -> None:
        if gpus is None:
            gpus = [str(number) for number in import_module("ray").get_gpu_ids()]
        os.environ.pop(on_ray.SETTING, None)
        if gpus and os.environ.get(DEVICE) != "cpu":
            os.environ[DEVICE] = gpus[0]
        self._place = {"host": socket.gethostname(), "gpu": gpus[0] if gpus else ""}
        self._folder = _own_folder(root or Path(tempfile.gettempdir()) / f"reelwright-ray-{os.getuid()}")
        self._stop = threading.Event()
        self._orders: queue.Queue[str] = queue.Queue()
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        orders: Iterable[str] = iter(self._orders.get, "")
        try:
            engine_child.serve(cast(TextIO, orders), cast(TextIO, self), self._stop)
        finally:
            self._lines.put(None)

    def hello(self) -> bool:
        """The answer to the first call: it has started."""
        return True

    # standard output, as `engine_child` sees it

    def write(self, text: str) -> None:
        message: dict[str, Any] = json.loads(text)
        if output := message.get("output"):
            output["facts"] = {**output["facts"], "ray": self._place}
            message["files"] = outgoing(output, self._folder / "dest")
        self._lines.put(json.dumps(message))

    def flush(self) -> None: ...

    # calls

    def line(self) -> str | None:
        """The next line, once there is one; None when the engine has ended."""
        return self._lines.get()

    def send(self, order: JsonObject) -> None:
        """An order whose inputs are here, or {"stop"}."""
        if "stop" in order:
            self._stop.set()
        else:
            dest = self._folder / "dest"
            shutil.rmtree(dest, ignore_errors=True)
            dest.mkdir()
            for asset in order["prepared"]["assets"].values():
                asset["path"] = str(self._input(asset["sha256"], Path(asset["path"]).suffix))
            order = {**order, "dest": str(dest)}
        self._orders.put(json.dumps(order))

    def _input(self, sha256: str, suffix: str) -> Path:
        return self._folder / "inputs" / f"{sha256}{suffix}"

    def has(self, sha256: str, suffix: str) -> bool:
        return self._input(sha256, suffix).exists()

    def put(self, sha256: str, suffix: str, chunk: bytes) -> bool:
        """The next bytes of an input, b"" at its end; False when it is not what was announced."""
        target = self._input(sha256, suffix)
        part = target.with_name(f"{target.name}.part")
        if chunk:
            with part.open("ab") as file:
                file.write(chunk)
            return True
        part.touch()
        with part.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == sha256
        if same:
            part.replace(target)
        else:
            part.unlink()
        return same

    def chunk(self, name: str, offset: int, size: int) -> bytes:
        """Bytes of a file that the engine has made."""
        with (self._folder / "dest" / name).open("rb") as file:
            file.seek(offset)
            return file.read(size)


def _own_folder(root: Path) -> Path:
    """A folder for this process alone; those of processes that are gone are removed."""
    root.mkdir(mode=0o700, exist_ok=True)
    if root.stat().st_uid != os.getuid():
        raise PermissionError(f"{root} belongs to somebody else")
    for old in root.iterdir():
        if old.name.isdecimal() and not _lives(int(old.name)):
            shutil.rmtree(old, ignore_errors=True)
    own = root / str(os.getpid())
    shutil.rmtree(own, ignore_errors=True)
    (own / "inputs").mkdir(parents=True)
    return own


def _lives(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
