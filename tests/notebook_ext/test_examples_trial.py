"""The way examples are run, on a trial notebook; the examples themselves belong in a file like this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from tests.jobs.station import Station
from tests.notebook_ext.examples import run_copy
from tests.notebook_ext.lab import kinds

SHOWS = """
import asyncio, os
from IPython.display import HTML, display
print(os.path.basename(os.environ["REELWRIGHT_HOME"]))
await asyncio.sleep(0)
display(HTML("<b>done</b>"))
"""


def written(folder: Path, *cells: str) -> Path:
    folder.mkdir()
    path = folder / "trial.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    nbformat.write(v4.new_notebook(cells=[*map(v4.new_code_cell, cells)], metadata={"kernelspec": kernel}), path)
    return path


def test_a_notebook_runs_in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "source", SHOWS, "import anywidget; anywidget.AnyWidget(_esm='')")
    before = path.read_bytes()
    executed = run_copy(path, Station(tmp_path / "run"), monkeypatch)
    assert [kinds(cell.outputs) for cell in executed.cells] == [
        [{"stdout"}, {"text/html", "text/plain"}],
        [{"application/vnd.jupyter.widget-view+json", "text/plain"}],
    ]
    assert executed.cells[0].outputs[0].text == "home\n"
    assert path.read_bytes() == before


def test_a_cell_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "source", "x = 1", "x / 0")
    with pytest.raises(AssertionError, match=r"(?s)trial.ipynb, cell 1:.*x / 0.*ZeroDivisionError"):
        run_copy(path, Station(tmp_path / "run"), monkeypatch)


def test_the_plugin_runs_it_too(tmp_path: Path) -> None:
    path = written(tmp_path / "source", SHOWS)
    command = [sys.executable, "-m", "pytest", "-W", "error", "-q", "--nbmake", "-p", "no:cacheprovider", str(path)]
    env = {**os.environ, "REELWRIGHT_HOME": str(tmp_path / "home"), "IPYTHONDIR": str(tmp_path / "ipython")}
    ran = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr
