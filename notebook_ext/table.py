"""Jobs as a table for research: what each took, cost and was made with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from backends.jobs.marks import NONE, Mark
from backends.jobs.views import Job as JobView
from notebook_ext.listing import Listing

if TYPE_CHECKING:
    from notebook_ext.job import Owner


class JobTable(Listing):
    """rows: job_id, label, take, model, seed, state, seconds (from the start of the work to the end), waited_s,
    cost_usd, est_cost_usd, duration_s, width, height, fps, peak_gib (GPU memory), steps, revision, and `facts` (all
    that the engine recorded); star, picked and note as you set them."""

    columns: dict[str, str] = {  # noqa: RUF012  never changed
        "job_id": "job",
        "label": "label",
        "take": "take",
        "model": "model",
        "seed": "seed",
        "state": "state",
        "seconds": "seconds",
        "cost_usd": "cost",
        "est_cost_usd": "estimated",
        "duration_s": "clip (s)",
        "size": "size",
        "peak_gib": "peak memory (GiB)",
        "steps": "steps",
        "revision": "revision",
        "error": "error",
        "mark": "your mark",
    }

    def __init__(self, client: Owner, views: Sequence[JobView]) -> None:
        marked = client.marks([view.job_id for view in views])
        super().__init__([_row(client, view) | mark_row(marked.get(view.job_id, NONE)) for view in views])


def mark_row(mark: Mark) -> dict[str, Any]:
    """A mark as columns, and in words: "picked, star: the best light"."""
    words = ", ".join(word for word, on in (("picked", mark.picked), ("star", mark.star)) if on)
    return {**asdict(mark), "mark": ": ".join(filter(None, (words, mark.note))) or None}


def _row(client: Owner, view: JobView) -> dict[str, Any]:
    detail = client.inner.detail(view.job_id)
    facts = dict(detail.facts)
    arguments = facts.get("arguments") or {}
    return {
        "job_id": view.job_id,
        "label": view.label,
        "take": view.take,
        "model": view.model,
        "seed": view.seed,
        "state": view.state,
        "seconds": None if detail.run_s is None else round(detail.run_s, 2),
        "waited_s": round(detail.elapsed_s, 2),
        "cost_usd": view.cost_usd,
        "est_cost_usd": view.est_cost_usd,
        "duration_s": view.duration_s,
        "width": view.width,
        "height": view.height,
        "size": f"{view.width}x{view.height}" if view.width else None,
        "fps": view.fps,
        "peak_gib": facts.get("peak_gib"),
        "steps": arguments.get("num_inference_steps"),
        "revision": facts.get("revision"),
        "error": view.error.message if view.error else None,
        "file": view.file,
        "facts": facts,
    }
