"""Every measurement, with models so small that a processor runs them: the script is right before it meets a card."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from backends.local import engine
from backends.local.families import variant
from backends.local.loaded import drop
from tests.gpu import child
from tests.gpu.clock import Clock
from tests.gpu.order import measurements
from tests.gpu.pipelines import published
from tests.gpu.report import COLUMNS, report
from tests.gpu.results import Results, Row
from tests.gpu.shapes import FULL
from tests.gpu.stage import LeftOut, Measurement, Stage
from tests.gpu.tiny import TINY

ELSEWHERE = {
    "sdpa cudnn", "sdpa efficient", "attention flash", "attention flash3", "attention sage", "attention xformers",
    "peak wan2.1-t2v-1.3b sequential",
}  # fmt: skip
"""What a processor has not: these say so and are left out."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """Of the whole script in this process, on one thread."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("gpu")
    found, stage = Results(folder, 5, tiny=True), Stage("cpu", TINY, folder, Clock.of(5), tiny=True, apart=False)

    def tell(line: dict[str, Any]) -> None:
        if "row" in line:
            found.add(Row(**line["row"]))

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "In CPU autocast")  # of Mochi, on a processor
        patch.setenv("TORCHDYNAMO_DISABLE", "1")  # compiling takes a minute: see tests/local/test_local_compiled.py
        for name in (*engine.OFFLINE, "CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES"):
            patch.setenv(name, os.environ.get(name, ""))  # the engine sets them: put back afterwards
        child.run(measurements(), stage, tell)
        found.device = child.device_facts("cpu")
        yield found
    drop()


def test_everything_is_measured_but_what_needs_a_card(results: Results) -> None:
    missed = {f"{row.what} {row.case}": row.why for row in results.rows if row.outcome != "measured"}
    assert set(missed) == ELSEWHERE, missed
    assert len(results.rows) == len(measurements()) and all(missed.values())


def test_every_family_has_its_peak_first(results: Results) -> None:
    first = {row.figures["variant"] for row in results.rows[:10]}
    assert first == set(FULL) == set(TINY) and {row.what for row in results.rows} == set(COLUMNS)


def test_what_was_measured_is_what_is_told(results: Results) -> None:
    by_what = {row.what: row.figures for row in results.rows if row.outcome == "measured"}
    assert by_what["cancel"]["same_clip_after"] and by_what["out of memory"]["same_clip_after"]
    assert by_what["cold against warm"]["warm"] is True and by_what["killed child"]["held_gib"] > 0
    assert by_what["ours against bare"]["ratio"] > 0 and by_what["cache"]["difference"] >= 0
    page = report(results.as_json())
    assert "tiny models: no figure says anything of a card" in page and "## two models" in page


def test_the_kernels_of_torch_make_one_clip(results: Results) -> None:
    (math,) = (row.figures for row in results.rows if (row.what, row.case) == ("sdpa", "math"))
    assert math["difference"] < 0.5 and math["ratio"] > 0


def test_a_failure_is_a_row() -> None:
    stage = Stage("cpu", TINY, Path(), Clock.of(1), tiny=True)

    def full(_: Stage) -> dict[str, Any]:
        raise torch.OutOfMemoryError("of 80 GiB nothing is free")

    def elsewhere(_: Stage) -> dict[str, Any]:
        raise LeftOut("no such card")

    assert child.measured(Measurement("peak", "a", 1, full), stage).why == "OutOfMemoryError: of 80 GiB nothing is free"
    assert child.measured(Measurement("peak", "a", 1, elsewhere), stage).outcome == "left out"
    late = Stage("cpu", TINY, Path(), Clock(0.0))
    assert child.measured(Measurement("peak", "a", 1, full), late).why == "the time was up"


@pytest.mark.parametrize("name", FULL)
def test_what_is_built_has_the_parameters_that_the_plan_counts_on(name: str) -> None:
    kind, billions = variant(name), published(FULL[name])
    assert billions.pop("transformer") == pytest.approx(kind.transformer_b, rel=0.001)
    assert billions.pop("vae") == pytest.approx(kind.vae_b, rel=0.002)
    assert sum(billions.values()) == pytest.approx(kind.others_b, abs=0.001)
