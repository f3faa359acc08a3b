"""What we count on of a ComfyUI server. Runs against the fake, and against a real one where COMFYUI_TEST_URL names it,
so that the fake cannot drift. Only core nodes and no models are needed."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from backends.comfyui.backend import ComfyBackend, prompt_id
from backends.errors import VideoError
from backends.jobs.records import new_job_id
from backends.provider.protocol import Handle, Status
from backends.request import build_request
from tests.comfyui.conftest import SLOW, own_workflow
from tests.comfyui.stand import ended, environ, fake, ordered, station, still, until, uploaded

pytestmark = pytest.mark.usefixtures("forked_workers")

Work = Callable[[ComfyBackend], Awaitable[Any]]


def run(home: Path, url: str, work: Work) -> Any:
    """With one opened back end."""

    async def whole() -> Any:
        backend = ComfyBackend(environ(home, url), url)
        try:
            return await work(backend)
        finally:
            await backend.aclose()

    return anyio.run(whole)


def seed() -> int:
    """One that no other run has had: a server runs nothing anew that it has run already."""
    return random.SystemRandom().randrange(1 << 24)


async def begun(backend: ComfyBackend, model: str = "slow") -> Handle:
    ready = ordered(backend, model, task="text_to_video", seed=seed())
    return await backend.start(ready, {}, new_job_id())


def test_a_run_is_found_under_our_own_id_and_leaves_a_clip(home: Path, url: str, tmp_path: Path) -> None:
    own_workflow(home, "slow")

    async def work(backend: ComfyBackend) -> tuple[str, Status]:
        job = new_job_id()
        handle = await backend.start(ordered(backend, "slow", task="text_to_video", seed=seed()), {}, job)
        assert handle.remote_id == prompt_id(job)
        listed = await backend.reconcile(ordered(backend, "slow", task="text_to_video"), job, 0.0)
        assert [one.handle.remote_id for one in listed.matches] == [handle.remote_id]
        return job, await until(backend, handle, tmp_path, ended)

    job, status = run(home, url, work)
    assert status.state == "succeeded", status
    assert (
        status.files[0].url
        and f"filename={job}" in status.files[0].url
        and "subfolder=reelwright" in status.files[0].url
    )


def test_a_run_that_the_server_does_not_hold_is_surely_not_taken(home: Path, url: str) -> None:
    own_workflow(home, "slow")

    async def work(backend: ComfyBackend) -> Any:
        return await backend.reconcile(ordered(backend, "slow", task="text_to_video"), new_job_id(), 0.0)

    listed = run(home, url, work)
    assert not listed.matches and "queue and history" in listed.complete


def test_progress_grows_while_nodes_run(home: Path, url: str, tmp_path: Path) -> None:
    own_workflow(home, "slow")

    async def work(backend: ComfyBackend) -> list[Status]:
        handle = await begun(backend)
        seen: list[Status] = []

        def note(status: Status) -> bool:
            seen.append(status)
            return ended(status)

        await until(backend, handle, tmp_path, note)
        return seen

    seen = run(home, url, work)
    shares = [status.progress for status in seen if status.state == "running" and status.progress is not None]
    assert len(set(shares)) >= 2 and shares == sorted(shares), shares
    assert any(status.raw_state.startswith("node ") for status in seen)


def test_a_run_that_waits_is_told_its_place_and_cancelled_at_once(home: Path, url: str, tmp_path: Path) -> None:
    own_workflow(home, "slow")

    async def work(backend: ComfyBackend) -> None:
        first, second, third = [await begun(backend) for _ in range(3)]
        places = [(await backend.status(one, tmp_path)).queue_position for one in (second, third)]
        assert places in ([1, 2], [0, 1]), places
        cancelled = await backend.cancel(third)
        assert (cancelled.outcome, cancelled.billed) == ("stopped", "no")
        assert (await backend.status(third, tmp_path)).state == "cancelled"
        assert (await until(backend, first, tmp_path, ended)).state == "succeeded"
        assert (await until(backend, second, tmp_path, ended)).state == "succeeded"

    run(home, url, work)


def test_a_run_under_way_is_cancelled_and_the_next_one_is_left_alone(home: Path, url: str, tmp_path: Path) -> None:
    own_workflow(home, "slow")

    async def work(backend: ComfyBackend) -> None:
        first, second = [await begun(backend) for _ in range(2)]
        await until(backend, first, tmp_path, lambda status: status.state == "running")
        assert (await backend.cancel(first)).outcome in ("requested", "stopped")
        assert (await until(backend, first, tmp_path, ended)).state == "cancelled"
        assert (await until(backend, second, tmp_path, ended)).state == "succeeded"

    run(home, url, work)


def test_a_missing_model_file_is_told_with_its_folder(home: Path, url: str) -> None:
    graph = {
        **SLOW,
        "7": {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "no-such-model.pth"}},
        "8": {"class_type": "ImageUpscaleWithModel", "inputs": {"upscale_model": ["7", 0], "image": ["1", 0]}},
        "4": {"class_type": "CreateVideo", "inputs": {"images": ["8", 0], "fps": 24.0}},
    }
    own_workflow(home, "slow", graph)
    with pytest.raises(VideoError) as caught:
        run(home, url, begun)
    assert "no-such-model.pth is not on the server: put it into models/upscale_models" in caught.value.message
    assert (caught.value.kind, caught.value.charged) == ("unsupported", "no")


def test_a_missing_node_is_told_before_anything_is_sent(home: Path, url: str) -> None:
    graph = {**SLOW, "3": {"class_type": "NoSuchNode", "inputs": {"image": ["2", 0]}}}
    own_workflow(home, "slow", graph)
    with pytest.raises(VideoError, match=r"ComfyUI lacks the nodes NoSuchNode: update ComfyUI, or install"):
        run(home, url, begun)


def test_a_value_out_of_range_is_told_with_its_node(home: Path, url: str) -> None:
    graph = {**SLOW, "2": {"class_type": "ImageBlur", "inputs": {**SLOW["2"]["inputs"], "blur_radius": 900}}}
    own_workflow(home, "slow", graph)
    with pytest.raises(VideoError, match=r"node 2 \(ImageBlur\): Value 900 bigger than max of 31") as caught:
        run(home, url, begun)
    assert caught.value.kind == "invalid_request"


def test_an_output_that_would_be_dropped_is_an_error_and_stops_the_rest(home: Path, url: str, tmp_path: Path) -> None:
    graph = {
        **SLOW,
        "6": {"class_type": "ImageBlur", "inputs": {"image": ["1", 0], "blur_radius": 99, "sigma": 1.0}},
        "7": {"class_type": "CreateVideo", "inputs": {"images": ["6", 0], "fps": 24.0}},
        "9": {**SLOW["5"], "inputs": {**SLOW["5"]["inputs"], "video": ["7", 0]}},
    }
    own_workflow(home, "slow", graph)

    async def work(backend: ComfyBackend) -> None:
        job = new_job_id()
        ready = ordered(backend, "slow", task="text_to_video", seed=seed())
        with pytest.raises(VideoError, match="would leave a part of the workflow out: node 6"):
            await backend.start(ready, {}, job)
        status = await until(backend, Handle(prompt_id(job)), tmp_path, ended)
        assert status.state in ("cancelled", "failed"), status

    run(home, url, work)


def test_a_broken_socket_costs_progress_alone(home: Path, url: str, tmp_path: Path) -> None:
    own_workflow(home, "slow")

    async def work(backend: ComfyBackend) -> Status:
        handle = await begun(backend)
        await until(backend, handle, tmp_path, lambda status: status.state == "running")
        await backend.watch.aclose()
        return await until(backend, handle, tmp_path, ended)

    assert run(home, url, work).state == "succeeded"


def test_an_upload_is_read_by_its_node(home: Path, url: str, tmp_path: Path) -> None:
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}, "_meta": {"title": "First"}},
        "2": {"class_type": "RepeatImageBatch", "inputs": {"image": ["1", 0], "amount": 24}},
        "3": {"class_type": "CreateVideo", "inputs": {"images": ["2", 0], "fps": 24.0}},
        "4": SLOW["5"] | {"inputs": {**SLOW["5"]["inputs"], "video": ["3", 0]}},
    }
    bind = """
