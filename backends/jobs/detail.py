"""Details of a job beyond its public view: the full request, times, and figures of its making."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.edit.request import FinishRequest
from backends.jobs.files.places import Places
from backends.jobs.files.signed import given_out
from backends.jobs.order.cut import finish_of
from backends.jobs.store.stored_job import StoredJob
from backends.jobs.views import SETTLED
from backends.request import VideoRequest


@dataclass(frozen=True)
class Detail:
    """asked: the request as the caller wrote it. inputs: paths of its media, by place in the request. prompt: in full.
    elapsed_s: seconds from the submit to the end (or to now); run_s: from the start of the work. facts: figures of the
    making (seconds, steps, peak memory, versions), {} for most services. sha256: of the clip. clip, poster: files in
    the store (the signed copy where there is one), None until they exist. film: the requested film of a finish_clip
    job, None for any other."""

    asked: VideoRequest
    inputs: Mapping[str, Path]
    prompt: str
    elapsed_s: float
    run_s: float | None
    facts: Mapping[str, Any]
    sha256: str
    clip: Path | None
    poster: Path | None
    film: FinishRequest | None = None


def detail_of(job: StoredJob, places: Places) -> Detail:
    """What is known of a job's making now."""
    asked = job.request
    result = places.result_of(job.row) if job.state == "succeeded" else {}
    end = job.ended_at if job.state in SETTLED and job.ended_at else time.time()
    return Detail(
        asked=asked,
        inputs={place: Path(entry["path"]) for place, entry in places.entries(job.inputs).items() if "path" in entry},
        prompt=asked.prompt,
        elapsed_s=max(0.0, end - job.created_at),
        run_s=max(0.0, end - job.started_at) if job.started_at else None,
        facts=result.get("facts", {}),
        sha256=result.get("sha256", ""),
        clip=given_out(result)[0] if "file" in result else None,
        poster=Path(result["poster"]) if "poster" in result else None,
        film=finish_of(job) if asked.task == "finish" else None,
    )
