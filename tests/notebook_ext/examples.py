"""Run notebooks under nbmake, in copies, with homes of their own.

`python -m tests.notebook_ext.examples` (or `make examples`) runs the examples and keeps their outputs in the source.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest
from nbmake.nb_run import NotebookRun

from tests.jobs.station import Station
from tests.notebook_ext.lab import jupyter_folders

EXAMPLES = Path(__file__).resolve().parents[2] / "notebook_ext" / "examples"
TIMEOUT_S = 300  # for one cell


def run_copy(notebook: Path, station: Station, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    """Copy a notebook's whole folder to the station and run the copy as `pytest --nbmake` does; returns it executed.

    nbmake's own runner in this process: the plugin would take the environment, and run in the source tree, as they are.
    AssertionError with the cell and its traceback when one fails.
    """
    stay = {"REELWRIGHT_WORKER_IDLE_S": "60"}  # one worker for all cells; it ends with the station
    env = station.environ(**jupyter_folders(station.root), **stay)
    for name in os.environ.keys() - env.keys():
        if not name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    copy = Path(shutil.copytree(notebook.parent, station.root / "examples")) / notebook.name
    try:
        result = NotebookRun(copy, TIMEOUT_S).execute()
    finally:
        station.close()
    assert result.error is None, f"{notebook.name}, cell {result.error.failing_cell_index}:\n{result.error.trace}"
    return result.nb


def main() -> None:
    """Keep what each example put out; the state of its widgets, which is of no use without a kernel, is left out."""
    for notebook in sorted(EXAMPLES.glob("*.ipynb")):
        with TemporaryDirectory(prefix="examples-") as folder, pytest.MonkeyPatch.context() as patch:
            made = run_copy(notebook, Station(Path(folder)), patch)
        made.metadata.pop("widgets", None)
        for cell in made.cells:
            cell.metadata.pop("execution", None)
        assert folder not in nbformat.writes(made), f"{notebook.name} shows a path of this machine"
        nbformat.write(made, notebook)
        print(notebook.name)


if __name__ == "__main__":
    main()
