"""A bound workflow: NAME.json (the API export, untouched) and NAME.bind.toml beside it, which is its catalogue row.

The TOML file holds what every catalogue file may, with one [[model]], and besides it

    [bind]
    sha256 = "..."                                      # of the graph that it was made for
    output = { class = "SaveVideo" }                    # the node whose file is the clip, where there are several
    needs = [{ folder = "vae", file = "x.safetensors", url = "https://...", licence = "Apache-2.0" }]
    nodes = { SomeClass = "name of its package" }       # nodes that are not ComfyUI's own

    [bind.inputs]                                       # which value of which node a request's field goes to
    prompt = { title = "Positive", class = "CLIPTextEncode", input = "text" }
    frames = { class = "EmptyImage", input = "batch_size", plus = 1 }
    seed = [{ node = "3", class = "KSampler", input = "seed" }]

    [bind.options]                                      # the same for the row's own provider_options
    steps = { class = "KSampler", input = "steps" }

    [bind.camera]                                       # the camera node's words, by our moves
    dolly-in = { pose = "Zoom In", speed = 2.0 }        # speed at amount 1
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import cast

from backends.camera import CAMERA_MOVES
from backends.comfyui import graph as graphs
from backends.comfyui.graph import Graph, Selector
from backends.comfyui.servers import data_folder
from backends.errors import VideoError

BUNDLED = Path(__file__).parent / "workflows"
SUFFIX = ".bind.toml"

TEXTS = ("prompt", "negative_prompt")
NUMBERS = ("width", "height", "frames", "seconds", "fps", "multiplier", "seed")
MEDIA = ("first", "last", "source_clip", *(f"reference_{number}" for number in range(1, 9)))
CONTROLS = ("tracks", "camera_pose", "camera_speed")
LORAS = tuple(f"lora_{number}" for number in range(1, 9))
FIELDS = (*TEXTS, *NUMBERS, *MEDIA, *CONTROLS, *LORAS, *(f"{name}_strength" for name in LORAS))
"""What [bind.inputs] may name. lora_1 is the file's name, lora_1_strength its weight; multiplier is how many times the
source's frame rate the clip has."""


@dataclass(frozen=True)
class Need:
    """A model file of a workflow. folder: below the server's `models`."""

    folder: str
    file: str
    url: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Pose:
    """A camera move in the node's own words. speed: at amount 1."""

    pose: str
    speed: float


