"""A family name such as "veo" lists its members and takes the best one that can be bought, never one in silence."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from backends.catalog import load
from backends.catalog.family import members
from backends.errors import VideoError
from tests.catalog.test_choose import ALL, chosen, image, refused, text

CATALOG = load()

FAMILIES = {
    "veo": {"veo-3.1", "veo-3.1-fast", "veo-3.1-lite"},
    "Veo": {"veo-3.1", "veo-3.1-fast", "veo-3.1-lite"},
    "hailuo": {"hailuo-02", "hailuo-2.3", "hailuo-2.3-fast", "minimax-h3"},
    "pika": {"pika-2.2", "pikaframes-2.2", "pikascenes-2.2", "pikaffects"},
    "runway": {"runway/gen4.5", "gen4_turbo", "runway/aleph2", "runway/act_two"},
    "seedance": {"seedance-2.0", "seedance-2.0-fast", "seedance-2.0-mini", "seedance-2.5"},
    "gemini omni": {"gemini-omni-1.2-flash", "gemini-omni-1.1-flash", "gemini-omni-flash"},
    "hunyuan": {"hunyuanvideo", "hunyuanvideo-1.5"},
    "ltx": {"ltx-video", "ltx-2"},
    "mochi": {"mochi-1"},
    "cogvideo": {"cogvideox-5b", "cogvideox-2b"},
}


@pytest.mark.parametrize(("name", "families"), FAMILIES.items())
def test_a_family_name_stands_for_its_models_by_every_route(name: str, families: set[str]) -> None:
    found = members(CATALOG, name)
    assert found is not None
    assert {row.family for row in found.rows} == families
    live = [row for row in CATALOG.rows if row.state != "retired"]
    assert list(found.rows) == [row for row in live if row.family in families]


def test_kling_and_wan_hold_what_bears_their_name() -> None:
    for name in ("kling", "wan"):
        found = members(CATALOG, name)
        assert found is not None
        live = {row.id for row in CATALOG.rows if row.state != "retired"}
        assert {row.id for row in found.rows} == {id_ for id_ in live if f"/{name}" in id_}


@pytest.mark.parametrize(
    "name", ["auto", "animatic", "veo-3.1", "gen4_turbo", "Kling 2.5", "sora", "Sora 2", "zz", "h"]
)
def test_a_models_own_name_and_a_name_of_nothing_are_no_family(name: str) -> None:
    assert members(CATALOG, name) is None


def test_no_family_name_is_an_alias_of_one_member() -> None:
    for name in FAMILIES:
        assert CATALOG.find(name) is None, name


def test_a_start_takes_the_best_member_that_can_be_bought_and_says_so() -> None:
    lite = chosen(text(model="veo", duration_s=8, audio=True), *ALL, prefer="cheapest")
    assert lite.row.id == "vertex/veo-3.1-lite-generate-001"
    assert lite.estimate.usd_high == Decimal("0.40")
    assert any(
        note.startswith("veo is a family of models: vertex/veo-3.1-lite-generate-001 was taken (others: fal/veo3.1, ")
        for note in lite.notes
    )
    assert chosen(text(model="kling", duration_s=5), "fal").row.id == "fal/kling-v2.5-turbo-pro"
    assert chosen(text(model="wan", duration_s=5), "fal").row.id == "fal/wan-2.5", "no GPU here, so not the local one"
    assert chosen(text(model="hailuo", duration_s=6), "minimax").row.provider == "minimax"


def test_a_bare_name_with_several_routes_goes_by_the_one_that_can_be_bought() -> None:
    """The price of Runway's route is unknown, fal's is not."""
    for name in ("kling 2.5 turbo pro", "Kling-v2.5-Turbo-Pro"):
        taken = chosen(text(model=name, duration_s=5), "runway", "fal")
        assert (taken.row.id, taken.estimate.usd_high) == ("fal/kling-v2.5-turbo-pro", Decimal("0.35"))
    assert chosen(text(model="kling 2.5 turbo pro", duration_s=5), "replicate").row.provider == "replicate"


def test_a_start_never_leaves_the_family() -> None:
    error = refused(text(model="veo", duration_s=5), *ALL)
    assert error.message.startswith("veo is a family of 6 models: no model does exactly this. The nearest: ")
    assert "veo" in str(error.nearest["model"])
    keyless = refused(text(model="seedance", duration_s=5))
    assert keyless.message.startswith("seedance is a family of 4 models: no configured model does exactly this. ")
    assert keyless.message.count("set RUNWAY_KEY") == 3
    poor = refused(text(model="veo", duration_s=8), "vertex", max_cost_usd=Decimal("0.1"))
    assert poor.kind == "needs_budget"
    assert "This would work: model=vertex/veo-3.1-lite-generate-001, max_cost_usd=0.4 ($0.40)." in poor.message
    assert "animatic" not in poor.message


def test_an_effect_finds_the_member_that_has_it_whatever_its_capitals() -> None:
    error = refused(image(model="pika", effect="squish"), "fal", per_job_usd=Decimal(5))
    assert error.kind == "needs_budget"
    assert "the price of fal/pikaffects is unknown" in error.message
    assert "the person's setting allow_unknown_price" in error.message
    held = chosen(
        image(model="pika", effect="squish"),
        "fal",
        per_job_usd=Decimal(5),
        max_cost_usd=Decimal(1),
        allow_unknown_price=True,
    )
    assert (held.row.id, held.checked.request.effect, held.estimate.usd_high) == ("fal/pikaffects", "Squish", 1)


def test_an_effect_that_the_named_model_lacks_is_told_with_the_model_that_has_it() -> None:
    error = refused(image(model="pika-v2.2", effect="squish"), "fal")
    assert error.message.startswith("fal/pika-v2.2 cannot do this: effect 'squish': fal/pika-v2.2 has no effects.")
    assert error.message.endswith(" fal/pikaffects has the effect Squish.")
    strange = refused(image(model="fal/pikaffects", effect="sepia"), "fal")
    assert strange.message.startswith("fal/pikaffects cannot do this: effect 'sepia': fal/pikaffects has Cake-ify, ")
    assert "effect" not in strange.nearest
    close = refused(image(model="fal/pikaffects", effect="squsih"), "fal")
    assert close.nearest["effect"] == "Squish"


def test_option_words_are_case_blind() -> None:
    row = next(row for row in CATALOG.rows for mode in row.modes for option in mode.options.values() if _words(option))
    key, option = next((key, option) for key, option in row.options.items() if _words(option))
    word = str(option.values[0])
    mode = next(mode for mode in row.modes if key in mode.options)
    from backends.catalog.rules.check import check
    from tests.catalog.boxes import plain

    draft = plain(mode, sorted(mode.tasks)[0]).changed(provider_options={key.upper(): word.upper()})
    assert check(draft.request(), row, draft.inputs).request.provider_options == {key: word}


def _words(option: object) -> bool:
    values = getattr(option, "values", ())
    return bool(values) and isinstance(values[0], str) and values[0].lower() != values[0].upper()


def test_a_route_is_named_by_its_own_spelling() -> None:
    assert CATALOG.get("kling2.5_turbo_pro").id == "runway/kling2.5_turbo_pro"
    with pytest.raises(VideoError, match=r"has several routes: fal/.*, replicate/"):
        CATALOG.get("kling-v2.5-turbo-pro")


def test_a_row_that_was_left_out_is_no_family(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[model]]\nid = "mine/veo"\n')
    assert members(load([tmp_path]), "veo") is None
    with pytest.raises(VideoError, match="model 'veo' is left out of the catalogue"):
        load([tmp_path]).get("veo")
