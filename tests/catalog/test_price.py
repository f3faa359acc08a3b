"""Prices: exact in the unit that the provider bills."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from backends.catalog import Estimate, check, estimate, load
from backends.catalog.price import money
from backends.request import MediaFacts, build_request
from tests.catalog.boxes import clip, still

CATALOG = load()


def cost(model: str, inputs: dict[str, MediaFacts] | None = None, count: int = 1, **fields: Any) -> Estimate:
    row = CATALOG.get(model)
    if "frames" in fields:
        inputs = {f"frames[{i}].image": still(1600, 900) for i in range(len(fields["frames"]))}
    return estimate(check(build_request(**{"prompt": "x", **fields}), row, inputs or {}), row, count)


TEXT = {"task": "text_to_video"}
IMAGE = {"task": "image_to_video", "frames": [{"image": "a"}]}


@pytest.mark.parametrize(
    ("model", "fields", "usd"),
    [
        ("runway/gen4_turbo", {**IMAGE, "duration_s": 5}, "0.25"),
        ("runway/gen4.5", {**TEXT, "duration_s": 10}, "1.20"),
        ("vertex/veo-3.1-generate-001", {**TEXT, "duration_s": 8, "audio": True}, "3.20"),
        ("vertex/veo-3.1-generate-001", {**TEXT, "duration_s": 8, "audio": False}, "1.60"),
        ("vertex/veo-3.1-generate-001", {**TEXT, "duration_s": 8, "resolution": "4k"}, "4.80"),
        ("vertex/veo-3.1-fast-generate-001", {**TEXT, "duration_s": 8}, "0.80"),
        ("vertex/veo-3.1-fast-generate-001", {**TEXT, "duration_s": 8, "resolution": "1080p"}, "0.96"),
        ("kling/kling-v2-5-turbo", {**TEXT, "duration_s": 10, "resolution": "1080p"}, "0.70"),
        ("kling/kling-v3", {**TEXT, "duration_s": 7, "audio": True}, "0.882"),
        ("minimax/MiniMax-Hailuo-02", {**TEXT, "duration_s": 6}, "0.28"),
        ("minimax/MiniMax-Hailuo-02", {**TEXT, "duration_s": 6, "resolution": "1080p"}, "0.49"),
        ("fal/hailuo-02-standard", {**IMAGE, "duration_s": 10, "resolution": "512p"}, "0.170"),
        ("fal/kling-v2.5-turbo-pro", {**IMAGE, "duration_s": 10}, "0.70"),
        ("fal/wan-2.5", {**IMAGE, "duration_s": 5, "resolution": "480p"}, "0.25"),
        ("runway/seedance2", {**TEXT, "duration_s": 4, "resolution": "4k"}, "6.00"),
    ],
)
def test_list_prices(model: str, fields: dict[str, Any], usd: str) -> None:
    found = cost(model, **fields)
    assert found.usd_low == found.usd_high == Decimal(usd)
    assert found.basis == "list"
    assert isinstance(found.price_date, date)
    assert found.source


def test_a_minimum_is_billed_in_full() -> None:
    frames = [{"image": "a"}, {"image": "b"}]
    short = cost("fal/pikaframes", task="interpolate", frames=frames, duration_s=2)
    assert (short.usd_high, short.detail) == (Decimal("0.20"), "$0.04/s x 5 s")
    assert cost("fal/pikaframes", task="interpolate", frames=frames, duration_s=7).usd_high == Decimal("0.28")


def test_images_over_five_cost_extra_and_reference_clips_cost_their_seconds() -> None:
    inputs = {f"references[{i}].media": still() for i in range(7)} | {"references[7].media": clip(duration_s=2.4)}
    tags = [f"t{i}=x" for i in range(8)]
    asked = {"task": "reference_to_video", "duration_s": 5, "resolution": "768p"}
    found = cost("minimax/MiniMax-H3", inputs, references=tags, **asked)
    assert found.usd_high == Decimal("0.08") * 8 + Decimal("0.04") * 2
    assert found.detail == "$0.08/s x 5 s (with 3 s of reference clips: 8 s) + 2 images x $0.04"
    assert cost("minimax/MiniMax-H3", inputs, references=tags[:5], **asked).usd_high == Decimal("0.40")


def test_what_is_charged_first_and_given_back_counts_in_the_high_figure() -> None:
    found = cost(
        "runway/seedance2_5", {"source_clip": clip(duration_s=5.0)}, task="edit", source_clip="c", prompt="snow"
    )
    assert (found.usd_low, found.usd_high) == (Decimal("1.00"), Decimal("0.68") * 30)
    assert found.basis == "range"
    assert "up to 30 s are charged first and the rest given back" in found.detail


def test_an_extension_bills_the_seconds_that_it_adds() -> None:
    found = cost("vertex/veo-3.1-generate-001", {"source_clip": clip(duration_s=20.0)}, task="extend", source_clip="c")
    assert found.usd_high == Decimal("2.80")


def test_providers_with_credits_bill_whole_ones() -> None:
    found = cost("runway/seedance2_mini", **TEXT, duration_s=5)
    assert found.usd_high == Decimal("0.80")
    assert found.usd_high is not None
    assert found.usd_high % Decimal("0.01") == 0


def test_an_unknown_price_is_unknown_and_never_0() -> None:
    found = cost("runway/kling_4", **TEXT)
    assert (found.usd_low, found.usd_high, found.basis) == (None, None, "unknown")
    assert found.text == "price unknown"
    assert cost("runway/kling_4", count=3, **TEXT).usd_high is None
    later = cost("runway/aleph2", {}, task="edit", source_clip="c")
    assert later.basis == "unknown"
    assert later.detail == "the length of the clip is not known yet"


def test_what_runs_here_is_free() -> None:
    found = cost("animatic", **TEXT, duration_s=60)
    assert (found.usd_low, found.usd_high, found.basis, found.text) == (Decimal(0), Decimal(0), "free", "free")
    assert found.typical_s == 46


def test_a_price_read_second_hand_says_so() -> None:
    assert cost("fal/pika-v2.2", **TEXT, duration_s=5).verified is True
    assert cost("fal/pika-v2.2", **TEXT, duration_s=10).verified is False
    assert cost("runway/gen4.5", **TEXT).verified is False


@pytest.mark.parametrize(
    ("usd", "text"), [("0.25", "$0.25"), ("3", "$3"), ("0.5", "$0.50"), ("0.0125", "$0.0125"), ("1E+1", "$10")]
)
def test_money_as_people_write_it(usd: str, text: str) -> None:
    assert money(Decimal(usd)) == text
