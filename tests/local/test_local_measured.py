"""Measured peaks beside the formula's, and coefficients that are judged on other runs than they were taken from. The
runs are invented: no card was to be had. No torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from backends.errors import VideoError
from backends.local.families import variant
from backends.local.fit import fit, split
from backends.local.measured import Run, read
from backends.local.memory import FORMULA, Costs, Plan, peak, phases
from backends.local.plan import RUNGS
from tests.rawclient import home_env

MODELS = ("ltx-video-t2v", "wan2.1-t2v-1.3b", "wan2.2-ti2v-5b", "mochi-1-t2v")
PLANS = ("resident", "resident-tiled", "offload", "offload-tiled")


def card(name: str, plan: Plan, *, k: float = 1.0, decode: float = 1.0, margin: float = 1.05) -> Run:
    """A run on a card whose activations and decoding are so many times what the formula says."""
    size = (832, 480, 81)
    real = replace(variant(name), k=variant(name).k * k, decode_gib=variant(name).decode_gib * decode)
    told = phases(real, plan, *size)
    most = max(told.values())
    return Run(variant(name), plan, size, told["denoising"], told["decoding"], most, most * margin, 0.5)


def runs(**over: float) -> list[Run]:
    return [card(name, RUNGS[plan], **over) for name in MODELS for plan in PLANS]


def test_half_of_each_models_runs_is_kept_to_judge() -> None:
    fitted, judged = split([*runs(), card("cogvideox-5b-t2v", RUNGS["resident"])])
    assert len(fitted) == 8 and len(judged) == 9
    assert not {id(run) for run in fitted} & {id(run) for run in judged}
    assert {run.kind.id for run in fitted} == set(MODELS), "a model that was run once is judged alone"


def test_a_card_that_takes_more_than_the_formula_says_corrects_it() -> None:
    found = fit(runs(k=2.5, decode=1.6, margin=1.3))
    assert found is not None and found.better and found.after == len(found.judged) > found.before
    assert found.costs == Costs(pytest.approx(1.3), pytest.approx(0.5))
    assert found.scales["wan2.1-t2v-1.3b", "k"] == pytest.approx(2.5)
    assert found.scales["wan2.1-t2v-1.3b", "decode_gib"] == pytest.approx(1.6)
    assert all(found.ratio(run) == pytest.approx(1) for run in found.judged)


def test_runs_that_say_what_the_formula_says_change_nothing() -> None:
    found = fit(runs(margin=FORMULA.margin))
    assert found is not None and found.before == found.after and not found.better


def test_a_fit_that_other_runs_do_not_bear_out_is_told_as_such() -> None:
    fitted, judged = split(runs())
    strange = [replace(run, reserved_gib=run.reserved_gib * 3, denoising_gib=run.denoising_gib * 3) for run in fitted]
    found = fit([*strange, *judged])
    assert found is not None and found.judged == tuple(judged) and not found.better


def test_too_few_runs_are_not_fitted() -> None:
    assert fit(runs()[:3]) is None and fit([card(name, RUNGS["resident"]) for name in MODELS]) is None


def written(folder: Path, found: list[Run], **over: Any) -> Path:
    """A file as `python -m tests.gpu` writes it."""
    rows: list[dict[str, Any]] = [
        {
            "what": "peak", "case": run.kind.id, "outcome": "measured", "why": "", "seconds": 3.0,
            "figures": {
                "variant": run.kind.id, "plan": asdict(run.plan), "size": list(run.size),
                "counts": {"transformer_b": run.kind.transformer_b, "encoders_b": run.kind.encoders_b},
                "denoising_gib": run.denoising_gib, "decoding_gib": run.decoding_gib,
                "allocated_gib": run.allocated_gib, "reserved_gib": run.reserved_gib, "context_gib": run.context_gib,
            },
        }
        for run in found
    ]  # fmt: skip
    rows.append({"what": "sdpa", "case": "flash", "outcome": "left out", "why": "no such kernel", "figures": {}})
    device = {"torch": "cuda:0", "name": "Invented card", "free_gib": 78.5, "total_gib": 79.6, "ram_gib": 120}
    told = {"format": 1, "made": "2026-11-28 05:00", "tiny": False, "device": device, "rows": rows, **over}
    path = folder / "measured.json"
    path.write_text(json.dumps(told), "utf-8")
    return path


def test_a_file_is_read_as_it_was_measured(tmp_path: Path) -> None:
    found = read(written(tmp_path, runs()))
    assert (
        found.device == "Invented card" and found.free_gib == 78.5 and found.others == ("sdpa flash: no such kernel",)
    )
    first = found.runs[0]
    assert first == runs()[0] and first.used_gib == pytest.approx(first.reserved_gib + 0.5)
    assert first.ratio == pytest.approx(peak(first.kind, first.plan, *first.size).gib / first.used_gib)


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"tiny": True}, "no card was measured here"),
        ({"device": {"torch": "cpu", "name": "processor"}}, "no card was measured here"),
        ({"format": 2}, "format 2 is newer than this program"),
        ({"rows": [{"what": "peak"}]}, r"it is no measured\.json"),
        ({"device": None}, r"it is no measured\.json"),
        ({"rows": [{"what": "peak", "outcome": "measured", "figures": {}}]}, r"it is no measured\.json"),
    ],
)
def test_what_holds_no_runs_of_a_card_is_refused(tmp_path: Path, over: dict[str, Any], words: str) -> None:
    with pytest.raises(VideoError, match=words):
        read(written(tmp_path, runs(), **over))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="cannot be read: No such file"):
        read(tmp_path / "none.json")


def test_doctor_shows_measured_beside_the_formula(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mcp_server",
        "doctor",
        "--plan",
        "--measured",
        str(written(tmp_path, runs(k=2.5))),
    ]
    told = subprocess.run(command, env=home_env(tmp_path), capture_output=True, text=True, check=True).stdout
    assert told.startswith("Measured on Invented card, 2026-11-28 05:00: ") and "78.5 of 79.6 GiB" in told
    assert "local/ltx-video\t768x512, 121 frames\tInvented card\tresident\t" in told
    assert "judged on 8" in told and "wan2.1-t2v-1.3b: k x 2.50" in told and "not measured: sdpa flash" in told
    done = subprocess.run([*command, "--json"], env=home_env(tmp_path), capture_output=True, text=True, check=True)
    told_json = json.loads(done.stdout)
    assert len(told_json["rows"]) == 16 and told_json["fit"]["judged"] == 8


def test_doctor_refuses_a_file_of_a_processor(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mcp_server", "doctor", "--measured", str(written(tmp_path, [], tiny=True))]
    done = subprocess.run(command, env=home_env(tmp_path), capture_output=True, text=True)
    assert done.returncode == 1 and "no card was measured here" in done.stderr
