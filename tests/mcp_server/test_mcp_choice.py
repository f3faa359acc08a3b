"""What list_models and estimate_cost say in words of a choice: what was left out, an end, a price by the second."""

from __future__ import annotations

from datetime import date

from backends.catalog import compact, load
from mcp_server import text

CATALOG = load()


def test_what_was_left_out_of_the_catalogue_ends_the_list() -> None:
    why = "/home/me/catalog/mine.toml, row openai/mine: title must be text (it is missing)."
    words = text.models_text({"models": [compact(CATALOG.get("animatic"), None)], "more": 0, "left_out": [why]})
    assert words.splitlines()[-1] == f"left out: {why}"
    assert words.startswith("animatic: tasks=")


def test_an_end_is_told_in_the_list() -> None:
    row = CATALOG.get("veo 3.1")
    passed = compact(row, None, date(2026, 11, 27))
    assert passed["end"] == "was shut down on 2026-11-17 (not confirmed by the provider)"
    assert (
        compact(row, None, date(2026, 11, 16))["end"]
        == "is to be shut down on 2026-11-17 (not confirmed by the provider)"
    )
    assert "end=was shut down on 2026-11-17" in text.models_text({"models": [passed]})
    assert "end" not in compact(CATALOG.get("veo lite"), None)


def test_the_price_by_the_second_is_told_in_the_estimate() -> None:
    row = {"model": "fal/wan-2.5", "cost_low_usd": 0.75, "cost_high_usd": 0.75, "usd_per_s": 0.15}
    words = text.estimate_text({"fits": [row], "misfits": 0, "why": {}, "next": "generate_video(...)"})
    assert words.splitlines()[0] == "1. fal/wan-2.5: cost_low_usd=0.75, cost_high_usd=0.75, usd_per_s=0.15"
