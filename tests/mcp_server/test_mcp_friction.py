"""Habits of other tools: one refusal is enough, its words taken literally make a call that is accepted.

Each row is a mistake that agents were seen to make. What the refusal says to write is put where it says, and the
changed call has to be one that is taken.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
from mcp.types import TextContent

from backends.settings import load_settings
from backends.verbs import request_of
from mcp_server.problems import every_problem
from mcp_server.refusal import illegal
from mcp_server.strict import StrictArguments
from mcp_server.surface import tools
from tests.mcp_server.conftest import Connect
from tests.rawclient import home_env
from tests.samples import bunny, photo

PROMPT = {"prompt": "@hero walks"}
COFFEE = {"image": "coffee.png"}
BOX = [0.3, 0.1, 0.7, 0.5]
DATA = "data:image/png;base64," + "A" * 9000


def region(**parts: Any) -> dict[str, Any]:
    return {"image": "coffee.png", "motion": [{"box": BOX, "direction": "up"} | parts]}


def order(**parts: Any) -> dict[str, Any]:
    return {"prompt": "a kite"} | parts


ROWS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    *(
        ("generate_video", order(aspect_ratio=said), {"aspect_ratio": meant})
        for said, meant in (("16/9", "16:9"), ("vertical", "9:16"), ("9x16", "9:16"), ("16 by 9", "16:9"))
    ),
    *(("generate_video", order(aspect_ratio=said), {"aspect_ratio": None}) for said in ("", "auto")),
    (
        "generate_video",
        order(camera="slow dolly in then orbit"),
        {"camera": ["dolly-in:0.3@0-2", "orbit-right:0.3@2-4"]},
    ),
    ("generate_video", order(camera="dolly-in"), {"camera": ["dolly-in"]}),
    ("generate_video", order(camera="static, no movement"), {"camera": ["static"]}),
    (
        "generate_video",
        order(camera=[{"move": "dolly_in", "amount": 0.3, "from": 0, "to": 2}]),
        {"camera": ["dolly-in:0.3@0-2"]},
    ),
    ("generate_video", order(camera={"move": "orbit", "direction": "left"}), {"camera": ["orbit-left:0.5"]}),
    (
        "generate_video",
        order(camera={"type": "pan", "direction": "left", "speed": 0.4}),
        {"camera": ["pan-left:0.4"]},
    ),
    ("generate_video", order(camera=[{"tilt_down": 0.2}]), {"camera": ["tilt-down:0.2"]}),
    *(
        ("generate_video", order(duration_s=said), {"duration_s": 5})
        for said in ("5s", "5", "5 seconds", "0:05", "5,0 sec")
    ),
    ("generate_video", order(audio="yes"), {"audio": True}),
    ("generate_video", order(audio="none"), {"audio": False}),
    ("generate_video", order(resolution=1080), {"resolution": "1080p"}),
    ("generate_video", order(resolution=1920), {"resolution": "1080p"}),
    ("generate_video", order(resolution=[1280, 720]), {"resolution": "720p"}),
    ("generate_video", order(resolution={"width": 1280, "height": 720}), {"resolution": "720p"}),
    ("generate_video", order(seed=None, camera=None, fps=None), {}),
    ("image_to_video", {"image": {"path": "coffee.png"}}, COFFEE),
    ("image_to_video", {"image": ["coffee.png"]}, COFFEE),
    *(
        ("image_to_video", region(box=box), {"motion": [{"box": BOX, "direction": "up"}]})
        for box in (
            {"left": 0.3, "top": 0.1, "right": 0.7, "bottom": 0.5},
            {"x": 0.3, "y": 0.1, "width": 0.4, "height": 0.4},
            {"x1": 0.3, "y1": 0.1, "x2": 0.7, "y2": 0.5},
            "0.3, 0.1, 0.7, 0.5",
        )
    ),
    (
        "image_to_video",
        region(direction={"x": 0, "y": -1}),
        {"motion": [{"box": BOX, "direction": [0, -1]}]},
    ),
    (
        "image_to_video",
        {"image": "coffee.png", "motion": [{"region": BOX, "direction": "up"}]},
        {"motion": [{"direction": "up", "box": BOX}]},
    ),
    *(
        ("interpolate_keyframes", {"frames": said}, {"frames": [COFFEE, {"image": "astronaut.png"}]})
        for said in (
            ["coffee.png", "astronaut.png"],
            "coffee.png, astronaut.png",
            {"first": "coffee.png", "last": "astronaut.png"},
            [{"path": "coffee.png"}, {"path": "astronaut.png"}],
            [{"image": {"path": "coffee.png"}}, {"image": "astronaut.png"}],
        )
    ),
    (
        "interpolate_keyframes",
        {"frames": [COFFEE | {"time": 0}, {"image": "astronaut.png", "time": 2}]},
        {"frames": [COFFEE | {"at_s": 0}, {"image": "astronaut.png", "at_s": 2}]},
    ),
    *(
        ("generate_video", PROMPT | {"references": said}, {"references": ["hero=coffee.png"]})
        for said in (
            [{"tag": "hero", "image": "coffee.png"}],
            [{"image": "coffee.png"}],
            [{"hero": "coffee.png"}],
            {"hero": "coffee.png"},
            "hero=coffee.png",
            "coffee.png",
            ["coffee.png"],
        )
    ),
    ("generate_video", order(loras=[{"name": "a", "weight": 0.5}]), {"loras": ["a:0.5"]}),
    ("wait_for_job", {"job_ids": "job_x"}, {"job_ids": ["job_x"]}),
    ("wait_for_job", {"job_id": ["job_x"]}, {"job_ids": ["job_x"]}),
    ("generate_video", order(seconds=5), {"duration_s": 5}),
    ("generate_video", order(prefer="cheap"), {"prefer": "cheapest"}),
]

WRITE = re.compile(r"write (?:camera )?(.+?)(?:, and @.*|, and the shape.*| \(times in seconds.*)?$")


def followed(given: dict[str, Any], problems: list[dict[str, str]]) -> dict[str, Any]:
    """The call after its problems' sentences were done as they say, and nothing else."""
    call = deepcopy(given)
    for problem in problems:
        place, text = problem["field"], problem["text"]
        holder, key = where(call, place)
        if meant := re.search(r"did you mean (\S+)\?$", text):
            if "must be one of" in text:
                holder[key] = meant[1]
            else:
                holder[meant[1]] = holder.pop(key)
        elif text.endswith("is required"):
            assert key in holder, f"{text}, and no other problem says what it is: {problems}"
        elif "leave it out" in text:
            del holder[key]
        else:
            written = WRITE.search(text)
            assert written, f"nothing to write in {text!r}"
            holder[key] = value_of(written[1])
    return call


