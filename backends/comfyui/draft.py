"""`reelwright comfyui bind`: a draft of a workflow's binding, with a reason for each guess, for the user to look at."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from backends.catalog.loader import load as load_catalog
from backends.comfyui import graph as graphs
from backends.comfyui import words
from backends.comfyui.backend import ComfyBackend
from backends.comfyui.binding import SUFFIX, load
from backends.comfyui.checking import drafted, look, problems
from backends.comfyui.convert import to_api
from backends.comfyui.graph import Graph, class_of, inputs, named, title_of
from backends.comfyui.guesses import Guess, guesses, savers
from backends.comfyui.nodes import NodeClass, read_all
from backends.comfyui.seen import CHECK
from backends.comfyui.servers import Server, data_folder
from backends.errors import VideoError
from backends.plain import one_line

MOST = 16 << 20
"""Bytes of a workflow's file."""

TRACKER = "WanTrackToVideo"
"""Takes 121 points a track; any other node takes one a frame."""


@dataclass
class Written:
    """What was written. told: lines for the user. open: whether something is left for them to decide."""

    path: Path
    told: list[str] = field(default_factory=list[str])
    open: bool = False


async def draft(
    env: Mapping[str, str], asked: Sequence[Server], workflow: Path, name: str, title: str, force: bool
) -> Written:
    """Write NAME.json (the file, or what was made of an editor's) and NAME.bind.toml into the data folder.
    VideoError for a file that is no workflow, one that saves no clip, and a name that is taken."""
    raw = _read(workflow)
    classes, said = await _nodes(env, asked)
    turned = to_api(raw.decode("utf-8", "replace"), workflow.name, classes)
    if turned is not None:
        raw, said = turned[0].encode(), [*said, turned[1]]
    graph = graphs.parse(raw.decode("utf-8", "replace"), workflow.name)
    plain = re.sub(r"[^a-z0-9._-]+", "-", (name or workflow.stem).lower()).strip("-._")
    if not plain:
        raise VideoError("invalid_request", "the name has no letters or digits: give another with --name")
    path = data_folder(env) / f"{plain}{SUFFIX}"
    if path.exists() and not force:
        raise VideoError("conflict", f"{path} exists: give another --name, or --force to replace it")
    known = read_all(classes)
    saving = savers(graph, {kind: told.is_output for kind, told in known.items()})
    if not saving:
        raise VideoError("invalid_request", f"{workflow.name} saves no clip: add a SaveVideo node and export it again")
    found = guesses(graph)
    written = Written(path, list(said))
    text = _toml(graph, plain, title or plain, found, saving, known, written)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{plain}.json").write_bytes(raw)
    path.write_text(text, "utf-8")
    _judge(path, plain, known, written)
    written.told.append(f"written: {path}")
    written.told += await _looked(env, asked, path, plain)
    return written


async def _looked(env: Mapping[str, str], asked: Sequence[Server], path: Path, name: str) -> list[str]:
    """What every server has of what it needs, kept as `check` keeps it: the model can be used at once where all is
    there."""
    told: list[str] = []
    catalog = load_catalog([path.parent])
    for server in asked:
        found = await look(env, server, catalog, [name])
        if found.usable:
            told.append(f"comfyui/{name} can be used at {server.url} from now on; after a change: {CHECK} {name}")
        elif found.version:
            told.append(f"comfyui/{name} cannot be used at {server.url} yet; when that is fixed: {CHECK} {name}")
        else:
            told.append(f"{server.url} does not answer: when it does, {CHECK} {name}")
    return told or [f"next: set COMFYUI_URL, then {CHECK} {name}"]


def _read(workflow: Path) -> bytes:
    try:
        if workflow.stat().st_size > MOST:
            raise VideoError("invalid_request", f"{workflow.name} is larger than any workflow ({MOST >> 20} MiB)")
        return workflow.read_bytes()
    except OSError as error:
        raise VideoError("not_found", f"{workflow} cannot be read ({error.strerror})") from None


async def _nodes(env: Mapping[str, str], asked: Sequence[Server]) -> tuple[Mapping[str, object], list[str]]:
    """The node classes of the first server that answers, in its own words."""
    for server in asked:
        backend = ComfyBackend(env, server.url)
        try:
            return await backend.nodes.told(), [
                f"nodes as ComfyUI {await backend.nodes.version()} at {server.url} has them"
            ]
        except VideoError:
            continue
        finally:
            await backend.aclose()
    return {}, [
        "no ComfyUI answers, so that ranges and model files are not looked at: set COMFYUI_URL, and check later"
    ]


