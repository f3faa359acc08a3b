"""Every block of code in the documents is what it says: shell that parses, data that loads, Python that compiles. The
commands among them are held by tests/cli/test_cli_readme.py."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from decimal import Decimal
from pathlib import Path

import yaml

from backends.catalog import check, estimate, load
from backends.request import build_request
from tests.docs import PAGES, ROOT

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
BLOCKS = [(file, kind, text) for file in PAGES for kind, text in BLOCK.findall(file.read_text("utf-8"))]


def blocks(kind: str) -> list[tuple[Path, str]]:
    found = [(file, text) for file, of, text in BLOCKS if of == kind]
    assert found, kind
    return found


def test_every_block_says_what_it_is() -> None:
    assert {kind for _, kind, _ in BLOCKS} == {"sh", "json", "toml", "yaml", "ini", "python", "text"}


def test_shell_parses_and_make_knows_its_targets() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for file, text in blocks("sh"):
        parsed = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
        assert parsed.returncode == 0, f"{file.name}: {parsed.stderr}"
        for line in text.splitlines():
            if line.startswith("make "):
                assert line.split()[1] in targets, f"{file.name}: {line}"
            elif line.startswith(".venv/bin/pytest"):
                assert (ROOT / line.split()[-1]).is_dir(), f"{file.name}: {line}"


def test_data_loads() -> None:
    for _, text in blocks("json"):
        json.loads(text)
    for _, text in blocks("toml"):
        tomllib.loads(text)
    for _, text in blocks("yaml"):
        list(yaml.safe_load_all(text))
    for _, text in blocks("ini"):
        ConfigParser().read_string(text)


def test_python_compiles_and_imports_what_there_is() -> None:
    for file, text in blocks("python"):
        code = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("%"))
        tree = compile(code, file.name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        assert isinstance(tree, ast.Module)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                assert all(hasattr(module, name.name) for name in node.names), f"{file.name}: {ast.unparse(node)}"


def test_the_example_of_the_python_interface_makes_a_clip(tmp_path: Path) -> None:
    [example] = [text for file, text in blocks("python") if file.name == "python-api.md"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("REELWRIGHT_")}
    env |= {
        "REELWRIGHT_HOME": str(tmp_path / "data"),
        "REELWRIGHT_OUTPUT_DIR": str(tmp_path / "clips"),
        "REELWRIGHT_WORKER": "inline",
        "PYTHONPATH": str(ROOT),
    }
    ended = subprocess.run([sys.executable, "-c", example], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    clip = tmp_path / "clips" / "boat_take01.mp4"
    assert ended.stdout.splitlines() == ["animatic 0.0", f"succeeded {clip} 0.0"]
    assert clip.stat().st_size > 1000


def test_the_example_of_a_catalogue_file_loads_and_has_its_price(tmp_path: Path) -> None:
    [example] = [text for file, text in blocks("toml") if file.name == "catalogue-files.md"]
    (tmp_path / "house.toml").write_text(example, "utf-8")
    catalog = load([tmp_path])
    assert catalog.broken == ()
    row = catalog.get("openai/house-model")
    request = build_request(task="text_to_video", prompt="x", duration_s=3, provider_options={"steps": 20}, seed=1)
    checked = check(request, row, {})
    assert (checked.width, checked.height) == (1280, 720)
    assert estimate(checked, row).usd_high == Decimal("0.018")
    assert checked.wire["body"] == {"prompt": "x", "seconds": "3", "size": "1280x720", "seed": 1, "steps": 20}
