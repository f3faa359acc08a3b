"""Prices: exact in the unit that the provider bills."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backends.catalog import Estimate, check, estimate, load
from backends.catalog.price import money
from backends.facts import MediaFacts
from backends.request import build_request
from tests.catalog.boxes import clip, still

CATALOG = load([], [Path(__file__).parent / "invented.toml"])
TEXT = {"task": "text_to_video"}
IMAGE = {"task": "image_to_video", "frames": [{"image": "a"}]}


def cost(model: str, inputs: dict[str, MediaFacts] | None = None, count: int = 1, **fields: Any) -> Estimate:
    row = CATALOG.get(model)
    if "frames" in fields:
        inputs = {f"frames[{i}].image": still(1600, 900) for i in range(len(fields["frames"]))}
    return estimate(check(build_request(**{"prompt": "x", **fields}), row, inputs or {}), row, count)


@pytest.mark.parametrize(
    ("model", "fields", "low", "high"),
    [
        ("invented/tiers", {"duration_s": 5}, "1.50", "1.50"),
        ("invented/tiers", {"duration_s": 5, "audio": True}, "1.50", "1.50"),
        ("invented/tiers", {"duration_s": 2.5}, "0.75", "0.75"),
        ("invented/tiers", {"duration_s": 5, "audio": False}, "0.50", "1.00"),
        ("invented/tiers", {"duration_s": 8, "resolution": "4k"}, "4.80", "4.80"),
        ("invented/tiers", {"duration_s": 8, "resolution": "4k", "audio": False}, "3.20", "3.20"),
        ("invented/clips", {"duration_s": 5}, "0.21", "0.21"),
        ("invented/clips", {"duration_s": 10, "resolution": "4k"}, "0.42", "0.42"),
        ("invented/credits", {"duration_s": 5}, "0.20", "0.20"),
        ("invented/credits", {"duration_s": 4.5}, "0.20", "0.20"),
        ("invented/credits", {"duration_s": 0.5}, "0.10", "0.10"),
    ],
)
def test_the_first_rate_that_matches_holds(model: str, fields: dict[str, Any], low: str, high: str) -> None:
    found = cost(model, **TEXT, **fields)
    assert (found.usd_low, found.usd_high) == (Decimal(low), Decimal(high))
    assert found.basis == ("list" if low == high else "range")
    assert (found.price_date, found.source, found.verified) == (date(2026, 11, 23), "invented for tests", False)


def test_a_price_is_explained() -> None:
    assert cost("invented/tiers", **TEXT, duration_s=5).detail == "$0.30/s x 5 s"
    assert cost("invented/tiers", **TEXT, duration_s=5, audio=False).detail == "$0.10-0.20/s x 5 s"
    assert cost("invented/clips", **TEXT, duration_s=5).detail == "$0.21 a clip"
    assert cost("invented/credits", **TEXT, duration_s=0.5).detail == "$0.033/s x 3 s"
    assert cost("invented/clips", count=4, **TEXT, duration_s=5).detail == "$0.21 a clip, 4 clips"


def test_many_clips() -> None:
    assert cost("invented/clips", count=4, **TEXT, duration_s=5).usd_high == Decimal("0.84")
    assert cost("invented/credits", count=3, **TEXT, duration_s=5).usd_high == Decimal("0.60"), "each in whole credits"


def test_images_over_five_cost_extra_and_reference_clips_cost_their_seconds() -> None:
    inputs = {f"references[{i}].media": still() for i in range(7)} | {"references[7].media": clip(duration_s=2.4)}
    tags = [f"t{i}=x" for i in range(8)]
    asked = {"task": "reference_to_video", "duration_s": 5}
    found = cost("invented/references", inputs, references=tags, **asked)
    assert found.usd_high == Decimal("0.08") * 8 + Decimal("0.04") * 2
    assert found.detail == "$0.08/s x 5 s (with 3 s of reference clips: 8 s) + 2 images x $0.04"
    assert cost("invented/references", inputs, references=tags[:5], **asked).usd_high == Decimal("0.40")


def test_what_is_charged_first_and_given_back_counts_in_the_high_figure() -> None:
    found = cost("invented/edit", {"source_clip": clip(duration_s=5.0)}, task="edit", source_clip="c")
    assert (found.usd_low, found.usd_high, found.basis) == (Decimal("1.00"), Decimal("15.00"), "range")
    assert found.detail == "$0.20-0.50/s x 5 s, up to 30 s are charged first and the rest is refunded"


def test_an_extension_bills_what_it_adds_or_the_whole_clip() -> None:
    asked = {"task": "extend", "source_clip": "c", "duration_s": 8}
    source = {"source_clip": clip(duration_s=12.0)}
    assert cost("invented/extend-added", source, **asked).usd_high == Decimal("0.80")
    assert cost("invented/extend-total", source, **asked).usd_high == Decimal("2.00")
    assert cost("invented/extend-added", {}, **asked).usd_high == Decimal("0.80")
    assert cost("invented/extend-total", {}, **asked).basis == "unknown", "while the clip's length is not known"


def test_an_unknown_price_is_unknown_and_never_0() -> None:
    for found in (
        cost("invented/unknown", **TEXT),
        cost("invented/unknown", count=3, **TEXT),
        cost("invented/gap", **TEXT, resolution="4k"),
    ):
        assert (found.usd_low, found.usd_high, found.basis) == (None, None, "unknown")
        assert (found.text, found.detail) == ("price unknown", "the price is not known")
    assert cost("invented/gap", **TEXT).usd_high == Decimal("0.50")
    later = cost("invented/edit", {}, task="edit", source_clip="c")
    assert (later.basis, later.detail) == ("unknown", "the length of the clip is not known yet")


def test_what_runs_here_is_free() -> None:
    found = cost("animatic", **TEXT, duration_s=60)
    assert (found.usd_low, found.usd_high, found.basis, found.text) == (Decimal(0), Decimal(0), "free", "free")


def test_how_long_it_usually_takes_goes_with_the_length() -> None:
    assert cost("invented/tiers", **TEXT, duration_s=8).typical_s == 26
    assert cost("invented/clips", **TEXT, duration_s=5).typical_s is None


@pytest.mark.parametrize(
    ("model", "fields", "usd"),
    [
        ("fal/kling-v2.5-turbo-pro", {**IMAGE, "duration_s": 5}, "0.35"),
        ("fal/kling-v2.5-turbo-pro", {**IMAGE, "duration_s": 10}, "0.70"),
        ("fal/kling-v2.5-turbo-standard", {**IMAGE, "duration_s": 5}, "0.21"),
        ("fal/hailuo-02-standard", {**IMAGE, "duration_s": 6, "resolution": "768p"}, "0.27"),
        ("fal/hailuo-2.3-fast-standard", {**IMAGE, "duration_s": 10}, "0.32"),
        ("fal/pika-v2.2", {**TEXT, "duration_s": 5, "resolution": "1080p"}, "0.45"),
        ("fal/veo3.1", {**TEXT, "duration_s": 8, "audio": False}, "1.60"),
        ("fal/wan-2.5", {**IMAGE, "duration_s": 5, "resolution": "480p"}, "0.25"),
    ],
)
def test_prices_that_were_read_at_the_provider(model: str, fields: dict[str, Any], usd: str) -> None:
    """The examples of fal's own pages, so far as they give sums."""
    found = cost(model, **fields)
    assert found.verified
    assert found.usd_low == found.usd_high == Decimal(usd)


def test_pikaframes_bills_five_seconds_at_least() -> None:
    """fal's page: 0.04 a second at 720p, "with a minimum of 5 billable seconds"."""
    frames = [{"image": "a"}, {"image": "b"}]
    short = cost("fal/pikaframes", task="interpolate", frames=frames, duration_s=2)
    assert (short.usd_high, short.detail) == (Decimal("0.20"), "$0.04/s x 5 s")
    assert cost("fal/pikaframes", task="interpolate", frames=frames, duration_s=7).usd_high == Decimal("0.28")


def test_a_price_read_second_hand_says_so() -> None:
    assert cost("fal/pika-v2.2", **TEXT, duration_s=5).verified is True
    assert cost("fal/pika-v2.2", **TEXT, duration_s=10).verified is False
    assert cost("runway/gen4.5", **TEXT).verified is False


@pytest.mark.parametrize(
    ("usd", "text"), [("0.25", "$0.25"), ("3", "$3"), ("0.5", "$0.50"), ("0.0125", "$0.0125"), ("1E+1", "$10")]
)
def test_money_as_people_write_it(usd: str, text: str) -> None:
    assert money(Decimal(usd)) == text
