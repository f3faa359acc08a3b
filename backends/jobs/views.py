"""What a caller sees of jobs: Ticket, Job and compact rows. The field names are the public contract."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Engine = Literal["generative", "previs", "edit"]
State = Literal[
    "waiting",
    "queued",
    "submitting",
    "running",
    "downloading",
    "finishing",
    "succeeded",
    "failed",
    "cancelled",
    "uncertain",
]
STATES: tuple[str, ...] = get_args(State)
FINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})
"""States that never change again. `uncertain` is not one: the user decides it."""
SETTLED: frozenset[str] = FINAL | {"uncertain"}
"""States in which nothing more happens by itself, so that waiting for the job ends."""


Audio = Literal["native", "tts", "added", "silent", "none"]
"""The sound of a clip: from its model, a spoken text, an added file, silence, or no track."""


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


class JobError(View):
    kind: str
    message: str
    retryable: bool = False
    charged: Literal["no", "yes", "unknown"] = "no"


class Ticket(View):
    """The answer of a starting call. next: the call to make now."""

    job_id: str
    state: State
    model: str
    est_cost_usd: float | None = None  # the high estimate; null = unknown price
    replayed: bool = False
    poll_after_s: float = 1.0
    notes: list[str] = Field(default_factory=list)
    next: str = ""


class Job(View):
    """A job in full. Money in US dollars, sizes in pixels, times in seconds, created_at in ISO 8601 UTC. asked: width,
    height, duration_s, fps, audio as requested, where what came differs. account: which of the provider's accounts
    makes it, where several share its work."""

    job_id: str
    uri: str
    label: str = ""
    take: int = 1
    state: State
    phase: str = ""
    task: str
    engine: Engine
    model: str
    account: str = ""
    prompt: str = ""
    progress: float = 0.0
    queue_position: int | None = None
    eta_s: float | None = None
    est_cost_usd: float | None = None
    cost_usd: float | None = None
    cost_basis: str = ""
    file: str | None = None
    files: list[str] = Field(default_factory=list)
    poster: str | None = None
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    audio: Audio | None = None
    asked: dict[str, float | int | bool | None] | None = None
    seed: int | None = None
    parents: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    error: JobError | None = None
    created_at: str
    client: str = ""
    poll_after_s: float = 0.0
    timed_out: bool = False
    next: str = ""


ROW_PROMPT = 40
"""Characters of a prompt in a row of list_jobs."""


class JobRow(View):
    """One line of list_jobs. prompt: its first words. file: only its name where it lies in the page's folder."""

    job_id: str
    state: State
    model: str
    task: str = ""
    prompt: str = ""
    label: str = ""
    take: int = 1
    progress: float = 0.0
    cost_usd: float | None = None
    created_at: str
    file: str | None = None


class Spend(View):
    """Total spend, US dollars. reserved: held for jobs that are not settled. Days are UTC. today: spent or reserved for
    jobs of today; today_reserved: the reserved part of it. limits_changed: changes of the user's limits within a day,
    each in a sentence, newest first."""

    today_usd: float = 0.0
    today_reserved_usd: float = 0.0
    total_usd: float = 0.0
    reserved_usd: float = 0.0
    per_job_wall_usd: float | None = None
    per_day_wall_usd: float | None = None
    limits_changed: list[str] = Field(default_factory=list)


class JobPage(View):
    """Rows newest first; cursor: pass it back for older ones, null at the end. folder: where the rows' files lie that
    are given without one."""

    jobs: list[JobRow]
    folder: str | None = None
    cursor: str | None = None
    spend: Spend = Field(default_factory=Spend)


def first_words(prompt: str) -> str:
    """As much of a prompt as a list's row holds, cut between words where it has any, and an ellipsis."""
    words = " ".join(prompt[: 4 * ROW_PROMPT].split())
    if len(words) <= ROW_PROMPT:
        return words
    return f"{words[:ROW_PROMPT].rpartition(' ')[0] or words[: ROW_PROMPT - 1]}…"
