"""The short storm: `make chaos` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.storm import MODES, Mode, Plan, run
from tests.patience import patient


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_lost_or_paid_twice(mode: Mode, tmp_path: Path) -> None:
    plan = Plan(mode, jobs=14, kills=3, seed=7, every_s=0.7, pace_s=0.3, limit_s=patient(20))
    outcome = run(plan, tmp_path)
    assert not outcome.broken, f"{outcome}\n{(tmp_path / 'clients.log').read_text()[-2000:]}"
