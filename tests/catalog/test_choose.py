"""rank() and choose(): the right model for the shot, inside the money, never a swap and never a surprise."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from backends.catalog import Catalog, Choice, Ranking, Row, choose, load, rank
from backends.catalog.availability import Available, Why
from backends.catalog.choose import next_after
from backends.errors import A_PERSON, VideoError
from backends.facts import MediaFacts
from backends.request import VideoRequest, build_request
from tests.catalog.boxes import still

CATALOG = load()
TODAY = date(2026, 11, 23)
PHOTO = {"frames[0].image": still(1600, 900)}
NO_BACK_END = {"local", "comfyui"}


def with_keys(*providers: str) -> Available:
    """As availability() answers on a machine that has these providers' keys."""

    def why_not(row: Row) -> Why | None:
        if row.provider in NO_BACK_END:
            return Why("unsupported", f"no back end installed for '{row.provider}'", installable=False)
        key = f"{row.provider.upper()}_KEY"
        return None if row.provider in ("animatic", *providers) else Why("auth", f"set {key}", (key,))

    return why_not


def text(**fields: Any) -> VideoRequest:
    return build_request(**{"task": "text_to_video", "prompt": "a red kite", **fields})


def image(**fields: Any) -> VideoRequest:
    return build_request(**{"task": "image_to_video", "prompt": "x", "frames": [{"image": "a.png"}], **fields})


def chosen(request: VideoRequest, *keys: str, catalog: Catalog = CATALOG, **how: Any) -> Choice:
    inputs: dict[str, MediaFacts] = PHOTO if request.frames else {}
    return choose(request, catalog, inputs, with_keys(*keys), today=TODAY, **how)


def refused(request: VideoRequest, *keys: str, **how: Any) -> VideoError:
    with pytest.raises(VideoError) as caught:
        chosen(request, *keys, **how)
    assert caught.value.charged == "no"
    return caught.value


def ranking(request: VideoRequest, *keys: str, **how: Any) -> Ranking:
    return rank(request, CATALOG, PHOTO if request.frames else {}, with_keys(*keys), today=TODAY, **how)


# ------------------------------------------------------------------ auto


def test_with_nothing_configured_the_animatic_serves_and_names_the_cheapest_real_way() -> None:
    choice = chosen(image(duration_s=5))
    assert choice.row.id == "animatic"
    assert choice.estimate.basis == "free"
    assert choice.next.startswith("for a generated clip: ")
    assert "$0.20 (set FAL_KEY)" in choice.next
    assert any("nothing generative is configured" in note for note in choice.notes)


def test_the_animatic_is_never_picked_while_a_generative_model_is_configured() -> None:
    for prefer in ("quality", "cheapest", "fastest", "consistency", "motion"):
        assert chosen(image(), "runway", prefer=prefer).row.engine == "generative"
    error = refused(image(motion=[{"box": [0, 0, 1, 1], "direction": "up"}]), "runway")
    assert error.kind == "unsupported"
    assert "no configured model does exactly this. Others could: comfyui/wan-move free (" in error.message
    assert 'Free previsualisation, with no generative model: model="animatic".' in error.message


def test_too_small_a_budget_is_refused_with_three_prices_and_the_free_way() -> None:
    error = refused(image(duration_s=5, max_cost_usd=Decimal("0.01")), "fal")
    assert error.kind == "needs_budget"
    assert error.message == (
        "no model does exactly this within max_cost_usd 0.01. The cheapest: fal/pika-v2.2 $0.20, "
        "fal/kling-v2.5-turbo-standard $0.21, fal/kling-v2.5-turbo-pro $0.35. "
        'Free previsualisation, with no generative model: model="animatic". '
        "This would work: model=fal/pika-v2.2, max_cost_usd=0.2 ($0.20)."
    )
    assert error.nearest == {"model": "fal/pika-v2.2", "max_cost_usd": 0.2}


def test_no_budget_at_all_means_no_money() -> None:
    assert refused(text(max_cost_usd=0), "runway").kind == "needs_budget"
    assert chosen(text(max_cost_usd=0)).row.id == "animatic"


def test_the_persons_wall_limits_auto_too() -> None:
    error = refused(text(duration_s=8, resolution="4k"), "vertex", per_job_usd=Decimal(2))
    assert error.kind == "needs_budget"
    assert "within the spending limit per_job_usd 2" in error.message
    assert f"Each is above the spending limit per_job_usd 2: {A_PERSON}." in error.message
    assert error.nearest == {}, "what the person's limit refuses is no remedy"
    assert chosen(text(duration_s=8, resolution="4k"), "vertex", per_job_usd=Decimal(5)).row.provider == "vertex"


