"""The main job as a host does it: a photo in, a Ticket at once, a wait, a clip on disk, a look at it."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import skimage

from backends.settings import load_settings
from tests.mcp_server.conftest import Connect
from tests.patience import patient
from tests.rawclient import ERAS, RawClient, RawError, text_of

PHOTO = Path(skimage.__file__).parent / "data" / "coffee.png"
SMALL = {"duration_s": 1, "resolution": "360p", "fps": 12}
LONG = {"duration_s": 8, "resolution": "360p", "fps": 24}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A client's working folder, which inputs may come from, with a photo in it."""
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copy(PHOTO, folder / "coffee.png")
    return folder


@pytest.fixture
def host(env: dict[str, str], work: Path) -> Callable[..., RawClient]:
    """Starts a server as a host on this machine would, always on the same home."""
    return lambda era=ERAS[0]: RawClient(env, era=era, cwd=work)


def finished(client: RawClient, job_id: str) -> dict[str, Any]:
    """The job once it is settled, by as many bounded waits as that takes."""
    deadline = time.monotonic() + patient(90)
    while time.monotonic() < deadline:
        (job,) = client.structured("wait_for_job", job_ids=[job_id], timeout_s=20)["jobs"]
        if not job["timed_out"]:
            return job
    raise TimeoutError(f"{job_id} did not end: {job}")


def running(client: RawClient, job_id: str) -> int:
    """Return when the engine has begun to render; the wait that told so is still under way, and its number."""
    arguments = {"job_ids": [job_id], "timeout_s": 50}
    number = client.ask("tools/call", {"name": "wait_for_job", "arguments": arguments}, progress=True)
    client.progressed(number, beyond=0.001)
    assert client.structured("get_job", job_id=job_id)["state"] == "running"
    return number


@pytest.mark.parametrize("era", ERAS)
def test_a_photo_becomes_a_clip(host: Callable[..., RawClient], work: Path, tmp_path: Path, era: str) -> None:
    with host(era) as client:
        schemas = {tool["name"]: tool.get("outputSchema") for tool in client.request("tools/list")["tools"]}

        asked = {"image": "coffee.png", "camera": ["dolly-in:0.3"], "label": "cup"} | SMALL
        started = time.monotonic()
        result = client.call("image_to_video", **asked)
        assert time.monotonic() - started < patient(1)  # it starts and waits for nothing; the benchmark holds 1 s
        ticket = result["structuredContent"]
        jsonschema.validate(ticket, schemas["image_to_video"])
        assert ticket["model"] == "animatic" and ticket["est_cost_usd"] == 0
        assert f'wait_for_job(job_ids=["{ticket["job_id"]}"])' in text_of(result).splitlines()[-1]

        number = client.ask(
            "tools/call",
            {"name": "wait_for_job", "arguments": {"job_ids": [ticket["job_id"]], "timeout_s": 50}},
            progress=True,
        )
        waited = client.answer(number, 90)
        jsonschema.validate(waited["structuredContent"], schemas["wait_for_job"])
        (job,) = waited["structuredContent"]["jobs"]
        assert job["state"] == "succeeded", job
        assert text_of(waited).startswith(f"PREVIS (no generative model) {ticket['job_id']}: succeeded")
        assert job["engine"] == "previs" and job["cost_usd"] == 0 and not job["timed_out"]
        told = [n["params"] for n in client.notes if n["method"] == "notifications/progress"]
        assert told and all(note["progressToken"] == number for note in told)
        assert all(a["progress"] < b["progress"] <= 1.1 for a, b in pairwise(told))

        clip = Path(job["file"])
        assert clip.read_bytes()[4:8] == b"ftyp"
        assert job["file"] in text_of(waited)
        got = client.call("get_job", job_id=ticket["job_id"])
        jsonschema.validate(got["structuredContent"], schemas["get_job"])

        seen = client.call("inspect_clip", clip=ticket["job_id"], frames=4)
        assert "structuredContent" not in seen and [part["type"] for part in seen["content"]] == ["text", "image"]
        picture = base64.b64decode(seen["content"][1]["data"])
        assert picture[:3] == b"\xff\xd8\xff" and len(picture) <= 150_000
        assert seen["content"][1]["mimeType"] == "image/jpeg"
        assert Path(text_of(seen).rpartition("contact sheet: ")[2]).read_bytes() == picture

        uri = f"video://jobs/{ticket['job_id']}"
        whole = json.loads(client.request("resources/read", {"uri": uri})["contents"][0]["text"])
        assert whole == got["structuredContent"]
        named = json.loads(client.request("resources/read", {"uri": f"{uri}/clip"})["contents"][0]["text"])
        assert named["file"] == job["file"] and (named["width"], named["height"]) == (640, 360)
        poster = client.request("resources/read", {"uri": f"{uri}/poster"})["contents"][0]
        assert poster["mimeType"] == "image/jpeg" and base64.b64decode(poster["blob"])[:3] == b"\xff\xd8\xff"

        again = client.structured("image_to_video", **asked)
        assert again["job_id"] == ticket["job_id"] and again["replayed"] and again["state"] == "succeeded"

        page = client.structured("list_jobs", label="cup")
        jsonschema.validate(page, schemas["list_jobs"])
        assert [row["job_id"] for row in page["jobs"]] == [ticket["job_id"]]


