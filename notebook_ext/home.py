"""A notebook's settings: clips in a visible folder beside it, and a local store where the data folder is on a
network."""

from __future__ import annotations

import getpass
import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from backends.errors import VideoError
from backends.jobs.store.filesystems import NETWORK, file_system
from backends.settings import Settings, load_settings
from notebook_ext import kernel

FOLDER = "reelwright_outputs"
"""Beside the notebook, and not hidden: the Jupyter server serves only visible files below its root."""

MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Home:
    """settings: of this notebook's store. folder: for its clips, masks and stills. free_only: why paid work is refused
    here, "" when it is not."""

    settings: Settings
    folder: Path
    free_only: str = ""

    def refuse_paid(self) -> None:
        if self.free_only:
            raise VideoError("storage", f"no paid work here: {self.free_only}")


def notebook_home(settings: Settings | None = None, mounts: Path = MOUNTS) -> Home:
    """Where a notebook keeps its files. For a data folder on a network, the store is on this machine and for free work
    only: two machines must not pay for the same job, and a folder of this machine may be gone tomorrow."""
    found = settings or load_settings(cwd=kernel.folder())
    folder = kernel.folder() / FOLDER
    kind = file_system(found.home, mounts)
    why = ""
    if kind in NETWORK or kind.startswith("fuse"):
        why = (
            f"the data folder {found.home} lies on a network file system ({kind}), so free jobs are kept in a store on "
            "this machine; for paid ones set REELWRIGHT_HOME to a folder on a local disk"
        )
        found = replace(found, home=_local(found.home))
    roots = (*found.roots, folder.resolve(), (found.home / "artifacts").resolve())
    return Home(replace(found, roots=tuple(dict.fromkeys(roots))), folder, why)


def _local(home: Path) -> Path:
    """A private folder of this user and data folder on the machine's own disk."""
    name = hashlib.sha256(f"{getpass.getuser()} {home}".encode()).hexdigest()[:16]
    local = Path(tempfile.gettempdir()) / f"reelwright-{name}"
    local.mkdir(mode=0o700, exist_ok=True)
    if local.is_symlink() or (hasattr(local, "owner") and local.stat().st_mode & 0o077):
        raise VideoError("storage", f"{local} can be used by others: remove it, or set REELWRIGHT_HOME")
    return local