@dataclass(frozen=True)
class Binding:
    """A workflow and what of it a request fills. model: its catalogue row. places: (node, input) by field."""

    name: str
    graph: Graph
    places: Mapping[str, tuple[tuple[str, str], ...]]
    selectors: Mapping[str, tuple[Selector, ...]]
    outputs: tuple[str, ...] = ()
    sha256: str = ""
    made_for: str = ""
    needs: tuple[Need, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    camera: Mapping[str, Pose] = field(default_factory=dict[str, Pose])

    @property
    def is_changed(self) -> bool:
        """Whether the workflow is another than the one that it was bound for; every place was found in it again."""
        return bool(self.made_for) and self.made_for != self.sha256

    @property
    def revision(self) -> str:
        """Stands for all that a request is put into: another one makes another clip of the same request."""
        numbers = {
            name: [(one.plus, one.step, one.points) for one in selectors] for name, selectors in self.selectors.items()
        }
        moves = {move: (pose.pose, pose.speed) for move, pose in self.camera.items()}
        said = [self.sha256, self.outputs, {name: list(of) for name, of in self.places.items()}, numbers, moves]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def files(env: Mapping[str, str]) -> list[Path]:
    """The binding files: the user's, and the bundled ones whose names the user has not taken."""
    own = sorted(data_folder(env).glob(f"*{SUFFIX}"))
    taken = {path.name for path in own}
    return [*own, *(path for path in sorted(BUNDLED.glob(f"*{SUFFIX}")) if path.name not in taken)]


def file_of(env: Mapping[str, str], name: str) -> Path:
    """The binding file of a workflow. VideoError("not_found") when there is none any more."""
    for folder in (data_folder(env), BUNDLED):
        path = folder / f"{name}{SUFFIX}"
        if path.is_file():
            return path
    raise VideoError("not_found", f"there is no workflow {name[:80]!r} any more: put {name[:80]}{SUFFIX} back")


def load(path: Path) -> Binding:
    """The binding of a file, read again when one of its two files has changed. VideoError("invalid_request") with the
    file, the key and what is legal."""
    workflow = path.with_name(f"{path.name.removesuffix(SUFFIX)}.json")
    try:
        stamps = (path.stat().st_mtime_ns, workflow.stat().st_mtime_ns)
    except FileNotFoundError as error:
        raise VideoError(
            "invalid_request", f"{error.filename} is not there: a binding lies beside its workflow"
        ) from None
    return _load(path, workflow, stamps)


@lru_cache(maxsize=64)
def _load(path: Path, workflow: Path, stamps: tuple[int, int]) -> Binding:
    del stamps
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        text = workflow.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise VideoError("invalid_request", f"{path.name} or its workflow cannot be read ({error})") from None
    return read(path.name.removesuffix(SUFFIX), data, graphs.parse(text, workflow.name))


def read(name: str, data: Mapping[str, object], graph: Graph) -> Binding:
    """The binding that a TOML file's tables and a graph make."""
    where = f"{name}{SUFFIX}"
    bind = _table(data.get("bind"), f"{where}, bind")
    if unknown := set(bind) - {"sha256", "output", "needs", "nodes", "inputs", "options", "camera"}:
        raise _wrong(f"{where}, bind.{min(unknown)}", "sha256, output, needs, nodes, inputs, options or camera")
    selectors: dict[str, tuple[Selector, ...]] = {}
    for field_, value in _table(bind.get("inputs"), f"{where}, bind.inputs").items():
        if field_ not in FIELDS:
            raise _wrong(f"{where}, bind.inputs.{field_}", f"one of {', '.join(FIELDS)}")
        selectors[field_] = _selectors(value, f"{where}, bind.inputs.{field_}")
    for option, value in _table(bind.get("options"), f"{where}, bind.options").items():
        selectors[option_field(option)] = _selectors(value, f"{where}, bind.options.{option}")
    places = {
        field_: tuple(graphs.place_of(graph, one, f"{where}, {field_}") for one in of)
        for field_, of in selectors.items()
    }
    outputs: tuple[str, ...] = ()
    if "output" in bind:
        outputs = tuple(
            graphs.find(graph, one, f"{where}, output") for one in _selectors(bind["output"], where, bare=True)
        )
    return Binding(
        name=name,
        graph=graph,
        places=places,
        selectors=selectors,
        outputs=outputs,
        sha256=graphs.sha256_of(graph),
        made_for=str(bind.get("sha256", "")),
        needs=tuple(_need(one, f"{where}, bind.needs") for one in _list(bind.get("needs"))),
        packages={str(key): str(value) for key, value in _table(bind.get("nodes"), f"{where}, bind.nodes").items()},
        camera=_camera(_table(bind.get("camera"), f"{where}, bind.camera"), where),
    )


def option_field(option: str) -> str:
    """How a provider option's place is called among the fields."""
    return f"option.{option}"


def _selectors(value: object, where: str, *, bare: bool = False) -> tuple[Selector, ...]:
    return tuple(_selector(_table(one, where), where, bare=bare) for one in (_list(value) or [value]))


def _selector(table: Mapping[str, object], where: str, *, bare: bool) -> Selector:
    legal = ("node", "class", "title", "input", "plus", "step", "points")
    if unknown := set(table) - set(legal):
        raise _wrong(f"{where}.{min(unknown)}", f"one of {', '.join(legal)}")
    found = Selector(
        input=str(table.get("input", "")),
        node=str(table.get("node", "")),
        kind=str(table.get("class", "")),
        title=str(table.get("title", "")),
        plus=_whole(table.get("plus", 0), f"{where}.plus"),
        step=max(1, _whole(table.get("step", 1), f"{where}.step")),
        points=_whole(table.get("points", 0), f"{where}.points"),
    )
    if not (found.kind or found.title):
        raise _wrong(where, "a node by its class or title (node alone changes with the next export)")
    if not (found.input or bare):
        raise _wrong(f"{where}.input", "the name of a value of that node")
    return found


def _need(value: object, where: str) -> Need:
    table = _table(value, where)
    return Need(*(str(table.get(key, "")) for key in ("folder", "file", "url", "licence")))


def _camera(table: Mapping[str, object], where: str) -> dict[str, Pose]:
    found: dict[str, Pose] = {}
    for move, value in table.items():
        said = _table(value, f"{where}, bind.camera.{move}")
        speed = said.get("speed", 1.0)
        if move not in CAMERA_MOVES or not isinstance(speed, int | float) or "pose" not in said:
            raise _wrong(f"{where}, bind.camera.{move}", '{ pose = "...", speed = 1.0 } under one of our moves')
        found[move] = Pose(str(said["pose"]), float(speed))
    return found


def _table(value: object, where: str) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(where, "a table")
    return cast("dict[str, object]", value)


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _whole(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(where, "a whole number")
    return value


def _wrong(where: str, legal: str) -> VideoError:
    return VideoError("invalid_request", f"{where} must be {legal}. Fix the file.")
