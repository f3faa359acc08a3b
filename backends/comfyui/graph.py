"""A workflow in ComfyUI's API form: nodes by id, and how a binding finds one node and one value in it.

    {"3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0], "format": "mp4"}, "_meta": {"title": "output"}}}

An input is a value or a link, [node id, number of the output]. Ids are texts ("92:97" inside a subgraph).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from backends.errors import VideoError

Node = Mapping[str, object]
Graph = Mapping[str, Node]

EXPORT = "open it in ComfyUI and take the menu Workflow > Export (API)"
PRIMITIVES = "Primitive"
"""How the core nodes begin that hold one value for several others."""


def parse(text: str, where: str) -> dict[str, Node]:
    """A workflow file's graph. VideoError("invalid_request") for what is no workflow in API form, and what to do."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise _no(where, f"is no JSON: {EXPORT}") from None
    if isinstance(found, dict) and isinstance(cast("dict[str, object]", found).get("prompt"), dict):
        found = cast("dict[str, object]", found)["prompt"]  # the body of a request, or what a clip's file carries
    if not isinstance(found, dict) or not found:
        raise _no(where, f"is no workflow: {EXPORT}")
    nodes = cast("dict[str, object]", found)
    if isinstance(nodes.get("nodes"), list):
        bind = "reelwright comfyui bind turns it into what the server runs"
        raise _no(where, f"is a workflow as the editor saves it, which the server cannot run: {bind}; or {EXPORT}")
    for name, told in nodes.items():
        if not isinstance(told, dict) or not isinstance(cast("dict[str, object]", told).get("class_type"), str):
            raise _no(where, f"is no workflow in API form (node {name[:40]} has no class_type): {EXPORT}")
    graph = cast("dict[str, Node]", nodes)
    for name in graph:
        for key, value in inputs(graph[name]).items():
            if (source := link(value)) is not None and source not in graph:
                raise _no(
                    where, f"is broken: {key} of node {name} comes from node {source}, which is not there: {EXPORT}"
                )
    return graph


def saved_by_editor(text: str) -> dict[str, object] | None:
    """A file as the editor saves it; None for any other text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    whole = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    return whole if isinstance(whole.get("nodes"), list) and isinstance(whole.get("links"), list) else None


def _no(where: str, what: str) -> VideoError:
    return VideoError("invalid_request", f"{where} {what}")


def sha256_of(graph: Graph) -> str:
    """What a graph is known by: its content, whatever the order and the spaces of its file."""
    return hashlib.sha256(json.dumps(graph, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def class_of(node: Node) -> str:
    return str(node.get("class_type", ""))


def title_of(node: Node) -> str:
    meta = node.get("_meta")
    return str(cast("dict[str, object]", meta).get("title", "")) if isinstance(meta, dict) else ""


def inputs(node: Node) -> dict[str, object]:
    found = node.get("inputs")
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}


def link(value: object) -> str | None:
    """The id of the node that an input comes from; None for a plain value."""
    if not isinstance(value, list):
        return None
    pair = cast("list[object]", value)
    return pair[0] if len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], int) else None


def classes(graph: Graph) -> tuple[str, ...]:
    return tuple(dict.fromkeys(class_of(node) for node in graph.values()))


def named(graph: Graph, node: str) -> str:
    """A node as the user finds it: 5 "Positive" (CLIPTextEncode)."""
    title, kind = title_of(graph[node]), class_of(graph[node])
    return f'{node} "{title}" ({kind})' if title and title != kind else f"{node} ({kind})"


@dataclass(frozen=True)
class Selector:
    """One value in a graph. node, kind (its class), title: what its node must be, as far as given. input: the value's
    name. plus: added to a number of frames. step: in which the frames of a whole
    source clip go. points: of each track, where it takes tracks (0: one a frame)."""

    input: str
    node: str = ""
    kind: str = ""
    title: str = ""
    plus: int = 0
    step: int = 1
    points: int = 0

    def __str__(self) -> str:
        said = [f'title "{self.title}"'] if self.title else []
        said += [f"node {self.node}"] if self.node else []
        said += [f"class {self.kind}"] if self.kind else []
        return ", ".join(said)

    def fits(self, name: str, node: Node) -> bool:
        return self.node in ("", name) and self.kind in ("", class_of(node)) and self.title in ("", title_of(node))


def find(graph: Graph, selector: Selector, where: str) -> str:
    """The one node that a selector means. VideoError("invalid_request") with the candidates when it is not one."""
    found = [name for name, node in graph.items() if selector.fits(name, node)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(named(graph, name) for name in found[:6])
        raise _no(where, f"fits {len(found)} nodes of the workflow ({listed}): add title or node, so that it is one")
    moved = [name for name in graph if selector.node == name]
    hint = f" (node {selector.node} is {named(graph, moved[0])})" if moved else ""
    raise _no(where, f"fits no node of the workflow{hint}: it asks for {selector}")


def place_of(graph: Graph, selector: Selector, where: str) -> tuple[str, str]:
    """(node id, input) of the value that a selector means. A value that a primitive node feeds lies in that node.

    VideoError("invalid_request") where another node makes the value.
    """
    node, key = find(graph, selector, where), selector.input
    for _ in range(len(graph)):
        values = inputs(graph[node])
        if key not in values:
            legal = ", ".join(name for name, value in values.items() if link(value) is None) or "none"
            raise _no(where, f"names {key!r}, which node {named(graph, node)} has not: its values are {legal}")
        source = link(values[key])
        if source is None:
            return node, key
        plain = [name for name, value in inputs(graph[source]).items() if link(value) is None]
        if not class_of(graph[source]).startswith(PRIMITIVES) or not plain:
            fed = named(graph, source)
            raise _no(
                where, f"means {key} of node {named(graph, node)}, which node {fed} makes: name a value of that one"
            )
        node, key = source, "value" if "value" in plain else plain[0]
    raise _no(where, "runs in a circle")
