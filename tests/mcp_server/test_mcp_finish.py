"""finish_clip as a host calls it: several jobs in, one film out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import jsonschema
import pytest
import skimage

from tests.patience import patient
from tests.rawclient import MODERN, RawClient, home_env, text_of

DATA = Path(skimage.__file__).parent / "data"
SHOT = {"duration_s": 1, "resolution": "360p", "fps": 12, "model": "animatic", "aspect_ratio": "16:9", "fit": "crop"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    """One server for all: both eras have the same tools, and test_mcp_flow goes through each."""
    home = tmp_path_factory.mktemp("films")
    work = home / "work"
    work.mkdir()
    for name in ("coffee.png", "astronaut.png"):
        shutil.copy(DATA / name, work / name)
    with RawClient(home_env(home, REELWRIGHT_WORKER="inline"), era=MODERN, cwd=work) as client:
        yield client


def settled(client: RawClient, *job_ids: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + patient(60)
    while time.monotonic() < deadline:
        jobs = client.structured("wait_for_job", job_ids=list(job_ids), timeout_s=20)["jobs"]
        if all(job["state"] in ("succeeded", "failed", "cancelled") for job in jobs):
            return [client.structured("get_job", job_id=job_id) for job_id in job_ids]
    raise TimeoutError(str(jobs))


def shots(client: RawClient, take: int) -> list[str]:
    """Two, as no other test has them."""
    asked = SHOT | {"take": take}
    return [
        client.structured("image_to_video", image=name, **asked)["job_id"] for name in ("coffee.png", "astronaut.png")
    ]


def frames(path: str) -> int:
    with av.open(path) as clip:
        return sum(1 for _ in clip.decode(video=0))


def test_two_finished_clips_become_one_film_of_exactly_their_frames(client: RawClient) -> None:
    schema = {tool["name"]: tool.get("outputSchema") for tool in client.request("tools/list")["tools"]}
    made = shots(client, 1)
    settled(client, *made)

    started = time.monotonic()
    result = client.call("finish_clip", clips=made, label="film")
    assert time.monotonic() - started < patient(1)
    ticket = result["structuredContent"]
    jsonschema.validate(ticket, schema["finish_clip"])
    assert ticket["est_cost_usd"] == 0 and ticket["model"] == "edit"
    assert "free" in text_of(result)

    (film,) = settled(client, ticket["job_id"])
    assert film["state"] == "succeeded", film
    assert film["engine"] == "edit" and film["task"] == "finish" and film["cost_usd"] == 0
    assert film["parents"] == made
    assert frames(film["file"]) == 24
    assert (film["width"], film["height"], film["fps"], film["duration_s"]) == (640, 360, 12, 2)
    assert Path(film["file"]).name == "film_take01.mp4"
    again = client.structured("finish_clip", clips=made)
    assert again["job_id"] == ticket["job_id"] and again["replayed"]


def test_a_film_waits_for_shots_that_are_not_made_yet(client: RawClient) -> None:
    made = shots(client, 2)
    ticket = client.structured("finish_clip", clips=[*made, "coffee.png#t=0,0.5"], crossfade_s=0.25)
    assert ticket["state"] in ("waiting", "queued")
    (film,) = settled(client, ticket["job_id"])
    assert film["state"] == "succeeded", film
    assert frames(film["file"]) == 12 + 12 + 6 - 2 * 3
    again = client.structured("finish_clip", clips=[*made, "coffee.png#t=0,0.5"], crossfade_s=0.25)
    assert again["job_id"] == ticket["job_id"] and again["replayed"], "the same film before its shots and after"


def test_a_film_of_a_shot_that_is_cancelled_fails_unpaid(client: RawClient) -> None:
    long = SHOT | {"duration_s": 20, "resolution": "1080p", "fps": 30}
    shot = client.structured("image_to_video", image="coffee.png", **long)["job_id"]
    film = client.structured("finish_clip", clips=[shot, "astronaut.png"], fit="blur")["job_id"]
    client.call("cancel_job", job_id=shot)
    (job,) = settled(client, film)
    assert job["state"] == "failed" and shot in job["error"]["message"] and job["error"]["charged"] == "no"


def test_what_cannot_be_is_told_at_the_door_all_at_once(client: RawClient) -> None:
    before = client.structured("list_jobs")["jobs"]
    refused = client.call("finish_clip", clips=["coffee.png"] * 51, speed=99, format="avi", fit="stretch")
    assert refused["isError"]
    words = text_of(refused)
    for place in ("clips", "speed", "format", "fit"):
        assert place in words, words

    shape = client.call("finish_clip", clips=["coffee.png", "astronaut.png"], aspect_ratio="9:16")
    assert shape["isError"] and 'nearest that works: fit="blur"' in text_of(shape), text_of(shape)
    fixed = shape["structuredContent"]["next"]
    unknown = client.call("finish_clip", clips=["coffee.png"], upscaler="topaz")
    assert unknown["isError"] and "topaz" in text_of(unknown), text_of(unknown)
    assert client.structured("list_jobs")["jobs"] == before, "nothing was started"
    assert not client.call(fixed["tool"], **fixed["arguments"]).get("isError")
