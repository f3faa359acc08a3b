"""Text and structured content are each complete: what one says, the other says too."""

from __future__ import annotations

from typing import Any

import pytest

from backends.errors import ERROR_KINDS, Problem, VideoError
from backends.jobs.views import Job, JobError, JobPage, JobRow, Spend, Ticket
from mcp_server import text
from mcp_server.refusal import NEXT, refused

ID = "job_abcdefghijklmnopqrstuvwxyz"
FULL = Job(
    job_id=ID,
    uri=f"video://jobs/{ID}",
    label="dawn",
    take=3,
    state="running",
    phase="rendering",
    task="image_to_video",
    engine="generative",
    model="acme/one",
    account="studio",
    prompt="a cat on the sill",
    progress=0.25,
    queue_position=4,
    eta_s=31.5,
    est_cost_usd=0.45,
    cost_usd=0.4,
    cost_basis="reported",
    file="/videos/dawn_take03.mp4",
    files=["/videos/dawn_take03.mp4", "/home/second.mp4"],
    poster="/home/poster.jpg",
    duration_s=5.5,
    width=1280,
    height=720,
    fps=23.976,
    audio="native",
    asked={"width": 1920, "height": 1080, "duration_s": 6.0, "fps": 30, "audio": False},
    seed=77,
    parents=["job_parent"],
    notes=["camera is put into the prompt"],
    error=JobError(kind="network", message="the link broke", retryable=True, charged="unknown"),
    created_at="2026-11-23T04:50:02Z",
    client="mcp",
    poll_after_s=2.5,
    timed_out=True,
    next="wait again",
)


def leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, key)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner, name)]
    return [(name, value)]


def test_a_jobs_text_says_every_field() -> None:
    assert FULL.model_fields_set == set(Job.model_fields), "a new field of Job must be told in words too"
    words = text.job_text(FULL)
    told = {"progress": "25%", "audio": "with sound", "timed_out": "timed out", "retryable": "may work again unchanged"}
    told |= {
        "charged": "charge unknown",
        "duration_s": "5.5 s",
        "cost_usd": "$0.40",
        "est_cost_usd": "$0.45",
        "take": "take 3",
    }
    for name, value in leaves(text.plain(FULL)):
        assert told.get(name, str(value)) in words, name


def test_absent_means_empty_or_unknown() -> None:
    bare = Job(job_id=ID, uri="u", state="queued", task="extend", engine="edit", model="m", created_at="now")
    assert text.plain(bare) == {
        "job_id": ID,
        "uri": "u",
        "take": 1,
        "state": "queued",
        "task": "extend",
        "engine": "edit",
        "model": "m",
        "progress": 0.0,
        "created_at": "now",
        "poll_after_s": 0.0,
        "timed_out": False,
    }
    assert text.job_text(bare).splitlines() == [
        f"{ID}: queued",
        "progress: 0%",
        "extend by m (edit), take 1",
        "uri: u",
        "cost: not settled, estimated unknown",
        "created now",
    ]


def test_previs_comes_first() -> None:
    job = FULL.model_copy(update={"engine": "previs"})
    assert text.job_text(job).startswith("PREVIS (no generative model) job_")
    assert text.ticket_text(Ticket(job_id=ID, state="queued", model="animatic")).startswith(
        "PREVIS (no generative model) "
    )
    assert "PREVIS" not in text.job_text(FULL)


def test_a_tickets_text_ends_with_the_next_call() -> None:
    ticket = Ticket(job_id=ID, state="queued", model="acme/one", est_cost_usd=1.5, replayed=True, notes=["n1"])
    lines = text.ticket_text(ticket).splitlines()
    assert lines[0].startswith(f"{ID}: queued (replayed: ") and "at most $1.50" in lines[0] and "acme/one" in lines[0]
    assert lines[1] == "note: n1"
    assert lines[-1] == f'next: wait_for_job(job_ids=["{ID}"])'
    assert text.ticket_text(ticket.model_copy(update={"next": "this"})).endswith("\nnext: this")
    assert ", free, " in text.ticket_text(Ticket(job_id=ID, state="queued", model="m", est_cost_usd=0))
    assert "price unknown" in text.ticket_text(Ticket(job_id=ID, state="queued", model="m"))


def test_a_page_says_rows_money_and_where_older_ones_are() -> None:
    rows = [
        JobRow(job_id=ID, state="succeeded", model="acme/one", task="extend", label="dawn", take=2, progress=1,
               cost_usd=0.4, created_at="2026-11-23T04:50:02Z", file="dawn_take02.mp4", prompt="the sun rises"),
        JobRow(job_id=ID, state="running", model="acme/one", task="edit", progress=0.25, created_at="now"),
    ]  # fmt: skip
    spend = Spend(
        today_usd=6.3, today_reserved_usd=5.9, total_usd=30, reserved_usd=6, per_job_wall_usd=5, per_day_wall_usd=20
    )
    words = text.page_text(JobPage(jobs=rows, folder="/videos", cursor="c1", spend=spend))
    assert words.splitlines() == [
        f"{ID}: succeeded, extend by acme/one, label dawn, take 2, $0.40, 2026-11-23T04:50:02Z, file dawn_take02.mp4, "
        'prompt "the sun rises"',
        f"{ID}: running 25%, edit by acme/one, now",
        "files are in /videos",
        "today (UTC) $6.30 of $20.00: $0.40 spent, $5.90 reserved; all days: $30.00 spent, $6.00 reserved; "
        "the user allows $5.00 a job",
        'older ones: list_jobs(cursor="c1")',
    ]
    assert text.page_text(JobPage(jobs=[])).startswith("no jobs\n")


