"""Every name of the field leads to its own model, or is refused with what to use instead."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from backends.catalog import Catalog, load
from backends.catalog.family import members
from backends.errors import VideoError
from backends.request import Task

CATALOG = load()

SAME_MODEL = {
    "Veo 3.1": "vertex/veo-3.1-generate-001",
    "veo-3.1": "vertex/veo-3.1-generate-001",
    "Google Veo 3.1": "vertex/veo-3.1-generate-001",
    "Veo 3.1 Fast": "vertex/veo-3.1-fast-generate-001",
    "gen4_turbo": "runway/gen4_turbo",
    "Gen-4 Turbo": "runway/gen4_turbo",
    "Kling 2.5": "kling/kling-v2-5-turbo",
    "Hailuo 02": "minimax/MiniMax-Hailuo-02",
    "Pikaffects": "fal/pikaffects",
    "HunyuanVideo": "local/hunyuanvideo",
    "HunyuanVideo I2V": "local/hunyuanvideo",
    "tencent/HunyuanVideo": "local/hunyuanvideo",
    "LTX-Video": "local/ltx-video",
    "Mochi 1": "local/mochi-1",
    "CogVideoX-5B": "local/cogvideox-5b",
    "CogVideoX-5B-I2V": "local/cogvideox-5b",
    "animatic": "animatic",
}
"""The guide's names that still mean a model that can be used."""

REFUSED = {
    "Sora 2": ("openai/sora-2", "gemini/gemini-omni-1.2-flash", "2026-09-24"),
    "sora-2": ("openai/sora-2", "gemini/gemini-omni-1.2-flash", "2026-09-24"),
    "Sora 2 Pro": ("openai/sora-2-pro", "gemini/gemini-omni-1.2-flash", "2026-09-24"),
    "Sora 1": ("openai/sora-1", "gemini/gemini-omni-1.2-flash", ""),
    "veo-3.1-generate-preview": ("gemini/veo-3.1-generate-preview", "gemini/gemini-omni-1.2-flash", "2026-10-22"),
    "Kling 2.5 Master": ("kling/kling-v2-5-master", "kling/kling-v2-5-turbo", ""),
    "Runway Gen-4 Turbo Pro": ("runway/gen4_turbo_pro", "runway/gen4_turbo", ""),
    "Runway Gen-4": ("runway/gen4", "runway/gen4.5", ""),
    "Gen-4": ("runway/gen4", "runway/gen4.5", ""),
    "Runway Gen-3": ("runway/gen3a_turbo", "runway/gen4_turbo", "2026-07-30"),
    "Runway Gen-2": ("runway/gen2", "runway/gen4_turbo", ""),
    "Kling 2.0": ("kling/kling-v2-master", "kling/kling-v2-5-turbo", ""),
    "Pika 2.0": ("fal/pika-v2.0", "fal/pika-v2.2", ""),
    "Wan 2.5": ("local/wan2.5", "fal/wan-2.5", ""),
    "Wan-AI/Wan2.5-T2V-14B": ("local/wan2.5", "fal/wan-2.5", ""),
}
"""The guide's names that are gone: row, successor, since when."""


GUIDE = """
Sora; Sora 1; Sora 2; Sora 2 Pro; sora-2; Veo; Veo 3.1; Veo 3.1 Fast; veo-3.1; veo-3.1-generate-preview;
Google Veo 3.1; Runway; Runway Gen-2; Runway Gen-3; Runway Gen-4; Gen-4; Gen-4 Turbo; Runway Gen-4 Turbo; gen4_turbo;
Runway Gen-4 Turbo Pro; Kling; Kling 2.0; Kling 2.5; Kling 2.5 Standard; Kling 2.5 Master; Hailuo; Hailuo 02;
Hailuo 02 Standard; MiniMax; Pika; Pika 2.0; Pikaffects; Wan; Wan 2.5; Wan2.5; Wan-AI/Wan2.5-T2V-14B; Hunyuan;
HunyuanVideo; HunyuanVideo I2V; tencent/HunyuanVideo; LTX; LTX-Video; LTXVideo; Mochi; Mochi 1; CogVideoX;
CogVideoX-5B; CogVideoX-5B-I2V
"""
"""Every name by which the guide speaks of a model or of a maker's models."""


@pytest.mark.parametrize("name", [name.strip() for name in GUIDE.replace("\n", " ").split(";")])
def test_every_name_of_the_guide_is_known(name: str) -> None:
    """As a model, as a family, or as one that is gone, with what to take instead."""
    for spelling in (name, name.lower(), name.upper(), name.replace(" ", "-"), name.replace("-", " ")):
        family = members(CATALOG, spelling)
        if family is not None:
            assert len(family) > 0
            continue
        try:
            assert CATALOG.get(spelling).modes
        except VideoError as error:
            assert error.kind == "model_retired", f"{spelling}: {error.message}"
            successor = CATALOG.get(spelling, include_retired=True).successor
            assert CATALOG.get(successor).id in error.message


