"""What a person paints and steers arrives as numbers in the submitted graph: tracks, and a camera's own words."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from backends.catalog.choose import choose
from backends.comfyui.backend import ComfyBackend
from backends.comfyui.seen import Looks
from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.provider.protocol import Asset, Prepared
from backends.request import build_request
from tests.comfyui.stand import catalog, environ, ordered, still
from tests.fakes import FakeServer


def prepared(home: Path, model: str, picture: Asset, masks: dict[str, Asset] | None = None, **fields: Any) -> Prepared:
    url = "http://127.0.0.1:9"
    backend = ComfyBackend(environ(home, url), url)
    asked = {"task": "image_to_video", "prompt": "a lake", "frames": [{"image": str(picture.path)}], **fields}
    return ordered(backend, model, {"frames[0].image": picture, **(masks or {})}, **asked)


def tracks(ready: Prepared) -> list[list[dict[str, float]]]:
    graph = ready.body["graph"]
    inputs = {node["class_type"]: node["inputs"] for node in graph.values()}
    if "WanTrackToVideo" in inputs:
        return json.loads(inputs["WanTrackToVideo"]["tracks"])
    source, _ = inputs["WanMoveTracksFromCoords"]["track_coords"]
    return json.loads(graph[source]["inputs"]["value"])


@pytest.mark.parametrize(("model", "points"), [("wan-track", 121), ("wan-move", 81)])
def test_a_box_becomes_tracks_of_its_own_direction_and_length(
    home: Path, tmp_path: Path, model: str, points: int
) -> None:
    """121 points whatever the length is, or one for each of the 81 frames of 5 seconds."""
    picture = still("frames[0].image", tmp_path / "still.png", (832, 480))
    region = {"box": [0.25, 0.25, 0.75, 0.75], "direction": "right", "intensity": 0.5}
    made = tracks(prepared(home, model, picture, motion=[region], duration_s=5))
    assert len(made) == 9 and {len(one) for one in made} == {points}
    starts = sorted((one[0]["x"], one[0]["y"]) for one in made)
    across = [round(832 * (0.25 + 0.5 * part), 2) for part in (1 / 6, 0.5, 5 / 6)]
    down = [round(480 * (0.25 + 0.5 * part), 2) for part in (1 / 6, 0.5, 5 / 6)]
    for start, wanted in zip(starts, [(x, y) for x in across for y in down], strict=True):
        assert start == pytest.approx(wanted, abs=0.02)
    for one in made:
        assert one[-1]["x"] - one[0]["x"] == pytest.approx(0.5 * 0.10 * 832, abs=0.02), "half of a tenth of the width"
        assert one[-1]["y"] == one[0]["y"]
        steps = [later["x"] - earlier["x"] for earlier, later in pairwise(one)]
        assert max(steps) - min(steps) <= 0.021, "evenly over the clip"


def test_frames_between_are_counted_from_the_sources_own(home: Path, tmp_path: Path) -> None:
    url = "http://127.0.0.1:9"
    path = tmp_path / "clip.mp4"
    facts = MediaFacts("clip", "video/mp4", 640, 360, 1000, 2.0, 25.0, 50, False, "h264")
    source = Asset("source_clip", "0" * 64, path, facts)
    backend = ComfyBackend(environ(home, url), url)
    ready = ordered(backend, "interpolate-film", {"source_clip": source}, task="upscale", source_clip=str(path), fps=75)
    inputs = {node["class_type"]: node["inputs"] for node in ready.body["graph"].values()}
    assert inputs["FrameInterpolate"]["multiplier"] == 3 and inputs["CreateVideo"]["fps"] == 75


def test_a_still_region_keeps_its_points_and_a_moving_one_goes_its_way(home: Path, tmp_path: Path) -> None:
    picture = still("frames[0].image", tmp_path / "still.png", (832, 480))
    regions = [
        {"box": [0, 0, 0.2, 0.2], "static": True},
        {"box": [0.5, 0.5, 0.9, 0.9], "direction": [0, -1], "intensity": 1},
    ]
    made = tracks(prepared(home, "wan-track", picture, motion=regions))
    moved = [(round(one[-1]["x"] - one[0]["x"], 1), round(one[-1]["y"] - one[0]["y"], 1)) for one in made]
    assert moved == [(0.0, 0.0)] * 9 + [(0.0, -83.2)] * 9


def test_a_painted_mask_becomes_tracks_inside_what_is_painted(home: Path, tmp_path: Path) -> None:
    picture = still("frames[0].image", tmp_path / "still.png", (832, 480))
    mask = Image.new("L", (416, 240), 0)
    ImageDraw.Draw(mask).ellipse([208, 60, 312, 180], fill=255)
    mask.save(tmp_path / "mask.png")
    painted = still("motion[0].mask", tmp_path / "shape.png", (416, 240))
    painted = Asset(painted.place, painted.sha256, tmp_path / "mask.png", painted.facts)
    region = {"mask": str(tmp_path / "mask.png"), "direction": "down", "intensity": 1}
    made = tracks(prepared(home, "wan-track", picture, {"motion[0].mask": painted}, motion=[region]))
    assert len(made) >= 5
    for one in made:
        column, row = one[0]["x"] / 2, one[0]["y"] / 2
        assert ((column - 260) / 52) ** 2 + ((row - 120) / 60) ** 2 <= 1.05, (column, row)
        assert one[-1]["y"] - one[0]["y"] == pytest.approx(83.2, abs=0.02)


def test_tracks_follow_the_crop_of_the_still(home: Path, tmp_path: Path) -> None:
    """A still twice as wide as the clip is cropped about its middle: what lay at a quarter lies at the left rim."""
    picture = still("frames[0].image", tmp_path / "wide.png", (1664, 480))
    region = {"box": [0.45, 0.4, 0.55, 0.6], "direction": "left", "intensity": 0.2}
    made = tracks(prepared(home, "wan-track", picture, motion=[region], fit="crop", aspect_ratio="16:9"))
    middle = made[4][0]
    assert (middle["x"], middle["y"]) == pytest.approx((416, 240), abs=1)
    with pytest.raises(VideoError, match=r"motion\[0\] covers nothing of the picture that the clip shows"):
        prepared(
            home, "wan-track", picture, motion=[{**region, "box": [0, 0, 0.1, 1]}], fit="crop", aspect_ratio="16:9"
        )


@pytest.mark.parametrize(
    ("move", "pose", "speed"),
    [
        ("dolly-in:0.4", "Zoom In", 0.8),
        ("truck-left", "Pan Left", 1.0),
        ("crane-down:1", "Pan Down", 2.0),
        ("roll-cw:1", "ClockWise (CW)", 0.5),
        ("static", "Static", 0.0),
    ],
)
def test_a_camera_move_becomes_the_nodes_own_word_and_speed(
    home: Path, tmp_path: Path, move: str, pose: str, speed: float
) -> None:
    picture = still("frames[0].image", tmp_path / "still.png", (832, 480))
    ready = prepared(home, "wan-camera", picture, camera=[move], duration_s=3)
    (node,) = [node for node in ready.body["graph"].values() if node["class_type"] == "WanCameraEmbedding"]
    values = node["inputs"]
    assert (values["camera_pose"], values["speed"]) == (pose, speed)
    assert (values["width"], values["height"], values["length"]) == (832, 480, 49)


def test_a_move_that_the_node_has_not_is_refused_with_those_it_has(home: Path, tmp_path: Path) -> None:
    picture = still("frames[0].image", tmp_path / "still.png", (832, 480))
    with pytest.raises(VideoError, match=r"camera orbit-left: comfyui/wan-camera has .*truck-left"):
        prepared(home, "wan-camera", picture, camera=["orbit-left"])
    with pytest.raises(VideoError, match="takes at most 1"):
        prepared(home, "wan-camera", picture, camera=["dolly-in", "truck-left"])


def test_auto_takes_the_model_that_truly_has_the_brush_once_the_server_can_run_it(
    home: Path, tmp_path: Path, server: FakeServer
) -> None:
    from backends.catalog.availability import availability

    picture = still("frames[0].image", tmp_path / "still.png", (832, 480))
    env = environ(home, server.url, FAL_KEY="fal-key-123456789")
    request = build_request(
        task="image_to_video",
        prompt="a lake",
        frames=[{"image": str(picture.path)}],
        motion=[{"box": [0, 0, 0.5, 0.5], "direction": "up"}],
    )
    facts = {"frames[0].image": picture.facts}
    with pytest.raises(VideoError, match=r"comfyui/wan-track free \(nobody has looked yet"):
        choose(request, catalog(env), facts, availability(env))
    Looks.of(env).keep(server.url, {"comfyui/wan-track": ""})
    assert choose(request, catalog(env), facts, availability(env)).row.id == "comfyui/wan-track"
    Looks.of(env).keep(server.url, {"comfyui/wan-track": "the model file x is not on the server"})
    with pytest.raises(VideoError, match="the model file x is not on the server"):
        choose(request, catalog(env), facts, availability(env))