def _toml(
    graph: Graph,
    name: str,
    title: str,
    found: Sequence[Guess],
    saving: Sequence[str],
    known: Mapping[str, NodeClass],
    written: Written,
) -> str:
    lines = [
        f"# {one_line(title, 200)}: drafted by reelwright comfyui bind. Look at every line.",
        'provider = "comfyui"',
    ]
    lines += ["", "[bind]", f'sha256 = "{graphs.sha256_of(graph)}"']
    if len(saving) > 1:
        written.open = True
        written.told.append(f"several nodes save a clip: output names the first of {', '.join(saving)}")
    lines.append(f"output = {_selector(graph, saving[0])}")
    if needs := _needs(graph):
        lines += ["needs = [", *needs, "]"]
    fields = dict.fromkeys(guess.field for guess in found)
    lines += ["", "[bind.inputs]"]
    for one in (one for one in fields if not one.startswith("option.")):
        lines += _field(graph, one, [guess for guess in found if guess.field == one], known, written)
    options = [one for one in fields if one.startswith("option.")]
    if options:
        lines += ["", "[bind.options]"]
    for one in options:
        listed = [guess for guess in found if guess.field == one]
        spots = ", ".join(_selector(graph, guess.node, guess.input) for guess in listed)
        lines.append(f"{one.removeprefix('option.')} = [{spots}]")
    return "\n".join([*lines, "", *_row(graph, name, title, found, known, set(fields)), ""])


def _field(
    graph: Graph, name: str, listed: Sequence[Guess], known: Mapping[str, NodeClass], written: Written
) -> list[str]:
    """One field's line; where several nodes fit, one for each, all but the first out of use."""
    several = len(listed) > 1 and name not in ("width", "height", "frames")
    lines: list[str] = []
    if len(listed) > 1 and not several:
        spots = ", ".join(_selector(graph, one.node, one.input, _plus(graph, one, listed, known)) for one in listed)
        lines.append(f"{name} = [{spots}]")
    for number, guess in enumerate(listed if several or len(listed) == 1 else ()):
        mark = "# or: " if number else ""
        lines.append(f"{mark}{name} = {_selector(graph, guess.node, guess.input, _plus(graph, guess, listed, known))}")
    for guess in listed:
        written.told.append(f"{name}: {guess.input} of node {named(graph, guess.node)}, since {guess.why}")
    if several:
        written.open = True
        written.told.append(f"{name}: {len(listed)} nodes fit; the first is used: choose in the file")
    return lines


def _plus(graph: Graph, guess: Guess, listed: Sequence[Guess], known: Mapping[str, NodeClass]) -> str:
    """What a selector says besides. listed: every guess of the field; a sound has as many frames as its clip."""
    if guess.field == "tracks":
        return ", points = 121" if class_of(graph[guess.node]) == TRACKER else ""
    return ", plus = 1" if guess.field == "frames" and any(_plus_one(graph, one, known) for one in listed) else ""


def _plus_one(graph: Graph, guess: Guess, known: Mapping[str, NodeClass]) -> bool:
    """Whether the frames are a multiple of the node's step and one more."""
    value = inputs(graph[guess.node]).get(guess.input)
    step = _step(graph, guess, known)
    return isinstance(value, int) and step > 1 and value % step == 1


def _step(graph: Graph, guess: Guess, known: Mapping[str, NodeClass]) -> int:
    told = known.get(class_of(graph[guess.node]))
    spec = told.values.get(guess.input) if told else None
    return int(spec.step) if spec and spec.step and spec.step >= 1 else 1


def _selector(graph: Graph, node: str, key: str = "", more: str = "") -> str:
    """The least that names this one node: its class, else also its title, else also its id."""
    kind, title = class_of(graph[node]), title_of(graph[node])
    parts = [f"class = {json.dumps(kind)}"]
    if sum(class_of(other) == kind for other in graph.values()) > 1:
        same = [name for name, other in graph.items() if class_of(other) == kind and title_of(other) == title]
        if title:
            parts.insert(0, f"title = {json.dumps(title)}")
        if len(same) > 1:
            parts.insert(0, f"node = {json.dumps(node)}")
    if key:
        parts.append(f"input = {json.dumps(key)}")
    return f"{{ {', '.join(parts)}{more} }}"


