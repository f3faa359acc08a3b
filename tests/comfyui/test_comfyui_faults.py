"""What goes wrong at a ComfyUI server, and what is told: nothing is lost, nothing is queued twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.comfyui.backend import ComfyBackend
from backends.errors import VideoError
from backends.jobs.context import Context
from backends.jobs.lanes.process import is_alive
from backends.jobs.records import new_job_id
from backends.provider.protocol import PREVIEW, Status
from backends.request import build_request
from tests.comfyui.conftest import own_workflow
from tests.comfyui.stand import ended, ordered, station, still, until
from tests.comfyui.test_comfyui_contract import begun, run, seed
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station
from tests.jobs.station import until as fact

pytestmark = pytest.mark.usefixtures("forked_workers")


def finished(home: Path, server: FakeServer, spool: Path) -> Status:
    own_workflow(home, "slow")

    async def work(backend: ComfyBackend) -> Status:
        return await until(backend, await begun(backend), spool, ended)

    return run(home, server.url, work)


def test_a_history_that_comes_after_success_is_waited_for(home: Path, server: FakeServer, tmp_path: Path) -> None:
    server.set(late_s=0.4)
    assert finished(home, server, tmp_path).state == "succeeded"


def test_a_clip_is_found_whatever_its_list_is_called(home: Path, server: FakeServer, tmp_path: Path) -> None:
    server.set(gifs=True)
    status = finished(home, server, tmp_path)
    assert status.state == "succeeded" and "/home/somebody" not in str(status.files)


def test_success_without_a_file_is_a_failure(home: Path, server: FakeServer, tmp_path: Path) -> None:
    server.set(silent=True)
    status = finished(home, server, tmp_path)
    assert status.state == "failed" and status.error is not None
    assert "left no clip: the workflow saves none" in status.error.message and status.error.charged == "no"


def test_a_node_that_fails_is_named_without_the_servers_paths(home: Path, server: FakeServer, tmp_path: Path) -> None:
    server.set(fail="ImageBlur")
    status = finished(home, server, tmp_path)
    assert status.error is not None
    assert "node 2 (ImageBlur) failed: RuntimeError: it broke at (a path of the server)" in status.error.message
    assert "/home" not in status.error.message


def test_a_file_that_was_deleted_behind_the_cache_is_noticed(home: Path, server: FakeServer, tmp_path: Path) -> None:
    own_workflow(home, "slow")

    async def work(backend: ComfyBackend) -> Status:
        handle = await begun(backend)
        await until(backend, handle, tmp_path, lambda _: server.jobs() != [])
        server.control("delete_files")
        return await backend.status(handle, tmp_path)

    status = run(home, server.url, work)
    assert status.state == "failed" and status.error is not None and "clip is gone" in status.error.message


def test_a_restarted_server_has_lost_the_run(home: Path, server: FakeServer, tmp_path: Path) -> None:
    server.set(node_s=5.0)
    own_workflow(home, "slow")

    async def work(backend: ComfyBackend) -> Status:
        handle = await begun(backend)
        await until(backend, handle, tmp_path, lambda status: status.state == "running")
        server.kill()
        with pytest.raises(VideoError) as away:
            await backend.status(handle, tmp_path)
        assert away.value.retryable and away.value.kind == "network"
        server.start()
        return await backend.status(handle, tmp_path)

    status = run(home, server.url, work)
    assert status.state == "failed" and status.error is not None
    assert "it was restarted): it is lost, and cost nothing; repeat the call" in status.error.message


def test_an_older_server_is_cancelled_by_delete_and_a_named_interrupt(
    home: Path, server: FakeServer, tmp_path: Path
) -> None:
    server.set(jobs_api=False, node_s=0.5)
    own_workflow(home, "slow")

    async def work(backend: ComfyBackend) -> None:
        first, second = [await begun(backend) for _ in range(2)]
        assert (await backend.cancel(second)).outcome == "stopped"
        await until(backend, first, tmp_path, lambda status: status.state == "running")
        await backend.cancel(first)
        assert (await until(backend, first, tmp_path, ended)).state == "cancelled"

    run(home, server.url, work)
    assert "blind_interrupts" not in server.counters()


def test_the_place_in_the_queue_is_told_whatever_the_order_of_its_list(
    home: Path, server: FakeServer, tmp_path: Path
) -> None:
    server.set(node_s=5.0)
    own_workflow(home, "slow")

    async def work(backend: ComfyBackend) -> list[int | None]:
        handles = [await begun(backend) for _ in range(5)]
        await until(backend, handles[0], tmp_path, lambda status: status.state == "running")
        return [(await backend.status(one, tmp_path)).queue_position for one in handles]

    assert run(home, server.url, work) == [None, 1, 2, 3, 4]


def test_a_preview_lies_beside_the_job_while_it_runs(home: Path, server: FakeServer, tmp_path: Path) -> None:
    server.set(node_s=0.5)
    own_workflow(home, "slow")

    async def work(backend: ComfyBackend) -> None:
        handle = await begun(backend)
        await until(backend, handle, tmp_path, lambda _: (tmp_path / PREVIEW).exists())

    run(home, server.url, work)
    assert (tmp_path / PREVIEW).read_bytes().startswith(b"\xff\xd8")


def test_a_socket_that_the_server_cuts_is_opened_again(home: Path, server: FakeServer, tmp_path: Path) -> None:
    server.set(node_s=0.5, drop_after=6)
    status = finished(home, server, tmp_path)
    assert status.state == "succeeded"
    server.wait("sockets", 2)


def test_plain_text_500_at_the_post_is_unclear_and_looked_up(home: Path, server: FakeServer) -> None:
    own_workflow(home, "slow")
    server.script("submit", {"status": 500, "body": "500 Internal Server Error", "after_charge": True})

    async def work(backend: ComfyBackend) -> int:
        job = new_job_id()
        ready = ordered(backend, "slow", task="text_to_video", seed=seed())
        with pytest.raises(VideoError) as caught:
            await backend.start(ready, {}, job)
        assert caught.value.kind == "submit_unknown"
        return len((await backend.reconcile(ready, job, 0.0)).matches)

    assert run(home, server.url, work) == 1
    assert server.counters()["accepted"] == 1


def test_an_upload_above_the_servers_limit_says_what_to_do(home: Path, server: FakeServer, tmp_path: Path) -> None:
    server.set(max_upload=100)
    own_workflow(home, "slow")
    picture = still("frames[0].image", tmp_path / "still.png")

    async def work(backend: ComfyBackend) -> None:
        ready = ordered(backend, "slow", task="text_to_video")
        await backend.upload(ready, picture)

    with pytest.raises(VideoError, match=r"more than this ComfyUI takes: start it with a larger --max-upload-size"):
        run(home, server.url, work)


def test_another_program_on_that_port_gets_no_prompt(home: Path) -> None:
    own_workflow(home, "slow")
    wanted = r"is no ComfyUI \(404.*start ComfyUI there, or set COMFYUI_URL"
    with FakeServer("replicate") as other, pytest.raises(VideoError, match=wanted):
        run(home, other.url, begun)


def test_nothing_on_that_port_is_a_network_error_and_may_be_tried_again(home: Path, server: FakeServer) -> None:
    own_workflow(home, "slow")
    server.kill()
    with pytest.raises(VideoError, match="did not answer") as caught:
        run(home, server.url, begun)
    assert caught.value.retryable and caught.value.charged == "no"
    server.start()


def test_api_nodes_are_never_run(home: Path, server: FakeServer) -> None:
    server.set(paid=["ImageBlur"])
    own_workflow(home, "slow")
    with pytest.raises(VideoError, match=r"holds API nodes \(ImageBlur\), which spend a Comfy account's credits"):
        run(home, server.url, begun)
    assert "submit" not in server.counters()


@pytest.fixture
def base(tmp_path: Path, server: FakeServer) -> Iterator[Station]:
    made = station(tmp_path, server.url)
    own_workflow(made.home, "slow")
    yield made
    made.close()


def ask(base: Station) -> str:
    request = build_request(task="text_to_video", model="comfyui/slow", seed=seed(), duration_s=2)
    return base.studio().submit(request).job_id


POINTS = (
    "before-post",
    "after-post",
    "after-id-log",
    "after-id",
    "before-status",
    "after-status",
    "before-download",
    "after-download",
    "before-succeeded",
    "before-reconcile",
    "after-reconcile",
)


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_anywhere_leaves_one_run(
    base: Station, server: FakeServer, nursery: Nursery, point: str
) -> None:
    if point.endswith("reconcile"):
        server.script("submit", {"lose": True})
    context = Context.open(base.settings())
    try:
        request = build_request(task="text_to_video", model="comfyui/slow", seed=seed(), duration_s=2)
        job = base.place(context, request)
        assert nursery.ended(nursery.worker(base.environ(), point)) == -9, f"never came to {point}"
        assert nursery.ended(nursery.worker(base.environ())) == 0, base.log[-2000:]
    finally:
        context.close()
    assert base.row(job)["state"] == "succeeded"
    counted = server.counters()
    assert counted["accepted"] == 1 and "numbered" not in counted and "twice" not in counted


def test_a_worker_killed_while_it_runs_is_followed_by_one_that_shows_its_progress(
    base: Station, server: FakeServer
) -> None:
    server.set(node_s=1.5)
    job = ask(base)
    fact(lambda: base.row(job)["state"] == "running" and base.row(job)["progress"] > 0, "it runs")
    (worker,) = base.drivers()
    os.kill(worker.pid, signal.SIGKILL)
    fact(lambda: not is_alive(worker), "the worker is dead")
    (done,) = base.settled(base.studio(), [job], 60)
    assert done.state == "succeeded" and server.counters()["accepted"] == 1


def test_a_run_that_a_restart_has_lost_fails_free_and_may_be_asked_for_again(base: Station, server: FakeServer) -> None:
    server.set(node_s=5.0)
    request = build_request(task="text_to_video", model="comfyui/slow", seed=seed(), duration_s=2)
    studio = base.studio()
    first = studio.submit(request)
    fact(lambda: base.row(first.job_id)["state"] == "running", "it runs")
    server.kill()
    server.start()
    server.set(node_s=0.02)
    (lost,) = base.settled(studio, [first.job_id], 60)
    assert lost.state == "failed" and lost.error is not None and lost.error.charged == "no"
    assert "it is lost" in lost.error.message
    second = studio.submit(request)
    assert not second.replayed
    (done,) = base.settled(studio, [second.job_id], 60)
    assert done.state == "succeeded"


def test_a_proxy_before_the_server_gets_the_header_of_the_key_file(tmp_path: Path, server: FakeServer) -> None:
    server.set(token="Bearer box-secret-123456")
    made = station(tmp_path, server.url)
    try:
        keys = made.home / "keys.toml"
        made.home.mkdir(parents=True)
        keys.write_text('COMFYUI_AUTHORIZATION = "Bearer box-secret-123456"\n')
        keys.chmod(0o600)
        own_workflow(made.home, "slow")
        (done,) = made.settled(made.studio(), [ask(made)], 60)
        assert done.state == "succeeded"
        found = [path for path in made.root.rglob("*") if path.is_file() and b"box-secret" in path.read_bytes()]
        assert found == [keys]
    finally:
        made.close()


def test_without_the_header_the_proxys_refusal_says_what_to_set(home: Path, server: FakeServer) -> None:
    server.set(token="Bearer box-secret-123456")
    own_workflow(home, "slow")
    with pytest.raises(VideoError, match=r"refuses the request \(401\): set COMFYUI_AUTHORIZATION") as caught:
        run(home, server.url, begun)
    assert caught.value.kind == "auth"
