"""Run notebooks under nbmake, in copies, with homes of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from nbmake.nb_run import NotebookRun

TIMEOUT_S = 300  # for one cell


def run_copy(notebook: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    """Copy a notebook's whole folder below `folder` and run the copy as `pytest --nbmake` does; returns it executed.

    nbmake's own runner in this process: the plugin would take the environment, and run in the source tree, as they are.
    AssertionError with the cell and its traceback when one fails.
    """
    for name in ("REELWRIGHT_HOME", "REELWRIGHT_OUTPUT_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    copy = Path(shutil.copytree(notebook.parent, folder / "examples")) / notebook.name
    result = NotebookRun(copy, TIMEOUT_S).execute()
    assert result.error is None, f"{notebook.name}, cell {result.error.failing_cell_index}:\n{result.error.trace}"
    return result.nb
