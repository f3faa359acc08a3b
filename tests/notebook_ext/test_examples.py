"""The example notebooks run as they are, and what they show is what is committed."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.jobs.station import Station
from tests.notebook_ext.examples import EXAMPLES, run_copy
from tests.notebook_ext.lab import kinds


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_an_example_runs_and_its_outputs_are_the_committed_ones(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = nbformat.read(path, as_version=4)
    made = run_copy(path, Station(tmp_path), monkeypatch)
    for old, new in zip(kept.cells, made.cells, strict=True):
        if old.cell_type == "code":
            assert kinds(old.outputs) == kinds(new.outputs), old.source
            assert old.execution_count, "an example is committed as it was run: make examples"
    text = path.read_text()
    assert "<figure" in text and "data:image/jpeg;base64," in text, "a poster is seen without a kernel"
    assert len(text) < 400_000
