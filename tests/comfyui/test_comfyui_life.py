"""A bound workflow as a model like any other: a client, its detached worker, a server, and the clip at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.request import build_request
from tests.comfyui.stand import station
from tests.fakes import FakeServer
from tests.jobs.station import Station


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
