"""The part of a job that upkeep needs: when it ended, what it was made from, which of its files are still needed."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

from backends.errors import VideoError
from backends.jobs.store import archive_file
from backends.jobs.store.database import Row
from backends.jobs.views import FINAL, State
from backends.provider.protocol import JsonObject


@dataclass(frozen=True)
class KeptJob:
    """Some columns of a job's row: fewer than a `StoredJob`, since all jobs of a store are read. ended_at: POSIX
    seconds. cost: micro-dollars."""

    seq: int
    id: str
    parent: str | None
    state: State
    label: str
    cost: int | None
    ended_at: float | None
    row: Row

    @classmethod
    def of(cls, row: Row) -> Self:
        """row: at least `COLUMNS`."""
        columns: dict[str, Any] = {field.name: row[field.name] for field in fields(cls) if field.name != "row"}
        return cls(**columns, row=row)

    @cached_property
    def result(self) -> JsonObject:
        """What it has made, in the row's form; {} while there is nothing."""
        return json.loads(self.row["result"] or "{}")

    @property
    def blobs(self) -> set[str]:
        """The hashes of its inputs. The clip of a "from_job" entry is kept as an input too."""
        return set(archive_file.HASH.findall(self.row["inputs"]))

    @property
    def sources(self) -> frozenset[str]:
        """Jobs whose clips were its inputs, its parent, and its own steps."""
        entries: dict[str, JsonObject] = json.loads(self.row["inputs"])
        named = {str(entry[key]) for entry in entries.values() for key in ("from_job", "job") if entry.get(key)}
        inside = {str(entry["still_of"].get("from_job")) for entry in entries.values() if "still_of" in entry}
        return frozenset((named | inside | {self.parent or ""} | set(json.loads(self.row["needs"]))) - {""})

    @property
    def is_cleared(self) -> bool:
        """Whether its files were removed at the user's wish."""
        return "cleared_at" in self.result

    @property
    def is_over(self) -> bool:
        """Whether its work folder is no longer needed. That of a job which ended without a clip but may have been
        charged can hold the only copy of what was paid for."""
        if self.state == "succeeded":
            return True
        if self.cost:
            return False
        error = VideoError.from_json(json.loads(self.row["error"])) if self.row["error"] else None
        uncharged = error is not None and error.charged == "no"
        return self.state == "cancelled" or (self.state == "failed" and uncharged)

    def ended_before(self, at: float) -> bool:
        """Whether it had ended by then (POSIX seconds)."""
        return self.state in FINAL and self.ended_at is not None and self.ended_at < at


COLUMNS = "seq, id, parent, state, label, cost, ended_at, error, inputs, needs, result"
