"""What a server's nodes are (`/object_info`): whether a workflow's are there, and which values they take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import anyio

from backends.comfyui import words
from backends.comfyui.graph import Graph, class_of, classes, inputs, named
from backends.errors import VideoError
from backends.provider.answer import at, listed, number, table, text

if TYPE_CHECKING:
    from backends.provider.channel import Channel

FRESH_S = 60.0
"""How long what a server has said of its nodes is believed."""


@dataclass(frozen=True)
class Value:
    """One input of a node. kind: INT, FLOAT, STRING, BOOLEAN, COMBO or a type that only a link has. choices: a COMBO's.
    low, high, step: of a number, None where it has none."""

    kind: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    step: float | None = None
    default: object = None

    @property
    def is_number(self) -> bool:
        return self.kind in ("INT", "FLOAT")


@dataclass(frozen=True)
class NodeClass:
    """A node class of a server. package: the Python module that holds it. is_paid: it spends an account's credits."""

    name: str
    values: Mapping[str, Value]
    package: str = ""
    is_paid: bool = False
    is_output: bool = False


def read_class(name: str, told: object) -> NodeClass:
    """One class as `/object_info` describes it."""
    values: dict[str, Value] = {}
    for group in ("required", "optional"):
        for key, spec in table(at(told, "input", group)).items():
            values[key] = _value(spec)
    return NodeClass(
        name,
        values,
        text(at(told, "python_module")),
        at(told, "api_node") is True,
        at(told, "output_node") is True,
    )


def read_all(told: Mapping[str, object]) -> dict[str, NodeClass]:
    return {name: read_class(name, one) for name, one in told.items()}


def _value(spec: object) -> Value:
    """["INT", {min, max, step}], [["a", "b"], {...}] or ["COMBO", {options: [...]}]."""
    kind, options = at(spec, 0), at(spec, 1)
    if isinstance(kind, list) or kind == "COMBO":
        given = listed(cast("object", kind)) or listed(at(options, "options"))
        return Value("COMBO", tuple(text(one) for one in given), default=at(options, "default"))
    limits = (number(at(options, key)) for key in ("min", "max", "step"))
    low, high, step = limits
    return Value(text(kind), low=low, high=high, step=step, default=at(options, "default"))


class Nodes:
    """The classes of one server, requested when they are needed."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._known: dict[str, tuple[float, NodeClass | None]] = {}
        self._version = ""

    async def of(self, graph: Graph) -> dict[str, NodeClass | None]:
        """Every class of a workflow; None for one that the server lacks. VideoError where no ComfyUI answers."""
        wanted = classes(graph)
        await self.version()
        async with anyio.create_task_group() as group:
            for name in wanted:
                at_, _ = self._known.get(name, (0.0, None))
                if time.monotonic() - at_ > FRESH_S:
                    group.start_soon(self._look, name)
        return {name: self._known[name][1] for name in wanted}

    async def all(self) -> dict[str, NodeClass]:
        """Every class that the server has."""
        return read_all(await self.told())

    async def told(self) -> Mapping[str, object]:
        """The same in the server's own words."""
        await self.version()
        return table((await self._channel.ask("GET", "object_info", charged="no")).json)

    async def _look(self, name: str) -> None:
        answer = await self._channel.ask(
            "GET", f"object_info/{quote(name, safe='')}", charged="no", accept=frozenset({404})
        )
        told = table(answer.json).get(name)
        self._known[name] = (time.monotonic(), None if told is None else read_class(name, told))

    async def version(self) -> str:
        """The server's version. VideoError where something else answers."""
        if not self._version:
            answer = await self._channel.exchange(
                "GET", self._channel.url("system_stats"), charged="no", headers=self._channel.headers()
            )
            found = at(answer.json, "system")
            if not answer.ok or not table(found):
                raise strange(self._channel, answer.status, answer.text)
            self._version = text(table(found).get("comfyui_version")) or "of unknown version"
        return self._version


def strange(channel: Channel, status: int, said: str) -> VideoError:
    """Something answers at that address, and it is no ComfyUI, or a proxy before it."""
    url, service = str(channel.base), channel.service
    if status in (401, 403):
        step = f"set {service.key} to the Authorization header that its proxy wants"
        return VideoError("auth", f"{url} refuses the request ({status}): {step}", http_status=status)
    if status >= 500:
        text_ = f"{url} fails ({status}): {service.clean(said, 120)}"
        return VideoError("provider", text_, retryable=True, http_status=status)
    shown = service.clean(said, 60)
    text_ = f"what answers at {url} is no ComfyUI ({status}{f', {shown!r}' if shown else ''})"
    return VideoError("unsupported", f"{text_}: start ComfyUI there, or set COMFYUI_URL", http_status=status)


def check_graph(graph: Graph, known: Mapping[str, NodeClass | None], packages: Mapping[str, str]) -> None:
    """VideoError("unsupported") for a workflow whose nodes the server lacks, or that would spend money."""
    if lacking := [name for name in classes(graph) if known.get(name) is None]:
        raise VideoError("unsupported", f"ComfyUI lacks {lacking_nodes(lacking, packages)}")
    paid = [name for name, node in known.items() if node is not None and node.is_paid]
    if paid:
        text_ = f"the workflow holds API nodes ({', '.join(paid)}), which spend a Comfy account's credits"
        raise VideoError("unsupported", f"{text_}: nobody can say beforehand what they cost, so it is not run")
    if absent := missing_files(graph, known):
        raise VideoError("unsupported", f"ComfyUI cannot run it: {'; '.join(absent)}; then repeat the call")


def missing_files(graph: Graph, known: Mapping[str, NodeClass | None]) -> list[str]:
    """The model files that a workflow names and the server has not, with their folders. Servers of some versions take
    such a workflow, and fail it when they come to the node."""
    found: list[str] = []
    for name, node in graph.items():
        told = known.get(class_of(node))
        for key, value in inputs(node).items():
            choice = told.values.get(key) if told is not None else None
            if choice is None or choice.kind != "COMBO" or not isinstance(value, str):
                continue
            if value.endswith(words.MODEL_FILES) and value not in choice.choices:
                folder = words.folder_of(class_of(node), key)
                found.append(f"node {named(graph, name)}: {words.missing_file(value, folder)}")
    return found


def lacking_nodes(names: Iterable[str], packages: Mapping[str, str]) -> str:
    """Nodes that a server lacks, and what holds them."""
    said = [f"{name} (of {packages[name]})" if name in packages else name for name in names]
    foreign = [name for name in names if name in packages]
    step = "install it with the ComfyUI Manager" if foreign else "update ComfyUI, or install what holds them"
    return f"the nodes {', '.join(said)}: {step}"
