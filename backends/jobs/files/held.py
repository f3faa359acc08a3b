"""A path to an open file, for a process that decodes it: it leads to that very file even if its name changes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from backends.errors import VideoError
from backends.jobs.files import copies
from backends.jobs.files.artifacts import disk_errors
from backends.jobs.files.private import private_folder
from backends.media.paths import MAX_BYTES


@contextmanager
def held(source: BinaryIO, folder: Path) -> Generator[Path]:
    """A path to the open file, valid inside the `with` block. folder: for a copy, where one is needed.

    Linux has such a path for every open file of a process. Elsewhere it is a private copy, because descriptors that
    other systems open by name share one read position.
    """
    link = Path(f"/proc/{os.getpid()}/fd/{source.fileno()}")
    if link.exists() and os.path.samestat(link.stat(), os.fstat(source.fileno())):
        yield link
        return
    with copied(source, folder) as copy:
        yield copy


@contextmanager
def copied(source: BinaryIO, folder: Path) -> Generator[Path]:
    """A private copy of the open file, removed at the end. VideoError("asset") above 2 GiB, "storage" from the disk."""
    copy = folder / secrets.token_hex(8)
    try:
        with disk_errors("looking at an input"):
            if os.fstat(source.fileno()).st_size > MAX_BYTES:
                raise VideoError("asset", f"the file has grown beyond {MAX_BYTES >> 30} GiB: cut or scale it")
            private_folder(folder)
            copies.keep_open(source, copy)
        yield copy
    finally:
        copies.remove_kept(copy)
