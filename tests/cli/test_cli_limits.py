"""Spending limits are the person's: raising one needs them at a terminal, and every change is told."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.cli.shell import Shell
from tests.fakes import FakeServer

Make = Callable[..., Shell]
Serve = Callable[..., FakeServer]

RAISES = [
    ("set", "per_job_usd", "6"),
    ("set", "per_day_usd", "none"),
    ("set", "allow_unknown_price", "true"),
    ("set", "allow_providers", "all"),
    ("set", "confirm_above_usd", "none"),
    ("set", "per_day_usd.paid", "2"),
    ("unset", "per_day_usd.paid"),
    ("unset", "allow_providers"),
]
LOWERED = (("allow_providers", "animatic"), ("confirm_above_usd", "0.5"), ("per_day_usd.paid", "1"))


def limits_of(used: Shell) -> dict[str, str]:
    return {key: one["value"] for key, one in used.done("config", "--json").json.items()}


def test_a_pipe_raises_no_limit(shell: Make) -> None:
    used = shell()
    for key, value in LOWERED:
        used.done("config", "set", key, value)
    before = limits_of(used)
    for words in RAISES:
        told = used.refused("config", *words, typed=f"{words[-1]}\n")
        assert told == ("reelwright: consent: only the user can confirm this, at a terminal. Nothing was changed\n"), (
            words
        )
    assert limits_of(used) == before


def test_a_person_raises_a_limit_by_typing_it(shell: Make) -> None:
    used = shell()
    with used.terminal("config", "set", "per_day_usd", "50") as terminal:
        terminal.expect("This raises the spending limit per_day_usd from $20 to $50. Type 50 to do this: ")
        terminal.send("yes\n")
        assert terminal.end() == 1
        assert "that is not the phrase: nothing was changed" in terminal.shown
    assert limits_of(used)["per_day_usd"] == "20"
    with used.terminal("config", "set", "per_day_usd", "50") as terminal:
        terminal.expect("Type 50 to do this: ")
        terminal.send("50\n")
        assert terminal.end() == 0
    assert limits_of(used)["per_day_usd"] == "50"
    sentence = r"spending limit per_day_usd raised from \$20 to \$50 (just now|\d minutes? ago)"
    assert re.fullmatch(sentence, used.done("config").lines[-1])
    assert re.fullmatch(sentence, used.done("jobs", "list").lines[-1])


def test_a_script_of_the_persons_may_raise_one_and_that_is_told(shell: Make) -> None:
    used = shell(REELWRIGHT_YES="raise-limits")
    assert used.done("config", "set", "per_day_usd", "none").lines == ["per_day_usd = none"]
    (told,) = used.done("jobs", "list", "--json").json["spend"]["limits_changed"]
    assert told == "spending limit per_day_usd raised from $20 to none just now by a script"
    (row,) = used.station.rows("SELECT data FROM events WHERE job = '' AND kind = 'limit'")
    assert '"how":"script"' in row["data"]


@pytest.mark.parametrize("word", ["1", "true", "resolve", "raise"])
def test_another_word_is_no_leave(shell: Make, word: str) -> None:
    assert "only the user can confirm this" in shell(REELWRIGHT_YES=word).refused("config", "set", "per_job_usd", "9")


def test_no_refusal_spells_out_how_a_limit_is_lifted(shell: Make, serve: Serve) -> None:
    used = shell(serve())
    asked = ("make", "a boat", "--model", "paid/quick", "--duration", "4", "--resolution", "180p", "--yes")
    for key, value in (("per_day_usd", "0.1"), ("per_job_usd", "0.1"), ("allow_providers", "animatic")):
        used.done("config", "set", key, value)
        told = used.refused(*asked)
        assert told.startswith("reelwright: wall: ") and key in told
        assert told.rstrip().endswith("the user can change it at a terminal (reelwright config --help)")
        assert "config set" not in told


def test_a_price_that_nobody_knows_is_held_at_the_cap_once_the_person_allows_it(shell: Make, serve: Serve) -> None:
    server = serve(report_cost=True)
    used = shell(server, REELWRIGHT_YES="raise-limits")
    asked = ("make", "a boat", "--model", "paid/unknown-price", "--duration", "4", "--resolution", "180p", "--yes")
    assert "no limit can be checked against it" in used.refused(*asked, "--max-cost", "2")
    used.done("config", "set", "allow_unknown_price", "true")
    assert "no limit can be checked against it" in used.refused(*asked)
    job = used.done(*asked, "--max-cost", "2", "--json").json
    assert (job["state"], job["est_cost_usd"], job["cost_usd"]) == ("succeeded", 2.0, 0.8)
    assert "the price of paid/unknown-price is unknown: max_cost_usd 2 is reserved for it" in job["notes"]
    assert used.station.entry(job["job_id"])["reserved"] == 2_000_000
