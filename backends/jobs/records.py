"""Job rows: how one is inserted, moved from state to state, and shown.

Every change of state goes through `move`, which adds the event and refuses to leave a final state or go backwards.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

from backends.errors import VideoError
from backends.jobs.files.places import Places, inputs_to_row
from backends.jobs.files.signed import given_out
from backends.jobs.lanes.lanes import Fenced, account_of, add_lane, fence
from backends.jobs.money import ledger
from backends.jobs.store import codec
from backends.jobs.store.database import Row, Store, Transaction, add_event, to_json
from backends.jobs.store.schema import UNENDED
from backends.jobs.views import FINAL, SETTLED, STATES, Audio, Job, JobError, JobPage, JobRow, Spend, State, first_words
from backends.provider.protocol import ACCOUNT, JsonObject, Prepared
from backends.request import VideoRequest

ORDER = ("waiting", "queued", "submitting", "running", "downloading", "finishing")
"""The states a job passes on its way. Only a refusal that is known to be unpaid goes back, to queued."""

BACK_TO_QUEUED = frozenset({"queued", "submitting", "running", "downloading", "finishing"})
"""running and later go back only for work on this machine, which is free to run again."""


def new_job_id() -> str:
    """130 random bits, so that an id cannot be guessed."""
    return "job_" + base64.b32encode(secrets.token_bytes(17)).decode().lower()[:26]


@dataclass(frozen=True)
class NewJob:
    """All that the insert of one job needs. Money in micro-dollars, None = unknown. parent, step: of what it is a
    step, and which (from 1)."""

    id: str
    request: VideoRequest
    prepared: Prepared
    inputs: Mapping[str, JsonObject]
    needs: Sequence[str]
    digest: str
    request_key: str
    key_given: bool
    principal: str
    client: str
    take: int
    label: str
    engine: str
    provider: str
    kind: str
    lane: str
    base_url: str
    est_low: int | None
    est_high: int | None
    typical_s: float | None
    notes: Sequence[str]
    parent: str | None = None
    step: int = 0

    def on(self, lane: str, base_url: str) -> NewJob:
        return replace(self, lane=lane, base_url=base_url)


def find_same(tx: Store | Transaction, principal: str, request_key: str, digest: str, *, given: bool) -> Row | None:
    """The job that this very request already has. VideoError("conflict") for a given key with another request."""
    row = tx.row(
        "SELECT * FROM jobs WHERE principal = ? AND request_key = ? AND matchable = 1", (principal, request_key)
    )
    if row is not None and given and row["digest"] != digest:
        raise VideoError(
            "conflict",
            f"this request_key already names job {row['id']}, which is another request: use another request_key",
            nearest={"job_id": row["id"]},
        )
    return row


def archived_as(tx: Store | Transaction, principal: str, request_key: str) -> str | None:
    """The job that answers the request and whose rows lie in the archive."""
    row = tx.row("SELECT id FROM archived WHERE principal = ? AND request_key = ?", (principal, request_key))
    return None if row is None else str(row["id"])


def insert(tx: Transaction, new: NewJob, steps: Sequence[NewJob] = ()) -> tuple[Row, bool]:
    """The job's row, and whether it was there already. Reserves the money; "wall" when it may not be spent.

    steps: jobs that this one waits for; they cost, the job itself then does not.
    """
    same = find_same(tx, new.principal, new.request_key, new.digest, given=new.key_given)
    if same is not None:
        return same, True
    if (
        archived_as(tx, new.principal, new.request_key) is not None
    ):  # in this very moment: whoever asks again is answered by it
        raise VideoError("conflict", "the job of this request is being archived: repeat the call", retryable=True)
    _insert_one(tx, new, 0 if steps else new.est_high)
    for step in steps:
        _insert_one(tx, step, step.est_high)
    return cast(Row, tx.row("SELECT * FROM jobs WHERE id = ?", (new.id,))), False


def _insert_one(tx: Transaction, new: NewJob, reserved: int | None) -> None:
    job = new.id
    add_lane(tx, new.lane, new.provider, new.kind)
    hold = ledger.enter if new.kind == "local" else ledger.reserve  # work on this machine needs no leave
    hold(tx, job, new.provider, new.lane, new.label, reserved)
    values: dict[str, Any] = {
        "id": job,
        "parent": new.parent,
        "step": new.step,
        "principal": new.principal,
        "client": new.client,
        "request_key": new.request_key,
        "digest": new.digest,
        "take": new.take,
        "label": new.label,
        "task": new.request.task,
        "engine": new.engine,
        "model": new.prepared.model,
        "provider": new.provider,
        "kind": new.kind,
        "lane": new.lane,
        "base_url": new.base_url,
        "state": "waiting" if new.needs else "queued",
        "request": new.request.model_dump_json(),
        "prepared": to_json(codec.prepared_to_json(new.prepared)),
        "inputs": inputs_to_row(new.inputs),
        "needs": to_json(list(new.needs)),
        "est_low": new.est_low,
        "est_high": new.est_high,
        "typical_s": new.typical_s,
        "notes": to_json(list(new.notes)),
        "created_at": time.time(),
    }
    names = ", ".join(values)
    tx.run(f"INSERT INTO jobs({names}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))
    add_event(tx, job, "submitted", {"client": new.client}, wake=True)


@dataclass(frozen=True)
class Hold:
    """Who writes: a driver with its lane's epoch. Every write of a driver is fenced by it."""

    lane: str
    epoch: int


