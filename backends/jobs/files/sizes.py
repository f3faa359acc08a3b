"""How much of a disk files take."""

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
"""For so long a figure of a whole store is good enough for a warning: to find it anew every file is looked at."""

NOTED = ".size"


def files_of(folder: Path) -> Iterator[os.stat_result]:
    """Every file below a folder, whatever its depth; what goes meanwhile is passed over, since others work here."""
    with suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    yield from files_of(Path(entry.path))
                elif stat.S_ISREG((facts := entry.stat(follow_symlinks=False)).st_mode):
                    # On Windows a directory's own record of a file does not name it: it is asked itself.
                    yield facts if facts.st_ino else os.lstat(entry.path)


def bytes_of(folder: Path) -> int:
    """What the files below a folder take, each counted once however many names it has."""
    return sum({(facts.st_dev, facts.st_ino): facts.st_size for facts in files_of(folder)}.values())


def about_bytes_of(folder: Path, added: Path | None = None) -> int:
    """The same of a large folder, as it was some minutes ago at most. added: a folder in it that is new since.

    The figure lies in the folder itself, so that whoever asks next does not look at every file again.
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
    """(bytes, POSIX seconds) as somebody has found them within FRESH_S."""
    with suppress(OSError, ValueError, TypeError):
        size, at = json.loads((folder / NOTED).read_text("utf-8"))
        if 0.0 <= time.time() - float(at) < FRESH_S:
            return int(size), float(at)
    return None


def forget(folder: Path) -> None:
    """What was noted is no longer so: much was removed."""
    with suppress(OSError):
        (folder / NOTED).unlink(missing_ok=True)
