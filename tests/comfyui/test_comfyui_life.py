"""A bound workflow as a model like any other: a client, its detached worker, a server, and the clip at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from backends.comfyui.backend import ComfyBackend
from backends.comfyui.checking import look
from backends.comfyui.servers import servers
from backends.edit.request import build_finish
from backends.errors import VideoError
from backends.jobs.store.codec import prepared_from_json
from backends.jobs.views import Ticket
from backends.request import build_request
from notebook_ext.delivery import preview_of
from tests.comfyui.conftest import SLOW, own_workflow
from tests.comfyui.stand import catalog, station
from tests.fakes import FakeServer
from tests.jobs.station import Station, until
from tests.samples import write_clip

pytestmark = pytest.mark.usefixtures("forked_workers")


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
    before = preview_of(studio.get(first))
    assert before and until(lambda: preview_of(studio.get(first)) not in ("", before), "the next picture is told")
    job = studio.get(first)
    assert job.state == "running" and 0 < (job.progress or 0) < 1 and str(job.phase).startswith("node ")
    assert until(lambda: studio.get(second).queue_position, "its place is told") == 1
    server.set(node_s=0.02)
    done = base.settled(studio, [first, second], 60)
    assert [job.state for job in done] == ["succeeded", "succeeded"]
    assert done[0].poster and "spool" not in done[0].poster and preview_of(done[0]) == ""


def test_a_changed_workflow_is_another_model_and_replays_nothing(base: Station, server: FakeServer) -> None:
    workflow = own_workflow(base.home, "slow").with_name("slow.json")
    studio = base.studio()

    def ask() -> Ticket:
        return studio.submit(build_request(task="text_to_video", model="comfyui/slow", duration_s=1, seed=5))

    first = ask()
    (done,) = base.settled(studio, [first.job_id], 60)
    assert done.state == "succeeded" and ask().job_id == first.job_id
    softer = {**SLOW, "2": {"class_type": "ImageBlur", "inputs": {**SLOW["2"]["inputs"], "sigma": 2.0}}}
    workflow.write_text(json.dumps(softer))
    second = ask()
    assert not second.replayed and second.job_id != first.job_id
    (again,) = base.settled(studio, [second.job_id], 60)
    assert again.state == "succeeded"
    assert [run["graph"]["2"]["inputs"]["sigma"] for run in server.jobs()] == [4.0, 2.0]
    with pytest.raises(VideoError, match=r"comfyui/slow has been changed since job job_.* make the whole call again"):
        studio.again(first.job_id)
    workflow.write_text(json.dumps(SLOW, indent=2))
    assert ask().job_id == first.job_id, "the old workflow, however its file is spaced, is the old job"


def test_a_workflow_that_changes_while_its_job_waits_is_not_run(base: Station, server: FakeServer) -> None:
    path = own_workflow(base.home, "slow")
    ticket = base.studio().submit(build_request(task="text_to_video", model="comfyui/slow", duration_s=1, seed=6))
    accepted = prepared_from_json({**json.loads(base.row(ticket.job_id)["prepared"]), "body": {}})
    backend = ComfyBackend(base.environ(), server.url)
    assert backend.prepare(accepted.request, accepted, None).body["sha256"]
    path.write_text(path.read_text().replace('input = "width"', 'input = "height"', 1))
    with pytest.raises(VideoError, match="workflow slow has been changed since this job was requested"):
        backend.prepare(accepted.request, accepted, None)


def test_a_films_rate_is_raised_by_a_bound_model(base: Station, server: FakeServer) -> None:
    """The film is made at its own rate, and the model puts the frames between."""
    server.set(models={"model_name": ["rife_v4.25.safetensors"]})
    env = base.environ()
    anyio.run(look, env, servers(env)[0], catalog(env), ["interpolate-rife"])
    write_clip(base.root / "one.mp4")
    studio = base.studio()
    asked = {"clips": ["one.mp4", "one.mp4#t=0,0.5"], "upscaler": "comfyui/interpolate-rife", "resolution": "120p"}
    for fps, said, right in ((50, "fps 50", 48), (None, "say fps", 24)):
        with pytest.raises(VideoError, match=f"{said}: comfyui/interpolate-rife makes 2 to 8 times") as told:
            studio.finish_clip(build_finish(**asked, fps=fps))
        assert told.value.nearest == {"fps": right}
    ticket = studio.finish_clip(build_finish(**asked, fps=48))
    (job,) = base.settled(studio, [ticket.job_id], 60)
    assert job.state == "succeeded" and ticket.model == "comfyui/interpolate-rife", job.error
    film = studio.get(job.parents[0])
    assert (film.fps, film.height, film.duration_s) == (12, 120, 1.5)
    (run,) = server.jobs()
    assert (run["graph"]["4"]["inputs"]["multiplier"], run["graph"]["5"]["inputs"]["fps"]) == (4, 48)
