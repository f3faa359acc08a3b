"""What cancelling a job means for its bill: by the provider's answer, else by the provider's general terms."""

from __future__ import annotations

from collections.abc import Sequence

from backends.jobs.store.stored_job import StoredJob
from backends.jobs.views import SETTLED

NEVER_STOP = {"kling": "Kling", "minimax": "MiniMax"}
"""Providers that cannot stop a job once they have accepted it, as in their back ends' `cancel`."""


def is_billing_known(state: str, notes: Sequence[str]) -> bool:
    """Whether the job's end, or a note of its driver, already says what is billed."""
    return state in SETTLED or any("billed" in note or "refused to cancel" in note for note in notes)


def in_general(job: StoredJob) -> str:
    """For a job whose cancelling was requested and whose provider has not answered yet, a sentence; "" for work on this
    machine."""
    if job.kind == "local":
        return ""
    if job.state in ("downloading", "finishing"):
        return "the provider has already made it: the clip is downloaded and kept; it is billed"
    veo = "Veo" if job.provider == "vertex" and "/veo" in job.model else ""
    if name := NEVER_STOP.get(job.provider, veo):
        return f"{name} cannot stop a job: it runs on, and the clip will be kept; it is still billed"
    waits = f"cancelling requested; {job.provider} has not answered yet"
    return f"{waits}, so it may still be billed: get_job shows its answer"
