"""The settings of a view, kept beside the notebook: when the same cell is run again, also in a new kernel, they are
restored.

One small JSON file per view in the notebook's `reelwright_outputs/views`, named after the view, what it shows, the
values that its call began with, and the cell (or the `name=`) that made it. Another start value in the code means
another file, so that kept settings never override the code.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends.errors import VideoError
from notebook_ext import kernel

FOLDER = "views"
LARGEST = 64 << 20
"""The most bytes of a file that is read: a brush's masks are the largest."""

_lock = threading.Lock()
_made: tuple[str, Counter[str]] = ("", Counter())
"""The run of a cell, and how many views of each kind and subject it has made."""


class Kept:
    """found: the kept settings, None for none. note: the message on the page, "" for none. lost: why the kept settings
    cannot be used, "" otherwise and once the view is set again."""

    def __init__(self, path: Path | None = None, code: str = "", found: Mapping[str, Any] | None = None) -> None:
        self._path, self._code = path, code
        self.found = found
        self.note = ""
        self.lost = ""

    @property
    def keeps(self) -> bool:
        return self._path is not None

    def restored(self, what: str) -> None:
        """The view has restored what was found."""
        self.note = f"Restored your last settings ({what}). Clear starts again."

    def unfit(self, why: str) -> None:
        """What was found cannot be used any more; the next call refuses to go on without it."""
        self.note = self.lost = f"the last settings of this view cannot be used ({why}): set it again"

    def put(self, state: Mapping[str, Any] | None) -> None:
        """Keep this from now on; None: only what the call began with is set."""
        if self.lost:
            self.note = self.lost = ""
        if self._path is None:
            return
        try:
            if state is None:
                self._path.unlink(missing_ok=True)
                self.note = ""
            else:
                _write(self._path, json.dumps({"v": 1, "code": self._code, "state": state}, separators=(",", ":")))
        except OSError as error:
            self.note = f"This is lost when the kernel ends: {self._path.parent} cannot be written ({error.strerror})."


def kept(view: str, about: Mapping[str, Any], folder: Path, name: str | None) -> Kept:
    """The kept settings of a view of this subject. about: what it shows and begins with, as JSON. folder: the
    notebook's own. name: given by the user, instead of the cell's; a view with neither keeps nothing."""
    if name is not None and not name.strip():
        raise VideoError("invalid_request", "name is a word for this view, not an empty one")
    subject = _digest(view, json.dumps(about, sort_keys=True, default=str))
    cell, text = kernel.cell()
    if name is not None:
        place, code = _digest("name", name), ""
    elif cell or text:
        number = _number(f"{view} {subject}")
        code = _digest("code", text, number)
        place = _digest("cell", cell, number) if cell else code
    else:
        return Kept()
    path = folder / FOLDER / f"{view}-{subject}-{place}.json"
    found = _read(path)
    if found is None and name is None and not cell:
        found = _of_code(path, code)
    return Kept(path, code, None if found is None else found.get("state"))


def file_digest(path: Path) -> str:
    """The sha256 of a file, which identifies a still wherever it lies."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _number(key: str) -> str:
    """The number of this view among equal views of a cell's run: "0", "1" ..."""
    global _made
    with _lock:
        if _made[0] != (run := kernel.run_id()):
            _made = (run, Counter())
        _made[1][key] += 1
        return str(_made[1][key] - 1)


def _of_code(path: Path, code: str) -> dict[str, Any] | None:
    """The newest settings kept by a cell with the same text: a run without a page (nbclient) names no cells."""
    subject = path.name.rpartition("-")[0]
    try:
        others = sorted(path.parent.glob(f"{subject}-*.json"), key=lambda other: other.stat().st_mtime_ns, reverse=True)
    except OSError:
        return None
    return next((found for other in others if (found := _read(other)) and found.get("code") == code), None)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > LARGEST:
            return None
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("v") != 1 or not isinstance(found.get("state"), dict):
        return None
    return found


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text, "utf-8")
    part.replace(path)


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]
