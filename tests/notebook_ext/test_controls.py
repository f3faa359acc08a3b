"""What a model makes of a control, as the catalogue says, before anybody uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs.context import Context
from backends.settings import load_settings
from notebook_ext.controls import control

ROWS = """
provider = "fal"
[[model]]
id = "fal/steady"
title = "Steady"
[model.box]
durations = [5]
sizes = { "720p" = { "16:9" = "1280x720" } }
[model.price]
unit = "per_second"
rates = [{ usd = 0.1 }]
date = 2026-11-01
source = "a test"
[[model.mode]]
tasks = ["image_to_video"]
frames = { min = 1, max = 1 }
camera = { how = "native", moves = ["pan-left", "pan-right"], max = 2 }
motion = 3
"""


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    opened = Context.open(load_settings({"REELWRIGHT_HOME": str(tmp_path / "home")}, cwd=tmp_path))
    yield opened
    opened.close()


def test_a_model_that_has_it_says_how_much(context: Context) -> None:
    brush = control("animatic", "motion", context)
    assert (brush.kind, brush.most, brush.text) == ("native", 8, "animatic: up to 8 motion regions.")
    frames = control("animatic", "keyframes", context)
    assert (frames.kind, frames.most) == ("native", 16)
    assert frames.text == "animatic: 2 to 16 keyframes, times may be chosen, a prompt each."
    assert control("fal/pikaframes", "keyframes", context).text == (
        "fal/pikaframes: 2 to 5 keyframes, times in steps of 1 s, a prompt each."
    )
    assert control("kling/kling-v3", "keyframes", context).text == "kling/kling-v3: 2 keyframes (first and last)."
    assert control("animatic", "camera", context).text.startswith("animatic: up to 20 camera moves of 18 kinds")


def test_one_that_has_not_says_what_happens_and_who_has(context: Context) -> None:
    brush = control("runway/gen4_turbo", "motion", context)
    assert brush.kind == "none" and brush.most == 0
    assert brush.models == ("animatic", "comfyui/wan-move", "comfyui/wan-track")
    assert brush.text == (
        "runway/gen4_turbo has no motion brush: regions would be refused; say the motion in the prompt. "
        "Models that have one: animatic (free), comfyui/wan-move (free, not configured), "
        "comfyui/wan-track (free, not configured)."
    )
    frames = control("runway/gen4_turbo", "keyframes", context)
    assert frames.kind == "none" and len(frames.models) == 3 and frames.models[0] == "animatic"
    assert "not configured" in frames.text
    assert control("fal/pikaffects", "camera", context).kind == "none"


def test_words_are_no_control(context: Context) -> None:
    camera = control("runway/gen4_turbo", "camera", context)
    assert camera.kind == "words" and camera.most == 20
    assert camera.text == (
        "runway/gen4_turbo takes camera moves as words in the prompt, and may follow them loosely. "
        "A control of its own: animatic (free), comfyui/wan-camera (free, not configured)."
    )


@pytest.mark.parametrize("model", [None, "auto"])
def test_without_a_model_those_that_are_configured(context: Context, model: str | None) -> None:
    brush = control(model, "motion", context)
    assert (brush.kind, brush.models, brush.most) == ("native", ("animatic",), 8)
    assert brush.text == "Configured models with a motion brush: animatic (free)."
    assert control(model, "camera", context).text.endswith("Others take camera moves as words in the prompt.")


def test_a_persons_own_row_counts(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "own.toml").write_text(ROWS)
    env = {"REELWRIGHT_HOME": str(tmp_path / "home"), "REELWRIGHT_CATALOG": str(tmp_path / "rows"), "FAL_KEY": "k:s"}
    context = Context.open(load_settings(env, cwd=tmp_path))
    try:
        assert control("fal/steady", "motion", context).text == "fal/steady: up to 3 motion regions."
        assert control("fal/steady", "camera", context).text == "fal/steady: up to 2 camera moves of 2 kinds."
        assert control(None, "motion", context).models == ("fal/steady", "animatic")
        assert "fal/steady ($0.10/s)" in control("runway/gen4_turbo", "motion", context).text
    finally:
        context.close()


@pytest.mark.parametrize(("model", "kind"), [("gen-99", "not_found"), ("kling motion brush", "model_retired")])
def test_a_name_that_leads_nowhere_is_an_error(context: Context, model: str, kind: str) -> None:
    with pytest.raises(VideoError) as caught:
        control(model, "motion", context)
    assert caught.value.kind == kind
