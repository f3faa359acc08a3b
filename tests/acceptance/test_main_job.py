"""A photo, two keyframes, a clip or a prompt becomes a real MP4, exactly as asked, in a fresh home, in both eras."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.outside import LONG, SMALL, Facts, Place, boxes, difference, finished, made, rendering
from tests.rawclient import ERAS, MODERN, RawClient, RawError, text_of

PREVIS = "PREVIS (no generative model)"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place.make(tmp_path_factory.mktemp("person"))


@pytest.fixture(scope="module", params=ERAS)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    """For what each era must show, in a home of its own."""
    with Place.make(tmp_path_factory.mktemp("person")).client(request.param) as client:
        yield client


@pytest.fixture(scope="module")
def one(place: Place) -> Iterator[RawClient]:
    """For what lies below both eras alike."""
    with place.client(MODERN) as client:
        yield client


def checked(job: dict[str, Any], frames: int, seconds: float, size: tuple[int, int]) -> Facts:
    """The job's clip plays in a browser and is exactly as asked; its own figures are the decoder's."""
    facts = Facts.of(job["file"])
    assert (facts.codec, facts.pix_fmt) == ("h264", "yuv420p")
    assert (facts.frames, facts.width, facts.height) == (frames, *size)
    assert facts.seconds == pytest.approx(seconds, abs=0.001)
    assert (job["duration_s"], job["width"], job["height"]) == (pytest.approx(seconds, abs=0.001), *size)
    names = boxes(job["file"])
    assert names[0] == "ftyp" and names.index("moov") < names.index("mdat"), names
    assert (job["cost_usd"], job["cost_basis"], job["est_cost_usd"], job["engine"]) == (0, "free", 0, "previs")
    assert Path(job["poster"]).read_bytes()[:3] == b"\xff\xd8\xff"
    return facts


def test_the_table_is_small_and_closed(host: RawClient) -> None:
    tools = host.request("tools/list")["tools"]
    whole = len(json.dumps(tools, separators=(",", ":"), ensure_ascii=False).encode())
    visible = [{name: tool[name] for name in ("name", "description", "inputSchema")} for tool in tools]
    shown = len(json.dumps(visible, separators=(",", ":"), ensure_ascii=False).encode())
    assert whole <= 20_000 and shown <= 10_000, (whole, shown)
    for tool in tools:
        assert "zzz: no such argument" in host.refused(tool["name"], zzz=1), tool["name"]


def test_a_still_that_moves(host: RawClient) -> None:
    region = {"box": [0.3, 0.1, 0.7, 0.5], "direction": "up", "intensity": 0.8}
    asked = {"camera": ["dolly-in:0.4@0-1.5"], "motion": [region], "duration_s": 2, "resolution": "480p", "fps": 25}
    still = checked(made(host, "image_to_video", image="coffee.png", **asked), 50, 2, (854, 480))
    assert difference(still.first, still.last) > 2, "it must move"
    tall = made(host, "image_to_video", image="astronaut.png", aspect_ratio="9:16", **SMALL, fit="pad")
    checked(tall, 12, 1, (360, 640))


def test_keyframes_are_met_and_an_extension_goes_on_from_the_last_frame(host: RawClient) -> None:
    frames = [{"image": "coffee.png"}, {"image": "rocket.jpg", "at_s": 2}]
    first = made(host, "interpolate_keyframes", frames=frames, aspect_ratio="16:9", resolution="360p", fps=12)
    clip = checked(first, 24, 2, (640, 360))
    longer = made(host, "extend_clip", clip=first["job_id"], add_s=1.5)
    whole = checked(longer, 42, 3.5, (640, 360))
    assert longer["parents"] == [first["job_id"]] and longer["fps"] == 12
    assert difference(clip.first, whole.first) < 3, "the result holds the whole clip"
    again = made(host, "image_to_video", image=f"video://jobs/{first['job_id']}/last_frame", camera=["static"], **SMALL)
    assert difference(checked(again, 12, 1, (640, 360)).first, clip.last) < 3


def test_a_foreign_clip_is_extended_in_its_own_shape(one: RawClient) -> None:
    """Big Buck Bunny: 132 frames of 1280x720 at 25 a second; one second more is 25 frames more."""
    job = made(one, "extend_clip", clip="bunny.mp4", add_s=1)
    facts = checked(job, 157, 157 / 25, (1280, 720))
    assert facts.frames == 132 + 25


def test_words_alone_give_a_card_that_says_what_it_is(host: RawClient) -> None:
    result = host.call("generate_video", prompt="A lighthouse in the rain", **SMALL)
    assert text_of(result).startswith(f"{PREVIS} job_"), text_of(result)
    ticket = result["structuredContent"]
    assert ticket["model"] == "animatic" and ticket["est_cost_usd"] == 0
    assert "for a generated clip" in ticket["next"] or "list_models" in ticket["next"]
    (job,) = finished(host, ticket["job_id"])
    checked(job, 12, 1, (640, 360))
    for tool, arguments in (("get_job", {"job_id": job["job_id"]}), ("wait_for_job", {"job_ids": [job["job_id"]]})):
        assert text_of(host.call(tool, **arguments)).startswith(PREVIS)
    seen = host.call("inspect_clip", clip=job["job_id"], frames=4)
    assert text_of(seen).startswith(PREVIS), text_of(seen)
    assert len(base64.b64decode(seen["content"][1]["data"])) <= 150_000


def test_a_loop_closes(one: RawClient) -> None:
    asked = {"camera": ["pan-right:0.5"], "loop": True, "duration_s": 2, "resolution": "360p", "fps": 24}
    facts = checked(made(one, "image_to_video", image="rocket.jpg", **asked), 48, 2, (640, 360))
    middle = Facts.of(made(one, "image_to_video", image="rocket.jpg", **(asked | {"loop": False}))["file"])
    assert difference(facts.first, facts.last) < difference(middle.first, middle.last) / 3


def test_asking_again_is_the_same_job_and_a_take_is_another(host: RawClient) -> None:
    asked = {"image": "coffee.png", "camera": ["handheld:0.5"], "seed": 7, "label": "cup"} | SMALL
    first = host.structured("image_to_video", **asked)
    again = host.structured("image_to_video", **asked)
    other = host.structured("image_to_video", **asked, take=2)
    assert again["job_id"] == first["job_id"] and again["replayed"] and not first.get("replayed")
    assert other["job_id"] != first["job_id"] and not other.get("replayed")
    one, two = finished(host, first["job_id"], other["job_id"])
    assert Path(one["file"]).name == "cup_take01.mp4" and Path(two["file"]).name == "cup_take02.mp4"
    keyed = host.structured("image_to_video", **(asked | {"label": "x"}), request_key="k1")
    assert host.structured("image_to_video", **(asked | {"label": "x"}), request_key="k1")["job_id"] == keyed["job_id"]
    told = host.refused("image_to_video", **(asked | {"seed": 8}), request_key="k1")
    assert told.startswith("conflict: "), told


def test_a_cancelled_job_stops_and_the_list_tells(one: RawClient) -> None:
    job_id = one.structured("image_to_video", image="coffee.png", label="stopped", **LONG)["job_id"]
    rendering(one, job_id)
    one.structured("cancel_job", job_id=job_id)
    (job,) = finished(one, job_id)
    assert job["state"] == "cancelled" and job["cost_usd"] == 0 and "file" not in job
    assert one.structured("cancel_job", job_id=job_id)["state"] == "cancelled", "asking twice changes nothing"
    page = one.structured("list_jobs", label="stopped")
    assert [(row["job_id"], row["state"]) for row in page["jobs"]] == [(job_id, "cancelled")]
    assert page["spend"]["today_usd"] == 0 and page["spend"]["per_day_wall_usd"] == 20
    new = one.structured("image_to_video", image="coffee.png", label="stopped", **LONG)
    assert new["job_id"] != job_id, "a cancelled job is no answer to the same request"
    newest = one.structured("list_jobs", limit=1, label="stopped")
    older = one.structured("list_jobs", limit=1, label="stopped", cursor=newest["cursor"])
    assert [page["jobs"][0]["job_id"] for page in (newest, older)] == [new["job_id"], job_id]
    one.structured("cancel_job", job_id=new["job_id"])


def test_resources_name_what_the_tools_made(host: RawClient) -> None:
    job = made(host, "image_to_video", image="coffee.png", **SMALL)
    uri = f"video://jobs/{job['job_id']}"
    assert job["uri"] == uri
    whole = json.loads(host.request("resources/read", {"uri": uri})["contents"][0]["text"])
    assert whole["state"] == "succeeded" and whole["file"] == job["file"]
    clip = json.loads(host.request("resources/read", {"uri": f"{uri}/clip"})["contents"][0]["text"])
    assert clip["file"] == job["file"] and "blob" not in clip
    poster = host.request("resources/read", {"uri": f"{uri}/poster"})["contents"][0]
    assert base64.b64decode(poster["blob"]) == Path(job["poster"]).read_bytes()
    models = json.loads(host.request("resources/read", {"uri": "video://models"})["contents"][0]["text"])
    assert "animatic" in [row["model"] for row in models["models"]]
    with pytest.raises(RawError) as failed:
        host.request("resources/read", {"uri": "video://jobs/../../etc/passwd"})
    assert failed.value.code == -32602


def test_prices_come_first_and_paid_models_say_what_they_need(one: RawClient) -> None:
    free = one.structured("estimate_cost", image="coffee.png", duration_s=5, count=3)["fits"]
    assert any(row["model"] == "animatic" and row["cost_high_usd"] == 0 for row in free)
    text = one.refused("generate_video", prompt="a fox", model="runway/gen4.5", duration_s=5, max_cost_usd=5)
    assert text.startswith("auth: ") and "RUNWAYML_API_SECRET" in text
    assert "next: ask the user to set the key" in text
