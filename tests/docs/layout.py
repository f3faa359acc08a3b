"""The tables of docs/architecture.md and CONTRIBUTING.md: layers, rooms, make targets."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("mcp_server", "notebook_ext", "backends")


def layers() -> str:
    """The layers that import-linter holds, from the top; those of one line know nothing of each other."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    [inside] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    [fronts] = [contract["modules"] for contract in contracts if contract["type"] == "independence"]
    lines = [" : ".join(fronts), *inside]
    return "\n".join(f"{number}. {line.replace(' : ', ', ')}" for number, line in enumerate(lines, 1))


def packages() -> dict[str, str]:
    """Every package of the product by its folder, with the first paragraph of its docstring."""
    found: dict[str, str] = {}
    for name in PRODUCT:
        for file in sorted((ROOT / name).rglob("__init__.py")):
            said = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
            found[file.parent.relative_to(ROOT).as_posix()] = " ".join(said.split("\n\n")[0].split())
    return found


def rooms() -> str:
    lines = ["| folder | what is in it |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{folder}` | {said} |" for folder, said in packages().items())])


def targets() -> str:
    """What `make` can do, from the Makefile's own words."""
    found = re.findall(r"^([a-z-]+):.*?## (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    return "\n".join(
        ["| target | what it does |", "|---|---|", *(f"| `make {name}` | {what} |" for name, what in found)]
    )
