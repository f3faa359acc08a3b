"""Easing, frame counts, timecode and the seeded shake."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.animatic.ease import coast, out_and_back, travel
from backends.animatic.shake import Shake
from backends.animatic.timing import frame_count, timecode


@pytest.mark.parametrize(
    ("duration_s", "rate", "frames"),
    [
        (5, Fraction(24), 120),
        (1.0625, Fraction(24), 26),  # 25.5: a half is rounded up
        (1.02, Fraction(25), 26),  # 25.5 exactly as written, though 1.02 is less in binary
        (1.06, Fraction(24), 25),
        (10, Fraction(24000, 1001), 240),  # 239.76
        (60, Fraction(60), 3600),
        (0.001, Fraction(8), 1),
    ],
)
def test_a_clip_has_duration_times_rate_frames(duration_s: float, rate: Fraction, frames: int) -> None:
    assert frame_count(duration_s, rate) == frames


def test_timecode_counts_frames_at_the_nominal_rate() -> None:
    assert timecode(0, Fraction(24)) == "00:00:00:00"
    assert timecode(24 * 61 + 7, Fraction(24)) == "00:01:01:07"
    assert timecode(30, Fraction(30000, 1001)) == "00:00:01:00"


@given(st.floats(0.05, 60), st.sampled_from([0.0, 0.5, 1.0]))
def test_a_move_starts_from_rest_runs_forward_and_arrives(span: float, end_speed: float) -> None:
    done = [travel(span * i / 2000, span, end_speed) for i in range(2001)]
    steps = [after - before for before, after in pairwise(done)]
    assert done[0] == 0 and done[-1] == pytest.approx(1)
    assert min(steps) >= 0
    assert steps[0] < 0.01 * max(steps)
    assert steps[-1] == pytest.approx(end_speed * max(steps), abs=0.01 * max(steps))
    assert max(abs(after - before) for before, after in pairwise(steps)) < 0.06 * max(steps)


def test_a_move_is_over_before_and_after_its_span() -> None:
    assert travel(-1, 2) == 0 and travel(3, 2) == 1
    assert travel(0, 0) == 1


@given(st.floats(0.1, 30))
def test_a_loop_goes_out_and_back_and_rests_at_its_seam(span: float) -> None:
    assert out_and_back(0, span) == out_and_back(span, span) == pytest.approx(0)
    assert out_and_back(span / 2, span) == pytest.approx(1)
    assert out_and_back(span / 1000, span) < 1e-4


def test_coasting_starts_at_full_speed_and_travels_half_its_span() -> None:
    assert coast(0.001, 2.0) == pytest.approx(0.001, rel=1e-3)
    assert coast(2.0, 2.0) == coast(9.0, 2.0) == pytest.approx(1.0)
    assert coast(2.0, 2.0) - coast(1.99, 2.0) < 1e-5


def test_shake_is_the_seeds_own_bounded_and_slow() -> None:
    one, again, other = Shake.make(1, "pan"), Shake.make(1, "pan"), Shake.make(2, "pan")
    times = [i / 60 for i in range(1200)]
    values = [one.value(t) for t in times]
    assert values == [again.value(t) for t in times]
    assert values != [other.value(t) for t in times]
    assert max(map(abs, values)) <= 1
    assert max(values) - min(values) > 0.3
    assert max(abs(after - before) for before, after in pairwise(values)) < 0.1


def test_shake_repeats_for_a_loop() -> None:
    shake = Shake.make(5, "tilt", loop_s=3.0)
    assert shake.value(0.7) == pytest.approx(shake.value(3.7))
    assert shake.value(0.0) != pytest.approx(shake.value(1.5))
