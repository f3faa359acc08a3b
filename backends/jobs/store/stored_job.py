"""A job's row with types: read once; its JSON columns are parsed when they are needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Any, Self, cast

from backends.errors import VideoError
from backends.jobs.store import codec
from backends.jobs.store.database import Row
from backends.jobs.views import Engine, State
from backends.provider.protocol import Handle, JsonObject, Prepared, Ref
from backends.request import VideoRequest


@dataclass(frozen=True)
class StoredJob:
    """Times are POSIX seconds, money is micro-dollars (None: unknown). parent: the job of which it is a step. lane: the
    account or device that makes it. cancel: whether it is to be cancelled. posts: paid requests that may have been
    taken. doubt_at: since when a failure is being checked again. row: all columns."""

    seq: int
    id: str
    parent: str | None
    principal: str
    client: str
    request_key: str
    digest: str
    take: int
    label: str
    engine: Engine
    kind: str
    lane: str
    state: State
    phase: str
    progress: float
    queue_position: int | None
    model: str
    provider: str
    base_url: str
    task: str
    cancel: bool
    attempts: int
    posts: int
    not_before: float
    created_at: float
    started_at: float | None
    posted_at: float | None
    accepted_at: float | None
    doubt_at: float | None
    remote_done_at: float | None
    ended_at: float | None
    remote_id: str | None
    typical_s: float | None
    est_low: int | None
    est_high: int | None
    cost: int | None
    cost_basis: str
    row: Row

    @classmethod
    def of(cls, row: Row) -> Self:
        columns: dict[str, Any] = {name: row[name] for name in _columns()}
        columns["cancel"] = bool(row["cancel"])
        return cls(**columns, row=row)

    @cached_property
    def request(self) -> VideoRequest:
        """The request as written by the caller."""
        return VideoRequest.model_validate_json(self.row["request"])

    @cached_property
    def inputs(self) -> Mapping[str, JsonObject]:
        """Its inputs by place, in the row's form: without paths."""
        return json.loads(self.row["inputs"])

    @cached_property
    def needs(self) -> list[str]:
        """Unfinished jobs that its inputs come from."""
        return json.loads(self.row["needs"])

    @cached_property
    def error(self) -> VideoError | None:
        """Why it failed, or why its outcome is not known."""
        text = self.row["error"]
        return VideoError.from_json(json.loads(text)) if text else None

    @cached_property
    def handle(self) -> Handle | None:
        """The provider's job; None while it is not known."""
        text = self.row["handle"]
        return None if text is None else codec.handle_from_json(json.loads(text))

    @cached_property
    def prepared_record(self) -> JsonObject:
        """The prepared request in the row's form: keys that a newer program has written are kept."""
        return json.loads(self.row["prepared"])

    @property
    def prompt(self) -> str:
        return str(json.loads(self.row["request"])["prompt"])

    @cached_property
    def prepared(self) -> Prepared:
        """The prepared request, without the files of its inputs."""
        return codec.prepared_from_json(self.prepared_record)

    @cached_property
    def refs(self) -> Mapping[str, Ref]:
        """The provider's names for the uploads, by place."""
        stored = cast("dict[str, dict[str, Any]]", json.loads(self.row["refs"]))
        return {place: codec.ref_from_json(ref) for place, ref in stored.items()}

    @cached_property
    def notes(self) -> list[str]:
        return json.loads(self.row["notes"])

    @property
    def requested_at(self) -> float:
        """When its paid request was sent, or when the job was ordered while none was."""
        return float(self.posted_at or self.created_at)


@cache
def _columns() -> tuple[str, ...]:
    """Every field but the row itself: a job that is bought is read a dozen times."""
    return tuple(field.name for field in fields(StoredJob) if field.name != "row")
