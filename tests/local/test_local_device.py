"""What the driver tells of the card: free memory, and the processes that hold the rest. nvidia-smi is a script here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.local import device
from backends.local.families import variant
from backends.local.plan import Wish, choose
from backends.local.presets import USUAL
from mcp_server.cli.plan_table import about_machine
from tests.rawclient import home_env

UUID = "GPU-aaaa1111-22"
SMI = """#!/bin/sh
case "$*" in
  *"--id={uuid}"*compute-apps*) printf '4242, /usr/bin/python3.11, 14336\\n{own}, python, 900\\n77, [N/A], [N/A]\\n' ;;
  *"--id={uuid}"*memory.free*) echo {free} ;;
  *) echo "no such query: $*" >&2; exit 2 ;;
esac
"""


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The driver's folder of a card with 9 GiB free; its nvidia-smi is first on PATH."""
    folder = tmp_path / "gpus" / "0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "information").write_text(f"Model: \t NVIDIA\nGPU UUID: \t {UUID}\n")
    script = tmp_path / "bin" / "nvidia-smi"
    script.parent.mkdir()
    script.write_text(SMI.format(uuid=UUID, own=os.getpid(), free=9216))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    return folder.parent


def test_who_holds_the_memory_is_told_but_for_ourselves(card: Path) -> None:
    assert device.holders(UUID) == ("pid 4242 python3.11 (14.0 GiB)",)


def test_a_refusal_on_a_card_that_others_fill_names_them_and_what_fits(card: Path) -> None:
    machine = device.own_gpu(card)
    assert machine is not None and machine.free_gib == 9
    machine = replace(machine, ram_gib=64)  # whatever the machine of this test has
    with pytest.raises(VideoError) as refused:
        choose(variant("hunyuanvideo-t2v"), (1280, 720), 121, machine, Wish(), others=[(960, 544)], fps=24)
    text = refused.value.message
    assert "9.0 GiB are free" in text and text.endswith("The memory is held by pid 4242 python3.11 (14.0 GiB)")
    assert "The nearest that fits: 1280x720, " in text and refused.value.nearest["duration_s"] < 5


def test_doctor_tells_of_this_machines_card(card: Path) -> None:
    first, held = about_machine(device.own_gpu(card))
    assert first.startswith("This machine: 9.0 GiB of GPU memory free, ")
    assert held == "held by pid 4242 python3.11 (14.0 GiB)"


def test_a_driver_that_does_not_answer_is_no_card(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert device.own_gpu(card) is None and device.holders(UUID) == ()
    assert about_machine(None) == ["This machine has no NVIDIA GPU."]


def test_doctor_tells_the_plan_of_every_model_on_every_card(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mcp_server", "doctor", "--plan"]
    done = subprocess.run([*command, "--json"], env=home_env(tmp_path), capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)["rows"]
    assert {row["card"] for row in rows} == {f"{size} GB" for size in (12, 16, 24, 32, 48, 80)}
    assert len(rows) == 6 * len(USUAL)
    for row in rows:
        assert (row["plan"] is None) == (row["verdict"] == "no")
        if row["plan"]:
            assert 0 < row["gib_low"] < row["gib_high"] and row["seconds_guess"] > 0
            settings = row["settings"]
            switches = {"cache", "attention", "compile", "cards"}
            assert set(settings) == {"name", "offload", "quant", "tiling", "dtype", *switches}
            assert settings["name"] == row["plan"] and set(settings["dtype"].values()) <= {
                "bfloat16",
                "float16",
                "float32",
            }
    told = subprocess.run(command, env=home_env(tmp_path), capture_output=True, text=True, check=True).stdout
    assert told.startswith("Estimates, +-25 %") and "local/mochi-1\t848x480, 151 frames\t12 GB\t-\t-\tno" in told