def test_the_budget_lowers_the_choice_and_the_next_step_is_told() -> None:
    free = chosen(text(duration_s=8, audio=True), "vertex", "runway")
    assert free.row.id == "runway/gemini_omni_flash_1.1"
    tight = chosen(text(duration_s=8, audio=True), "runway", "fal", max_cost_usd=Decimal("0.70"))
    assert tight.estimate.usd_high is not None
    assert tight.estimate.usd_high <= Decimal("0.70")
    assert any(note.startswith("a step up: ") for note in tight.notes), tight.notes
    assert any(note.startswith(f"auto chose {tight.row.id} for quality: ") for note in tight.notes)


def test_a_price_that_nobody_knows_is_never_spent() -> None:
    fits = ranking(text(duration_s=5), "runway").fits
    assert any(offer.estimate.usd_high is None for offer in fits if offer.available)
    for prefer in ("quality", "cheapest", "fastest", "motion"):
        assert chosen(text(duration_s=5), "runway", prefer=prefer).estimate.usd_high is not None
    named = refused(text(model="runway/kling_4", duration_s=5), "runway", per_job_usd=Decimal(5))
    assert named.kind == "needs_budget"
    assert "the price of runway/kling_4 is unknown" in named.message
    assert named.message.endswith("max_cost_usd above 0 starts it and is reserved as its price")
    assert chosen(text(model="runway/kling_4", duration_s=5), "runway").row.id == "runway/kling_4"


def test_a_price_that_nobody_knows_is_what_the_asker_holds_for_it_where_the_person_allows_it() -> None:
    request = text(model="runway/kling_4", duration_s=5)
    allowed: Any = {"per_job_usd": Decimal(5), "allow_unknown_price": True}
    taken = chosen(request, "runway", max_cost_usd=Decimal(2), **allowed)
    assert (taken.estimate.usd_low, taken.estimate.usd_high, taken.estimate.basis) == (None, Decimal(2), "unknown")
    assert taken.estimate.text == "price unknown, up to $2 reserved"
    assert "the price of runway/kling_4 is unknown: max_cost_usd 2 is reserved for it" in taken.notes
    for budget in (None, Decimal(0)):
        assert refused(request, "runway", max_cost_usd=budget, **allowed).kind == "needs_budget"
    above = refused(request, "runway", max_cost_usd=Decimal(6), **allowed)
    assert above.kind == "wall"
    assert "may cost 6 for this, above the spending limit per_job_usd 5" in above.message
    unasked = refused(request, "runway", max_cost_usd=Decimal(2), per_job_usd=Decimal(5))
    assert unasked.kind == "needs_budget"
    assert chosen(text(duration_s=5), "runway", max_cost_usd=Decimal(2), **allowed).estimate.usd_low is not None


def test_a_model_whose_end_has_passed_comes_last() -> None:
    fits = [offer.row.id for offer in ranking(text(), "vertex", "gemini").fits if offer.available]
    veo = fits.index("vertex/veo-3.1-generate-001")
    assert veo > fits.index("vertex/veo-3.1-lite-generate-001")
    assert fits[-1] == "animatic"
    before = rank(text(), CATALOG, {}, with_keys("vertex"), today=date(2026, 11, 1))
    assert before.fits[0].row.id == "vertex/veo-3.1-generate-001"
    choice = chosen(text(model="veo 3.1"), "vertex")
    ended = "vertex/veo-3.1-generate-001 was shut down on 2026-11-17 (not confirmed by the provider)"
    assert ended in choice.notes
    early = choose(text(model="veo 3.1"), CATALOG, {}, with_keys("vertex"), today=date(2026, 11, 16))
    assert ended.replace("was", "is to be") in early.notes


def test_cheapest_counts_what_this_very_request_costs() -> None:
    """Also where nobody said how long: what is bought is a clip of the model's own length."""
    for request in (text(), text(duration_s=5), text(duration_s=10)):
        offers = ranking(request, *ALL, prefer="cheapest").fits
        assert offers[-1].row.engine == "previs" or not offers[-1].available
        costs = [offer.estimate.usd_high for offer in offers if offer.buyable and offer.row.engine != "previs"]
        ends = [offer.row.retire_on is not None for offer in offers if offer.buyable and offer.row.engine != "previs"]
        lasting = [cost for cost, end in zip(costs, ends, strict=True) if not end]
        assert lasting and lasting == sorted(lasting, key=lambda cost: cost or Decimal(0))


