"""The id log: one line for every paid request that a provider has taken, on disk before the store knows.

Should the process die (or the disk fill) between the provider's reply and the row's commit, the id is not lost.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends.backend import Handle
from backends.jobs import codec


class IdLog:
    """An append-only file of JSON lines; each append is one write, flushed to disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, job: str, lane: str, handle: Handle) -> None:
        self._write({"job": job, "lane": lane, "handle": codec.handle_to_json(handle)})

    def disown(self, job: str, lane: str) -> None:
        """The job's earlier ids are given up: it will be asked for again, and must not be bound to them."""
        self._write({"job": job, "lane": lane, "handle": None})

    def _write(self, entry: Mapping[str, Any]) -> None:
        # It begins with a line break too: what a crash or a full disk has cut short must not swallow the next entry.
        line = f"\n{json.dumps(entry)}\n".encode()
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(fd)
        finally:
            os.close(fd)

    def find(self, job: str) -> Handle | None:
        """The handle that this job was given, if it ever was; a line cut short by a crash is passed over."""
        try:
            text = self.path.read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return None
        for line in reversed(text.splitlines()):
            if job not in line:
                continue
            try:
                entry: Mapping[str, Any] = json.loads(line)
            except json.JSONDecodeError:
                continue
            if entry.get("job") == job:
                return None if entry["handle"] is None else codec.handle_from_json(entry["handle"])
        return None