def move(tx: Transaction, hold: Hold | None, job: str, state: State, **columns: Any) -> None:
    """Change a job's state (or columns in the same state), fenced by the lane's epoch.

    A job in a final state stays there, and none goes back: VideoError("conflict"). From `uncertain` it may go on
    anywhere. A job that a person has moved to another lane is Fenced for the driver that had it.
    """
    _change(tx, hold, job, state, columns, decided=False)


def decide(tx: Transaction, job: str, state: State, **columns: Any) -> None:
    """The same by a person's decision, which leads from anywhere but `succeeded` and `cancelled` to anywhere."""
    _change(tx, None, job, state, columns, decided=True)


def _change(
    tx: Transaction, hold: Hold | None, job: str, state: State, columns: dict[str, Any], *, decided: bool
) -> None:
    if hold is not None:
        fence(tx, hold.lane, hold.epoch)
    row = tx.row("SELECT state, kind, lane FROM jobs WHERE id = ?", (job,))
    if row is None:
        raise VideoError("not_found", f"there is no job {job}")
    if hold is not None and row["lane"] != hold.lane:
        raise Fenced(hold.lane)
    old = str(row["state"])
    if old in FINAL and not (decided and old == "failed"):
        raise VideoError("conflict", f"job {job} has {old}: nothing can change that")
    if not decided and state in ORDER and old in ORDER and ORDER.index(state) < ORDER.index(old):
        free = row["kind"] == "local" or old in ("queued", "submitting")
        if not (state == "queued" and old in BACK_TO_QUEUED and free):
            raise VideoError("conflict", f"job {job} cannot go back from {old} to {state}")
    if state in FINAL:
        columns.setdefault("ended_at", time.time())
        columns.setdefault("phase", "")
    assignments = ", ".join(f"{name} = ?" for name in ("state", *columns))
    tx.run(f"UPDATE jobs SET {assignments} WHERE id = ?", (state, *columns.values(), job))
    if old != state:
        add_event(tx, job, "state", {"from": old, "to": state}, wake=state in FINAL or state == "queued")


def holders(source: Store | Transaction, row: Row, remote_ids: Collection[str]) -> dict[str, str]:
    """Which of a provider's ids are other jobs' already: id -> job, by the same server or for the same account.

    Two keys may belong to one account, and one account may be asked by two ways; two servers of one kind may well give
    the same id to different jobs.
    """
    names = list(dict.fromkeys(remote_ids))[:500]
    found = source.rows(
        f"SELECT id, remote_id, base_url, lane FROM jobs WHERE provider = ? AND remote_id IN "
        f"({', '.join('?' * len(names))}) AND id <> ?",
        (row["provider"], *names, row["id"]),
    )
    account = account_of(row["lane"])
    return {
        str(other["remote_id"]): str(other["id"])
        for other in found
        if other["base_url"] == row["base_url"] or (account and account_of(other["lane"]) == account)
    }


def cost_of_steps(tx: Store | Transaction, job: str) -> int:
    """What the steps of a job have cost so far, in micro-dollars."""
    row = tx.row("SELECT coalesce(sum(cost), 0) AS cost FROM jobs WHERE parent = ?", (job,))
    return int(row["cost"]) if row else 0


