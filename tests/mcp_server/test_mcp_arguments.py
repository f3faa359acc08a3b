"""Arguments are refused raw, at every depth, in words: over the SDK's client in both eras and over the wire."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from mcp_types import TextContent

from backends.settings import Settings
from mcp_server.strict import ECHO, FORMATS, StrictArguments, echo
from mcp_server.surface import tools
from tests.mcp_server.conftest import Connect
from tests.patience import patient
from tests.rawclient import ERAS, RawClient, home_env

PROMPT = {"prompt": "a cat"}
STILL = {"image": "cat.png"}


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


TWO = {"frames": [{"image": "a.png"}, {"image": "b.png"}]}

ROWS: list[tuple[str, dict[str, Any], str]] = [
    ("generate_video", {}, "prompt: is required"),
    ("generate_video", PROMPT | {"max_cost": 9}, "max_cost: no such argument; did you mean max_cost_usd?"),
    ("generate_video", PROMPT | {"duration": 5}, "duration: no such argument; did you mean duration_s?"),
    ("generate_video", PROMPT | STILL, "image: generate_video has no such argument; image_to_video takes it"),
    (
        "generate_video",
        PROMPT | {"first_frame": "a.png"},
        "first_frame: generate_video has no such argument; image_to_video takes it (as image)",
    ),
    ("get_job", {"job_id": "x", "zzz": 1}, "zzz: no such argument; there are job_id"),
    (
        "generate_video",
        PROMPT | {"duration_s": "8"},
        'duration_s: must be a number, not the string "8": write 8',
    ),
    ("generate_video", PROMPT | {"duration_s": True}, "duration_s: must be a number, not true"),
    ("generate_video", PROMPT | {"duration_s": float("nan")}, "duration_s: must be a number, not nan"),
    ("generate_video", PROMPT | {"duration_s": float("inf")}, "duration_s: must be a number, not inf"),
    ("generate_video", PROMPT | {"duration_s": "5s"}, 'duration_s: must be a number, not the string "5s": write 5'),
    ("generate_video", PROMPT | {"duration_s": "5 min"}, 'not the string "5 min": write 300'),
    ("generate_video", PROMPT | {"fps": "24 fps"}, 'fps: must be a number, not the string "24 fps": write 24'),
    ("generate_video", PROMPT | {"fps": "5s"}, 'not the string "5s": write 5'),
    ("generate_video", PROMPT | {"max_cost_usd": "$1.50"}, 'not the string "$1.50": write 1.50'),
    ("generate_video", PROMPT | {"seed": "7"}, 'seed: must be a whole number, not the string "7": write 7'),
    ("generate_video", PROMPT | {"seed": "1.5"}, 'seed: must be a whole number, not the string "1.5": write a whole'),
    ("generate_video", PROMPT | {"audio": "yes"}, 'audio: must be true or false, not the string "yes": write true'),
    ("generate_video", PROMPT | {"audio": "Off"}, 'audio: must be true or false, not the string "Off": write false'),
    ("generate_video", {"prompt": None}, "prompt: is required"),
    ("generate_video", PROMPT | {"zzz": None}, "zzz: no such argument"),
    ("generate_video", PROMPT | {"camera": [None]}, "camera[0]: must be a string, not null: omit it instead"),
    (
        "interpolate_keyframes",
        {"frames": [{"image": None}, {"image": "b.png", "at_s": None}]},
        "frames[0].image: is req",
    ),
    ("generate_video", PROMPT | {"duration_s": 0}, "duration_s: input should be greater than 0, not 0"),
    ("generate_video", PROMPT | {"duration_s": -1}, "duration_s: input should be greater than 0, not -1"),
    ("generate_video", PROMPT | {"duration_s": 1e9}, "duration_s: input should be less than or equal to 3600"),
    ("generate_video", PROMPT | {"seed": 1.5}, "seed: must be a whole number, not 1.5"),
    ("generate_video", PROMPT | {"seed": -1}, "seed: input should be greater than or equal to 0"),
    ("generate_video", PROMPT | {"seed": 10**70}, "seed: input should be less than 4294967296"),
    ("generate_video", PROMPT | {"audio": 1}, "audio: must be true or false, not 1"),
    ("generate_video", PROMPT | {"audio": "true"}, 'audio: must be true or false, not the string "true"'),
    ("generate_video", PROMPT | {"take": 0}, "take: must be 1 to 99, not 0"),
    ("generate_video", PROMPT | {"max_cost_usd": -1}, "max_cost_usd: input should be greater than or equal to 0"),
    ("generate_video", PROMPT | {"max_cost_usd": "5"}, "max_cost_usd: must be a number"),
    (
        "generate_video",
        PROMPT | {"prefer": "cheap"},
        "prefer: must be one of quality, cheapest, fastest, consistency, ",
    ),
    ("generate_video", PROMPT | {"prefer": "cheap"}, 'not "cheap"; did you mean cheapest?'),
    ("generate_video", PROMPT | {"label": "x" * 81}, "label: must be at most 80 characters, not 81"),
    ("generate_video", PROMPT | {"aspect_ratio": "wide"}, "aspect_ratio: write 16:9"),
    ("generate_video", {"prompt": "x" * 100_000}, "prompt: string should have at most 32000 characters"),
    ("generate_video", {"prompt": ["a"]}, 'prompt: must be a string, not ["a"]'),
    (
        "generate_video",
        PROMPT | {"camera": "dolly-in"},
        'camera: must be a list, not the string "dolly-in": write ["dolly-in"]',
    ),
    (
        "generate_video",
        PROMPT | {"camera": '["dolly-in"]'},
        "give it as it is, not JSON in a string",
    ),
    (
        "generate_video",
        PROMPT | {"camera": [{"move": "dolly-in"}]},
        'camera[0]: must be a string, not {"move": "dolly-in"}',
    ),
    (
        "generate_video",
        PROMPT | {"camera": ["dolly-inn"]},
        "camera[0]: camera move 'dolly-inn' is unknown: did you mean dolly-in?",
    ),
    ("generate_video", PROMPT | {"references": ["hero"]}, "references[0]: reference 'hero' is not tag=path-or-uri"),
    ("generate_video", PROMPT | {"provider_options": "{}"}, "provider_options: must be an object, not the string"),
    (
        "generate_video",
        PROMPT | {"provider_options": {"a": [1, {"b": float("nan")}]}},
        "provider_options.a[1].b: must be a finite number",
    ),
    (
        "generate_video",
        PROMPT | {"label": "a\nfile: /etc/passwd"},
        "label: must be one line of plain text: it holds a line break (U+000A at character 2)",
    ),
    ("generate_video", PROMPT | {"request_key": "a\x1b[31m"}, "it holds a control character (U+001B at character 2)"),
    ("generate_video", PROMPT | {"label": "gnp\u202e"}, "it holds a control character (U+202E at character 4)"),
    (
        "generate_video",
        PROMPT | {"provider_options": nested(100)},
        "provider_options: must be nested at most 32 levels deep",
    ),
    (
        "list_jobs",
        {"cursor": "²"},
        "cursor: must come from an earlier list_jobs; omit it to start with the newest",
    ),
    ("image_to_video", {}, "image: is required"),
    ("image_to_video", STILL | {"image_url": "x"}, "image_url: no such argument; did you mean image?"),
    ("image_to_video", {"image": ""}, "image: string should have at least 1 character"),
    (
        "image_to_video",
        STILL | {"motion": [{"box": [0.1, 0.1, 0.5, 0.5], "direction": "left", "intensty": 1}]},
        "motion[0].intensty: no such argument; did you mean intensity?",
    ),
    ("image_to_video", STILL | {"motion": [{"box": "0,0,1,1", "static": True}]}, "motion[0].box: must be a list"),
    (
        "image_to_video",
        STILL | {"motion": [{"box": [0, 0, "1", 1], "static": True}]},
        "motion[0].box[2]: must be a number",
    ),
    (
        "image_to_video",
        STILL | {"motion": [{"box": [0, 0, 1], "static": True}]},
        "motion[0].box: list should have at least 4",
    ),
    (
        "image_to_video",
        STILL | {"motion": [{"box": [0, 0, 1, 1], "direction": 3}]},
        "motion[0].direction: must be a string or a list, not 3",
    ),
    (
        "image_to_video",
        STILL | {"motion": [{"box": [0, 0, 1, 1], "direction": [0, "1"]}]},
        'motion[0].direction: must be a string or a list of numbers, not [0, "1"]',
    ),
    ("image_to_video", STILL | {"motion": [{"static": True}]}, "motion[0]: a motion region takes exactly one of box"),
    (
        "image_to_video",
        STILL | {"motion": [{"polygon": [[0, 0], [1, True], [1, 1]], "static": True}]},
        "motion[0].polygon[1][1]: must be a number, not true",
    ),
    ("interpolate_keyframes", {"frames": [{"image": "a.png"}]}, "frames: must hold at least 2 entries, not 1"),
    ("interpolate_keyframes", {"frames": [{"image": "a"}, {"at_s": 1}]}, "frames[1].image: is required"),
    (
        "interpolate_keyframes",
        {"frames": [{"image": "a"}, {"image": "b", "at": 1}]},
        "frames[1].at: no such argument; did you mean at_s?",
    ),
    (
        "interpolate_keyframes",
        {"frames": [{"image": "a"}, {"image": "b", "at_s": "1"}]},
        "frames[1].at_s: must be a number",
    ),
    ("interpolate_keyframes", {"frames": json.dumps(TWO["frames"])}, "not JSON in a string"),
    (
        "interpolate_keyframes",
        TWO | {"fit": "fill"},
        'fit: must be one of crop, pad, blur, refuse, not "fill"',
    ),
    ("interpolate_keyframes", TWO | {"focus": [50, 30]}, "focus[0]: input should be less than or equal to 1"),
    (
        "interpolate_keyframes",
        {"frames": [{"image": "a.png", "hold_s": "2"}, {"image": "b.png"}]},
        "frames[0].hold_s: must be a number",
    ),
    (
        "interpolate_keyframes",
        {"frames": [{"image": "a.png", "hold_s": 2, "camera": ["dolly"]}, {"image": "b.png"}]},
        "frames[0].camera[0]: camera move 'dolly' is unknown",
    ),
    (
        "extend_clip",
        {"clip": "a.mp4", "add_s": 2, "fit": "crop"},
        "fit: extend_clip has no such argument; image_to_video, interpolate_keyframes, finish_clip take it",
    ),
    (
        "extend_clip",
        {"clip": "a.mp4", "add_s": 2, "motion": [{"box": [0, 0, 1, 1], "directoin": "up"}]},
        "motion[0].directoin: no such argument; did you mean direction?",
    ),
    (
        "estimate_cost",
        STILL | {"motion": [{"box": [0, 0, 1, 1], "direction": "up", "speed": 1}]},
        "motion[0].speed: no such argument",
    ),
    (
        "estimate_cost",
        STILL | {"motion": [{"box": [0, 0, 1, 1], "static": "yes"}]},
        "motion[0].static: input should be a valid boolean",
    ),
    ("extend_clip", {"clip": "a.mp4"}, "add_s: is required"),
    ("extend_clip", {"clip": "a.mp4", "add_s": 0}, "add_s: input should be greater than 0"),
    ("extend_clip", {"clip": "", "add_s": 1}, "clip: string should have at least 1 character"),
    (
        "extend_clip",
        {"clip": "a.mp4", "add_s": 1, "fps": 24},
        "fps: extend_clip has no such argument; generate_video, image_to_video, interpolate_keyframes, finish_clip",
    ),
    ("estimate_cost", PROMPT | STILL | TWO, "frames: give one of image, frames: a clip starts from one of them"),
    ("estimate_cost", {"add_s": 4}, "add_s: needs clip"),
    ("estimate_cost", {"clip": "a.mp4", "add_s": 4, "duration_s": 4}, "duration_s: is not for extending"),
    ("estimate_cost", PROMPT | {"count": 0}, "count: must be 1 to 1000, not 0"),
    ("estimate_cost", PROMPT | {"take": 2}, "take: estimate_cost has no such argument"),
    ("inspect_clip", {"clip": "a.mp4", "frames": 33}, "frames: must be 1 to 32, not 33"),
    ("wait_for_job", {"job_ids": []}, "job_ids: must hold 1 to 50 entries, not 0"),
    ("wait_for_job", {"job_ids": "job_x"}, 'job_ids: must be a list, not the string "job_x": write ["job_x"]'),
    ("wait_for_job", {"job_ids": ["a"], "timeout_s": 51}, "timeout_s: must be 0 to 50, not 51"),
    ("wait_for_job", {"job_ids": ["a"], "timeout_s": -1}, "timeout_s: must be 0 to 50, not -1"),
    ("wait_for_job", {"job_id": "a"}, "job_id: no such argument; did you mean job_ids?"),
    ("get_job", {"job_id": 7}, "job_id: must be a string, not 7"),
    ("list_jobs", {"state": "done"}, "state: must be one of open, waiting, queued, submitting, "),
    ("list_jobs", {"limit": 1000}, "limit: must be 1 to 200, not 1000"),
    ("list_models", {"task": "i2v"}, "task: must be one of text_to_video, image_to_video, interpolate, "),
]
IDS = [f"{tool}-{number}" for number, (tool, _, _) in enumerate(ROWS)]


VALUES: tuple[Any, ...] = (
    *("", "a cat", "auto", "newest", "\ud83d", "8", "1080p"),
    *(True, False, None, 0, 1, -1, 3, 99, 100, 8.0, 1.5, -0.0, 1e9, 10**70, float("nan"), float("inf")),
    *([], ["a"], ["a"] * 300, [1], [None], [[]], [True], [{}], {}, {"a": 1}, {"image": "a.png"}),
)


def test_what_is_legal_at_a_glance_is_legal_by_the_schema() -> None:
    glanced = 0
    for tool in tools():
        check = StrictArguments(tool.name, tool.input_schema, {})
        takes: Any = tool.input_schema
        needed: list[str] = takes.get("required", [])
        for name in takes["properties"]:
            for value in VALUES:
                call = dict.fromkeys(needed, "a.png") | {name: value}
                if check._plainly_legal(call):
                    glanced += 1
                    assert not list(check._checker.iter_errors(call)), (tool.name, call)
    assert glanced > 300


@pytest.mark.anyio
async def test_over_the_sdk(connect: Connect, settings: Settings) -> None:
    """All rows over one connection; the SDK's own client sends NaN as null, so those rows go by wire alone."""
    async with connect(settings) as client:
        for tool, arguments, words in ROWS:
            if re.search(r"\b(NaN|nan|inf)\b", f"{arguments}"):
                continue
            result = await client.call_tool(tool, arguments)
            assert result.is_error, (tool, arguments)
            assert isinstance(result.content[0], TextContent)
            text = result.content[0].text
            assert text.startswith("invalid_request: ") and words in text, text
            told: Any = result.structured_content
            assert told["kind"] == "invalid_request" and told["problems"] and "nearest" not in told