def test_ending_a_wait_stops_no_job_but_cancel_job_does(host: Callable[..., RawClient]) -> None:
    with host() as client:
        job_id = client.structured("image_to_video", image="coffee.png", **LONG)["job_id"]
        (job,) = client.structured("wait_for_job", job_ids=[job_id], timeout_s=0)["jobs"]
        assert job["timed_out"] and job["state"] in ("queued", "running")
        client.cancel(running(client, job_id))
        assert client.structured("get_job", job_id=job_id)["state"] == "running"

        stopped = client.structured("cancel_job", job_id=job_id)
        assert stopped["job_id"] == job_id
        job = finished(client, job_id)
        assert job["state"] == "cancelled" and job["cost_usd"] == 0
        with pytest.raises(RawError, match="is cancelled and has no clip"):
            client.request("resources/read", {"uri": f"video://jobs/{job_id}/clip"})


def test_keyframes_then_an_extension_named_before_it_exists(host: Callable[..., RawClient], work: Path) -> None:
    shutil.copy(PHOTO.with_name("rocket.jpg"), work / "rocket.jpg")
    frames = [{"image": "coffee.png"}, {"image": "rocket.jpg"}]
    with host() as client:
        first = client.structured("interpolate_keyframes", frames=frames, aspect_ratio="16:9", **SMALL)
        longer = client.structured("extend_clip", clip=first["job_id"], add_s=1)
        assert longer["state"] == "waiting"
        result = client.structured("wait_for_job", job_ids=[first["job_id"], longer["job_id"]], timeout_s=50)
    whole = {job["job_id"]: job for job in result["jobs"]}
    assert [job["state"] for job in whole.values()] == ["succeeded", "succeeded"], whole
    assert whole[first["job_id"]]["task"] == "interpolate"
    assert whole[longer["job_id"]]["duration_s"] == pytest.approx(2, abs=0.01)
    assert whole[longer["job_id"]]["parents"] == [first["job_id"]]


@pytest.mark.anyio
async def test_prices_models_and_money_over_the_sdk(connect: Connect, env: dict[str, str], work: Path) -> None:
    """The SDK's client checks every structured answer against the published schema itself."""
    settings = load_settings(env, cwd=work)
    async with connect(settings) as client:
        await client.list_tools()
        models = await client.call_tool("list_models", {"task": "interpolate"})
        assert "animatic" in [row["model"] for row in models.structured_content["models"]]
        price = await client.call_tool(
            "estimate_cost", {"image": str(work / "coffee.png"), "duration_s": 2, "count": 3}
        )
        best = price.structured_content["fits"][0]
        assert best["model"] == "animatic" and best["cost_high_usd"] == 0
        jobs = await client.call_tool("list_jobs", {})
        assert jobs.structured_content["jobs"] == []
        missing = await client.call_tool("get_job", {"job_id": "job_" + "a" * 26})
        assert missing.is_error and missing.content[0].text.startswith("not_found: there is no job 'job_aaaa")  # type: ignore[union-attr]


def test_a_bad_input_is_told_under_the_name_that_was_written(host: Callable[..., RawClient], work: Path) -> None:
    (work / "empty.png").touch()
    (work / "text.png").write_text("not a picture")
    with host() as client:
        for name, words in (
            ("cofee.png", "does not exist: did you mean coffee.png?"),
            ("empty.png", "image: 'empty.png' is empty (0 bytes)"),
            ("text.png", "image: the file is text, whatever its name says"),
            (str(work), "image: "),
            ("/etc/hostname", "is not in an allowed folder"),
            ("http://example.org/a.png", "http: addresses are not fetched"),
            ("data:image/png;base64,AAAA", "media are named, not carried"),
        ):
            text = client.refused("image_to_video", image=name)
            assert text.startswith("asset: ") and words in text, text
        assert client.refused("inspect_clip", clip="https://example.org/a.mp4").startswith("asset: ")
        unknown = client.refused("generate_video", prompt="x", model="animatik")
        assert (
            unknown.startswith("not_found: model 'animatik' is unknown; names like it: animatic.")
            and '\nnearest that works: model="animatic" (free)\n' in unknown
            and "list_models" in unknown
        )
        assert client.structured("list_jobs")["jobs"] == []
