"""The home is its owner's alone: folders 0700, files 0600, whatever the umask. Prompts, pictures and clips lie there.

What the user gets outside the home (the output folder) has the rights of any file of theirs.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

OTHERS = 0o077
STORE = "reelwright.db"


def private_folder(path: Path) -> None:
    """Make the folder, with those above it that are missing, for its owner alone. One that is there stays as it is."""
    if path.is_dir():
        return
    private_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def private_file(path: Path) -> None:
    """See to it that the file is there, and that others can neither read nor write it."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
    _narrow(path)


def new_private_file(path: Path) -> BinaryIO:
    """A new file, open for writing. FileExistsError when the name is taken."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def private_home(home: Path) -> None:
    """Make the home, or take others' rights from one that is plainly this program's."""
    private_folder(home)
    if rights_of_others(home) and not why_not_narrowed(home):
        _narrow(home)


def rights_of_others(folder: Path) -> str:
    """The folder's rights ("755") when others have any in it, else ""; "" where the system has no such rights."""
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError:
        return ""
    return f"{mode:o}" if os.name == "posix" and mode & OTHERS else ""


def why_not_narrowed(home: Path) -> str:
    """Why a home that others have rights in is left so: it is somebody else's, or holds more than a store."""
    facts = home.stat()
    if facts.st_uid != os.geteuid():
        return "it belongs to another user"
    if facts.st_mode & stat.S_ISVTX or home in (Path(home.anchor), Path("~").expanduser()):
        return "it is a folder for other things too"
    if not (home / STORE).exists() and any(home.iterdir()):
        return "it holds other things than a store"
    return ""


def _narrow(path: Path) -> None:
    facts = path.stat()
    if os.name == "posix" and facts.st_mode & OTHERS and facts.st_uid == os.geteuid():
        path.chmod(stat.S_IMODE(facts.st_mode) & ~OTHERS)
