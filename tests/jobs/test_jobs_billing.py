"""A cancelled job says whether billing stops: in the provider's words, or in what is known of the provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path

import pytest

from backends.jobs.money.cancel_terms import in_general
from backends.jobs.store.stored_job import StoredJob
from backends.studio import CANCEL_S, Studio
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import Station, text_request, until


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer("paid", clips={"": tiny_clip()}, life={"until_told": True}) as opened:
        yield opened


@pytest.fixture
def studio(tmp_path: Path, server: FakeServer) -> Iterator[Studio]:
    with ExitStack() as stack:
        station = Station(tmp_path, server.url)
        stack.callback(station.close)
        yield station.studio()


def running(studio: Studio, prompt: str) -> str:
    job = studio.submit(text_request(prompt)).job_id
    until(lambda: studio.get(job).state == "running", "it runs")
    return job


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("stops", "stopped at the provider; it is still billed"),
        (
            "requested",
            "cancelling was requested; it may still finish, and then the clip is kept; it may still be billed",
        ),
        ("unsupported", "jobs cannot be cancelled; it is still billed"),
    ],
)
def test_the_providers_answer_is_waited_for(server: FakeServer, studio: Studio, how: str, words: str) -> None:
    server.set(cancel=how)
    job = running(studio, how)
    told = [note for note in studio.cancel(job, wait_s=20).notes if "billed" in note]
    assert told == [words]


def test_without_an_answer_it_is_said_that_it_may_be_billed(server: FakeServer, studio: Studio) -> None:
    server.script("cancel", {"status": 503}, {"status": 503}, {"status": 503})
    job = running(studio, "no answer")
    found = studio.cancel(job, wait_s=0.3)
    words = "cancelling requested; paid has not answered yet, so it may still be billed: get_job shows its answer"
    assert found.notes[-1] == words
    assert words not in studio.get(job).notes, "it is said once, not kept"


@pytest.mark.parametrize(
    ("provider", "model", "name"),
    [
        ("kling", "kling/kling-v2-6", "Kling"),
        ("minimax", "minimax/hailuo-02", "MiniMax"),
        ("vertex", "vertex/veo-3.1-generate-001", "Veo"),
    ],
)
def test_what_can_never_be_stopped_is_said_so(provider: str, model: str, name: str) -> None:
    columns = {field.name: None for field in fields(StoredJob)}
    here = {"kind": "remote", "state": "running", "provider": provider, "model": model}
    job = StoredJob.of(columns | here)
    words = f"{name} cannot stop a job: it runs on, and the clip will be kept; it is still billed"
    assert in_general(job) == words
    assert "may still be billed" in in_general(replace(job, provider="vertex", model="vertex/gemini-omni-flash"))
    assert in_general(replace(job, state="downloading")).endswith("the clip is downloaded and kept; it is billed")
    assert in_general(replace(job, kind="local")) == ""


def test_the_wait_is_short() -> None:
    assert CANCEL_S == 5