@pytest.fixture(scope="module", params=ERAS)
def wire(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    with RawClient(home_env(tmp_path_factory.mktemp("home")), era=request.param) as client:
        yield client


@pytest.mark.parametrize(("tool", "arguments", "words"), ROWS, ids=IDS)
def test_over_the_wire(wire: RawClient, tool: str, arguments: dict[str, Any], words: str) -> None:
    text = wire.refused(tool, **arguments)
    assert text.startswith("invalid_request: ") and words in text
    assert f"next: correct the arguments and call {tool} again; nothing was started, nothing was spent" in text


def test_every_problem_is_told_at_once(wire: RawClient) -> None:
    text = wire.refused(
        "image_to_video",
        image="cat.png",
        duration_s=-3,
        seed="7",
        motion=[{"box": [0, 0, 1, 1], "direction": "lft"}, {"boxx": [1]}],
        camera=["pan-up"],
        nonsense=1,
    )
    assert text.startswith("invalid_request: 6 problems:\n- ")
    for words in ("seed: must be", "motion[1].boxx:", "nonsense:", "duration_s:", "camera[0]:"):
        assert words in text


def test_a_hundred_problems_are_bounded(wire: RawClient) -> None:
    text = wire.refused("generate_video", prompt="x", **{f"unknown_{number}": number for number in range(100)})
    assert text.startswith("invalid_request: 20 problems:") and len(text) < 12_000


@pytest.mark.parametrize(
    "value",
    ["s" * 5000, ["s" * 5000] * 5000, {"k" * 5000: "v" * 5000}, 10**3000],
    ids=["text", "list", "object", "number"],
)
def test_no_more_than_sixty_characters_are_echoed(wire: RawClient, value: object) -> None:
    text = wire.refused("generate_video", prompt="x", fps=value, **{"n" * 5000: 1})
    assert len(text) < 1200
    assert "sssss" * 20 not in text and "nnnnn" * 20 not in text


def test_an_unknown_tool_names_the_known_ones(wire: RawClient) -> None:
    text = wire.refused("make_video", prompt="x")
    assert text.startswith("not_found: there is no tool 'make_video'; there are list_models, estimate_cost, ")


def test_jupyterlabs_packages_do_not_slow_the_first_call() -> None:
    """JupyterLab brings packages of formats, one of which takes two seconds to import; the check of arguments goes
    without them, and whoever wants one later gets it."""
    assert all(find_spec(name) is not None for name in ("rfc3987_syntax", "webcolors", "isoduration"))
    code = (
        "import sys; from mcp_server.strict import StrictArguments; "
        "schema = {'properties': {'n': {'type': 'number'}}, 'additionalProperties': False}; "
        "found = StrictArguments('t', schema, {}).problems({'n': '8'}); "
        f"slow = [name for name in {FORMATS} if name in sys.modules]; "
        "import rfc3987_syntax; print(list(found), slow)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=patient(60))
    assert ran.stdout == "['n'] []\n", ran.stderr


def test_echo_is_bounded_for_anything() -> None:
    for value in (
        "x" * 10_000,
        list(range(10_000)),
        {"a": {"b": "c" * 10_000}},
        10**5000,
        float("nan"),
        None,
        [[[["x"] * 99]]],
    ):
        assert len(echo(value)) <= ECHO + 1


def test_the_wire_takes_what_is_legal_json_only(wire: RawClient) -> None:
    """A broken line is answered or dropped, and the conversation goes on."""
    wire.send('{"jsonrpc":"2.0","id":9001,"method":"tools/call","params":{"name":"get_job","arguments":"[]"}}')
    wire.send("{broken")
    wire.send(
        '{"jsonrpc":"2.0","id":9002,"method":"tools/call","params":{"name":"get_job","arguments":{"job_id":"\\ud800"}}}'
    )
    assert wire.refused("get_job", job_id=7)


def test_nesting_beyond_any_recursion_is_told_in_words() -> None:
    tool = next(one for one in tools(50) if one.name == "generate_video")
    check = StrictArguments(tool.name, tool.input_schema, {})
    deep = PROMPT | {"provider_options": nested(100_000)}
    assert check.problems(deep) == {"provider_options": "must be nested at most 32 levels deep"}
    listed: list[Any] = []
    for _ in range(100_000):
        listed = [listed]
    assert check.problems(PROMPT | {"camera": listed}) == {"camera": "must be nested at most 32 levels deep"}
    assert check.problems(PROMPT | {"provider_options": nested(30)}) == {}


def test_null_is_what_is_left_out(wire: RawClient) -> None:
    """Many hosts write null for every argument that their model leaves out."""
    asked = {"prompt": "a cat", "model": "animatic", "duration_s": 1, "resolution": "360p", "fps": 12}
    nothing = (
        "aspect_ratio",
        "audio",
        "seed",
        "camera",
        "loras",
        "clip",
        "prefer",
        "take",
        "label",
        "provider_options",
    )
    first = wire.structured("generate_video", **asked)
    again = wire.structured("generate_video", **asked, **dict.fromkeys(nothing))
    assert again["job_id"] == first["job_id"] and again["replayed"], "the very same request"
    wire.structured("cancel_job", job_id=first["job_id"])
    tool = next(one for one in tools(50) if one.name == "image_to_video")
    check = StrictArguments(tool.name, tool.input_schema, {})
    motion = [{"box": [0, 0, 1, 1], "mask": None, "static": True}]
    options = {"kept": None, "deep": {"kept": None}}
    given = check.without_nulls({"image": "a", "motion": motion, "fit": None, "provider_options": options})
    assert given == {"image": "a", "motion": [{"box": [0, 0, 1, 1], "static": True}], "provider_options": options}


def test_half_of_a_character_is_told_where_it_stands() -> None:
    tool = next(one for one in tools(50) if one.name == "generate_video")
    check = StrictArguments(tool.name, tool.input_schema, {})
    words = "must be text: it holds half of a character (a lone surrogate, as of a cut emoji)"
    assert check.problems({"prompt": "cat \ud83d", "provider_options": {"a": ["\ud83d"]}}) == {
        "prompt": words,
        "provider_options.a[0]": words,
    }