def test_a_stopped_job_says_whether_billing_stops() -> None:
    job = FULL.model_copy(update={"state": "cancelled", "notes": ["still billed"], "next": "list_jobs"})
    assert text.stopped(job)["notes"] == ["still billed"]
    assert set(text.stopped(job)) == {*JobRow.model_fields, "notes", "next"}
    assert text.stopped_text(job).endswith("\nnote: still billed\nnext: list_jobs")


@pytest.mark.parametrize(
    ("amount", "shown"), [(0, "$0"), (0.4, "$0.40"), (1.25, "$1.25"), (0.0042, "$0.0042"), (12, "$12.00")]
)
def test_dollars(amount: float, shown: str) -> None:
    assert text.dollars(amount) == shown


def test_models_and_estimates_say_every_figure() -> None:
    row = {"model": "acme/one", "tasks": ["extend", "edit"], "price": {"low": 0.1, "high": 0.25}, "available": False}
    assert text.models_text({"models": [row], "more": 3}).splitlines() == [
        "acme/one: tasks=extend/edit, price=low 0.1; high 0.25, available=no",
        "3 more: raise limit, or narrow by query or task",
    ]
    assert "include_retired=true" in text.models_text({"models": [], "more": 0})
    estimate = {"fits": [row], "misfits": 2, "why": {"no audio": 2}, "next": "generate_video(...)"}
    assert text.estimate_text(estimate).splitlines() == [
        "1. acme/one: tasks=extend/edit, price=low 0.1; high 0.25, available=no",
        "2 other models don't fit",
        "- no audio: 2",
        "next: generate_video(...)",
    ]


def test_a_refusal_says_kind_problems_nearest_and_next() -> None:
    error = VideoError(
        "invalid_request",
        "two things",
        problems=[Problem("seed", "seed: one"), "another"],
        nearest={"duration_s": 5, "max_cost_usd": 3.2},
        cost="$3.20",
        charged="unknown",
        retry_after_s=30,
    )
    given = {"prompt": "a kite", "duration_s": 7}
    result = refused("generate_video", error, given, lambda call: True)
    part: Any = result.content[0]
    assert result.is_error
    assert result.structured_content == {
        "kind": "invalid_request",
        "message": "two things\n- seed: one\n- another",
        "problems": [{"field": "seed", "text": "seed: one"}, {"field": "", "text": "another"}],
        "charged": "unknown",
        "retry_after_s": 30,
        "nearest": {"duration_s": 5, "max_cost_usd": 3.2},
        "next": {"tool": "generate_video", "arguments": {"prompt": "a kite", "duration_s": 5, "max_cost_usd": 3.2}},
    }, "numbers are numbers, and the next call is whole"
    assert part.text.splitlines() == [
        "invalid_request: two things",
        "- seed: one",
        "- another",
        "charged: unknown",
        "try again after 30 s",
        "nearest that works: duration_s=5, max_cost_usd=3.2 ($3.20)",
        "next: correct the arguments and call generate_video again; nothing was started, nothing was spent",
    ]


def test_every_failure_that_a_caller_can_act_on_names_the_next_step() -> None:
    """Of the others three end a job and say it there, and not_found always names the list to look at."""
    assert ERROR_KINDS - set(NEXT) == {"provider", "cancelled", "moderation_output", "not_found"}


@pytest.mark.parametrize(
    ("given", "nearest", "words"),
    [
        (
            {"fps": 5, "motion": [1], "provider_options": {"a": 1}},
            {"fps": None, "motion": [], "provider_options": {}},
            "without fps, without motion, without provider_options",
        ),
        ({"add_s": 9}, {"duration_s": 5}, "add_s=5"),
        ({"clip": "a"}, {"source_clip": "b", "loop": False}, 'clip="b", loop=false'),
        ({"image": "a"}, {"frames": [{"image": "b", "role": "first"}]}, 'image="b"'),
        (
            {"frames": []},
            {"frames": [{"image": "a"}, {"image": "b", "role": "last", "at_s": 2}]},
            'frames=[{"image": "a"}, {"image": "b", "at_s": 2}]',
        ),
    ],
)
def test_the_nearest_request_is_told_in_arguments_of_the_tool(given: Any, nearest: Any, words: str) -> None:
    error = VideoError("unsupported", "m", nearest=nearest)
    part: Any = refused("t", error, given, lambda call: True).content[0]
    assert f"nearest that works: {words}\n" in part.text


def test_a_remedy_that_the_tool_does_not_take_is_not_told() -> None:
    """The back end has accepted it, but no such call can be made: fit is no argument of the tool."""
    error = VideoError("unsupported", "m", nearest={"fit": "pad"})
    for accepts in (None, lambda call: "fit" not in call):
        result = refused("extend_clip", error, {"clip": "a.mp4"}, accepts)
        part: Any = result.content[0]
        told: Any = result.structured_content
        assert "nearest" not in part.text and "nearest" not in told and "next" not in told
