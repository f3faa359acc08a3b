"""A file on its way: written beside its final name, hashed as it grows, kept for a resume or removed."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from backends.errors import VideoError


class PartFile:
    """`dest`.part, and beside it `dest`.part.tag with the validator (ETag or date) of the server's version.

    Only a part whose validator is known is resumed: the pieces of two different files must never be joined.
    """

    def __init__(self, dest: Path, *, keep: bool) -> None:
        self._dest = dest
        self._path = dest.with_name(dest.name + ".part")
        self._tag = dest.with_name(dest.name + ".part.tag")
        self._keep = keep
        self._done = False
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None
        self.size = 0
        self.resumed_from = 0
        self.offset = self._there() if keep else 0

    def _there(self) -> int:
        try:
            return self._path.stat().st_size if self._tag.stat().st_size else 0
        except OSError:
            return 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def range_headers(self) -> dict[str, str]:
        """The headers that request the rest alone, if it is still the same file."""
        if not self.offset:
            return {}
        return {"Range": f"bytes={self.offset}-", "If-Range": self._tag.read_text("ascii")}

    def begin(self, status: int, headers: Mapping[str, str]) -> int:
        """Open for what a 200 or 206 brings; the offset at which it goes on."""
        if status == 206:
            shape = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]*/([0-9]+|\*)", headers.get("content-range", "").strip())
            if shape is None or not self.offset or int(shape[1]) != self.offset:
                self.forget()
                raise VideoError(
                    "network", "the server sent a different part than was requested; try again", retryable=True
                )
            self._take_over()
            return self.offset
        self.restart()
        self._file = self._path.open("wb")
        tag = headers.get("etag", "")
        tag = headers.get("last-modified", "") if not tag or tag.startswith("W/") else tag
        if self._keep and tag.isascii() and headers.get("accept-ranges", "bytes") != "none":
            self._tag.write_text(tag, "ascii")
        return 0

    def _take_over(self) -> None:
        """Hash what is there already and append to it."""
        with self._path.open("rb") as there:
            while block := there.read(1 << 20):
                self._hash.update(block)
        self._file = self._path.open("ab")
        self.size = self.resumed_from = self.offset

    def is_whole(self, content_range: str) -> bool:
        """Whether a 416's `bytes */N` says that all of the file is there already."""
        shape = re.fullmatch(r"bytes \*/([0-9]{1,18})", content_range.strip())
        if shape is None or int(shape[1]) != self.offset:
            return False
        self._take_over()
        return True

    def restart(self) -> None:
        """Forget what is there."""
        self.offset = self.size = self.resumed_from = 0
        self._hash = hashlib.sha256()
        self._path.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def forget(self) -> None:
        """Nothing of this is to be kept."""
        self._keep = False

    def write(self, chunk: bytes) -> None:
        if self._file is None:
            raise VideoError("provider", "a part file is written after `begin`")
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def finish(self) -> None:
        """Sync and move into place."""
        if self._file is None:
            raise VideoError("provider", "a part file is finished after `begin`")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.replace(self._dest)
        self._tag.unlink(missing_ok=True)
        self._done = True

    def close(self) -> None:
        """After a failure: keep the part for a resume where that was requested, else remove it."""
        if self._file is not None:
            self._file.close()
        if not self._done and not (self._keep and self._there()):
            self._path.unlink(missing_ok=True)
            self._tag.unlink(missing_ok=True)
