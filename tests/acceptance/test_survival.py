"""Clients, workers and servers end at the worst moment; the jobs go on, and nothing is made twice."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import psutil
import pytest

from tests.acceptance.outside import LONG, SMALL, Facts, Place, finished, made, rendering, until, workers
from tests.patience import patient
from tests.rawclient import LEGACY, MODERN

SIZE = (640, 360)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place.make(tmp_path / "person")
    yield place
    for worker in workers(place):
        worker.kill()


def driver(place: Place) -> psutil.Process:
    """The process that the store says drives the lane of this machine."""
    store = apsw.Connection(str(place.home / "reelwright.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        ((pid,),) = store.execute("SELECT pid FROM lanes WHERE driven = 1").fetchall()
    finally:
        store.close()
    return psutil.Process(pid)


def whole(job: dict[str, Any]) -> None:
    facts = Facts.of(job["file"])
    assert (facts.frames, facts.width, facts.height) == (180, *SIZE)


@pytest.mark.parametrize("how", ["close", "kill"])
def test_a_client_that_leaves_in_mid_job_stops_nothing(place: Place, how: str) -> None:
    with place.client(LEGACY) as first:
        job_id = first.structured("image_to_video", image="coffee.png", **LONG)["job_id"]
        rendering(first, job_id)
        if how == "close":
            assert first.close() < patient(2)
        else:
            first.kill()
    with place.client(MODERN, name="second host") as second:
        (job,) = finished(second, job_id)
        assert job["state"] == "succeeded" and job["client"] == "raw", job
        whole(job)
        again = second.structured("image_to_video", image="coffee.png", **LONG)
        assert again["job_id"] == job_id and again["replayed"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
def test_a_worker_that_ends_in_mid_job_is_replaced(place: Place, number: int) -> None:
    with place.client() as client:
        job_id = client.structured("image_to_video", image="coffee.png", **LONG)["job_id"]
        rendering(client, job_id)
        gone = driver(place)
        gone.send_signal(number)
        (job,) = finished(client, job_id)
        assert job["state"] == "succeeded", job
        whole(job)
        assert driver(place).pid != gone.pid
        assert [row["job_id"] for row in client.structured("list_jobs")["jobs"]] == [job_id]


def test_two_servers_on_one_store_share_its_jobs(place: Place) -> None:
    with place.client(LEGACY, name="first") as one, place.client(MODERN, name="second") as two:
        asked = {"image": "coffee.png", **SMALL}
        both = [client.ask("tools/call", {"name": "image_to_video", "arguments": asked}) for client in (one, two)]
        same, replay = (c.answer(n)["structuredContent"] for c, n in zip((one, two), both, strict=True))
        assert same["job_id"] == replay["job_id"]
        ids = [same["job_id"]]
        for take in range(2, 6):
            client = (one, two)[take % 2]
            ids.append(client.structured("image_to_video", **asked, take=take)["job_id"])
        jobs = finished(two, *ids)
        assert [job["state"] for job in jobs] == ["succeeded"] * 5, jobs
        assert {two.structured("get_job", job_id=one_id)["client"] for one_id in ids} == {"first", "second"}
        assert len({job["file"] for job in jobs}) == 5
        seen = [[row["job_id"] for row in client.structured("list_jobs")["jobs"]] for client in (one, two)]
        assert seen[0] == seen[1] and sorted(seen[0]) == sorted(ids)
        assert driver(place).is_running(), "one process drives the machine's lane"
        assert len(list(place.videos.iterdir())) == 5, "and makes each clip once"


def test_a_project_with_packages_of_our_names_is_only_a_folder(place: Place) -> None:
    """A host starts servers in the project that is open, which may be called anything. The console script is used,
    since that is what a host's configuration names."""
    for name in ("backends", "mcp_server", "numpy", "av"):
        (place.work / name).mkdir()
        (place.work / name / "__init__.py").write_text("raise SystemExit('the project was imported')\n")
    (place.work / "mcp.py").write_text("raise SystemExit('the project was imported')\n")
    script = shutil.which("reelwright", path=str(Path(sys.executable).parent))
    assert script, "the console script is not installed beside this Python"
    with place.client(command=(script, "serve")) as client:
        assert made(client, "image_to_video", image="coffee.png", **SMALL)["state"] == "succeeded"
        assert client.stderr == ""


def test_nothing_but_protocol_is_written_to_stdout(place: Place) -> None:
    """Through refusals, a job, a broken line and a wait that is taken back."""
    (place.work / "text.png").write_text("no picture")
    with place.client() as client:
        client.refused("image_to_video", image="text.png")
        client.send("{broken")
        client.send('{"jsonrpc":"2.0","id":9001,"method":"no/such"}')
        ticket = client.structured("image_to_video", image="coffee.png", **LONG)
        rendering(client, ticket["job_id"])
        finished(client, ticket["job_id"])
        client.call("inspect_clip", clip=ticket["job_id"])
    assert len(client.lines) > 8
    assert all(line["jsonrpc"] == "2.0" and ("method" in line or "id" in line) for line in client.lines)
    assert client.stderr == ""


def test_an_idle_worker_leaves_and_the_next_job_gets_another(place: Place) -> None:
    env = place.env | {"REELWRIGHT_WORKER_IDLE_S": "0.2"}
    with place.client(env=env) as client:
        made(client, "image_to_video", image="coffee.png", **SMALL)
        until(lambda: not workers(place))
        assert made(client, "image_to_video", image="rocket.jpg", **SMALL)["state"] == "succeeded"
