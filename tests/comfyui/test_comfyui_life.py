"""A bound workflow as a model like any other: a client, its detached worker, a server, and the clip at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.request import build_request
from tests.comfyui.stand import station
from tests.fakes import FakeServer
from tests.jobs.station import Station, until


@pytest.fixture
def base(tmp_path: Path, server: FakeServer) -> Iterator[Station]:
    made = station(tmp_path, server.url)
    yield made
    made.close()


def smoke(**fields: object):  # type: ignore[no-untyped-def]
    return build_request(**{"task": "text_to_video", "model": "comfyui/smoke", "duration_s": 2, **fields})


def test_the_smoke_workflow_becomes_a_clip(base: Station, server: FakeServer) -> None:
    ticket = base.studio().submit(smoke())
    (job,) = base.settled(base.studio(), [ticket.job_id])
    assert job.state == "succeeded" and job.file and Path(job.file).stat().st_size > 1000
    assert job.cost_usd == 0
    (run,) = server.jobs()
    assert run["graph"]["1"]["inputs"]["batch_size"] == 48 and run["graph"]["1"]["inputs"]["width"] == 640
    assert run["graph"]["3"]["inputs"]["filename_prefix"] == f"reelwright/{ticket.job_id}"
    assert any("made by ComfyUI 0.33.0, workflow" in note for note in job.notes)


def test_a_job_shows_its_preview_its_node_and_its_place_while_it_runs(base: Station, server: FakeServer) -> None:
    server.set(node_s=60.0, steps=300)
    studio = base.studio()
    first = studio.submit(smoke()).job_id
    shown = until(lambda: studio.get(first).poster, "the running job has a picture")
    second = studio.submit(smoke(fps=12)).job_id
    assert Path(shown).read_bytes().startswith(b"\xff\xd8") and studio.detail(first).poster == Path(shown)
    job = studio.get(first)
    assert job.state == "running" and 0 < (job.progress or 0) < 1 and str(job.phase).startswith("node ")
    assert until(lambda: studio.get(second).queue_position, "its place is told") == 1
    server.set(node_s=0.02)
    done = base.settled(studio, [first, second], 60)
    assert [job.state for job in done] == ["succeeded", "succeeded"]
    assert done[0].poster and "spool" not in done[0].poster
