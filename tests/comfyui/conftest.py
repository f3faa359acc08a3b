"""One server for the tests that only ask it, and a home with a slow workflow of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.comfyui.stand import REAL, fake
from tests.fakes import FakeServer

SLOW = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 320, "height": 192, "batch_size": 48, "color": 0}},
    "2": {"class_type": "ImageBlur", "inputs": {"image": ["1", 0], "blur_radius": 15, "sigma": 4.0}},
    "3": {"class_type": "ImageBlur", "inputs": {"image": ["2", 0], "blur_radius": 15, "sigma": 3.0}},
    "4": {"class_type": "CreateVideo", "inputs": {"images": ["3", 0], "fps": 24.0}},
    "5": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["4", 0], "filename_prefix": "slow", "format": "mp4", "codec": "h264"},
    },
}

BIND = """
provider = "comfyui"

[bind.inputs]
width = {{ class = "EmptyImage", input = "width" }}
height = {{ class = "EmptyImage", input = "height" }}
frames = {{ class = "EmptyImage", input = "batch_size" }}
seed = {{ class = "EmptyImage", input = "color" }}

[[model]]
id = "comfyui/{name}"
title = "A workflow of the person's own"
licence = "own"
where = "local"
price = {{ unit = "free" }}
typical = {{ base_s = 3 }}

[[model.mode]]
tasks = ["text_to_video"]
prompt_required = false
prompt_followed = false
durations = {{ min = 1, max = 4, step = 1, default = 2 }}
sizes = {{ "192p" = {{ "5:3" = "320x192" }} }}
fps = [24]
seed = true
seed_max = 16777215
"""


def own_workflow(home: Path, name: str, graph: object = SLOW, bind: str = BIND) -> Path:
    """Put a workflow and its binding into a home; the binding file."""
    folder = home / "comfyui"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(graph), "utf-8")
    path = folder / f"{name}.bind.toml"
    path.write_text(bind.format(name=name) if bind is BIND else bind, "utf-8")
    return path


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server that a module's tests share: the person's own, or the fake with nodes that take a moment."""
    if REAL:
        yield REAL
        return
    with fake(node_s=0.4) as server:
        yield server.url


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake(node_s=0.02) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
