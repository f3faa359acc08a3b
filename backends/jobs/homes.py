"""Where a store may live. SQLite's WAL and the kernel's file locks are unsafe on network file systems, and a
container's own layer vanishes with it: there is no paid work in either."""

from __future__ import annotations

import os
from pathlib import Path

from backends.errors import VideoError

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "afs", "ceph", "lustre", "glusterfs", "sshfs")
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def file_system(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """The type of the file system that holds `path` ("ext4", "nfs4", "fuse.sshfs"); "" where it can't be known."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    place = os.path.realpath(path)
    best, kind = "", ""
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        point = fields[4].encode().decode("unicode_escape")
        inside = place == point or place.startswith(point.rstrip("/") + "/") or point == "/"
        if inside and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


def why_unsafe(home: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Why paid work is refused with this home, "" when it is safe."""
    kind = file_system(home, mounts)
    if kind in NETWORK or kind.startswith("fuse"):
        return (
            f"the home folder {home} lies on a network file system ({kind}), where two machines could pay for the same "
            "job: set REELWRIGHT_HOME to a folder on a local disk"
        )
    if kind in ("overlay", "aufs") and any(mark.exists() for mark in CONTAINER_MARKS):
        return (
            f"the home folder {home} lies in the container's own layer and vanishes with it: mount a volume and set "
            "REELWRIGHT_HOME to it"
        )
    return ""


def check_paid(home: Path) -> None:
    """VideoError("storage") when paid work would be unsafe with this home."""
    if why := why_unsafe(home):
        raise VideoError("storage", f"no paid work here: {why}. Free work (animatic) goes on as before")
