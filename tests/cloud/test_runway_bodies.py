"""Every order that a Runway row allows becomes a body that the vendor's own types accept, with nothing left out."""

from __future__ import annotations

import typing
from typing import Any

import jsonschema
import pytest

from backends.catalog.loader import load
from backends.catalog.schema.row import Row
from backends.cloud.runway.backend import RunwayBackend
from backends.errors import VideoError
from backends.provider.placing import filled
from backends.provider.protocol import Prepared
from tests.cloud.orders import asset, clip, every_order, leaves, order, still
from tests.cloud.runway_types import variants

ROWS = [row for row in load().rows if row.provider == "runway" and row.state != "retired"]
BACKEND = RunwayBackend("key_alpha", "http://127.0.0.1:9")


def sent(ready: Prepared) -> dict[str, Any]:
    return typing.cast("dict[str, Any]", filled(ready.body, lambda place: f"https://in.test/{place}"))


def row_of(name: str) -> Row:
    return load().get(name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_order_of_a_row_is_a_body_of_the_sdks_types(row: Row) -> None:
    count = 0
    for facts, fields in every_order(row):
        ready = order(BACKEND, row, facts, **fields)
        endpoint = ready.endpoint.removeprefix("/v1/")
        body = sent(ready)
        schema = variants()[endpoint][body["model"]]
        errors = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(body)]
        assert not errors, (fields, body, errors)
        missing = [value for value in promised(row, fields, ready) if value not in leaves(body)]
        assert not missing, (fields, body, missing)
        count += 1
    assert count >= len(row.modes)


def promised(row: Row, fields: dict[str, Any], ready: Prepared) -> list[object]:
    """The values that the person asked for and that must be found in the body."""
    values: list[object] = [f"https://in.test/{place}" for place in ready.request.media()]
    values += [fields[name] for name in ("seed", "audio", "negative_prompt") if name in fields]
    values += [value for value in fields.get("provider_options", {}).values()]
    if "duration_s" in fields:
        values.append(fields["duration_s"])
    return values


def test_the_rows_cover_every_video_model_of_the_sdk() -> None:
    """A model that the SDK gains must be looked at: a row, or a reason here."""
    known = {row.name for row in ROWS}
    typed = {model for models in variants().values() for model in models}
    assert typed == known


def test_frames_carry_their_positions() -> None:
    facts = {f"frames[{number}].image": still() for number in range(3)}
    frames = [{"image": f"/{number}.png"} for number in range(3)]
    ready = order(BACKEND, row_of("runway/kling_4"), facts, task="interpolate", frames=frames, prompt="a walk")
    assert sent(ready) == {
        "model": "kling_4",
        "promptText": "a walk",
        "duration": 5,
        "ratio": "auto_720p",
        "promptImage": [
            {"uri": "https://in.test/frames[0].image", "position": "first"},
            {"uri": "https://in.test/frames[1].image", "position": "middle"},
            {"uri": "https://in.test/frames[2].image", "position": "last"},
        ],
    }


def test_a_loop_gives_the_first_image_as_the_last() -> None:
    facts = {"frames[0].image": still()}
    asked = {"task": "image_to_video", "frames": [{"image": "/a.png"}], "prompt": "a tide", "loop": True}
    body = sent(order(BACKEND, row_of("runway/veo3.1"), facts, audio=False, **asked))
    uri = "https://in.test/frames[0].image"
    assert body["promptImage"] == [{"uri": uri, "position": "first"}, {"uri": uri, "position": "last"}]
    assert body["audio"] is False


def test_timed_stills_guide_an_edit() -> None:
    facts = {"source_clip": clip(), "frames[0].image": still()}
    asked = {"task": "edit", "source_clip": "/a.mp4", "frames": [{"image": "/a.png", "at_s": 1.5}], "prompt": "snow"}
    ready = order(BACKEND, row_of("runway/aleph2"), facts, provider_options={"targetAspectRatio": "9:16"}, **asked)
    assert sent(ready) == {
        "model": "aleph2",
        "promptText": "snow",
        "videoUri": "https://in.test/source_clip",
        "keyframes": [{"uri": "https://in.test/frames[0].image", "seconds": 1.5}],
        "targetAspectRatio": "9:16",
    }


def test_a_performance_drives_a_character() -> None:
    facts = {"source_clip": clip(), "frames[0].image": still()}
    asked = {"task": "edit", "source_clip": "/a.mp4", "frames": [{"image": "/a.png"}], "seed": 3}
    ready = order(BACKEND, row_of("runway/act_two"), facts, provider_options={"bodyControl": True}, **asked)
    assert ready.endpoint == "/v1/character_performance"
    assert sent(ready) == {
        "model": "act_two",
        "character": {"type": "image", "uri": "https://in.test/frames[0].image"},
        "reference": {"type": "video", "uri": "https://in.test/source_clip"},
        "ratio": "1280:720",
        "seed": 3,
        "bodyControl": True,
    }


def test_a_tag_in_the_prompt_becomes_the_references_position() -> None:
    facts = {
        "references[0].media": still(512, 512),
        "references[1].media": clip(2.0),
        "references[2].media": still(512, 512),
    }
    references = ["hero=/a.png", "dance=/b.mp4", "hero-2=/c.png"]
    prompt = "@hero meets @hero-2, mail@hero.com, and moves as in @dance"
    asked = {"task": "reference_to_video", "references": references, "prompt": prompt}
    ready = order(BACKEND, row_of("runway/seedance2"), facts, **asked)
    body = sent(ready)
    assert body["promptText"] == "[Image 1] meets [Image 2], mail@hero.com, and moves as in [Video 1]"
    assert [item["uri"] for item in body["references"]] == [
        "https://in.test/references[0].media",
        "https://in.test/references[2].media",
    ]
    assert body["referenceVideos"] == [{"type": "video", "uri": "https://in.test/references[1].media"}]
    assert "@hero-2 goes into the prompt as [Image 2]" in ready.notes


def test_only_what_does_not_fit_into_the_request_is_uploaded() -> None:
    row = row_of("runway/seedance2")
    places = [f"references[{number}].media" for number in range(4)]
    sizes = [3_600_000, 3_800_000, 3_600_000, 200_000]
    facts = {place: still(512, 512, size) for place, size in zip(places, sizes, strict=True)}
    references = [f"r{number}=/{number}.png" for number in range(4)]
    ready = order(BACKEND, row, facts, task="reference_to_video", references=references, prompt="a town")
    assert ready.uploads == (places[1],), "one is above 5 MB as text; the other three are below 10 MB together"
    big = order(
        BACKEND, row, {"source_clip": clip(size=4_000_000)}, task="edit", source_clip="/a.mp4", prompt="by night"
    )
    assert big.uploads == ("source_clip",)


def test_an_input_that_a_row_has_no_field_for_is_refused() -> None:
    row = row_of("runway/gen4.5")
    ready = order(BACKEND, row, {}, task="text_to_video", prompt="a fox")
    asked = ready.request.model_copy(update={"source_clip": "/a.mp4"})
    with pytest.raises(VideoError, match=r"runway/gen4.5 takes no source_clip for text_to_video") as caught:
        BACKEND.prepare(
            asked, Prepared(**{**vars(ready), "assets": {"source_clip": asset("source_clip", clip())}}), None
        )
    assert caught.value.kind == "unsupported"
    mended = Prepared(**{**vars(ready), "wire": {**ready.wire, "endpoint": "text_to_image"}})
    with pytest.raises(VideoError, match=r"wire.endpoint is none of text_to_video, .*: fix the row"):
        BACKEND.prepare(ready.request, mended, None)
