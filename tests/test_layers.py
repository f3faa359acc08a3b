"""No file of the program imports, by whatever way round, a file that imports it: none can be read alone otherwise."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("backends", "mcp_server", "notebook_ext")


def modules(root: Path) -> dict[str, Path]:
    """Every module by its name."""
    found: dict[str, Path] = {}
    for file in sorted(file for package in PACKAGES for file in (root / package).rglob("*.py")):
        found[".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")] = file
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    """Every name that is imported, also inside functions; not what is for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from imported(node)


def graph(files: Mapping[str, Path]) -> dict[str, set[str]]:
    """The modules that each module imports."""
    found: dict[str, set[str]] = {}
    for name, file in files.items():
        used = imported(ast.parse(file.read_text("utf-8")))
        inside = ({one, one.rpartition(".")[0]} & files.keys() for one in used)
        found[name] = {max(one, key=len) for one in inside if one} - {name}
    return found


def test_imports_go_round_nowhere() -> None:
    found = graph(modules(ROOT))
    assert len(found) > 300 and "backends.values" in found["backends.request"]
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_a_circle_is_found_also_inside_a_function(tmp_path: Path) -> None:
    folder = tmp_path / "backends"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "one.py").write_text("from backends.two import b\n")
    (folder / "two.py").write_text("def f():\n    from backends import one\n")
    with pytest.raises(CycleError):
        TopologicalSorter(graph(modules(tmp_path))).prepare()
    (folder / "two.py").write_text("if TYPE_CHECKING:\n    from backends import one\n")
    TopologicalSorter(graph(modules(tmp_path))).prepare()
