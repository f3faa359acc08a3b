"""Every family as an agent uses it: tool calls over stdio to one real server, worker, engine, and an MP4 at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.jobs.station import Station
from tests.local.asking import STEPS, clip_digest, recorded, still
from tests.local.rows import FPS, TINY
from tests.rawclient import RawClient

FAMILIES = {
    "wan_t2v": "WanPipeline",
    "hunyuan_t2v": "HunyuanVideoPipeline",
    "ltx_t2v": "LTXPipeline",
    "mochi": "MochiPipeline",
    "cog_t2v": "CogVideoXPipeline",
}
LONG = 900
"""More steps than any family does in the time of the test; schedulers of a thousand training steps take no more."""


@pytest.fixture(scope="module")
def client(station: Station) -> Iterator[RawClient]:
    """One server for the module."""
    with RawClient(station.environ(), cwd=station.root) as client:
        yield client


def model(name: str) -> str:
    return f"local/tiny-{name.replace('_', '-')}"


def started(client: RawClient, tool: str, name: str, **given: Any) -> str:
    """The job that a tool call starts; prompt, seed and steps are always the same unless given."""
    asked = {"prompt": "a paper boat in the rain", "seed": 7, "provider_options": STEPS, **given}
    return client.structured(tool, model=model(name), **asked)["job_id"]


def waited(client: RawClient, job_id: str) -> dict[str, Any]:
    (job,) = client.structured("wait_for_job", job_ids=[job_id], timeout_s=50)["jobs"]
    assert job["state"] == "succeeded", job
    return job


def made(client: RawClient, tool: str, name: str, **given: Any) -> dict[str, Any]:
    return waited(client, started(client, tool, name, **given))


def frames(job: dict[str, Any]) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    from backends.media.frames import decode

    return list(decode(Path(job["file"])))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_makes_tells_stops_and_makes_the_same_again(client: RawClient, station: Station, name: str) -> None:
    first = made(client, "generate_video", name)
    assert (first["engine"], first["cost_usd"], first["seed"], first["fps"]) == ("generative", 0, 7, FPS)
    assert Path(first["file"]).read_bytes()[4:8] == b"ftyp"
    assert len(frames(first)) == TINY[name][2] + 1

    long = started(client, "generate_video", name, prompt="far out", provider_options={"steps": LONG})
    number = client.ask("tools/call", {"name": "wait_for_job", "arguments": {"job_ids": [long]}}, progress=True)
    client.progressed(number, beyond=0.051)  # the second step is done
    began = time.monotonic()
    client.structured("cancel_job", job_id=long)
    (stopped,) = client.answer(number)["structuredContent"]["jobs"]
    assert time.monotonic() - began < 5 and (stopped["state"], stopped["cost_usd"]) == ("cancelled", 0)
    notes = [note["params"] for note in client.notes if note["params"]["progressToken"] == number]
    assert any(f"of {LONG}" in note["message"] and "s left" in note["message"] for note in notes), notes
    assert [note["progress"] for note in notes] == sorted(note["progress"] for note in notes)

    again = made(client, "generate_video", name, take=2)
    assert clip_digest(again["file"]) == clip_digest(first["file"]), "the cancelled run has left something behind"
    before, after = recorded(station, first["job_id"]), recorded(station, again["job_id"])
    assert before["pipeline"] == FAMILIES[name] and after["warm"]
    assert psutil.pid_exists(before["pid"]), "a cancelled job has cost its engine the loaded model"


def test_first_and_last_frame_by_wan(client: RawClient, station: Station) -> None:
    pair = [{"image": still(station.output)}, {"image": still(station.output, "turned.png", turn=1)}]
    job = made(client, "interpolate_keyframes", "wan21_flf2v", frames=pair)
    swapped = made(client, "interpolate_keyframes", "wan21_flf2v", frames=pair[::-1])
    assert len(frames(job)) == 5 and clip_digest(job["file"]) != clip_digest(swapped["file"])
    third = [*pair, {"image": still(station.output, "upside.png", turn=2)}]
    refused = client.refused("interpolate_keyframes", model=model("wan21_flf2v"), prompt="three", frames=third)
    assert "takes at most 2 for interpolate" in refused


def test_stills_at_any_legal_time_by_ltx(client: RawClient, station: Station) -> None:
    stills = [still(station.output, f"still{turn}.png", turn=turn) for turn in range(3)]
    at = [{"image": image, "at_s": at_s} for image, at_s in zip(stills, (0, 2, 3), strict=True)]
    job = made(client, "interpolate_keyframes", "ltx_condition", frames=at, duration_s=3)
    earlier = [at[0], {**at[1], "at_s": 1}, {**at[2], "at_s": 2}]  # the clip goes on after the last still
    moved = made(client, "interpolate_keyframes", "ltx_condition", frames=earlier, duration_s=3)
    ended = made(client, "interpolate_keyframes", "ltx_condition", frames=[*earlier[:2], at[2]], duration_s=3)
    assert [len(frames(one)) for one in (job, moved, ended)] == [25, 25, 25]
    assert len({clip_digest(one["file"]) for one in (job, moved, ended)}) == 3, "a time has no effect"
    off = [at[0], {**at[1], "at_s": 1.6}, at[2]]
    asked = {"model": model("ltx_condition"), "prompt": "off the grid", "frames": off, "duration_s": 3}
    refused = client.refused("interpolate_keyframes", **asked)
    assert "takes multiples of 1 s" in refused and '"at_s": 2.0' in refused


@pytest.mark.parametrize("name", ["wan22_i2v", "ltx_condition"])
def test_an_extension_holds_the_whole_clip(client: RawClient, name: str) -> None:
    source = made(client, "generate_video", "ltx_t2v", duration_s=2)
    job = made(client, "extend_clip", name, clip=source["job_id"], add_s=1)
    assert len(frames(job)) == len(frames(source)) + FPS and job["parents"] == [source["job_id"]]


def test_a_loop_is_made_where_the_model_can_and_refused_where_not(client: RawClient, station: Station) -> None:
    image = still(station.output)
    for name in ("wan21_flf2v", "ltx_condition"):
        job = made(client, "image_to_video", name, image=image, loop=True)
        assert len(frames(job)) == TINY[name][2], "the last frame would be the first one again"
    refused = client.refused("image_to_video", model=model("wan22_i2v"), prompt="round", image=image, loop=True)
    assert "loop" in refused and 'nearest that works: model="local/' in refused


def test_references_and_a_guide_clip_by_vace(client: RawClient, station: Station) -> None:
    hero = f"hero={still(station.output)}"
    guide = made(client, "generate_video", "ltx_t2v", duration_s=2)["job_id"]
    plain = made(client, "generate_video", "wan_vace", references=[hero], prompt="@hero sails")
    led = made(client, "generate_video", "wan_vace", references=[hero, f"move={guide}"], prompt="@hero sails")
    assert len(frames(led)) == 5 and clip_digest(plain["file"]) != clip_digest(led["file"]), "the guide has no effect"


@pytest.mark.parametrize(
    ("given", "told", "nearest"),
    [
        ({"duration_s": 0.7}, "takes 0.5 to 4 in steps of 0.5 seconds", "duration_s=0.5"),
        ({"duration_s": 9}, "takes 0.5 to 4 in steps of 0.5 seconds", "duration_s=4"),
        ({"resolution": "720p"}, "makes 32p", "Closest: resolution=32p"),
        ({"aspect_ratio": "16:9"}, "makes 1:1", 'aspect_ratio="1:1"'),
        ({"fps": 24}, "makes 8 frames a second", "fps=8"),
        ({"provider_options": {"steps": 1}}, "takes integer 2 to 5000", 'provider_options={"steps": 2}'),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_illegal_request_starts_nothing_and_names_the_nearest_legal_one(
    client: RawClient, station: Station, given: dict[str, Any], told: str, nearest: str
) -> None:
    before = len(station.rows("SELECT id FROM jobs"))
    refused = client.refused("generate_video", prompt="not legal", model=model("wan_t2v"), **given)
    assert told in refused and nearest in refused, refused
    assert len(station.rows("SELECT id FROM jobs")) == before


def test_the_server_and_its_worker_never_load_torch(client: RawClient, station: Station) -> None:
    """By what the running processes have mapped, after all of the above; the engine, their child, has."""
    last = made(client, "generate_video", "wan_t2v", prompt="the last one")
    (worker,) = station.drivers()
    for pid in (client.process.pid, worker.pid):
        mapped = Path(f"/proc/{pid}/maps").read_text()
        assert "python" in mapped and "libtorch" not in mapped and "/torch/" not in mapped
    engine = recorded(station, last["job_id"])["pid"]
    assert "libtorch" in Path(f"/proc/{engine}/maps").read_text()
