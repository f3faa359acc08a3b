"""The journal of paid jobs: what was asked, what the provider called it, how it ended, in a file beside the store.

An id is on disk here before the store knows: should the process die (or the disk fill) between the provider's reply and
the row's commit, it is not lost. And should the store itself be lost, a new one takes up its paid jobs from here (see
`recovery`). One JSON object a line; each append is one write:

    {"event": "asked", "job", "at", "row", "reserved", "day"}    before a paid request: all that a row needs
    {"job", "at", "lane", "handle"}                               accepted, flushed to disk; handle null: given up
    {"event": "ended", "job", "at", "row", "settled", "day"}      the columns of its end
    {"event": "limit", "job": "", "at", "key", "value"}           a spending limit that the person has set
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
        """The journal of a home folder."""
        return cls(home / NAME)

    def append(self, job: str, lane: str, handle: Handle) -> None:
        self._write({"job": job, "at": time.time(), "lane": lane, "handle": codec.handle_to_json(handle)}, durable=True)

    def disown(self, job: str, lane: str) -> None:
        """The job's earlier ids are given up: it will be asked for again, and must not be bound to them."""
        self._write({"job": job, "at": time.time(), "lane": lane, "handle": None}, durable=True)

    def asked(self, job: str, row: Entry, reserved: int, day: str) -> None:
        """A paid request of this job is about to be sent (or, for a job that waits for paid steps, theirs)."""
        self._write({"event": "asked", "job": job, "at": time.time(), "row": row, "reserved": reserved, "day": day})

    def ended(self, job: str, row: Entry, settled: int, day: str) -> None:
        self._write({"event": "ended", "job": job, "at": time.time(), "row": row, "settled": settled, "day": day})

    def limit(self, key: str, value: str | None) -> None:
        """The person has set a spending limit; None: back to its default."""
        self._write({"event": "limit", "job": "", "at": time.time(), "key": key, "value": value}, durable=True)

    def _write(self, entry: Entry, *, durable: bool = False) -> None:
        # It begins with a line break too: what a crash or a full disk has cut short must not swallow the next entry.
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
        """The handle that this job was given, if it ever was; a line cut short by a crash is passed over."""
        with self._mapped() as data:
            end = len(data)
            while (found := data.rfind(job.encode(), 0, end)) >= 0:
                begin, stop = data.rfind(b"\n", 0, found) + 1, data.find(b"\n", found)
                entry = _parsed(data[begin : stop if stop >= 0 else len(data)])
                if entry.get("job") == job and "handle" in entry:
                    return None if entry["handle"] is None else codec.handle_from_json(entry["handle"])
                end = begin
        return None

    def holding(self, remote_ids: Collection[str]) -> set[str]:
        """Those of the ids that some job of this home was given; the file is read once."""
        if not remote_ids:
            return set()
        try:
            with self._mapped() as data:
                return {one for one in remote_ids if data.find(json.dumps({"remote_id": one})[1:-1].encode()) >= 0}
        except OSError:
            return set()

    @contextmanager
    def _mapped(self) -> Generator[mmap.mmap | bytes]:
        """Its bytes, which may be more than memory holds; none where there is no file."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            yield b""
            return
        with file:
            if not os.fstat(file.fileno()).st_size:
                yield b""
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield data

    def entries(self) -> Iterator[Entry]:
        """Every whole line, oldest first."""
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if entry := _parsed(line):
                        yield entry
        except FileNotFoundError:
            return


def _parsed(line: bytes) -> dict[str, Any]:
    """{} for a line that was cut short, or that is none of ours."""
    try:
        entry: object = json.loads(line) if line.strip() else {}
    except (ValueError, RecursionError):
        return {}
    known = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    return known if isinstance(known.get("job"), str) else {}
