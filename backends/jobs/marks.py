"""The user's marks on a job's clip: a star, a note, whether it is the pick. Kept with the job.

A mark is an event of the job (kind "mark"), one per job: it wakes no driver, is archived and brought back with its job,
and is never pruned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from backends.errors import VideoError
from backends.jobs.store.database import Store, Transaction, add_event
from backends.plain import trouble

KIND = "mark"
MOST_NOTE = 500
"""The longest note, in characters."""


@dataclass(frozen=True)
class Mark:
    star: bool = False
    note: str = ""
    picked: bool = False


NONE = Mark()


def of(source: Store | Transaction, jobs: Sequence[str]) -> dict[str, Mark]:
    """The marks of these jobs by job id; jobs without one are left out."""
    if not jobs:
        return {}
    places = ", ".join("?" * len(jobs))
    sql = f"SELECT job, data FROM events WHERE job IN ({places}) AND kind = '{KIND}' ORDER BY seq"
    return {str(row["job"]): Mark(**json.loads(row["data"])) for row in source.rows(sql, tuple(jobs))}


def put(
    store: Store, job: str, *, star: bool | None = None, note: str | None = None, picked: bool | None = None
) -> Mark:
    """Change what is given and keep the rest (None); returns the new mark. VideoError("invalid_request") for a note
    that is longer than 500 characters or not one line of plain text."""
    changes: Mapping[str, bool | str | None] = {"star": star, "note": note, "picked": picked}
    if note is not None and (why := _wrong(note)):
        raise VideoError("invalid_request", f"note is {why}")

    def write(tx: Transaction) -> Mark:
        old = of(tx, [job]).get(job, NONE)
        new = replace(old, **{name: value for name, value in changes.items() if value is not None})
        if new != old:
            tx.run(f"DELETE FROM events WHERE job = ? AND kind = '{KIND}'", (job,))
            if new != NONE:
                add_event(tx, job, KIND, asdict(new))
        return new

    return store.write(write)


def _wrong(note: str) -> str:
    if len(note) > MOST_NOTE:
        return f"at most {MOST_NOTE} characters, not {len(note)}"
    why = trouble(note)
    return f"one line of plain text: it holds {why}" if why else ""
