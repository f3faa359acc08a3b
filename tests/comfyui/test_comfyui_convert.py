"""Workflows as the editor saves them: `bind` turns them into what the server runs, or says what to click."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import comfyui_workflow_templates_json
import pytest

from backends.comfyui import graph as graphs
from backends.comfyui.binding import load
from backends.comfyui.convert import to_api
from backends.comfyui.draft import Written, draft
from backends.comfyui.guesses import SAVERS, guesses, savers
from backends.comfyui.servers import servers
from backends.errors import VideoError
from tests.comfyui.stand import environ, fake
from tests.fakes import FakeServer

SUBGRAPH = "6a2f1c3e-0000-4000-8000-000000000001"


def node(number: int, kind: str, values: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"id": number, "type": kind, "mode": 0, "inputs": [], "outputs": [], "widgets_values": values or [], **more}


def linked(name: str, kind: str, link: int) -> dict[str, Any]:
    return {"name": name, "type": kind, "link": link}


def inner(number: int, source: int, target: int) -> dict[str, Any]:
    """A link in a subgraph; -10 and -20 are its own inputs and outputs."""
    ends = {"origin_id": source, "origin_slot": 0, "target_id": target, "target_slot": 0}
    return {"id": number, **ends, "type": "IMAGE"}


def saved() -> dict[str, Any]:
    """One colour, blurred in a subgraph, by a reroute, with a note, a bypassed blur and a muted preview."""
    blur = node(31, "ImageBlur", [3, 2.0], title="Soft", inputs=[linked("image", "IMAGE", 1)])
    return {
        "nodes": [
            node(1, "EmptyImage", [320, 192, 49, 0], title="Colour"),
            node(2, "Reroute", inputs=[linked("", "*", 1)]),
            node(3, SUBGRAPH, inputs=[linked("image", "IMAGE", 2)]),
            node(4, "ImageBlur", [9, 9.0], mode=4, inputs=[linked("image", "IMAGE", 3)]),
            node(5, "CreateVideo", [24], inputs=[linked("images", "IMAGE", 4)]),
            node(6, "SaveVideo", ["video/ComfyUI", "mp4", "h264"], inputs=[linked("video", "VIDEO", 5)]),
            node(7, "PreviewImage", mode=2, inputs=[linked("images", "IMAGE", 6)]),
            node(8, "MarkdownNote", ["what this is"]),
        ],
        "links": [
            [1, 1, 0, 2, 0, "IMAGE"],
            [2, 2, 0, 3, 0, "IMAGE"],
            [3, 3, 0, 4, 0, "IMAGE"],
            [4, 4, 0, 5, 0, "IMAGE"],
            [5, 5, 0, 6, 0, "VIDEO"],
            [6, 3, 0, 7, 0, "IMAGE"],
        ],
        "definitions": {
            "subgraphs": [
                {
                    "id": SUBGRAPH,
                    "name": "Soften",
                    "inputs": [{"name": "image", "type": "IMAGE"}],
                    "outputs": [{"name": "IMAGE", "type": "IMAGE"}],
                    "nodes": [blur],
                    "links": [
                        {
                            "id": 1,
                            "origin_id": -10,
                            "origin_slot": 0,
                            "target_id": 31,
                            "target_slot": 0,
                            "type": "IMAGE",
                        },
                        {
                            "id": 2,
                            "origin_id": 31,
                            "origin_slot": 0,
                            "target_id": -20,
                            "target_slot": 0,
                            "type": "IMAGE",
                        },
                    ],
                }
            ]
        },
        "last_node_id": 8,
        "last_link_id": 6,
        "version": 0.4,
    }


@pytest.fixture(scope="module")
def nodes() -> Iterator[FakeServer]:
    """A server that is only asked for its nodes."""
    with fake() as running:
        yield running


def bound(home: Path, url: str, whole: object) -> Written:
    home.mkdir(exist_ok=True)
    file = home / "mine.json"
    file.write_text(json.dumps(whole))
    env = environ(home, url)
    return anyio.run(draft, env, servers(env), file, "", "", False)


def test_an_editors_file_becomes_what_the_server_runs(home: Path, nodes: FakeServer) -> None:
    written = bound(home, nodes.url, saved())
    assert "mine.json is a workflow as the editor saves it: 4 nodes of it were turned into API form" in written.told
    graph = load(written.path).graph
    kinds = {str(one["class_type"]): one for one in graph.values()}
    assert set(kinds) == {"EmptyImage", "ImageBlur", "CreateVideo", "SaveVideo"}
    (blur,) = [name for name, one in graph.items() if one["class_type"] == "ImageBlur"]
    assert kinds["ImageBlur"] == {
        "class_type": "ImageBlur",
        "inputs": {"image": ["1", 0], "blur_radius": 3, "sigma": 2.0},
        "_meta": {"title": "Soft"},
    }
    assert kinds["CreateVideo"]["inputs"] == {"images": [blur, 0], "fps": 24}, "by the bypassed blur"
    assert kinds["SaveVideo"]["inputs"]["format"] == "mp4"
    assert load(written.path).places["frames"] == (("1", "batch_size"),)


def test_nodes_that_the_server_lacks_are_named(home: Path, nodes: FakeServer) -> None:
    whole = saved()
    whole["nodes"][0]["type"] = "FancyImage"
    with pytest.raises(VideoError, match="and this ComfyUI lacks the nodes FancyImage: update"):
        bound(home, nodes.url, whole)


def test_what_does_not_come_through_is_never_run_in_part(home: Path, nodes: FakeServer) -> None:
    whole = saved()
    whole["nodes"][0]["mode"] = 2  # what made the pictures is muted
    with pytest.raises(VideoError, match=r"image of node \d+ \(ImageBlur\) did not come through: .*Export \(API\)"):
        bound(home, nodes.url, whole)


def test_without_a_server_the_error_says_what_to_do(home: Path) -> None:
    with pytest.raises(VideoError, match=r"start ComfyUI and set COMFYUI_URL; or open it in ComfyUI .*Export \(API\)"):
        bound(home, "http://127.0.0.1:9", saved())


@pytest.mark.parametrize(
    "whole",
    [
        {"nodes": [], "links": []},
        {"nodes": [7, None, {"id": 1}], "links": [[1]]},
        {"nodes": [{"id": "x", "type": 3, "inputs": "no"}], "links": [["a", 1, 0, 2, 0, "IMAGE"]]},
        {"nodes": [node(1, "EmptyImage")], "links": [], "definitions": {"subgraphs": [5, {"id": 4}]}},
    ],
)
def test_a_broken_editors_file_is_one_sentence(home: Path, nodes: FakeServer, whole: object) -> None:
    with pytest.raises(VideoError, match=r"mine\.json (is a workflow as the editor saves it|saves no clip)"):
        bound(home, nodes.url, whole)


# ComfyUI's own templates


def test_every_local_video_template_is_read_or_refused_in_one_sentence() -> None:
    """Those of a version that is newer than its server's: the node classes are those of ComfyUI 0.25.0."""
    classes = json.loads((Path(__file__).parent / "template_nodes.json").read_text("utf-8"))
    saves = re.compile(rf'"type":\s*"({"|".join(SAVERS)})"')
    outputs = {kind: bool(told.get("output_node")) for kind, told in classes.items()}
    found: dict[str, list[str]] = {"read": [], "lacks nodes": [], "refused": []}
    for file in sorted((Path(comfyui_workflow_templates_json.__file__).parent / "templates").glob("*.json")):
        text = file.read_text("utf-8")
        if file.name.startswith(("index", "api_")) or not saves.search(text):
            continue
        try:
            turned = to_api(text, file.name, classes)
            assert turned is not None, file.name
            graph = graphs.parse(turned[0], file.name)
            assert guesses(graph) and savers(graph, outputs), file.name
            found["read"].append(file.name)
        except VideoError as error:
            lacks = error.kind == "unsupported" and "this ComfyUI lacks the nodes" in error.message
            assert lacks or error.message.endswith(graphs.EXPORT), error.message
            found["lacks nodes" if lacks else "refused"].append(file.name)
    assert {kind: len(names) for kind, names in found.items()} == {"read": 62, "lacks nodes": 33, "refused": 4}, found
