"""One's own GPU against an API: the sums, and the guide's sentences about them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from backends.catalog import load
from backends.costs.ownership import Gpu, break_even, break_even_table, compare, gpus, own_cost, usd_per_s
from backends.errors import VideoError

CATALOG = load()
CARD = Gpu("card", buy_usd=Decimal(2000), watts=500, gpu_s_per_s=18, months=20, usd_per_kwh=Decimal("0.20"))


def test_a_clip_costs_electricity_and_its_share_of_the_card() -> None:
    cost = own_cost(5.0, CARD, hours_a_month=100)
    assert cost.gpu_s == 90
    assert cost.energy_usd == Decimal("0.2") * 500 * 90 / 3_600_000
    assert cost.amortised_usd == Decimal(2000) * 90 / (100 * 20 * 3600)
    assert cost.total_usd == cost.energy_usd + cost.amortised_usd


def test_a_card_pays_for_itself_when_the_api_would_have_cost_as_much() -> None:
    line = compare(CATALOG.get("gen4_turbo"), Decimal("0.05"), CARD, Decimal(3600))
    assert line.minutes is not None
    seconds = line.minutes * 60
    assert abs(Decimal("0.05") * seconds - (Decimal(2000) + CARD.usd_per_s * seconds)) < Decimal("0.01")
    assert line.api_usd == Decimal(180)
    assert line.gpu_usd == Decimal(100) + CARD.usd_per_s * 3600
    assert line.best == "buy"
    few = compare(CATALOG.get("gen4_turbo"), Decimal("0.05"), CARD, Decimal(600))
    assert few.best == "api"
    never = compare(CATALOG.get("gen4_turbo"), Decimal("0.0001"), CARD, Decimal(600))
    assert (never.minutes, never.best) == (None, "api")


def test_more_film_than_one_card_makes_needs_more_cards() -> None:
    line = compare(CATALOG.get("gen4_turbo"), Decimal("0.05"), CARD, Decimal(3600 * 100))
    assert line.cards == 3
    assert line.gpu_usd > Decimal(300)


def test_the_guides_sentences_about_owning_and_renting() -> None:
    """'amortizes after ~200-400 minutes ... depending on tier'; 'A100 rental ($1.50/hr) breaks even with Hailuo 02
    around 30s of output per hour'."""
    card = gpus()["RTX 5090"]
    middle = compare(CATALOG.get("gen4_turbo"), Decimal("0.10"), card, Decimal(3600))
    assert middle.minutes is not None
    assert 200 <= middle.minutes <= 400
    rented = gpus()["A100 80GB (rented)"]
    hailuo = usd_per_s(CATALOG.get("Hailuo 02"))
    assert hailuo is not None
    line = compare(CATALOG.get("Hailuo 02"), hailuo, rented, Decimal(3600))
    assert line.seconds_an_hour is not None
    assert 28 <= line.seconds_an_hour <= 34


def test_the_table_has_every_priced_cloud_model() -> None:
    lines = break_even(CATALOG, gpus()["RTX 4090"], 600)
    priced = {row.id for row in CATALOG.rows if row.where == "cloud" and row.state != "retired" and usd_per_s(row)}
    assert {line.row.id for line in lines} == priced
    assert len(lines) > 30
    assert [line.usd_per_s for line in lines] == sorted((line.usd_per_s for line in lines), reverse=True)
    table = break_even_table(lines, gpus()["RTX 4090"], 600)
    assert table.startswith("10 minutes of film a month on RTX 4090, 48 s of it for a second of film:")
    assert "| runway/gen4_turbo | $0.05 | $30 |" in table
    rented = break_even_table(break_even(CATALOG, gpus()["A100 80GB (rented)"], 600), gpus()["A100 80GB (rented)"], 600)
    assert "| runway/gen4_turbo | $0.05 | $30 | $4.50 | 30 s | rent |" in rented


def test_ones_own_figures_replace_the_guides() -> None:
    mine = gpus()["RTX 5090"].with_figures(buy_usd=Decimal(3000), gpu_s_per_s=10, months=36, usd_per_kwh=Decimal("0.4"))
    assert (mine.buy_usd, mine.gpu_s_per_s, mine.months) == (Decimal(3000), 10, 36)
    assert mine.name == "RTX 5090"
    with pytest.raises(VideoError, match="gpu_s_per_s 0: give a number above 0"):
        mine.with_figures(gpu_s_per_s=0)
    with pytest.raises(VideoError, match="buy_usd -1: give a number above 0"):
        mine.with_figures(buy_usd=Decimal(-1))


def test_the_figures_of_the_cards_have_a_source() -> None:
    for gpu in gpus().values():
        assert gpu.source
        assert gpu.day
        assert bool(gpu.buy_usd) != bool(gpu.rent_usd_per_hour)
