"""sha256 of files, remembered while a file stays what it was, so that gigabytes are not read again at every call."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import BinaryIO

SETTLED_NS = 2_000_000_000
"""A file that was changed less than this ago is read again: its clock may be too coarse to show one more change."""

CHUNK = 1 << 20
MOST = 4096

_Stamp = tuple[int, int, int, int, int]
_known: dict[_Stamp, str] = {}


def sha256_of(file: BinaryIO) -> str:
    """Of the whole open file, which is left at its start. OSError from the disk.

    Remembered in this process by device, inode, size and both times: the time of the last change of the inode cannot
    be set back by anybody, so a file whose time of writing was put back is read again.
    """
    facts = os.fstat(file.fileno())
    stamp = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    if (known := _known.get(stamp)) is not None:
        return known
    file.seek(0)
    found = _digest(file)
    file.seek(0)
    if time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns) > SETTLED_NS:
        while len(_known) >= MOST:
            _known.pop(next(iter(_known)), None)
        _known[stamp] = found
    return found


def sha256_now(path: Path) -> str:
    """Of what lies on the disk now, read again whatever is remembered: for a check of the disk itself. OSError."""
    with path.open("rb") as file:
        return _digest(file)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def is_intact(path: Path, sha256: str) -> bool:
    """Whether the file is there and holds exactly the bytes of that hash."""
    try:
        with path.open("rb") as file:
            return sha256_of(file) == sha256
    except FileNotFoundError:
        return False