def test_what_cannot_be_started_never_stands_above_what_can() -> None:
    for prefer in ("quality", "cheapest", "fastest", "consistency", "motion"):
        for request in (text(duration_s=5), image(), image(effect="Melt")):
            fits = ranking(request, "runway", "fal", prefer=prefer).fits
            order = [offer.buyable for offer in fits]
            assert order == sorted(order, reverse=True), [offer.row.id for offer in fits]
            assert all(offer.estimate.usd_high is not None for offer in fits if offer.buyable)
    allowed = rank(image(effect="Melt"), CATALOG, PHOTO, with_keys("fal"), unknown_price=True, today=TODAY).fits
    assert (allowed[0].row.id, allowed[0].buyable) == ("fal/pikaffects", True)


def test_an_unknown_price_alone_is_refused_with_the_persons_setting() -> None:
    error = refused(image(effect="Melt"), "fal", per_job_usd=Decimal(5))
    assert (error.kind, error.message) == (
        "needs_budget",
        "the price of fal/pikaffects is unknown (the price is not known), so no limit can be checked against it: take "
        "another model. Where the setting allow_unknown_price is true, max_cost_usd above 0 starts it and is "
        "reserved as its price",
    )


# ------------------------------------------------------------------ the guide's decision tree, from the data

ALL = ("runway", "fal", "kling", "gemini", "vertex", "minimax", "replicate")


@pytest.mark.parametrize(
    ("request_", "how", "families"),
    [
        (text(audio=True), {"prefer": "quality"}, {"gemini-omni-1.2-flash", "veo-3.1"}),
        (image(), {"prefer": "consistency"}, {"runway/gen4.5", "gen4_turbo"}),
        (image(), {"prefer": "motion"}, {"kling-2.5-turbo", "kling-2.6", "kling-3.0"}),
        (text(prompt="x"), {"prefer": "motion"}, {"kling-2.5-turbo", "kling-2.6", "kling-3.0"}),
        (image(effect="Melt"), {}, {"pikaffects"}),
        (build_request(task="interpolate", frames=[{"image": "a"}] * 5), {}, {"pikaframes-2.2", "kling-4"}),
    ],
)
def test_the_guides_decision_tree_falls_out_of_the_data(
    request_: VideoRequest, how: dict[str, Any], families: set[str]
) -> None:
    """Audio and best quality: Veo or what follows it. Consistency: Runway Gen-4. Action: Kling. Effects: Pika."""
    inputs = {place: still(1600, 900) for place in request_.media()}
    fits = rank(request_, CATALOG, inputs, with_keys(*ALL), today=TODAY, **how).fits
    first = next(offer for offer in fits if offer.available)
    assert first.row.family in families, first.row.id


def test_bulk_footage_is_cheap_and_private_work_stays_here() -> None:
    bulk = CATALOG.search(query="bulk", limit=100)
    assert {"hailuo-02", "hailuo-2.3"} <= {row.family for row in bulk}
    private = CATALOG.search(query="private custom", limit=100)
    assert {"local/wan2.2-ti2v-5b", "local/hunyuanvideo"} <= {row.id for row in private}
    assert all(row.where == "local" for row in private)
    compliant = CATALOG.search(query="VPC Service Controls", limit=100)
    assert {row.provider for row in compliant} == {"vertex"}


# ------------------------------------------------------------------ constraints


def test_where_local_is_a_constraint() -> None:
    found = ranking(text(), "fal", where="local")
    assert all(offer.row.where == "local" for offer in found.fits)
    assert found.misfits["where"] > 10
    error = refused(text(), "fal", where="local")
    assert error.kind == "unsupported"
    assert "where leaves" in error.message
    assert (
        "no back end installed for 'local'" in error.message or "no back end installed for 'comfyui'" in error.message
    )
    assert 'model="animatic"' in error.message


def test_providers_that_the_person_left_out_are_left_out() -> None:
    found = ranking(text(), "fal", "runway", allow_providers={"runway"})
    assert {offer.row.provider for offer in found.fits if offer.row.where == "cloud"} == {"runway"}
    error = refused(text(model="fal/wan-2.5"), "fal", allow_providers={"runway"})
    assert error.kind == "wall"
    assert "provider fal is not among the allowed ones (runway) of allow_providers: the user can" in error.message


def test_what_does_not_fit_is_counted_by_what_stands_in_the_way() -> None:
    found = ranking(text(seed=3, negative_prompt="blur", duration_s=5), "fal")
    assert set(found.misfits) <= {"seed", "negative_prompt", "task", "duration_s", "model"}
    fitting = {offer.row.id for offer in found.fits}
    assert len(fitting) + sum(found.misfits.values()) == len([r for r in CATALOG.rows if r.state != "retired"])


# ------------------------------------------------------------------ a named model