def _needs(graph: Graph) -> list[str]:
    found: dict[str, str] = {}
    for node in graph.values():
        for key, value in inputs(node).items():
            if isinstance(value, str) and value.endswith(words.MODEL_FILES):
                folder = words.folder_of(class_of(node), key)
                found[value] = f"  {{ folder = {json.dumps(folder)}, file = {json.dumps(value)} }},"
    return list(found.values())


def _row(
    graph: Graph, name: str, title: str, found: Sequence[Guess], known: Mapping[str, NodeClass], fields: set[str]
) -> list[str]:
    """The catalogue row: what the workflow's own values allow, for the user to widen."""
    lines = ["[[model]]", f'id = "comfyui/{name}"', f"title = {json.dumps(title)}", 'where = "local"']
    lines += ['licence = "look at the model\'s own"', "limits = { concurrency = 2 }", 'price = { unit = "free" }', ""]
    clip, first, last = ("source_clip" in fields), ("first" in fields), ("last" in fields)
    task = "edit" if clip else "interpolate" if first and last else "image_to_video" if first else "text_to_video"
    lines += ["[[model.mode]]", f'tasks = ["{task}"]']
    lines += _length(graph, found, known, clip)
    lines.append(f"sizes = {_sizes(graph, found)}")
    if first and not clip:
        lines.append(f"frames = {{ min = {1 + last}, max = {1 + last} }}")
    if clip:
        lines.append("source = { min_s = 0.5, max_s = 10 }")
    if "prompt" not in fields:
        lines += ["prompt_required = false", "prompt_followed = false"]
    lines += ["negative_max = 2000"] if "negative_prompt" in fields else []
    lines += ["seed = true"] if "seed" in fields else []
    lines += ["motion = 8"] if "tracks" in fields else []
    kinds = {
        "option.steps": '{ type = "integer", min = 1, max = 200 }',
        "option.guidance": '{ type = "number", min = 0, max = 30 }',
    }
    listed = [f"{one.removeprefix('option.')} = {kinds[one]}" for one in kinds if one in fields]
    return [*lines, *([f"options = {{ {', '.join(listed)} }}"] if listed else [])]


def _value(graph: Graph, found: Sequence[Guess], name: str) -> float | None:
    for guess in found:
        value = inputs(graph[guess.node]).get(guess.input)
        if guess.field == name and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def _length(graph: Graph, found: Sequence[Guess], known: Mapping[str, NodeClass], clip: bool) -> list[str]:
    guess = next((one for one in found if one.field == "frames"), None)
    frames, fps = _value(graph, found, "frames"), _value(graph, found, "fps") or 24.0
    if clip or guess is None or frames is None:
        return ['durations = "source"'] if clip else [f"fps = [{fps:g}]", "durations = [5]"]
    plus = 1 if _plus_one(graph, guess, known) else 0
    step = Fraction(_step(graph, guess, known)) / Fraction(fps).limit_denominator(1000)
    longest = Fraction(int(frames) - plus) / Fraction(fps).limit_denominator(1000)
    if longest > 1 and (1 / step).denominator == 1 and longest.denominator == 1:
        span = f'{{ min = 1, max = {int(longest)}, step = "{step}", default = {int(longest)} }}'
        return [f"fps = [{fps:g}]", f"durations = {span}"]
    return [f"fps = [{fps:g}]", f"durations = [{float(longest):.6g}]"]


def _sizes(graph: Graph, found: Sequence[Guess]) -> str:
    width, height = int(_value(graph, found, "width") or 0), int(_value(graph, found, "height") or 0)
    if not width or not height:
        return '{ "as the image" = { input = "same" } }'
    common = math.gcd(width, height)
    return f'{{ "{min(width, height)}p" = {{ "{width // common}:{height // common}" = "{width}x{height}" }} }}'


def _judge(path: Path, name: str, known: Mapping[str, NodeClass], written: Written) -> None:
    """The draft as the program itself reads it."""
    catalog = load_catalog([path.parent])
    row = catalog.find(f"comfyui/{name}")
    wrong = [one.why for one in catalog.broken if one.path == path]
    try:
        binding = load(path)
        wrong = [*drafted(binding, known), *wrong]
        if row is not None and known:
            wrong += problems(binding, row, known)
    except VideoError as error:
        wrong.append(error.message)
    if wrong:
        written.open = True
        written.told += [f"to fix: {one}" for one in dict.fromkeys(wrong)]
