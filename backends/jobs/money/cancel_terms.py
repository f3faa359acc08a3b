"""What cancelling a job means for its bill: as the provider has answered, else as that provider is in general."""

from __future__ import annotations

from collections.abc import Sequence

from backends.jobs.store.stored_job import StoredJob
from backends.jobs.views import SETTLED

NEVER_STOP = {"kling": "Kling", "minimax": "MiniMax"}
"""Providers without any way to stop a job that they have taken, as their back ends' `cancel` says."""


def is_told(state: str, notes: Sequence[str]) -> bool:
    """Whether the job's end, or a note of its driver, says already what is billed."""
    return state in SETTLED or any("billed" in note or "refused to cancel" in note for note in notes)


def in_general(job: StoredJob) -> str:
    """A job that was asked to stop, in words, while its provider has not answered; "" for work on this machine."""
    if job.kind == "local":
        return ""
    if job.state in ("downloading", "finishing"):
        return "the provider has made it already: the clip is fetched and kept; it is billed"
    veo = "Veo" if job.provider == "vertex" and "/veo" in job.model else ""
    if name := NEVER_STOP.get(job.provider, veo):
        return f"{name} cannot stop a job: it runs on, and the clip will be kept; it is still billed"
    waits = f"cancelling requested; {job.provider} has not answered yet"
    return f"{waits}, so it may still be billed: get_job shows its answer"