def test_a_named_model_is_never_swapped() -> None:
    assert chosen(image(model="gen4_turbo", duration_s=5), "runway", "gemini").row.id == "runway/gen4_turbo"
    error = refused(image(model="gen4_turbo", duration_s=5), "gemini")
    assert (error.kind, error.message) == ("auth", "runway/gen4_turbo cannot be used now: set RUNWAY_KEY")
    other_route = refused(text(model="Kling 2.5", duration_s=5), "fal")
    assert other_route.message == (
        "kling/kling-v2-5-turbo cannot be used now: set KLING_KEY; the same model has other routes: "
        "fal/kling-v2.5-turbo-pro, fal/kling-v2.5-turbo-standard. "
        "This would work: model=fal/kling-v2.5-turbo-pro ($0.35)."
    )
    assert other_route.nearest == {"model": "fal/kling-v2.5-turbo-pro"}
    local = refused(text(model="mochi 1"))
    assert local.kind == "unsupported"
    assert "local/mochi-1 cannot be used now: no back end installed for 'local'" in local.message


def test_a_named_model_keeps_to_budget_and_wall() -> None:
    kling = "fal/kling-v2.5-turbo-pro"
    budget = refused(image(model=kling, duration_s=10), "fal", max_cost_usd=Decimal("0.25"))
    assert budget.kind == "needs_budget"
    assert budget.message == (
        "fal/kling-v2.5-turbo-pro costs $0.70 for this, above max_cost_usd 0.25. "
        "This would work: max_cost_usd=0.7 ($0.70)."
    )
    assert budget.nearest == {"max_cost_usd": 0.7}, "a number, as the argument takes it"
    wall = refused(image(model=kling, duration_s=10), "fal", per_job_usd=Decimal("0.25"))
    assert wall.kind == "wall"
    assert wall.message == (
        "fal/kling-v2.5-turbo-pro costs $0.70 for this, above the spending limit per_job_usd 0.25: the user can change "
        "it at a terminal (reelwright config --help)"
    )
    exact = chosen(image(model=kling, duration_s=10), "fal", max_cost_usd=Decimal("0.70"))
    assert exact.estimate.usd_high == Decimal("0.70")


def test_of_two_limits_the_lower_one_holds() -> None:
    request = image(model="fal/kling-v2.5-turbo-pro", duration_s=10, max_cost_usd=Decimal("0.30"))
    assert "max_cost_usd 0.3." in refused(request, "fal", max_cost_usd=Decimal("0.40")).message
    assert "max_cost_usd 0.2." in refused(request, "fal", max_cost_usd=Decimal("0.20")).message


def test_a_range_is_held_to_its_high_end() -> None:
    request = text(model="runway/veo3.1", duration_s=8, audio=False)
    cost = chosen(request, "runway").estimate
    assert cost.basis == "range"
    assert cost.usd_low is not None
    assert cost.usd_high is not None
    between = (cost.usd_low + cost.usd_high) / 2
    assert refused(request, "runway", max_cost_usd=between).kind == "needs_budget"
    assert chosen(request, "runway", max_cost_usd=cost.usd_high).row.id == "runway/veo3.1"


def test_a_gone_name_tells_what_this_very_request_costs_with_its_successor() -> None:
    error = refused(text(model="sora-2", duration_s=8), "gemini")
    assert error.kind == "model_retired"
    cost = chosen(text(model="gemini/gemini-omni-1.2-flash", duration_s=8), "gemini").estimate.text
    assert error.message.endswith(f"This would work: model=gemini/gemini-omni-1.2-flash ({cost}).")
    changed = refused(text(model="sora-2", duration_s=8, seed=3), "gemini")
    assert f"leave out seed ({cost})" in changed.message, "no other model that follows it is nearer"
    assert changed.nearest == {"model": "gemini/gemini-omni-1.2-flash", "seed": None}


# ------------------------------------------------------------------ after a refusal


def test_after_an_uncharged_refusal_the_next_model_is_offered_and_nothing_starts() -> None:
    found = ranking(text(duration_s=5), "kling", "fal", prefer="motion")
    failed = CATALOG.get("kling/kling-v2-5-turbo")
    offer, words = next_after(failed, found)
    assert offer is not None
    assert offer.row.family != failed.family
    high = format(offer.estimate.usd_high.normalize(), "f") if offer.estimate.usd_high else ""
    assert words.startswith(f'repeat with model="{offer.row.id}", max_cost_usd={high} (')
    assert words.endswith("; nothing has been started")
    cheap, _ = next_after(failed, found, Decimal("0.20"))
    assert cheap is not None
    assert cheap.row.id == "fal/pika-v2.2"
    none, told = next_after(failed, found, Decimal("0.01"))
    assert (none, told) == (None, "")
