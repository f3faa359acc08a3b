"""Where a store may lie. SQLite's WAL and the kernel's file locks are unsafe on network file systems, and a container's
own layer is deleted with it: paid work is refused in both. A file system in memory loses everything at a restart: paid
work goes on there, with a warning."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from backends.errors import VideoError

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "afs", "ceph", "lustre", "glusterfs", "sshfs")
MEMORY = ("tmpfs", "ramfs")
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
MOUNTS = Path("/proc/self/mountinfo")

_ESCAPE = re.compile(rb"\\([0-7]{3})")


def file_system(path: Path, mounts: Path = MOUNTS) -> str:
    """The type of the file system that holds `path` ("ext4", "nfs4", "fuse.sshfs"); "" where it is not known."""
    try:
        listed = mounts.read_bytes()
    except OSError:
        return ""
    return _kind(listed, os.path.realpath(path))


@lru_cache(16)
def _kind(listed: bytes, place: str) -> str:
    """The same from the kernel's list as it was read: every submit needs it."""
    best, kind = "", ""
    for line in listed.splitlines():
        left, _, right = line.partition(b" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        point = _mount_point(fields[4])
        inside = place == point or place.startswith(point.rstrip("/") + "/") or point == "/"
        if inside and len(point) >= len(best):
            best, kind = point, right.split()[0].decode(errors="replace")
    return kind


def _mount_point(field: bytes) -> str:
    """Undo the kernel's escapes: bytes of a path, blanks, tabs, line breaks and backslashes as three octal digits."""
    return os.fsdecode(_ESCAPE.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), field))


def why_unsafe(home: Path, mounts: Path = MOUNTS) -> str:
    """Why paid work is refused with this data folder, "" when it is safe."""
    return _unsafe(home, file_system(home, mounts))


def _unsafe(home: Path, kind: str) -> str:
    if kind in NETWORK or kind.startswith("fuse"):
        return (
            f"the data folder {home} lies on a network file system ({kind}), where two machines could pay for the same "
            "job: set REELWRIGHT_HOME to a folder on a local disk"
        )
    if kind in ("overlay", "aufs") and any(mark.exists() for mark in CONTAINER_MARKS):
        return (
            f"the data folder {home} lies in the container's own layer and vanishes with it: mount a volume and set "
            "REELWRIGHT_HOME to it"
        )
    return ""


def why_lost(home: Path, mounts: Path = MOUNTS) -> str:
    """The warning for a data folder that is lost at the next restart, "" when it stays. No paid work is refused
    for it: a machine without a disk of its own has no other, and the clips in the output folder stay."""
    return _lost(home, file_system(home, mounts))


def _lost(home: Path, kind: str) -> str:
    if kind not in MEMORY:
        return ""
    return (
        f"the data folder {home} lies in memory ({kind}): a restart loses the kept clips, the record of spending "
        "and the jobs that are not finished, paid ones too: set REELWRIGHT_HOME to a folder on a disk"
    )


def check_paid(home: Path) -> str:
    """The warning for paid work with this data folder (`why_lost`); VideoError("storage") when it would be unsafe."""
    kind = file_system(home)
    if why := _unsafe(home, kind):
        raise VideoError("storage", f"no paid work here: {why}. Free work (animatic) goes on as before")
    return _lost(home, kind)
