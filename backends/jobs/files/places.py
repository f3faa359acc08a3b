"""Rows hold names of files, never their location: so a data folder can be moved, and another machine can read the rows.

In memory every file is a full path; in a row (`inputs`, `result`) it is one of

    (left out)              an input: its hash beside it gives its location
    jobs/JOB/clip.mp4       a file of the store, below its folder `artifacts`
    @ab12cd34ef56/NAME      a file outside of it; the letters stand for its folder, whose path lies in `folders/` of
                            this machine's data folder. Elsewhere it is unknown, and the file counts as missing

Rows of earlier versions hold full paths, which are used as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from backends.jobs.files.copies import write_whole
from backends.jobs.files.private import private_folder
from backends.jobs.store.database import Row, Store, to_json
from backends.provider.protocol import JsonObject

FOLDERS = "folders"
OUTSIDE = re.compile(r"@([0-9a-f]{12})/([^/]+)")

_FILES = frozenset({"path", "file", "poster", "export", "published", "sidecar"})
_LISTS = frozenset({"extras"})
_WITH_FILES = frozenset({"files", "output", "signed", "arrived"})
"""The keys of a result that name a file, several files, or records with files. All other keys belong to the engine."""


@dataclass(frozen=True)
class Places:
    """root: the folder `artifacts` of a data folder."""

    root: Path

    @classmethod
    def of(cls, store: Store) -> Places:
        """Those of the data folder that a store lies in."""
        return cls(store.home / "artifacts")

    @property
    def folders(self) -> Path:
        return self.root.parent / FOLDERS

    # inputs

    def entries(self, entries: Mapping[str, JsonObject]) -> dict[str, JsonObject]:
        """The inputs of a row, with their paths."""
        return {place: self._entry(entry) for place, entry in entries.items()}

    def inputs_of(self, row: Row) -> dict[str, JsonObject]:
        """A job's inputs by place, with their paths."""
        return self.entries(json.loads(row["inputs"]))

    def _entry(self, entry: JsonObject) -> JsonObject:
        entry = dict(entry)
        if "sha256" in entry and "path" not in entry:
            entry["path"] = str(self.blob(entry["sha256"]))
        if "still_of" in entry:
            entry["still_of"] = self._entry(entry["still_of"])
        return entry

    def blob(self, sha256: str) -> Path:
        """The path of an input."""
        return self.root / "blobs" / sha256[:2] / sha256

    # results

    def result_of(self, row: Row) -> JsonObject:
        """What a job has made so far, with paths; {} while there is nothing."""
        result = cast("JsonObject", json.loads(row["result"])) if row["result"] else {}
        return _changed(result, self._path)

    def result_to_row(self, result: Mapping[str, Any]) -> str:
        """A result in the form that its row holds."""
        return to_json(_changed(result, self.name))

    def name(self, path: str) -> str:
        """The name of a file in a row. Remembers the folder of a file outside the store."""
        whole = Path(path)
        if not whole.is_absolute():
            return path
        if whole.is_relative_to(self.root):
            return whole.relative_to(self.root).as_posix()
        name = self.outside(whole)
        self._remember(name, whole.parent)
        return name

    def outside(self, path: Path) -> str:
        """The name in a row of a file outside the store."""
        return f"@{hashlib.sha256(str(path.parent).encode()).hexdigest()[:12]}/{path.name}"

    def _remember(self, name: str, folder: Path) -> None:
        known = self.folders / name[1:13]
        if not known.exists():
            private_folder(self.folders)
            write_whole(known, str(folder).encode())

    def _path(self, name: str) -> str | None:
        """The path of a file that a row names; None where this machine does not know its folder."""
        if (outside := OUTSIDE.fullmatch(name)) is not None:
            known = self.folders / outside[1]
            return str(Path(known.read_text("utf-8")) / outside[2]) if known.exists() else None
        parts = PurePosixPath(name)
        if Path(name).is_absolute() or ".." in parts.parts:
            return name
        return str(self.root.joinpath(*parts.parts))


def inputs_to_row(entries: Mapping[str, JsonObject]) -> str:
    """A job's inputs in the form that its row holds."""
    return to_json({place: _without_path(entry) for place, entry in entries.items()})


def _without_path(entry: JsonObject) -> JsonObject:
    kept: JsonObject = {name: value for name, value in entry.items() if name != "path" or "sha256" not in entry}
    if "still_of" in kept:
        kept["still_of"] = _without_path(kept["still_of"])
    return kept


def _changed(record: Mapping[str, Any], change: Callable[[str], str | None]) -> JsonObject:
    """The record with each file renamed by `change`; a file that becomes None is left out."""
    found: JsonObject = {}
    for key, value in record.items():
        if key in _FILES and isinstance(value, str) and value:
            if (name := change(value)) is not None:
                found[key] = name
        elif key in _LISTS and isinstance(value, list):
            names = [change(str(one)) for one in cast("list[object]", value)]
            found[key] = [name for name in names if name is not None]
        elif key in _WITH_FILES and isinstance(value, dict):
            found[key] = _changed(cast("JsonObject", value), change)
        elif key == "files" and isinstance(value, list):
            found[key] = [_changed(cast("JsonObject", one), change) for one in cast("list[object]", value)]
        else:
            found[key] = value
    return found
