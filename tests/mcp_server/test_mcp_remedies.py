"""Every remedy that a refusal prints is taken at its word: the call with those changes is accepted.

Many shapes of a request are asked of many names of models, by the server's own argument check and the real Studio, with
fake keys and addresses of this machine, so that all services are configured and none is asked. What a refusal offers
is applied as it is written. Only three answers are right: it would start, it needs more money, it needs the person.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import skimage
from mcp_types import TextContent

from backends.errors import VideoError
from backends.settings import load_settings
from backends.studio import Studio
from backends.verbs import request_of
from mcp_server.problems import every_problem
from mcp_server.refusal import illegal, refused
from mcp_server.strict import StrictArguments
from mcp_server.surface import tools
from tests.rawclient import home_env
from tests.samples import quadrants, write_clip

DATA = Path(skimage.__file__).parent / "data"

KEYS = {
    "OPENAI_API_KEY": "sk-fake",
    "GEMINI_API_KEY": "fake",
    "GOOGLE_CLOUD_PROJECT": "fake",
    "GOOGLE_CLOUD_LOCATION": "us-central1",
    "RUNWAYML_API_SECRET": "key_fake",
    "KLING_API_KEY": "fake",
    "MINIMAX_API_KEY": "fake",
    "FAL_KEY": "a:b",
    "REPLICATE_API_TOKEN": "r8_fake",
}
SERVICES = ("OPENAI", "GOOGLE", "VERTEX", "RUNWAY", "KLING", "MINIMAX", "FAL", "REPLICATE")

MODELS = (
    "auto", "AUTO", "veo", "veo 3.1", "sora-2", "gen4", "gen4_turbo", "gen4.5", "runway", "kling", "kling-2.5",
    "kling 2.5 turbo pro", "pika", "pika 2.0", "fal/pika-v2.2", "fal/pikaffects", "wan", "wan 2.5", "ltx", "hailuo",
    "gemini-omni", "animatic", "local/wan2.2-ti2v-5b", "comfyui/wan2.2-a14b", "no-such-model",
)  # fmt: skip

PHOTOS = [{"image": "coffee.png"}, {"image": "astronaut.png"}, {"image": "rocket.jpg"}]
REGION = {"box": [0.3, 0.1, 0.7, 0.5], "direction": "up"}

SHAPES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("generate_video", {"prompt": "a kite", "duration_s": 5}),
    ("generate_video", {"prompt": "a kite", "duration_s": 12}),
    ("generate_video", {"prompt": "a kite", "duration_s": 8, "resolution": "1080p", "audio": True}),
    ("generate_video", {"prompt": "a kite", "resolution": "4k"}),
    ("generate_video", {"prompt": "a kite", "resolution": "1080"}),
    ("generate_video", {"prompt": "@hero walks", "references": ["hero=astronaut.png"]}),
    ("generate_video", {"prompt": "a kite", "seed": 7, "negative_prompt": "blur"}),
    ("generate_video", {"prompt": "a kite", "camera": ["orbit-left:0.3@0-2"]}),
    ("generate_video", {"prompt": "a kite", "effect": "sepia"}),
    ("generate_video", {"prompt": "a kite", "duration_s": 10, "provider_options": {"mode": "pro"}}),
    ("generate_video", {"prompt": "a kite", "aspect_ratio": "21:9"}),
    ("generate_video", {"prompt": "a kite", "loras": ["x"]}),
    ("generate_video", {"prompt": ""}),
    ("generate_video", {"prompt": "in oil", "clip": "clip.mp4"}),
    ("image_to_video", {"image": "coffee.png", "prompt": "steam"}),
    ("image_to_video", {"image": "coffee.png", "prompt": "steam", "aspect_ratio": "9:16"}),
    ("image_to_video", {"image": "coffee.png", "motion": [REGION]}),
    ("image_to_video", {"image": "coffee.png", "prompt": "steam", "loop": True, "fps": 60}),
    ("image_to_video", {"image": "coffee.png", "prompt": "steam", "duration_s": 9, "max_cost_usd": 0.2}),
    ("interpolate_keyframes", {"frames": PHOTOS, "duration_s": 6}),
    ("interpolate_keyframes", {"frames": PHOTOS[:2], "prompt": "they meet", "aspect_ratio": "1:1"}),
    ("extend_clip", {"clip": "clip.mp4", "add_s": 7}),
    ("extend_clip", {"clip": "clip.mp4", "add_s": 30, "prompt": "it goes on", "max_cost_usd": 3}),
    ("estimate_cost", {"image": "coffee.png", "prompt": "steam", "duration_s": 7, "effect": "melt"}),
)  # fmt: skip

NEAREST = "nearest that works: "
ROOT = Path(__file__).parents[2]
TOOL = re.compile(
    r"\b((?:list|get|wait|cancel|estimate|generate|inspect|extend|interpolate|finish|image_to)_[a-z_]+)\("
)
RIGHT = ("accepted", "needs_budget", "consent")


@dataclass
class Server:
    """A tool call as the server takes it, up to the point where a job would be put into the store."""

    studio: Studio
    checks: Mapping[str, StrictArguments]
    models: tuple[str, ...]
    known: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])

    def ask(self, tool: str, given: Mapping[str, Any]) -> tuple[str, str]:
        """(kind, the words); ("accepted", "") when a job would start. The same call is asked once."""
        key = f"{tool} {json.dumps(given, sort_keys=True)}"
        if key not in self.known:
            self.known[key] = self._ask(tool, given)
        return self.known[key]

    def _ask(self, tool: str, given: Mapping[str, Any]) -> tuple[str, str]:
        check = self.checks[tool]
        if problems := every_problem(check, given):
            return self._read(illegal(tool, problems))
        full = check.completed(given)
        try:
            request = request_of(tool, full)
            if tool == "estimate_cost":
                self.studio.estimate(request)
            else:
                self.studio.quote(request, prefer=full["prefer"], where=full["where"])
        except VideoError as error:
            return self._read(refused(tool, error, given, lambda call: not every_problem(check, call)))
        return "accepted", ""

    def _read(self, result: Any) -> tuple[str, str]:
        text = cast(TextContent, result.content[0]).text
        structured = cast("dict[str, Any]", result.structured_content)
        assert structured["kind"] == text.partition(": ")[0]
        return text.partition(": ")[0], text


FEW = ("auto", "veo", "wan", "animatic", "fal/pika-v2.2")


@pytest.fixture(scope="module", params=["keys of all services", "no key"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("remedies")
    work = home / "work"
    work.mkdir()
    for name in ("coffee.png", "astronaut.png", "rocket.jpg"):
        shutil.copy(DATA / name, work)
    pictures = [np.roll(quadrants(1280, 720), 8 * i, 1) for i in range(60)]
    write_clip(work / "clip.mp4", pictures=pictures)
    addresses = {f"REELWRIGHT_{name}_BASE_URL": "http://127.0.0.1:9/v1" for name in SERVICES}
    keys = {} if request.param == "no key" else KEYS
    env = home_env(home, **keys, **addresses, REELWRIGHT_WORKER="inline")
    published = tools()
    takers: dict[str, list[str]] = {}
    checks = {tool.name: StrictArguments(tool.name, tool.input_schema, takers) for tool in published}
    monkey = pytest.MonkeyPatch()
    monkey.chdir(work)
    with Studio.open(load_settings(env, cwd=work)) as studio:
        yield Server(studio, checks, MODELS if keys else FEW)
    monkey.undo()


def offered(text: str, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each remedy that the words offer, as the arguments of the call that they mean."""
    lines = text.split("\n")
    said = [line.removeprefix(NEAREST) for line in lines if line.startswith(NEAREST)]
    yield from (applied(words, given) for words in said)
    for line in lines:
        if not line.startswith(NEAREST):
            yield from (given | {"model": model} for model in re.findall(r'model="([^"]+)"', line))


