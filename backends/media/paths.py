"""Opening the files that a caller names: inside the allowed folders, regular, and nothing else.

The path is resolved first, then opened component by component below its root without following links, so that no
link swapped in between leads out. What lies outside the roots is refused in the same words whether it exists or not.
"""

from __future__ import annotations

import difflib
import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from backends.errors import VideoError
from backends.media.lookalikes import lookalike, names_in
from backends.media.pasted import meanings, plainest, windows

MAX_BYTES = 2 * 1024**3
ROOTS_SHOWN = 8


@dataclass(frozen=True)
class Found:
    """An open file, for reading at its start. Usable as a context manager, which closes it.

    path: where it lay when it was opened. note: what to tell of how it was found, "" when it is just as named."""

    file: BinaryIO
    path: Path
    note: str = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def open_input(text: str, roots: Sequence[Path], cwd: Path, most: int = MAX_BYTES) -> BinaryIO:
    """The file of `find_input` alone. Close it."""
    return find_input(text, roots, cwd, most).file


def find_input(text: str, roots: Sequence[Path], cwd: Path, most: int = MAX_BYTES) -> Found:
    """The named file, or the only one whose name looks the same, or what a path pasted from elsewhere means. Close it.

    text: as the caller wrote it; `~/` is the home folder, a relative path starts at `cwd`. roots: the allowed folders.
    most: bytes.
    VideoError("asset"): outside the roots (also through a link), hidden, missing, no regular file, unreadable, empty,
    or above `most` bytes.
    """
    try:
        return _find(text, roots, cwd, most)
    except _NotThere as error:
        refusal: VideoError = error
    for meant in meanings(text):
        try:
            found = _find(meant, roots, cwd, most)
        except _NotThere as error:
            refusal = error if meant == plainest(text) else refusal
            continue
        note = (
            ""
            if meant == plainest(text)
            else f"{_shown(text)} is taken to be {meant!a}, as it means where it comes from"
        )
        return Found(found.file, found.path, found.note or note)
    if why := windows(text):
        raise VideoError("asset", f"{_shown(text)} does not exist: {why}; or put the file into {_listed(roots)}")
    raise refusal


class _NotThere(VideoError):
    """No such file, or none that may be read: another spelling may be meant."""

    def __init__(self, message: str) -> None:
        super().__init__("asset", message)


def _find(text: str, roots: Sequence[Path], cwd: Path, most: int) -> Found:
    """The file of exactly this name, or the only one whose name looks the same."""
    root, parts = _below_a_root(text, roots, cwd)
    how = ""
    try:
        for _ in range(len(parts)):
            try:
                fd = _open_below(root, parts)
                break
            except FileNotFoundError:
                like = lookalike(root, parts)
                if like is None:
                    raise
                if len(like.names) > 1:
                    raise VideoError("asset", f"{_shown(text)} does not exist, but {like.several}") from None
                how = max(how, like.how)  # one that differs in case too is told as such
                root, parts = _below_a_root(str(root.joinpath(*like.parts)), roots, cwd)
        else:
            fd = _open_below(root, parts)
    except FileNotFoundError:
        raise _NotThere(f"{_shown(text)} does not exist{_nearest(text, root, parts)}") from None
    except PermissionError:
        raise VideoError(
            "asset", f"{_shown(text)} cannot be read by this user: change its permissions, or those of its folder"
        ) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise _NotThere(f"{_shown(text)} does not exist: part of its path is no folder") from None
        raise VideoError("asset", f"{_shown(text)} cannot be opened ({error.strerror})") from None
    try:
        _check(os.fstat(fd), text, most)
        note = f"{_shown(text)} is taken to be {'/'.join(parts)!a}, which {how}" if how else ""
        return Found(os.fdopen(fd, "rb"), root.joinpath(*parts), note)
    except BaseException:
        os.close(fd)
        raise


def _below_a_root(text: str, roots: Sequence[Path], cwd: Path) -> tuple[Path, tuple[str, ...]]:
    """The root that holds the resolved path, and the path's parts below it."""
    hidden = False
    try:
        if text == "~" or text.startswith(("~/", "~\\")):  # ~name is a name like any other
            text = str(Path.home()) + text[1:]
        real = Path(os.path.realpath(cwd / text))
        for root in map(Path, map(os.path.realpath, roots)):
            if not real.is_relative_to(root):
                continue
            parts = real.relative_to(root).parts
            if not any(part.startswith(".") for part in parts):
                return root, parts
            hidden = True
    except (OSError, ValueError, RuntimeError):  # a name too long, a NUL, links in a ring, no home
        pass
    if hidden:
        raise VideoError(
            "asset",
            f"{_shown(text)} is hidden, or lies in a hidden folder (a name that begins with a dot), and those are "
            f"never read: copy the file into {_listed(roots)}",
        )
    raise _NotThere(
        f"{_shown(text)} is not in an allowed folder, or leads out of one: put the file into {_listed(roots)}"
    )


def _open_below(root: Path, parts: tuple[str, ...]) -> int:
    """A read-only descriptor, following no link. A FIFO or device is never opened, so this cannot block."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    last = flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    if os.open not in os.supports_dir_fd:  # Windows
        path = root.joinpath(*parts)
        _check_kind(path.lstat().st_mode)
        return os.open(path, last)
    folder = os.open(root, flags | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, flags | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        name = parts[-1] if parts else "."
        _check_kind(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        return os.open(name, last, dir_fd=folder)
    finally:
        os.close(folder)


def _check_kind(mode: int) -> None:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    if not stat.S_ISREG(mode):
        kind = kinds.get(stat.S_IFMT(mode), "no regular file")
        raise VideoError("asset", f"the path names {kind}, not a file: name one picture or clip")


def _check(facts: os.stat_result, text: str, most: int) -> None:
    _check_kind(facts.st_mode)
    if not facts.st_size:
        raise VideoError("asset", f"{_shown(text)} is empty (0 bytes): was it saved or downloaded to the end?")
    if facts.st_size > most:
        taken = f"{most / 1024**3:g} GiB are taken"
        raise VideoError(
            "asset", f"{_shown(text)} has {facts.st_size / 1024**3:.1f} GiB; at most {taken}: cut or scale it"
        )


def _nearest(text: str, root: Path, parts: tuple[str, ...]) -> str:
    """The file of nearly that name beside it, if there is one."""
    near = difflib.get_close_matches(parts[-1] if parts else "", names_in(root.joinpath(*parts[:-1])), n=1)
    if near:
        return f": did you mean {near[0]}?"
    tilde = text.startswith("~") and not text.startswith(("~/", "~\\"))
    return f": check the path{' (only ~/ is expanded, to your own home folder)' if tilde else ''}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 200 else f"{text[:200]}…")


def _listed(roots: Sequence[Path]) -> str:
    there = [str(root) for root in roots if root.is_dir()]
    more = f" (and {len(there) - ROOTS_SHOWN} more)" if len(there) > ROOTS_SHOWN else ""
    if not roots:
        return "a folder that this server shares (there is none), or give an https URL"
    if not there:
        return "a folder that you allow with REELWRIGHT_INPUT_ROOTS (none of the default ones exists)"
    return ", ".join(there[:ROOTS_SHOWN]) + more + ", or allow its folder with REELWRIGHT_INPUT_ROOTS"
