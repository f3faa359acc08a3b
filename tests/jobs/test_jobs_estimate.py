"""An estimate keeps to the limit given, lists a family by its members, and never ends where a start would go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, get_args

import pytest

from backends.catalog import choose, load
from backends.catalog.availability import availability
from backends.errors import A_PERSON, VideoError
from backends.facts import MediaFacts
from backends.jobs.order.offers import UNPRICED, Estimator, Market
from backends.request import VideoRequest, build_request
from backends.studio import Studio
from backends.terms import Prefer, Terms
from tests.catalog.boxes import clip, still
from tests.jobs.station import Station, text_request

KEYS = {
    "FAL_KEY": "k",
    "GOOGLE_CLOUD_PROJECT": "p",
    "GOOGLE_CLOUD_LOCATION": "us-central1",
    "RUNWAYML_API_SECRET": "k",
    "REELWRIGHT_LOCAL_DEVICE": "",
}
MARKET = Market(load(), KEYS, None, per_job_usd=Decimal(5), today=date(2026, 11, 27))
NOBODY = replace(MARKET, env={})


def estimated(
    request: VideoRequest,
    market: Market = MARKET,
    *,
    prefer: Prefer = "quality",
    count: int = 1,
    inputs: Mapping[str, MediaFacts] | None = None,
) -> dict[str, Any]:
    facts = inputs or {place: still(1600, 900) for place in request.media()}
    return Estimator().estimate(request, facts, market, count, 50, Terms(prefer=prefer))


def text(**fields: Any) -> VideoRequest:
    return build_request(**{"task": "text_to_video", "prompt": "a red kite", **fields})


def animate(**fields: Any) -> VideoRequest:
    return build_request(**{"task": "image_to_video", "prompt": "x", "frames": [{"image": "a.png"}], **fields})


def test_a_family_name_lists_the_family_cheapest_first() -> None:
    found = estimated(text(model="veo", duration_s=8, audio=True), prefer="cheapest")
    costs = {row["model"]: row["cost_high_usd"] for row in found["fits"]}
    assert costs["vertex/veo-3.1-lite-generate-001"] == 0.4
    assert costs["vertex/veo-3.1-fast-generate-001"] == 0.8
    assert costs["vertex/veo-3.1-generate-001"] == 3.2
    assert all("veo" in model for model in costs)
    assert found["fits"][0]["model"] == "vertex/veo-3.1-lite-generate-001"
    assert found["fits"][0]["usd_per_s"] == 0.05
    assert found["next"] == 'generate_video(..., model="vertex/veo-3.1-lite-generate-001", max_cost_usd=0.4)'


def test_an_end_that_has_passed_is_told_in_the_estimate() -> None:
    (row,) = estimated(text(model="veo 3.1", duration_s=8))["fits"]
    ended = "vertex/veo-3.1-generate-001 was shut down on 2026-11-17 (not confirmed by the provider)"
    assert row["notes"][0] == ended
    before = replace(MARKET, today=date(2026, 11, 16))
    (row,) = estimated(text(model="veo 3.1", duration_s=8), before)["fits"]
    assert row["notes"][0] == ended.replace("was", "is to be")


def test_cheapest_sorts_by_the_cost_of_this_request_and_says_what_a_second_costs() -> None:
    rows = [row for row in estimated(text(), prefer="cheapest")["fits"] if row["available"] and row["cost_high_usd"]]
    lasting = [row for row in rows if not any("shut down" in note for note in row.get("notes", []))]
    assert [row["cost_high_usd"] for row in lasting] == sorted(row["cost_high_usd"] for row in lasting)
    for row in rows:
        assert row["usd_per_s"] == pytest.approx(row["cost_high_usd"] / row["duration_s"], abs=5e-5)
    thrice = estimated(text(model="fal/wan-2.5", duration_s=5), count=3)
    assert thrice["fits"][0]["cost_high_usd"] == pytest.approx(3 * 5 * thrice["fits"][0]["usd_per_s"], abs=1e-3)
    assert thrice["next"].endswith(f"max_cost_usd={thrice['fits'][0]['cost_high_usd'] / 3:g})"), "a limit is a job's"


@pytest.mark.parametrize("prefer", get_args(Prefer))
def test_what_cannot_be_started_stands_below_and_says_why(prefer: Prefer) -> None:
    request = build_request(task="reference_to_video", prompt="@a walks", references=["a=a.png"])
    found = estimated(request, prefer=prefer)
    can = [row["available"] and row["basis"] != "unknown" for row in found["fits"]]
    assert can == sorted(can, reverse=True)
    unpriced = [row for row in found["fits"] if row["available"] and row["basis"] == "unknown"]
    assert unpriced and all(UNPRICED in row["notes"] for row in unpriced)
    assert "setting allow_unknown_price" in UNPRICED and "reelwright config" not in UNPRICED
    assert f'model="{found["fits"][0]["model"]}"' in found["next"]
    allowed = replace(MARKET, allow_unknown_price=True)
    held = estimated(request.model_copy(update={"max_cost_usd": Decimal(2)}), allowed, prefer=prefer)
    assert not any(UNPRICED in row.get("notes", []) for row in held["fits"])


def test_a_limit_leaves_out_what_is_above_it() -> None:
    found = estimated(text(duration_s=8, max_cost_usd=0.5), prefer="cheapest")
    above = {
        row["model"]
        for row in estimated(text(duration_s=8), prefer="cheapest")["fits"]
        if row["cost_high_usd"] is not None and row["cost_high_usd"] > 0.5
    }
    assert above and not above & {row["model"] for row in found["fits"]}
    assert found["why"]["max_cost_usd"] >= len(above)
    assert found["misfits"] == sum(found["why"].values())
    dear = estimated(text(model="vertex/veo-3.1-generate-001", duration_s=8, resolution="4k"), prefer="quality")
    assert dear["fits"][0]["cost_high_usd"] <= 5 or any(
        note == f"above the spending limit per_job_usd $5: {A_PERSON}" for note in dear["fits"][0]["notes"]
    )


@pytest.mark.parametrize("market", [MARKET, NOBODY], ids=["with keys", "without keys"])
@pytest.mark.parametrize(
    "request_",
    [
        animate(aspect_ratio="9:16", duration_s=2.75, seed=5, audio=True, camera=["orbit-left"]),
        text(model="veo", duration_s=8, max_cost_usd=0.2),
        text(model="veo", duration_s=5),
        text(model="fal/wan-2.5", duration_s=5, max_cost_usd=0.01),
        text(model="fal/wan-2.5", duration_s=5, negative_prompt="x", effect="Squish"),
        build_request(task="extend", source_clip="clip.mp4", duration_s=7, references=["a=a.png"]),
    ],
    ids=lambda request: f"{request.model} {request.task} {request.max_cost_usd}",
)
def test_where_nothing_fits_the_estimate_says_what_the_start_says(request_: VideoRequest, market: Market) -> None:
    facts = {place: clip() if place == "source_clip" else still(600, 400) for place in request_.media()}
    available: Any = availability(market.env)
    if request_.model == "fal/wan-2.5":
        available = lambda row: None  # noqa: E731  # a price is told without a key
    with pytest.raises(VideoError) as starts:
        choose(request_, market.catalog, facts, available, per_job_usd=Decimal(5), today=market.today)
    with pytest.raises(VideoError) as caught:
        estimated(request_, market, inputs=facts)
    assert caught.value.to_json() == starts.value.to_json()


@pytest.mark.parametrize("market", [MARKET, NOBODY], ids=["with keys", "without keys"])
@pytest.mark.parametrize(
    "request_",
    [text(duration_s=8, max_cost_usd=0.01, audio=True), text(model="mochi 1")],
    ids=lambda request: f"{request.model} {request.task} {request.max_cost_usd}",
)
def test_where_nothing_can_be_started_the_next_step_is_what_the_start_says(
    request_: VideoRequest, market: Market
) -> None:
    facts = {place: still(1600, 900) for place in request_.media()}
    with pytest.raises(VideoError) as starts:
        choose(request_, market.catalog, facts, availability(market.env), per_job_usd=Decimal(5), today=market.today)
    found = estimated(request_, market, inputs=facts)
    assert found["next"] == starts.value.message
    assert found["fits"]


def test_a_previsualisation_alone_is_no_answer_where_a_model_is_configured() -> None:
    request = animate(motion=[{"box": [0, 0, 1, 1], "direction": "up"}])
    found = estimated(request)
    assert [row["model"] for row in found["fits"] if row["available"]] == ["animatic"]
    assert found["next"].startswith("no configured model does exactly this. Others could: comfyui/wan-move free (")
    assert found["next"].endswith('Free previsualisation, with no generative model: model="animatic".')
    assert estimated(request, NOBODY)["next"] == 'image_to_video(..., model="animatic")'
    assert (
        estimated(request.model_copy(update={"model": "animatic"}))["next"] == 'image_to_video(..., model="animatic")'
    )


def test_a_member_without_a_price_is_told_as_such_in_the_next_step() -> None:
    found = estimated(animate(effect="melt", model="pika"))
    assert [row["model"] for row in found["fits"]] == ["fal/pikaffects"]
    assert "the price of fal/pikaffects is unknown" in found["next"]


def test_an_extension_in_steps_is_priced_as_it_would_be_started(
    stand: Callable[..., Station], serve: Callable[..., Any]
) -> None:
    station = stand(serve(mode="none"), PAID_MODE="none", REELWRIGHT_WORKER="inline", FAL_KEY="k")
    studio: Studio = station.studio()
    (source,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    kling = "fal/kling-v2.5-turbo-pro"
    request = build_request(task="extend", model=kling, prompt="on", source_clip=source.job_id, duration_s=5)
    quote = studio.quote(request)
    assert quote.estimate is not None
    found = studio.estimate(request, count=2)
    (row,) = found["fits"]
    assert (row["model"], row["cost_high_usd"]) == (quote.model, float(quote.estimate.usd_high or 0) * 2)
    assert (row["cost_high_usd"], row["available"], row["notes"]) == (0.7, True, list(quote.notes))
    assert found["next"].startswith('extend_clip(..., model="') and found["next"].endswith(", max_cost_usd=0.35)")
    with pytest.raises(VideoError) as starts:
        studio.quote(request.model_copy(update={"seed": 4}))
    with pytest.raises(VideoError) as caught:
        studio.estimate(request.model_copy(update={"seed": 4}))
    assert caught.value.to_json() == starts.value.to_json()
