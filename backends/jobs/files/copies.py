"""Copies of files that share no bytes with the original: by reflink where the file system can, else read and written. A
hard link would not do: whoever writes to one name would change the other."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import BinaryIO

from backends.jobs.files.private import new_private_file

CHUNK = 1 << 20
FICLONE = 0x40049409
"""Linux ioctl: share another file's bytes until either file is written to (btrfs, XFS, bcachefs)."""

KEPT = 0o400


def fill(source: BinaryIO, target: BinaryIO) -> None:
    """Copy one open file into another, empty one, and flush it to disk. OSError from the disk."""
    if not _reflinked(source, target):
        source.seek(0)
        shutil.copyfileobj(source, target, CHUNK)
    target.flush()
    os.fsync(target.fileno())


def _reflinked(source: BinaryIO, target: BinaryIO) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
    except OSError:  # another file system, or one without reflinks
        return False
    return True


def copy_new(source: Path, target: Path) -> bool:
    """Copy for the user, with usual file permissions, complete or not at all; False when the name is taken."""
    temporary = part_beside(target)
    try:
        with source.open("rb") as read, temporary.open("xb") as write:
            fill(read, write)
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links: only this check protects another's file
            if target.exists():
                return False
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def replace_by_copy(source: Path, target: Path) -> None:
    """Replace a hard link by a copy of its bytes."""
    temporary = part_beside(target)
    try:
        with source.open("rb") as read, temporary.open("xb") as write:
            fill(read, write)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def keep_copy(source: Path, target: Path) -> None:
    """A private, read-only copy at a new name in the store."""
    with source.open("rb") as read:
        keep_open(read, target)


def keep_open(source: BinaryIO, target: Path) -> None:
    """The same for an open file."""
    with new_private_file(target) as write:
        fill(source, write)
    target.chmod(KEPT)


def flush(path: Path) -> None:
    """Flush the file to disk. It may be read-only already, when a process died just before its rename."""
    writable = os.name == "nt"  # the only call that flushes to the device there
    if writable:
        path.chmod(0o600)
    with path.open("rb+" if writable else "rb") as file:
        os.fsync(file.fileno())


def part_beside(target: Path) -> Path:
    return target.with_name(f".{secrets.token_hex(8)}.part")


def write_whole(target: Path, content: bytes) -> None:
    """A private file with this content: readers see the old content or the new, never a part."""
    temporary = part_beside(target)
    with new_private_file(temporary) as file:
        file.write(content)
    put_in_place(temporary, target)


def put_in_place(temporary: Path, target: Path) -> None:
    """Rename over whatever is there. Windows refuses that over a read-only file, so it is made writable first."""
    if os.name == "nt" and target.exists():
        target.chmod(0o600)
    temporary.replace(target)


def remove_kept(path: Path) -> None:
    """Remove a read-only file of the store, which Windows would refuse; a missing one is fine."""
    if os.name == "nt" and path.exists():
        path.chmod(0o600)
    path.unlink(missing_ok=True)
