"""A job's row with types: read once, and what is JSON in it parsed when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self, cast

from backends.jobs.store import codec
from backends.jobs.store.database import Row
from backends.jobs.views import State
from backends.provider.protocol import Handle, Prepared, Ref


@dataclass(frozen=True)
class StoredJob:
    """Times are POSIX seconds, money is micro-dollars (None: unknown). cancel: whether it is to be cancelled. posts:
    paid requests that may have been taken. doubt_at: since when a bad end is looked at again. row: all columns."""

    id: str
    state: State
    phase: str
    progress: float
    queue_position: int | None
    model: str
    provider: str
    lane: str
    base_url: str
    task: str
    cancel: bool
    attempts: int
    posts: int
    not_before: float
    created_at: float
    posted_at: float | None
    accepted_at: float | None
    doubt_at: float | None
    remote_done_at: float | None
    typical_s: float | None
    est_high: int | None
    row: Row

    @classmethod
    def of(cls, row: Row) -> Self:
        columns: dict[str, Any] = {field.name: row[field.name] for field in fields(cls) if field.name != "row"}
        columns["cancel"] = bool(row["cancel"])
        return cls(**columns, row=row)

    @cached_property
    def handle(self) -> Handle | None:
        """The provider's job; None while none is known."""
        text = self.row["handle"]
        return None if text is None else codec.handle_from_json(json.loads(text))

    @cached_property
    def prepared(self) -> Prepared:
        """The request as it is made, without the files of its inputs."""
        return codec.prepared_from_json(json.loads(self.row["prepared"]))

    @cached_property
    def refs(self) -> Mapping[str, Ref]:
        """What the provider calls the uploads, by place."""
        stored = cast("dict[str, dict[str, Any]]", json.loads(self.row["refs"]))
        return {place: codec.ref_from_json(ref) for place, ref in stored.items()}

    @cached_property
    def notes(self) -> list[str]:
        return json.loads(self.row["notes"])

    @property
    def requested_at(self) -> float:
        """When its paid request was sent, or when it was ordered while none was."""
        return float(self.posted_at or self.created_at)
