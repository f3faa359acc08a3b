"""A workflow as the editor saves it (nodes with positions, links, subgraphs) as what the server runs, for `bind`.

By comfyui-autograph (MIT, `reelwright[comfyui]`), which wants the node classes of a server: the editor's file lists
values without their names. What it leaves out or cannot follow is refused here, never run in part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, cast

from backends.comfyui.graph import EXPORT, Graph, class_of, inputs, link, saved_by_editor
from backends.comfyui.nodes import lacking_nodes
from backends.errors import VideoError
from backends.provider.answer import at, listed, table, text

ONLY_DRAWN = frozenset({"Note", "MarkdownNote", "Reroute", "PrimitiveNode"})
"""Nodes of the editor alone, which no server has."""

INSTALL = "pip install 'reelwright[comfyui]'"


def to_api(raw: str, where: str, classes: Mapping[str, object]) -> tuple[str, str] | None:
    """(the file in API form, how it came to be) of an editor's file; None for any other text. classes: as the server's
    `/object_info` lists them, {} where none answers.

    VideoError("unsupported") for nodes that the server lacks, ("invalid_request") for what cannot be turned.
    """
    saved = saved_by_editor(raw)
    if saved is None:
        return None
    head = f"{where} is a workflow as the editor saves it"
    if not classes:
        raise VideoError(
            "invalid_request",
            f"{head}: what the server runs is made of it with the server's help: start ComfyUI and set COMFYUI_URL; "
            f"or {EXPORT}",
        )
    try:
        converter = import_module("autograph.convert")
    except ImportError:
        raise VideoError("invalid_request", f"{head}: {INSTALL} lets bind read it; or {EXPORT}") from None
    _title(saved, classes)
    try:
        made = cast("Any", converter).workflow_to_api_format_with_errors(saved, dict(classes), True, True)
    except Exception as error:  # a converter of others, on a file of others: whatever it raises, the user is told
        raise VideoError("invalid_request", f"{head}, and cannot be read ({type(error).__name__}): {EXPORT}") from None
    _check(made, head)
    graph = cast("Graph", made.data)
    if not graph:
        raise VideoError("invalid_request", f"{head}, and has no node that the server would run: {EXPORT}")
    _unlink(graph)
    whole = sorted(_lacking(graph, classes))
    if whole:
        raise VideoError("invalid_request", f"{head}, and {whole[0]} did not come through: {EXPORT}")
    return json.dumps(graph, indent=2) + "\n", f"{head}: {len(graph)} nodes of it were turned into API form"


def _title(saved: Mapping[str, object], classes: Mapping[str, object]) -> None:
    """Give every node the title that an export would, by which a binding finds it."""
    for node in _nodes(saved):
        kind = text(node.get("type"))
        shown = text(node.get("title")) or text(at(classes, kind, "display_name")) or kind
        node["_meta"] = {"title": shown}


def _nodes(saved: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Every node, those of subgraphs too."""
    for part in (saved, *listed(at(saved, "definitions", "subgraphs"))):
        for node in listed(at(part, "nodes")):
            if isinstance(node, dict):
                yield cast("dict[str, object]", node)


def _check(made: Any, head: str) -> None:
    """VideoError for what the converter says that it left out."""
    lacking: dict[str, None] = {}
    for told in [*made.errors, *made.warnings]:
        kind = text(at(told.details, "class_type"))
        if str(told.message).startswith("Skipping node type"):
            if kind not in ONLY_DRAWN:
                lacking[kind] = None
        else:
            raise VideoError("invalid_request", f"{head}, and node {told.node_id} ({kind}) cannot be read: {EXPORT}")
    if lacking:
        raise VideoError("unsupported", f"{head}, and this ComfyUI lacks {lacking_nodes(lacking, {})}")


def _unlink(graph: Graph) -> None:
    """As the editor's own export: an input that comes from a node which is not run is left out."""
    for node in graph.values():
        values = inputs(node)
        for key in [key for key, value in values.items() if link(value) not in (None, *graph)]:
            del values[key]


def _lacking(graph: Graph, classes: Mapping[str, object]) -> Iterator[str]:
    """Inputs that a node must have and has not."""
    for name, node in graph.items():
        given = inputs(node)
        for key in table(at(classes, class_of(node), "input", "required")):
            if key not in given and not any(one.startswith(f"{key}.") for one in given):
                yield f"{key} of node {name} ({class_of(node)})"
