"""How much disk space files take."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from backends.jobs.files.copies import write_whole
from backends.jobs.files.private import private_folder

FRESH_S = 600.0
"""Seconds for which a store's total is good enough for a warning: measuring it again means visiting every file."""

NOTED = ".size"


def files_of(folder: Path) -> Iterator[os.stat_result]:
    """Every file below a folder, at any depth; files that others remove meanwhile are skipped."""
    with suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    yield from files_of(Path(entry.path))
                elif stat.S_ISREG((facts := entry.stat(follow_symlinks=False)).st_mode):
                    # On Windows a directory entry lacks these facts, so the file itself is asked.
                    yield facts if facts.st_ino else os.lstat(entry.path)


def bytes_of(folder: Path) -> int:
    """The bytes that files below a folder take; a file with several names counts once."""
    return sum({(facts.st_dev, facts.st_ino): facts.st_size for facts in files_of(folder)}.values())


def about_bytes_of(folder: Path, added: Path | None = None) -> int:
    """The same for a large folder, at most some minutes old. added: a new folder in it to add.

    The figure is kept in the folder itself, so that the next caller need not visit every file.
    """
    known = _noted(folder)
    if known is None:
        size, at = bytes_of(folder), time.time()
    elif added is None:
        return known[0]
    else:
        size, at = known[0] + bytes_of(added), known[1]
    with suppress(OSError):
        private_folder(folder)
        write_whole(folder / NOTED, json.dumps([size, at]).encode())
    return size


def _noted(folder: Path) -> tuple[int, float] | None:
    """(bytes, POSIX seconds) of a figure that is at most FRESH_S old."""
    with suppress(OSError, ValueError, TypeError):
        size, at = json.loads((folder / NOTED).read_text("utf-8"))
        if 0.0 <= time.time() - float(at) < FRESH_S:
            return int(size), float(at)
    return None


def forget(folder: Path) -> None:
    """Drop the kept figure, since much was removed."""
    with suppress(OSError):
        (folder / NOTED).unlink(missing_ok=True)
