"""Rows as tools and tables show them: small, and the same words everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

from backends.catalog import compact, load
from backends.catalog.availability import Why, availability
from backends.catalog.staleness import check_staleness
from tests.patience import patient

CATALOG = load()
PAGE = 20
PAGE_BYTES = 8192


def test_a_page_of_twenty_rows_stays_below_eight_kilobytes() -> None:
    why = "set FAL_KEY or another variable of the usual length"
    rows = [compact(row, why) for row in CATALOG.search(include_retired=True, limit=1000)]
    for start in range(0, len(rows), PAGE):
        page = json.dumps({"models": rows[start : start + PAGE], "more": len(rows)})
        assert len(page) <= PAGE_BYTES, f"{len(page)} bytes from row {start} on"


def test_a_row_in_short() -> None:
    assert compact(CATALOG.get("fal/wan-2.5"), None) == {
        "model": "fal/wan-2.5",
        "tasks": ["image_to_video", "text_to_video"],
        "limits": "5-10 s, 480p/720p/1080p, 16:9 9:16 1:1, sound",
        "price": "$0.05-0.15/s",
        "typical_s": None,
        "available": True,
        "state": "active",
    }
    gone = compact(CATALOG.get("sora 1", include_retired=True), "retired")
    assert (gone["tasks"], gone["price"], gone["why_not"]) == ([], "unknown", "retired")
    assert (
        compact(CATALOG.get("runway/seedance2"), None)["limits"]
        == "4-15 s, 480p/720p/1080p/4k, 16:9 9:16 1:1 +3, sound"
    )


def test_rows_without_an_installed_back_end_say_so() -> None:
    why = availability({})
    assert why(CATALOG.get("animatic")) is None
    told = why(CATALOG.get("local/mochi-1"))
    assert told is not None and told.text.startswith("no NVIDIA GPU on this machine: ")
    assert told.kind == "unsupported", "no key would help"
    assert why(CATALOG.get("comfyui/ltx-t2v")) == Why("unsupported", "no ComfyUI server is named: set COMFYUI_URL")
    assert why(CATALOG.get("fal/pika-v2.2")) == Why("auth", "set FAL_KEY", ("FAL_KEY",))


def test_old_prices_and_passed_ends_are_told() -> None:
    told = {(stale.model, stale.what) for stale in check_staleness(CATALOG, date(2026, 11, 23))}
    assert ("vertex/veo-3.1-generate-001", "retire_on") in told
    assert ("kling/kling-v3", "price") in told
    assert ("fal/wan-2.5", "price") not in told
    later = check_staleness(CATALOG, date(2026, 11, 22) + timedelta(days=91))
    priced = {row.id for row in CATALOG.rows if row.state != "retired" and any(m.price.rates for m in row.modes)}
    assert {stale.model for stale in later if stale.what == "price"} == priced
    texts = [stale.text for stale in check_staleness(CATALOG, date(2026, 11, 23))]
    assert "kling/kling-v3: its price was read on 2026-08-21, 94 days ago: look again" in texts
    assert not any(stale.model == "openai/sora-2" for stale in later), "what is retired is settled"


def test_the_day_counts_that_the_price_turns_old() -> None:
    read = date(2026, 11, 22)
    day_90 = {stale.model for stale in check_staleness(CATALOG, read + timedelta(days=90)) if stale.what == "price"}
    assert "fal/wan-2.5" not in day_90


BROKEN_PLUGIN = """
from backends.provider.protocol import Registration

def access(env):
    raise RuntimeError("no such account")

def register():
    return Registration("broken", "remote", access, lambda env, url: None)
"""


def test_a_third_partys_broken_back_end_harms_its_own_models_only(tmp_path: Path) -> None:
    (tmp_path / "broken_plugin.py").write_text(BROKEN_PLUGIN)
    info = tmp_path / "broken_plugin-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[reelwright.backends]\nbroken = broken_plugin:register\n")
    code = (
        "from dataclasses import replace\nfrom backends.catalog import load\n"
        "from backends.catalog.availability import Why, availability\n"
        "why = availability({})\nrow = load().get('animatic')\n"
        "print(why(row))\nprint(why(replace(row, provider='broken')))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=patient(60), check=True
    )
    assert done.stdout.splitlines() == ["None", "its back end fails: RuntimeError: no such account"]
