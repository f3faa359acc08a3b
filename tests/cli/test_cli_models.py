"""`models` and `estimate`: what can be used comes first, prices say whence and of when, bad rows are told."""

from __future__ import annotations

from collections.abc import Callable

from backends.catalog import load
from tests.cli.shell import Shell

Make = Callable[..., Shell]


def test_models_that_can_be_used_come_first_and_prices_have_date_and_source(shell: Make) -> None:
    rows = shell(FAL_KEY="fal-0123456789").done("models", "--all", "--json").json["models"]
    can = [row["available"] for row in rows]
    assert can == sorted(can, reverse=True) and sum(can) > 5
    catalog = load()
    priced = 0
    for row in rows:
        if (known := catalog.find(row["model"])) is None or not any(mode.price.rates for mode in known.modes):
            assert "price_date" not in row or row["model"].startswith("paid/")
            continue
        priced += 1
        assert row["price_date"] == min(mode.price.day for mode in known.modes if mode.price.day).isoformat()
        assert all(mode.price.source in row["price_source"] for mode in known.modes if mode.price.rates)
        assert row["price_verified"] is all(mode.price.verified for mode in known.modes if mode.price.rates)
    assert priced > 30


def test_a_bad_row_leaves_the_others_at_work(shell: Make) -> None:
    used = shell()
    folder = used.station.home / "catalog"
    folder.mkdir(parents=True)
    used.station.env = {**used.station.env, "REELWRIGHT_CATALOG": str(folder)}
    (folder / "mine.toml").write_text(
        '[[model]]\nid = "openai/mine"\ntitle = "Mine"\n[[model.mode]]\ntasks=["text_to_video"]\ndurations=[5]\n'
        '[model.mode.sizes]\n"720p" = { "16:9" = "1280*720" }\n'
    )
    told = (
        f'{folder}/mine.toml, row openai/mine, mode 1, sizes, 720p: 16:9 must be a size such as "1280x720", not '
        "'1280*720'. Fix the file or remove it."
    )
    made = used.done("make", "hello", "--model", "animatic", "--duration", "1", "--json").json
    assert made["state"] == "succeeded"
    assert used.done("models", "--json").json["left_out"] == [told]
    assert used.done("models").lines[-1] == f"left out: {told}"
    refused = used.refused("estimate", "hello", "--model", "openai/mine")
    assert f"model 'openai/mine' is left out of the catalogue: {told}" in refused
    assert "vertex/veo-3.1" in used.done("estimate", "a kite", "--model", "veo", "--duration", "8").out


def test_an_estimate_above_the_limit_says_what_make_says(shell: Make) -> None:
    used = shell(FAL_KEY="fal-0123456789")
    asked = ("a kite", "--model", "fal/wan-2.5", "--duration", "5", "--max-cost", "0.01")
    refused = used.refused("estimate", *asked)
    assert "fal/wan-2.5 costs $" in refused and "above" in refused
    assert refused == used.refused("make", *asked, "--yes")
    assert "$0.75 ($0.15/s)" in used.done("estimate", "a kite", "--model", "fal/wan-2.5", "--duration", "5").out