@pytest.mark.parametrize(("name", "row_id"), SAME_MODEL.items())
def test_a_name_of_the_guide_means_its_own_model(name: str, row_id: str) -> None:
    assert CATALOG.get(name).id == row_id


@pytest.mark.parametrize(("name", "gone"), REFUSED.items())
def test_a_gone_name_is_refused_with_its_successor_and_price_and_nothing_unproved(
    name: str, gone: tuple[str, str, str]
) -> None:
    row_id, successor, since = gone
    with pytest.raises(VideoError) as caught:
        CATALOG.get(name)
    error = caught.value
    assert error.kind == "model_retired"
    assert error.charged == "no"
    assert error.nearest == {}
    assert f"({successor})" in error.message
    assert row_id in error.message
    assert since in error.message
    successor_row = CATALOG.get(successor)
    assert successor_row.title in error.message
    assert "$" in error.message, "the successor's price is told"
    assert CATALOG.get(name, include_retired=True).id == row_id


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("klingg 2.5", "kling/kling-v2-5-turbo"),
        ("hailou 02", "minimax/MiniMax-Hailuo-02"),
        ("gen4-trubo", "runway/gen4_turbo"),
        ("animatc", "animatic"),
        ("hunyuan-vidoe", "local/hunyuanvideo"),
    ],
)
def test_a_near_miss_is_answered_with_what_was_meant(name: str, meant: str) -> None:
    with pytest.raises(VideoError, match=f"is unknown; names like it: .*{meant}") as caught:
        CATALOG.get(name)
    assert caught.value.kind == "not_found"
    assert caught.value.nearest == {}, "whether it does this request is not known here"


def test_a_name_like_nothing_gets_no_guess() -> None:
    with pytest.raises(VideoError) as caught:
        CATALOG.get("zzzzqqq")
    assert caught.value.message == "model 'zzzzqqq' is unknown."


def test_a_bare_name_with_several_routes_asks_which() -> None:
    row = replace(CATALOG.get("local/wan2.1-14b"), aliases=())
    rows = [replace(row, id="comfyui/wan2.1-14b"), row]
    with pytest.raises(VideoError, match=r"has several routes: comfyui/wan2\.1-14b, local/wan2\.1-14b"):
        Catalog(rows).get("wan2.1-14b")


def test_aliases_never_name_another_model() -> None:
    """An alias that is a row's own name must lead to that row or to the same model by another route."""
    for row in CATALOG.rows:
        for name in (row.id, row.name):
            found = CATALOG.find(name)
            assert found is None or found.id == row.id or found.family == row.family, f"{name} leads to {found}"


def test_every_successor_and_alternative_exists_and_can_be_used() -> None:
    for row in CATALOG.rows:
        for name in (row.successor, *row.alternatives):
            if name:
                assert CATALOG.get(name).id == name, f"{row.id} points to {name}"
        if row.state == "retired":
            assert row.successor, f"{row.id} is retired and names no successor"


def test_every_row_has_dated_sources_and_every_price_too() -> None:
    for row in CATALOG.rows:
        assert row.sources, row.id
        for mode in row.modes:
            if mode.price.unit in ("per_second", "per_clip"):
                assert mode.price.day, row.id
                assert mode.price.source, row.id


def test_what_nobody_checked_says_so() -> None:
    """Prices from price maps and resellers stay marked; only pages of the provider itself count as verified."""
    for row in CATALOG.rows:
        for mode in row.modes:
            second_hand = any(word in mode.price.source.lower() for word in ("map", "reseller", "comfy", "twice"))
            assert not (second_hand and mode.price.verified), row.id


def test_local_rows_tell_licence_and_territory() -> None:
    for row in CATALOG.rows:
        if row.where == "local" and row.state != "retired":
            assert row.licence, row.id
    assert "European Union" in CATALOG.get("local/hunyuanvideo").territory
    assert CATALOG.get("local/cogvideox-5b").licence == "CogVideoX License"


def test_search_reaches_every_row_by_task_and_by_words() -> None:
    by_task = {row.id for task in get_args(Task) for row in CATALOG.search(task=task, limit=1000)}
    assert by_task == {row.id for row in CATALOG.rows if row.state != "retired"}
    for row in CATALOG.rows:
        found = CATALOG.search(query=row.id.replace("/", " "), include_retired=True, limit=1000)
        assert row in found, row.id
    assert all("audio" in row.strengths or "audio" in row.id for row in CATALOG.search(query="audio", limit=5))
    assert CATALOG.search(query="kling 4k", task="text_to_video")
    assert CATALOG.search(query="no such words at all") == []
    assert len(CATALOG.search(limit=7)) == 7
