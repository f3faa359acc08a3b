"""Each kind of work at Runway from the order to the file on disk, with the worker killed while it all runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backends.request import build_request
from tests.cloud.lives import files_with, kill_worker_while_running, quick_rows
from tests.cloud.runway_types import fields as variant_fields
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import Station
from tests.samples import photo

KEY = "key_runway_life_0123456789"


UPSCALER = "runway/magnific_video_upscaler_creative"

ORDERS: list[dict[str, Any]] = [
    {"task": "text_to_video", "model": "runway/gen4.5", "prompt": "a fox", "duration_s": 5, "seed": 7},
    {"task": "image_to_video", "model": "runway/gen4_turbo", "frames": [{"image": "coffee.png"}], "fit": "pad"},
    {
        "task": "interpolate",
        "model": "runway/veo3.1_fast",
        "prompt": "a day",
        "frames": [{"image": "coffee.png"}, {"image": "coffee.png"}],
        "audio": True,
    },
    {
        "task": "reference_to_video",
        "model": "runway/seedance2_mini",
        "prompt": "@cup on a table",
        "references": ["cup=coffee.png"],
    },
    {"task": "edit", "model": "runway/aleph2", "prompt": "by night", "source_clip": "clip.mp4"},
    {"task": "extend", "model": "runway/gemini_omni_flash_1.1", "prompt": "on", "source_clip": "clip.mp4"},
    {
        "task": "upscale",
        "model": UPSCALER,
        "source_clip": "clip.mp4",
        "resolution": "4k",
        "provider_options": {"creativity": 10},
    },
]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    clips = {"": tiny_clip(seconds=2.0)}
    with FakeServer("runway", clips=clips, variants=variant_fields(), life={"until_told": True}) as running:
        yield running


@pytest.fixture
def station(server: FakeServer, tmp_path: Path) -> Iterator[Station]:
    env = {
        "RUNWAYML_API_SECRET": KEY,
        "REELWRIGHT_RUNWAY_BASE_URL": server.url,
        "REELWRIGHT_CATALOG": quick_rows(tmp_path / "rows", [order["model"] for order in ORDERS], [UPSCALER]),
    }
    made = Station(tmp_path, "", env)
    shutil.copy(photo("coffee"), tmp_path / "coffee.png")
    shutil.copy(tiny_clip(1280, 720, 3.5), tmp_path / "clip.mp4")
    yield made
    made.close()


def test_every_kind_of_work_outlives_its_worker_and_is_paid_once(
    server: FakeServer, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(station.root)
    studio = station.studio()
    jobs = [studio.submit(build_request(max_cost_usd=5, **fields)).job_id for fields in ORDERS]
    worker = kill_worker_while_running(station, jobs)
    server.tell()
    done = station.settled(studio, jobs, 40)
    assert [(job.state, job.error) for job in done] == [("succeeded", None)] * len(jobs)
    assert all(job.file and Path(job.file).stat().st_size > 1000 for job in done)
    assert "@cup goes into the prompt as [Image 1]" in done[3].notes
    assert all(job.cost_basis.startswith("reported by the provider") for job in done)

    counts = server.counters()
    assert (counts["submit"], counts["charges"], counts["broken"]) == (len(jobs), len(jobs), 0)
    spent, held = station.books()
    assert (f"{spent:.2f}", held) == (f"{float(counts['charged_usd']):.2f}", 0)
    endpoints = [job["request"]["endpoint"] for job in server.jobs()]
    assert sorted(endpoints) == sorted(
        ["text_to_video"] * 2 + ["image_to_video"] * 2 + ["video_to_video"] * 2 + ["video_upscale"]
    )
    assert "backends.jobs.run.worker" in worker and KEY not in worker
    assert files_with(station.root, KEY) == []
    media = server.log("media")
    assert media and not any("authorization" in entry["headers"] for entry in media)


def test_a_refused_limit_is_tried_again_after_its_wait_with_the_same_upload(
    server: FakeServer, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(station.root)
    noise = np.random.default_rng(1).integers(0, 255, (1080, 1920, 3), np.uint8)
    Image.fromarray(noise).save(station.root / "large.png")
    server.set(life={"polls": 1})
    server.script("submit", {"status": 429, "code": "Too many requests", "headers": {"retry-after": "1"}})
    studio = station.studio()
    asked = {"task": "image_to_video", "model": "runway/gen4_turbo", "frames": [{"image": "large.png"}]}
    job = studio.submit(build_request(max_cost_usd=5, **asked)).job_id
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded"
    first, second = server.log("submit")
    assert (first["sent"], second["sent"]) == (429, 200) and second["at"] - first["at"] >= 1.0
    assert first["json"] == second["json"]
    assert first["json"]["promptImage"] == [{"uri": "runway://0001", "position": "first"}]
    counts = server.counters()
    assert (counts["charges"], counts["upload"], counts["bucket"]) == (1, 1, 1)
