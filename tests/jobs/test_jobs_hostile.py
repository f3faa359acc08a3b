"""A service that lies in one answer of three, in short: `make chaos` is the long run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import Phase, settings

from tests.chaos.evil import EvilPlan, run
from tests.chaos.storm import MODES, Mode
from tests.jobs.hostile_machine import explore
from tests.jobs.nursery import Nursery
from tests.patience import patient

BRIEF = settings(max_examples=2, stateful_step_count=8, derandomize=True, database=None, phases=[Phase.generate])

LONG = ("holes",)
"""Tricks of the long run: what they lead to takes a person, or a wait that a test would have to sit through."""


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_lost_or_paid_twice(mode: Mode, tmp_path: Path) -> None:
    plan = EvilPlan(mode, 10, 2, clients=1, rotations=1, prompts=3, without=LONG, seed=3, limit_s=patient(30))
    outcome = run(plan, tmp_path)
    assert not outcome.broken, f"{outcome.broken}\n{outcome.told}"


@pytest.mark.parametrize("mode", MODES)
def test_lies_keys_and_addresses(mode: Mode, nursery: Nursery) -> None:
    explore(nursery, mode, BRIEF)