def note(tx: Transaction, job: str, *texts: str) -> None:
    """Add to what the person is told of a job; the same sentence once."""
    row = tx.row("SELECT notes FROM jobs WHERE id = ?", (job,))
    known = cast("list[str]", json.loads(row["notes"])) if row else []
    fresh = [text for text in dict.fromkeys(texts) if text not in known]
    if fresh:
        tx.run("UPDATE jobs SET notes = ? WHERE id = ?", (to_json(known + fresh), job))


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _eta(row: Row) -> float | None:
    """Seconds until the end: from its own pace once it moves, else from what this model usually takes."""
    if row["state"] not in ORDER or row["started_at"] is None:
        return None
    spent = max(0.0, time.time() - row["started_at"])
    if row["progress"] > 0.05:
        return round(spent * (1 / row["progress"] - 1), 1)
    return round(max(0.0, row["typical_s"] - spent), 1) if row["typical_s"] else None


def queue_position(store: Store, row: Row) -> int | None:
    """How many stand before it, from 0: of its lane, or at the service that has taken it where that says so; None once
    it has started."""
    if row["queue_position"] is not None and row["state"] in ("queued", "waiting", "running"):
        return int(row["queue_position"])
    if row["state"] not in ("queued", "waiting"):
        return None
    found = store.row(
        "SELECT count(*) AS n FROM jobs WHERE lane = ? AND state = 'queued' AND seq < ?", (row["lane"], row["seq"])
    )
    return int(found["n"]) if found else None


def _next_step(row: Row, offer: str) -> str:
    state, job = row["state"], row["id"]
    if state == "succeeded":
        return (
            f'inspect_clip(clip="{job}") to look at it; extend_clip, image_to_video and finish_clip take {job} as input'
        )
    if state == "failed":
        error = VideoError.from_json(json.loads(row["error"])) if row["error"] else None
        if error is not None and error.charged == "no":
            again = "it was not charged: change what the error names and call the tool again"
            return f"{again}; or another model: {offer}" if offer else again
        return "it may have been charged: read the error before anything is paid again"
    if state == "cancelled":
        return ""
    if state == "uncertain":
        return (
            "nobody knows whether the provider took it; its money stays reserved until the user decides at a "
            f"terminal: reelwright jobs resolve {job}"
        )
    return f'wait_for_job(job_ids=["{job}"])'


def poll_after(row: Row) -> float:
    """When it is worth asking again, seconds."""
    if row["state"] in SETTLED:
        return 0.0
    eta = _eta(row) or row["typical_s"] or 5.0
    return round(min(15.0, max(1.0, eta / 4)), 1)


def to_job(store: Store, row: Row, *, trouble: str = "", timed_out: bool = False, offer: str = "") -> Job:
    """The public view. trouble: why nobody drives it, shown as its phase while it is open. offer: the next model
    after an uncharged failure, in words."""
    result = Places.of(store).result_of(row) if row["state"] == "succeeded" else {}
    facts: JsonObject = result.get("clip_facts", {})
    prepared: JsonObject = json.loads(row["prepared"])
    asked: JsonObject = prepared["request"]
    error = VideoError.from_json(json.loads(row["error"])) if row["error"] else None
    clip = _clip(result)
    extend = asked["task"] == "extend"
    return Job(
        job_id=row["id"],
        uri=f"video://jobs/{row['id']}",
        label=row["label"],
        take=row["take"],
        state=row["state"],
        phase=(trouble if trouble and row["state"] not in SETTLED else "") or row["phase"],
        task=row["task"],
        engine=row["engine"],
        model=row["model"],
        account=prepared.get("wire", {}).get(ACCOUNT, ""),
        prompt=asked["prompt"][:80],
        progress=1.0 if row["state"] == "succeeded" else round(row["progress"], 3),
        queue_position=queue_position(store, row),
        eta_s=_eta(row),
        est_cost_usd=ledger.to_float(row["est_high"]),
        cost_usd=ledger.to_float(row["cost"]),
        cost_basis=row["cost_basis"],
        file=clip,
        files=_files(clip, result),
        poster=result.get("poster"),
        duration_s=facts.get("duration_s") or (None if extend else asked["duration_s"]),
        width=facts.get("width") or prepared["width"] or None,
        height=facts.get("height") or prepared["height"] or None,
        fps=facts.get("fps") or asked["fps"],
        audio=_audio(result.get("facts", {}).get("audio"), facts.get("audio", asked["audio"])),
        asked=result.get("asked"),
        seed=result.get("seed", asked["seed"]),
        parents=_parents(row),
        notes=json.loads(row["notes"]),
        error=None
        if error is None
        else JobError(kind=error.kind, message=error.message, retryable=error.retryable, charged=error.charged),
        created_at=_iso(row["created_at"]),
        client=row["client"],
        poll_after_s=poll_after(row),
        timed_out=timed_out,
        next=_next_step(row, offer),
    )


