"""Files that may not be read, homes that may not be written, full disks: told in words, and nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.acceptance.outside import SMALL, Facts, Place, finished, made, until, workers
from tests.patience import patient
from tests.rawclient import RawClient, text_of

PLAIN = ("--plain",)
CLIP = {"image": "rocket.jpg", "duration_s": 4, "resolution": "480p", "fps": 24, "camera": ["handheld:1"]}
"""From a photo of 113 kB a clip of 918 kB; the store and its log take 313 kB meanwhile."""
WRITABLE = "set REELWRIGHT_HOME to "
INLINE = {"REELWRIGHT_WORKER": "inline"}
"""For servers of which nothing is shown that depends on which process makes the clip."""
DOCTOR = "next: ask the user to run `reelwright doctor` in a terminal"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place.make(tmp_path / "person")
    yield place
    for worker in workers(place):
        worker.kill()
    for folder in [place.root, *place.root.rglob("*")]:
        if folder.is_dir():
            folder.chmod(0o755)


def rest(place: Place) -> None:
    """End the place's workers, so that the next server's worker has that server's own limits."""
    for worker in workers(place):
        worker.kill()
        worker.wait(patient(10))


def test_a_file_that_this_user_may_not_read(place: Place) -> None:
    (place.work / "coffee.png").chmod(0)
    (place.work / "locked").mkdir()
    shutil.copy(place.work / "rocket.jpg", place.work / "locked")
    (place.work / "locked").chmod(0)
    with place.client(limits=PLAIN, env=place.env | INLINE) as client:
        for name in ("coffee.png", "locked/rocket.jpg"):
            text = client.refused("image_to_video", image=name)
            assert text.startswith(f"asset: image: '{name}' cannot be read by this user: change its permissions"), text
        assert client.structured("list_jobs")["jobs"] == []
        assert made(client, "image_to_video", image="rocket.jpg", **SMALL)["state"] == "succeeded"


def test_a_home_that_cannot_be_made(place: Place) -> None:
    place.root.chmod(0o555)
    with place.client(limits=PLAIN, env=place.env | INLINE) as client:
        assert len(client.request("tools/list")["tools"]) >= 11
        for tool, arguments in (("image_to_video", {"image": "coffee.png"}), ("list_jobs", {})):
            text = client.refused(tool, **arguments)
            assert text.startswith("storage: ") and WRITABLE in text and DOCTOR in text, text
        place.root.chmod(0o755)
        assert made(client, "image_to_video", image="coffee.png", **SMALL)["state"] == "succeeded", "without a restart"


def test_a_home_that_became_read_only_loses_nothing(place: Place) -> None:
    with place.client(env=place.env | INLINE) as client:
        made(client, "image_to_video", image="coffee.png", **SMALL)
    rest(place)
    kept = {path: path.stat().st_mode for path in [place.home, *place.home.rglob("*")]}
    for path in kept:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with place.client(limits=PLAIN, env=place.env | INLINE) as client:
        text = client.refused("image_to_video", image="rocket.jpg", **SMALL)
        assert text.startswith("storage: ") and WRITABLE in text, text
    for path, mode in kept.items():
        path.chmod(mode)
    with place.client(env=place.env | INLINE) as client:
        assert made(client, "image_to_video", image="rocket.jpg", **SMALL)["state"] == "succeeded"
        assert len(client.structured("list_jobs")["jobs"]) == 2


FULL = [
    pytest.param("1000", "coffee.png", "failed or is full", "check its space and health, then repeat", id="store"),
    pytest.param("300000", "coffee.png", "while copying an input", "raise the limit (ulimit -f)", id="photo"),
    pytest.param("2500000", "noise.jpg", "file size limit below", "then make the same request again", id="clip"),
]


@pytest.mark.parametrize(("most", "image", "words", "remedy"), FULL)
def test_a_full_disk_is_told_and_costs_nothing(place: Place, most: str, image: str, words: str, remedy: str) -> None:
    """Wherever the room ends: no file may grow beyond `most` bytes."""
    # Only where the clip is what finds no room must it be a long one.
    asked = CLIP | {"image": image, "duration_s": 4 if image == "noise.jpg" else 1}
    noise(place.work / "noise.jpg")
    with place.client(limits=("--files-up-to", most)) as client:
        told, jobs = told_of(client, asked)
        assert "storage: " in told and words in told and remedy in told, told
        assert all(job["state"] == "failed" and job["cost_usd"] == 0 for job in jobs), jobs
        assert client.stderr == ""
    rest(place)
    with place.client(env=place.env | INLINE) as client:
        assert len(client.structured("list_jobs")["jobs"]) == len(jobs)
        job = made(client, "image_to_video", **asked)
        assert Facts.of(job["file"]).frames == 24 * asked["duration_s"]
        assert job["job_id"] not in [failed["job_id"] for failed in jobs], "what failed unpaid is made anew"


def test_a_film_that_fills_the_disk_in_mid_encode_loses_nothing(place: Place) -> None:
    noise(place.work / "noise.jpg")
    film = {"clips": ["noise.jpg#t=0,0.04", "coffee.png#t=0,0.04"] * 9, "fit": "crop", "label": "film"}
    inputs = {path: path.read_bytes() for path in place.work.iterdir()}
    with place.client(limits=("--files-up-to", "600000")) as client:
        (job,) = finished(client, client.structured("finish_clip", **film)["job_id"])
        assert job["state"] == "failed" and job["error"]["kind"] == "storage" and job["error"]["charged"] == "no", job
        told = job["error"]["message"]
        assert "file size limit below" in told and "then make the same request again" in told
    left = [path for path in place.home.rglob("*") if "spool" in path.parts and path.is_file()]
    assert left == [], "no half a film is left"
    assert not list(place.videos.glob("*"))
    rest(place)
    with place.client(env=place.env | INLINE) as client:
        again = made(client, "finish_clip", **film)
        assert Facts.of(again["file"]).frames == 18 and again["job_id"] != job["job_id"]
    assert {path: path.read_bytes() for path in place.work.iterdir()} == inputs


def noise(path: Path) -> None:
    """A still whose clip is far larger than the store and its log ever get, however long the making takes."""
    pixels = np.random.default_rng(1).integers(0, 256, (427, 640, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=80)


def told_of(client: RawClient, asked: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """What the caller is told, whether at once or of the job, and the jobs that there were."""
    result = client.call("image_to_video", **asked)
    if result.get("isError"):
        return text_of(result), []
    jobs = finished(client, result["structuredContent"]["job_id"])
    return text_of(client.call("get_job", job_id=jobs[0]["job_id"])), jobs


def test_a_job_whose_store_is_full_waits_for_room(place: Place) -> None:
    """Room for the job, none for what becomes of it: the job waits, and says what for and where to look."""
    with place.client(limits=("--files-up-to", "300000")) as client:
        job_id = client.structured("image_to_video", **CLIP)["job_id"]
        words = "failed or is full (disk I/O error): check its space and health"
        until(lambda: words in client.structured("get_job", job_id=job_id).get("phase", ""))
        assert client.structured("get_job", job_id=job_id)["state"] in ("queued", "running")
    rest(place)
    with place.client(env=place.env | INLINE) as client:
        (job,) = finished(client, job_id)
        assert job["state"] == "succeeded" and Facts.of(job["file"]).frames == 96, job
