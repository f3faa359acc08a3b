"""A power cut, which is more than a SIGKILL: what a file system was not told to sync is gone.

SQLite runs on a layer that keeps, beside every file, its bytes as of the last sync; after a cut only those are there.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Self

import apsw

AFTER = "after-a-cut-"


def _is_after(name: str) -> bool:
    """Whether it is a file that a cut has left: what becomes of those is no matter here."""
    return Path(name).parent.name.startswith(AFTER)


class _File(apsw.VFSFile):
    def __init__(self, base: str, name: str | apsw.URIFilename | None, flags: list[int], kept: Path) -> None:
        super().__init__(base, name, flags)
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._kept = kept

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        if self._name and not _is_after(self._name):
            shutil.copyfile(self._name, self._kept / Path(self._name).name)


class Power(apsw.VFS):
    """Every database that this process opens inside `with Power(folder)` is on it. kept: an empty folder."""

    def __init__(self, kept: Path) -> None:
        self._kept = kept
        self._base = apsw.vfs_names()[0]
        super().__init__("power", self._base, makedefault=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self._base, name, flags, self._kept)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        if not _is_after(filename):
            (self._kept / Path(filename).name).unlink(missing_ok=True)

    def cut(self, database: Path) -> Path:
        """The database as the next start would find it, were the power cut now; in a folder of its own beside it."""
        after = database.with_name(f"{AFTER}{sum(1 for _ in database.parent.glob(f'{AFTER}*'))}")
        after.mkdir()
        for part in self._kept.glob(f"{database.name}*"):
            shutil.copyfile(part, after / part.name)
        return after / database.name