def where(call: dict[str, Any], place: str) -> tuple[Any, Any]:
    """What holds a place such as frames[0].at_s, and its key there."""
    keys = [int(part[1:-1]) if part[0] == "[" else part for part in re.findall(r"\[\d+\]|[^.\[\]]+", place)]
    holder: Any = call
    for key in keys[:-1]:
        holder = holder[key]
    return holder, keys[-1]


def value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.fixture(scope="module")
def checks() -> Iterator[dict[str, StrictArguments]]:
    yield {tool.name: StrictArguments(tool.name, tool.input_schema, {}) for tool in tools()}


@pytest.mark.parametrize(("tool", "given", "meant"), ROWS)
def test_one_refusal_says_what_to_write(
    checks: dict[str, StrictArguments], tool: str, given: dict[str, Any], meant: dict[str, Any]
) -> None:
    check = checks[tool]
    asked = dict(check.without_nulls(given))
    call = asked
    if problems := every_problem(check, asked):
        told = cast("dict[str, Any]", illegal(tool, problems).structured_content)["problems"]
        call = followed(asked, told)
    assert every_problem(check, call) == []
    assert {name: call.get(name) for name in meant} == meant
    if tool != "wait_for_job":
        request_of(tool, check.completed(call))


@pytest.mark.parametrize(
    ("tool", "given", "field"),
    [
        ("image_to_video", {"image": DATA}, "image"),
        ("extend_clip", {"clip": DATA, "add_s": 2}, "clip"),
        ("interpolate_keyframes", {"frames": [{"image": DATA}, COFFEE]}, "frames[0].image"),
        ("generate_video", PROMPT | {"references": ["hero=" + DATA]}, "references[0].media"),
    ],
)
def test_a_photo_in_the_call_is_told_to_be_a_file(
    checks: dict[str, StrictArguments], tool: str, given: dict[str, Any], field: str
) -> None:
    (problem,) = every_problem(checks[tool], given)
    assert problem.field == field
    assert problem.text.startswith(f"{field}: media are named, not carried: save it to a file and give its path")


def test_what_is_inside_of_a_wrong_value_is_not_told_too(checks: dict[str, StrictArguments]) -> None:
    given = {"prompt": "x", "references": [{"tag": "hero", "image": "a.png"}], "camera": [{"move": "pan", "from": 0}]}
    fields = [problem.field for problem in every_problem(checks["generate_video"], given)]
    assert fields == ["references[0]", "camera[0]"]


@pytest.mark.anyio
async def test_the_length_in_all_of_an_extension_becomes_what_is_added(connect: Connect, tmp_path: Path) -> None:
    shutil.copy(bunny(), tmp_path / "clip.mp4")
    shutil.copy(photo("coffee"), tmp_path / "coffee.png")
    settings = load_settings(home_env(tmp_path), cwd=tmp_path)
    lead = "duration_s: extend_clip takes add_s, the seconds to add"
    cases = (
        ({"clip": "clip.mp4", "duration_s": 10}, f"{lead}: for this clip of 5.28 s write add_s=4.72"),
        ({"clip": "clip.mp4", "duration_s": 5}, f"{lead}; this clip is 5.28 s long already"),
        ({"clip": "gone.mp4", "duration_s": 10}, f"{lead}: 10 less the length of the clip"),
        ({"clip": "clip.mp4", "duration_s": "ten"}, lead),
        ({"duration_s": 10, "prompt": "on"}, lead),
    )
    async with connect(settings) as client:
        for given, words in cases:
            result = await client.call_tool("extend_clip", given)
            text = cast(TextContent, result.content[0]).text
            assert words in text, text
            assert text.count("duration_s") == 1 and "add_s: is required" not in text


@pytest.mark.anyio
async def test_one_problem_is_told_once(connect: Connect, tmp_path: Path) -> None:
    shutil.copy(photo("astronaut"), tmp_path / "astronaut.png")
    settings = load_settings(home_env(tmp_path), cwd=tmp_path)
    async with connect(settings) as client:
        given = {"prompt": "@boss walks", "references": ["hero=astronaut.png"]}
        result = await client.call_tool("generate_video", given)
        text = cast(TextContent, result.content[0]).text
        assert text.count("no reference is called @boss") == 1, text