def _clip(result: Mapping[str, Any]) -> str | None:
    """The published clip, else the one of the store that would be."""
    if not result.get("file") or ("cleared_at" in result and not result.get("published")):
        return None
    return str(result.get("published") or given_out(result)[0])


def _audio(made: object, has_sound: bool | None) -> Audio | None:
    """made: what a film's mix says of itself; has_sound: whether a clip has a track, None where nobody knows yet."""
    if made in get_args(Audio):
        return cast(Audio, made)
    return None if has_sound is None else "native" if has_sound else "none"


def _files(clip: str | None, result: JsonObject) -> list[str]:
    """What people get first, then the further files; the clip itself too where that is something else."""
    if clip is None:
        return []
    return [clip, *([result["file"]] if "export" in result else []), *result.get("extras", [])]


def _parents(row: Row) -> list[str]:
    """The jobs whose clips this one was made from."""
    names = [entry.get("from_job") or entry.get("job") for entry in json.loads(row["inputs"]).values()]
    return list(dict.fromkeys(name for name in names if name))


def to_row(row: Row, places: Places) -> JobRow:
    result = places.result_of(row) if row["state"] == "succeeded" else {}
    return JobRow(
        job_id=row["id"],
        state=row["state"],
        model=row["model"],
        task=row["task"],
        prompt=first_words(json.loads(row["request"])["prompt"]),
        label=row["label"],
        take=row["take"],
        progress=1.0 if row["state"] == "succeeded" else round(row["progress"], 2),
        cost_usd=ledger.to_float(row["cost"]),
        created_at=_iso(row["created_at"]),
        file=_clip(result),
    )


def _without_folder(rows: list[JobRow]) -> tuple[list[JobRow], str | None]:
    """The rows with the bare names of files in the folder that most of them lie in, and that folder."""
    folders = Counter(str(Path(row.file).parent) for row in rows if row.file)
    if not folders:
        return rows, None
    common = folders.most_common(1)[0][0]
    short = [
        row.model_copy(update={"file": Path(row.file).name})
        if row.file and str(Path(row.file).parent) == common
        else row
        for row in rows
    ]
    return short, common


def spend(store: Store) -> Spend:
    totals, limits = ledger.totals(store), ledger.walls(store)
    return Spend(
        today_usd=totals.today / ledger.MICRO,
        today_reserved_usd=totals.held_today / ledger.MICRO,
        total_usd=totals.settled / ledger.MICRO,
        reserved_usd=totals.held / ledger.MICRO,
        per_job_wall_usd=None if limits.per_job is None else float(limits.per_job),
        per_day_wall_usd=None if limits.per_day is None else float(limits.per_day),
    )


def page(
    store: Store, principal: str, *, state: str | None, label: str | None, limit: int, cursor: str | None
) -> JobPage:
    """Rows newest first. state: one of the states, or "open" (all that have not ended). cursor: as an earlier page
    gave it. VideoError("invalid_request") for a state or cursor that there is not."""
    where, params = ["principal = ?", "parent IS NULL"], cast("list[object]", [principal])
    index = "jobs_page"  # named, since SQLite cannot know which one leaves the fewest rows to look at
    if state is not None and state != "open":
        if state not in STATES:
            raise VideoError("invalid_request", f"state is open, or one of {', '.join(STATES)}, not {state[:40]!r}")
        where.append("state = ?")
        params.append(state)
        index = "jobs_state"
    if label is not None:
        where.append("label = ?")
        params.append(label)
        index = "jobs_label" if index == "jobs_page" else "jobs_label_state"
    if state == "open":
        where.append(UNENDED)
        index = "jobs_unended"
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
            raise VideoError("invalid_request", "cursor is what an earlier list_jobs gave; leave it out to begin anew")
        where.append("seq < ?")
        params.append(int(cursor))
    sql = f"SELECT * FROM jobs INDEXED BY {index} WHERE {' AND '.join(where)} ORDER BY seq DESC LIMIT ?"
    rows = store.rows(sql, (*params, limit + 1))
    places = Places.of(store)
    more = str(rows[limit - 1]["seq"]) if len(rows) > limit else None
    listed, folder = _without_folder([to_row(row, places) for row in rows[:limit]])
    return JobPage(jobs=listed, folder=folder, cursor=more, spend=spend(store))
