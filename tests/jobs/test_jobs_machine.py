"""The state machine of `machine`, for about twenty seconds; `make chaos` runs it for longer, with new draws."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings

from tests.jobs.machine import explore
from tests.jobs.nursery import Nursery

BRIEF = settings(max_examples=3, stateful_step_count=16, derandomize=True, database=None, phases=[Phase.generate])


@pytest.mark.parametrize("mode", ["key", "lookup", "none"])
def test_operations_kills_and_restarts(mode: str, nursery: Nursery) -> None:
    explore(nursery, mode, BRIEF)
