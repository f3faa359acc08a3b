"""Ranking finished clips by their measures, with the user's own picks and stars beside them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.errors import VideoError
from backends.jobs.marks import NONE
from notebook_ext.listing import Listing
from notebook_ext.table import mark_row

if TYPE_CHECKING:
    from notebook_ext.job import Job, Owner

MEASURES: Mapping[str, tuple[str, bool]] = {
    "sharpness": ("sharpness (of 255)", True),
    "motion": ("motion (px a frame)", True),
    "flicker": ("flicker (of 255)", False),
    "loop_seam": ("loop seam (of a usual step)", False),
    "ends_apart": ("ends apart (of 255)", False),
    "cost_usd": ("cost", False),
    "seconds": ("seconds to make", False),
}
"""Measures for ranking clips: their names, and whether more is better."""
LOOKED_AT = 8
"""Frames of the contact sheet that each inspection also makes."""


class Ranking(Listing):
    """rows, best first: place (equal ones share it), score (the mean of its places, by each measure), job_id, label,
    model, seed, take, the measures of MEASURES (None where a clip has none), star, picked, note. by: the measures that
    decide."""

    columns: dict[str, str] = {  # noqa: RUF012  never changed
        "place": "place",
        "mark": "your mark",
        "label": "label",
        "model": "model",
        "seed": "seed",
        "take": "take",
        **{name: heading for name, (heading, _) in MEASURES.items()},
        "job_id": "job",
    }

    def __init__(self, rows: list[dict[str, Any]], by: Sequence[str]) -> None:
        self.by = tuple(by)
        picked = [str(row["place"]) for row in rows if row["picked"]]
        mine = f"; your pick is at place {', '.join(picked)}" if picked else ""
        ways = [f"{name} ({'more' if MEASURES[name][1] else 'less'} is better)" for name in by]
        super().__init__(rows, f"{len(rows)} clips by {' and '.join(ways)}{mine}")


def ranking(client: Owner, jobs: Sequence[str | Job], by: Sequence[str]) -> Ranking:
    """Inspect each finished clip and rank them. VideoError("invalid_request") for an unknown measure, or where no job
    has a clip."""
    for name in by or [""]:
        if name not in MEASURES:
            near = difflib.get_close_matches(name, MEASURES, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise VideoError("invalid_request", f"by {name[:40]!r}: it is one of {', '.join(MEASURES)}{hint}")
    found = [job for job in map(client.job, jobs) if job.refresh().state == "succeeded"]
    if not found:
        raise VideoError("invalid_request", "none of these jobs has a clip yet: await them first")
    marked = client.marks([job.job_id for job in found])
    rows = [_row(client, job) | mark_row(marked.get(job.job_id, NONE)) for job in found]
    return Ranking(placed(rows, by), by)


def _row(client: Owner, job: Job) -> dict[str, Any]:
    measures = client.inspect_clip(job, LOOKED_AT).measures
    run_s = client.inner.detail(job.job_id).run_s
    own = {"cost_usd": job.cost_usd, "seconds": None if run_s is None else round(run_s, 2)}
    known = {name: own[name] if name in own else measures.get(name) for name in MEASURES}
    names = {name: getattr(job.view, name) for name in ("job_id", "label", "model", "seed", "take")}
    return names | known | {"file": Path(job.file).name if job.file else None}


def placed(rows: Sequence[dict[str, Any]], by: Sequence[str]) -> list[dict[str, Any]]:
    """The rows best first, each with its place and score. A row without a measure comes last by it."""
    score = [0.0] * len(rows)
    for name in by:
        more = MEASURES[name][1]
        worth = [_worth(row[name], more) for row in rows]
        for number, one in enumerate(worth):
            score[number] += (1 + sum(other > one for other in worth)) / len(by)
    order = sorted(range(len(rows)), key=score.__getitem__)
    return [
        {"place": 1 + sum(other < score[number] for other in score), "score": score[number], **rows[number]}
        for number in order
    ]


def _worth(value: float | None, more: bool) -> float:
    if value is None:
        return float("-inf")
    return value if more else -value
