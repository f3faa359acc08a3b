"""The journal of paid jobs, in a file beside the store: what was requested, the provider's id, and how it ended.

An id is on disk here before it is in the store, so it is not lost if the process dies (or the disk fills) between the
provider's answer and the row's commit. And if the store itself is lost, a new one takes over its paid jobs from here
(see `recovery`). One JSON object a line; each append is one write:

    {"event": "asked", "job", "at", "row", "reserved", "day"}    before a paid request: all that a row needs
    {"job", "at", "lane", "handle"}                               accepted, flushed to disk; handle null: given up
    {"event": "ended", "job", "at", "row", "settled", "day"}      the columns of its end
    {"event": "limit", "job": "", "at", "key", "value"}           a spending limit that the user has set
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import time
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from backends.jobs.store import codec
from backends.provider.protocol import Handle

NAME = "accepted.jsonl"

Entry = Mapping[str, Any]


class IdLog:
    """An append-only file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, home: Path) -> IdLog:
        """The journal of a data folder."""
        return cls(home / NAME)

    def append(self, job: str, lane: str, handle: Handle) -> None:
        self._write({"job": job, "at": time.time(), "lane": lane, "handle": codec.handle_to_json(handle)}, durable=True)

    def disown(self, job: str, lane: str) -> None:
        """Give up the job's earlier ids: it will be requested again, and must not be bound to them."""
        self._write({"job": job, "at": time.time(), "lane": lane, "handle": None}, durable=True)

    def requested(self, job: str, row: Entry, reserved: int, day: str) -> None:
        """A paid request of this job is about to be sent (or, for a job that waits for paid steps, theirs)."""
        self._write({"event": "asked", "job": job, "at": time.time(), "row": row, "reserved": reserved, "day": day})

    def ended(self, job: str, row: Entry, settled: int, day: str) -> None:
        self._write({"event": "ended", "job": job, "at": time.time(), "row": row, "settled": settled, "day": day})

    def limit(self, key: str, value: str | None) -> None:
        """The user has set a spending limit; None: reset to its default."""
        self._write({"event": "limit", "job": "", "at": time.time(), "key": key, "value": value}, durable=True)

    def _write(self, entry: Entry, *, durable: bool = False) -> None:
        # Each entry also begins with a line break, so that a line cut short by a crash does not spoil the next.
        line = f"\n{json.dumps(entry)}\n".encode()
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)

    def find(self, job: str) -> Handle | None:
        """The handle that this job was given, if any; a line cut short by a crash is skipped."""
        with self._mapped() as data:
            end = len(data)
            while (found := data.rfind(job.encode(), 0, end)) >= 0:
                begin, stop = _line_at(data, found)
                entry = _parsed(data[begin:stop])
                if entry.get("job") == job and "handle" in entry:
                    return None if entry["handle"] is None else codec.handle_from_json(entry["handle"])
                end = begin
        return None

    def holding(self, remote_ids: Collection[str], but: str = "") -> set[str]:
        """Which of the ids belong to jobs of this data folder other than `but`."""
        if not remote_ids:
            return set()
        try:
            with self._mapped() as data:
                return {one for one in remote_ids if _holds(data, one, but)}
        except OSError:
            return set()

    @contextmanager
    def _mapped(self) -> Generator[mmap.mmap | bytes]:
        """Its bytes, which can be more than fits in memory; none where there is no file."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            yield b""
            return
        with file:
            try:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:  # it is empty
                yield b""
                return
            with mapped as data:
                yield data

    def entries(self) -> Iterator[Entry]:
        """Every complete line, oldest first."""
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if entry := _parsed(line):
                        yield entry
        except FileNotFoundError:
            return


def _line_at(data: mmap.mmap | bytes, place: int) -> tuple[int, int]:
    """Where the line around a place begins and ends."""
    stop = data.find(b"\n", place)
    return data.rfind(b"\n", 0, place) + 1, stop if stop >= 0 else len(data)


def _holds(data: mmap.mmap | bytes, remote_id: str, but: str) -> bool:
    """Whether a line of another job than `but` has that id."""
    word, at = json.dumps({"remote_id": remote_id})[1:-1].encode(), 0
    while (found := data.find(word, at)) >= 0:
        begin, at = _line_at(data, found)
        if not but or _parsed(data[begin:at]).get("job") != but:
            return True
    return False


def _parsed(line: bytes) -> dict[str, Any]:
    """{} for a line that was cut short or has another form."""
    try:
        entry: object = json.loads(line) if line.strip() else {}
    except (ValueError, RecursionError):
        return {}
    known = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    return known if isinstance(known.get("job"), str) else {}