def applied(words: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """`a=1, b="x", without c ($0.40)` applied to a call."""
    call, rest = dict(given), words.strip()
    while rest and not rest.startswith(" ("):
        if dropped := re.match(r"without (\w+)(?:, )?", rest):
            call.pop(dropped[1], None)
            rest = rest[dropped.end() :]
            continue
        name, _, after = rest.partition("=")
        value, end = json.JSONDecoder().raw_decode(after)
        call[name] = value
        rest = after[end:].removeprefix(", ")
    return call


def test_every_remedy_works(server: Server) -> None:
    walked, failed, kinds = 0, [], Counter[str]()
    for tool, shape in SHAPES:
        for model in server.models:
            waiting = [(shape | {"model": model}, 0)]
            seen: set[str] = set()
            while waiting:
                given, depth = waiting.pop()
                kind, text = server.ask(tool, given)
                kinds[kind] += 1
                assert all(name in server.checks for name in TOOL.findall(text)), text
                for call in offered(text, given):
                    key = json.dumps(call, sort_keys=True)
                    if key in seen or depth > 2:
                        continue
                    seen.add(key)
                    walked += 1
                    got, words = server.ask(tool, call)
                    if got not in RIGHT or call == given:
                        failed.append(f"{tool} {given}\n  said: {text}\n  then {call}\n  got: {words}")
                    waiting.append((call, depth + 1))
    assert not failed, f"{len(failed)} of {walked} remedies do not work:\n" + "\n\n".join(failed[:12])
    assert walked >= (300 if server.models is MODELS else 5), f"only {walked} remedies were walked: {kinds}"
    assert sum(kinds.values()) >= 100


def test_no_message_names_a_tool_that_is_not_published() -> None:
    """In whatever string of ours: a word with arguments after it that looks like a tool is one."""
    published = {tool.name for tool in tools()}
    named: set[str] = set()
    for package in ("backends", "mcp_server"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    named |= set(TOOL.findall(node.value))
    assert len(named) > 3 and named <= published, named - published
