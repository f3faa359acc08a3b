"""The data folder is private to its owner: folders 0700, files 0600, whatever the umask. It holds prompts, pictures and
clips.

What the user gets outside of it (the output folder) has usual permissions.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

OTHERS = 0o077
STORE = "reelwright.db"


def private_folder(path: Path) -> None:
    """Make the folder, and missing ones above it, private to the owner. An existing folder stays as it is."""
    if path.is_dir():
        return
    private_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def private_file(path: Path) -> None:
    """Make sure that the file exists and that others can neither read nor write it."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
    _narrow(path)


def new_private_file(path: Path) -> BinaryIO:
    """A new file, open for writing. FileExistsError when the name is taken."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def private_home(home: Path) -> None:
    """Make the data folder, or remove others' permissions from one that clearly belongs to this program."""
    private_folder(home)
    if rights_of_others(home) and not why_not_narrowed(home):
        _narrow(home)


def rights_of_others(folder: Path) -> str:
    """The folder's permissions ("755") when others have any, else ""; "" where the system has no such permissions."""
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError:
        return ""
    return f"{mode:o}" if os.name == "posix" and mode & OTHERS else ""


def why_not_narrowed(home: Path) -> str:
    """Why a data folder that others can access is left so: it is another user's, or holds more than a store."""
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