provider = "comfyui"
[bind.inputs]
first = { title = "First", class = "LoadImage", input = "image" }
frames = { class = "RepeatImageBatch", input = "amount" }
[[model]]
id = "comfyui/hold"
title = "A still, held"
price = { unit = "free" }
[[model.mode]]
tasks = ["image_to_video"]
frames = { min = 1, max = 1 }
prompt_required = false
prompt_followed = false
durations = { min = 1, max = 4, step = 1, default = 1 }
sizes = { "360p" = { "16:9" = "640x360" } }
fps = [24]
"""
    own_workflow(home, "hold", graph, bind)
    picture = still("frames[0].image", tmp_path / f"{seed()}.png")

    async def work(backend: ComfyBackend) -> Status:
        ready = ordered(
            backend, "hold", {"frames[0].image": picture}, task="image_to_video", frames=[{"image": str(picture.path)}]
        )
        refs = await uploaded(backend, ready)
        assert refs["frames[0].image"].value.startswith("reelwright/")
        handle = await backend.start(ready, refs, new_job_id())
        return await until(backend, handle, tmp_path, ended)

    assert run(home, url, work).state == "succeeded"


def test_the_clip_comes_home_through_the_worker(tmp_path: Path, url: str) -> None:
    home = station(tmp_path, url)
    try:
        studio = home.studio()
        job = studio.submit(
            build_request(task="text_to_video", model="comfyui/smoke", duration_s=1, provider_options={"color": seed()})
        )
        (done,) = home.settled(studio, [job.job_id], 60)
        assert done.state == "succeeded", done.error
        assert done.file and Path(done.file).read_bytes()[4:8] == b"ftyp"
    finally:
        home.close()


def test_two_clients_of_one_server_do_not_disturb_each_other(tmp_path: Path, url: str) -> None:
    homes = [station(tmp_path / name, url) for name in ("one", "two")]
    try:
        tickets = [
            (home, home.studio().submit(build_request(task="text_to_video", model="comfyui/smoke", duration_s=1,
             provider_options={"color": seed()})))
            for home in homes
        ]  # fmt: skip
        done = [home.settled(home.studio(), [ticket.job_id], 60)[0] for home, ticket in tickets]
        assert [job.state for job in done] == ["succeeded", "succeeded"]
    finally:
        for home in homes:
            home.close()


def test_two_servers_are_two_lanes_and_share_the_work(tmp_path: Path, url: str) -> None:
    with fake(node_s=0.2) as other:
        home = station(tmp_path, f"{url}, {other.url}")
        try:
            studio = home.studio()
            asked = [
                studio.submit(build_request(task="text_to_video", model="comfyui/smoke", duration_s=1,
                provider_options={"color": seed()}))
                for _ in range(4)
            ]  # fmt: skip
            done = home.settled(studio, [ticket.job_id for ticket in asked], 60)
            assert {job.state for job in done} == {"succeeded"}
            lanes = {home.row(ticket.job_id)["lane"].split("|")[1] for ticket in asked}
            assert lanes == {url, other.url}
            assert other.counters()["ran"] == 2
        finally:
            home.close()


def test_what_is_no_workflow_in_api_form_is_refused_by_us(home: Path, url: str) -> None:
    path = own_workflow(home, "slow", {"nodes": [], "links": [], "version": 0.4})
    with pytest.raises(VideoError, match=r"slow\.json is a workflow as the editor saves it.*Export \(API\)"):
        run(home, url, begun)
    path.with_name("slow.json").write_text("{no json")
    with pytest.raises(VideoError, match=r"slow\.json is no JSON"):
        run(home, url, begun)
