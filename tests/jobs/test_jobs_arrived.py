"""What was decided of the files of a job is read again from its row: whoever finishes it later keeps the same ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from backends.jobs.files.artifacts import Artifacts
from backends.jobs.run.arrived import KEY, Arrived


def decided(artifacts: Artifacts) -> Arrived:
    """A delivered part that was joined to its source, and a second sample."""
    spool = artifacts.spool("job_1")
    (spool / "whole").mkdir()
    files = [spool / "whole" / "clip.mp4", spool / "output0.mp4", spool / "output1.mp4"]
    for path in files:
        path.write_bytes(path.name.encode())
    return Arrived(files[0], (files[1], files[2]), 1, 1, ("joined",))


def read(artifacts: Artifacts, row: str) -> Arrived | None:
    return Arrived.of(artifacts.places.result_of({"result": row}), artifacts.job("job_1"))


def test_it_is_the_same_after_a_restart_however_many_files_were_moved(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path / "artifacts", tmp_path / "out")
    first = decided(artifacts)
    row = artifacts.places.result_to_row({KEY: first.to_json()})
    assert str(tmp_path) not in row, "a row holds no path of this machine"
    assert read(artifacts, row) == first
    artifacts.commit("job_1", {"clip.mp4": first.clip}, {})
    assert read(artifacts, row) == first
    named = {"clip.mp4": first.clip, "extra1.mp4": first.extras[0], "extra2.mp4": first.extras[1]}
    placed = artifacts.commit("job_1", named, {})
    assert read(artifacts, row) == first and placed["extra1.mp4"].read_bytes() == b"output0.mp4"


def test_nothing_is_decided_where_a_file_is_missing(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path / "artifacts", tmp_path / "out")
    row = artifacts.places.result_to_row({KEY: decided(artifacts).to_json()})
    assert read(artifacts, json.dumps({"files": []})) is None
    assert read(Artifacts(tmp_path / "of another machine", tmp_path / "out"), row) is None
    (artifacts.spool("job_1") / "output1.mp4").unlink()
    assert read(artifacts, row) is None
    shutil.rmtree(artifacts.root)
    assert read(artifacts, row) is None
