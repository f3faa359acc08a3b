"""Each kind of work at Google from the order to the file on disk, with the worker killed while it all runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backends.request import build_request
from tests.cloud.google_accounts import KEY, TOKEN, private_key, vertex_env
from tests.cloud.lives import files_with, kill_worker_while_running, quick_rows
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import Station
from tests.samples import photo

OMNI, NEW = "gemini/gemini-omni-1.1-flash", "gemini/gemini-omni-1.2-flash"
VEO, LITE = "vertex/veo-3.1-generate-001", "vertex/veo-3.1-lite-generate-001"
CUP = [{"image": "coffee.png"}]
BUCKET = {"parameters.storageUri": "gs://reels/day"}
ORDERS: list[dict[str, Any]] = [
    {"task": "text_to_video", "model": NEW, "prompt": "a fox", "duration_s": 4},
    {"task": "image_to_video", "model": NEW, "prompt": "steam", "frames": CUP, "fit": "pad", "loop": True},
    {"task": "interpolate", "model": OMNI, "prompt": "a day", "frames": CUP * 2, "fit": "pad"},
    {"task": "reference_to_video", "model": OMNI, "prompt": "@cup on a table", "references": ["cup=coffee.png"]},
    {"task": "edit", "model": OMNI, "prompt": "by night", "source_clip": "clip.mp4"},
    {"task": "extend", "model": OMNI, "prompt": "on", "source_clip": "clip.mp4", "duration_s": 5},
    {"task": "text_to_video", "model": LITE, "prompt": "a fox", "duration_s": 4, "audio": False, "seed": 7},
    {"task": "image_to_video", "model": LITE, "frames": CUP, "fit": "pad", "provider_options": BUCKET},
    {"task": "interpolate", "model": VEO, "frames": CUP * 2, "fit": "pad", "duration_s": 4},
    {"task": "reference_to_video", "model": VEO, "prompt": "@cup on a table", "references": ["cup=coffee.png"]},
    {"task": "extend", "model": VEO, "prompt": "on", "source_clip": "clip.mp4"},
]
SECRET = "".join(private_key().splitlines()[1:3])[:80]


@pytest.fixture
def servers() -> Iterator[tuple[FakeServer, FakeServer]]:
    """The Gemini API, and Vertex AI."""
    with ExitStack() as stack:
        clips = {"": tiny_clip(seconds=2.0)}
        omni, veo = (
            stack.enter_context(FakeServer(name, clips=clips, life={"until_told": True}))
            for name in ("google_omni", "google_vertex")
        )
        yield omni, veo


@pytest.fixture
def station(servers: tuple[FakeServer, FakeServer], tmp_path: Path) -> Iterator[Station]:
    keys = tmp_path / "keys"
    keys.mkdir()
    env = {
        **vertex_env(keys, servers[1].url),
        "GEMINI_API_KEY": KEY,
        "REELWRIGHT_GOOGLE_BASE_URL": servers[0].url,
        "REELWRIGHT_CATALOG": quick_rows(tmp_path / "rows", [order["model"] for order in ORDERS]),
    }
    root = tmp_path / "home"
    root.mkdir()
    made = Station(root, "", env)
    shutil.copy(photo("coffee"), root / "coffee.png")
    shutil.copy(tiny_clip(1280, 720, 3.5), root / "clip.mp4")
    yield made
    made.close()


@pytest.mark.parametrize("provider", ["gemini", "vertex"])
def test_every_kind_of_work_outlives_its_worker_and_is_paid_once(
    servers: tuple[FakeServer, FakeServer], station: Station, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    monkeypatch.chdir(station.root)
    server = servers[provider == "vertex"]
    studio = station.studio()
    orders = [order for order in ORDERS if order["model"].startswith(provider)]
    jobs = [studio.submit(build_request(max_cost_usd=5, **fields)).job_id for fields in orders]
    worker = kill_worker_while_running(station, jobs)
    server.tell()
    done = station.settled(studio, jobs, 40)
    assert [(job.state, job.error) for job in done] == [("succeeded", None)] * len(jobs)
    assert all(job.file and Path(job.file).stat().st_size > 1000 for job in done)
    assert any(note.startswith("@cup goes into the prompt as ") for note in done[3].notes)
    counts = server.counters()
    assert (counts["submit"], counts["charges"], counts["broken"]) == (len(jobs), len(jobs), 0)
    assert station.books()[1] == 0, "no money is held any more"

    assert "backends.jobs.run.worker" in worker
    for secret in (KEY, TOKEN, SECRET):
        assert secret not in worker and files_with(station.root, secret) == []
    fetched = [entry["sent"] for entry in server.log("media")]
    assert len(fetched) >= (len(jobs) if provider == "gemini" else 1) and set(fetched) <= {200, 206}
