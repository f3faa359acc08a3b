"""When to ask: fewer questions than the vendors' own loops, and sooner there."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable

import pytest

from backends.jobs.lanes.polling import MAX_GAP_S, MIN_GAP_S, Durations, next_gap
from backends.jobs.lanes.state import POLL_EVERY_S

Wait = Callable[[float], float]


def delay_and_questions(durations: list[float], wait: Wait, *, first: bool = False) -> tuple[float, float]:
    """Mean delay behind the end, and mean number of questions. wait(t): the gap after t seconds."""
    delays, questions = list[float](), list[int]()
    for end in durations:
        t, asked = 0.0, int(first)
        while t < end:
            t += wait(t)
            asked += 1
        delays.append(t - end)
        questions.append(asked)
    return statistics.mean(delays), statistics.mean(questions)


def drawn(median_s: float, sigma: float, count: int, seed: int) -> list[float]:
    draw = random.Random(seed)
    return [median_s * math.exp(draw.gauss(0.0, sigma)) for _ in range(count)]


@pytest.mark.parametrize("median_s", [20.0, 60.0, 180.0])
def test_against_the_six_seconds_of_runwayml(median_s: float) -> None:
    """runwayml lib/polling.py: 6 s with a jitter of 3 around it."""
    fit, draw = Durations.fit(drawn(median_s, 0.2, 20, 1), None), random.Random(2)
    ends = drawn(median_s, 0.2, 400, 3)
    ours = delay_and_questions(ends, lambda t: next_gap(fit, t, POLL_EVERY_S))
    theirs = delay_and_questions(ends, lambda t: 6 + draw.random() * 3 - 1.5)
    assert ours[0] <= theirs[0] / 2 and ours[1] <= theirs[1]


@pytest.mark.parametrize("median_s", [20.0, 60.0])
def test_against_the_second_of_openai(median_s: float) -> None:
    """openai resources/videos.py: at once, then every second unless a header says otherwise."""
    fit = Durations.fit(drawn(median_s, 0.2, 20, 1), None)
    ends = drawn(median_s, 0.2, 200, 3)
    ours = delay_and_questions(ends, lambda t: next_gap(fit, t, 1.0))
    theirs = delay_and_questions(ends, lambda t: 1.0, first=True)
    assert ours[0] <= theirs[0] * 2 / 3 and ours[1] <= theirs[1]


def test_the_fit() -> None:
    fit = Durations.fit(drawn(60.0, 0.2, 20, 1), 999.0)
    assert 52 < fit.median_s < 68 and 0.12 < fit.sigma < 0.3, "twenty observations outweigh the catalogue"
    assert Durations.fit([], 45.0).median_s == pytest.approx(45.0)
    assert Durations.fit([], None).median_s == pytest.approx(60.0)
    assert 30.0 < Durations.fit([10.0], 100.0).median_s < 100.0, "one observation beside the catalogue's word"
    assert Durations.fit([5.0] * 20, None).sigma == 0.03, "never surer than the clock"


@pytest.mark.parametrize("elapsed", [0.0, 1.0, 59.0, 60.0, 200.0, 1e5, -3600.0])
def test_gaps_stay_in_bounds(elapsed: float) -> None:
    for durations in (Durations(60.0, 0.2), Durations(0.2, 0.5), Durations(3600.0, 1.5), Durations(60.0, 0.03)):
        assert MIN_GAP_S <= next_gap(durations, elapsed, POLL_EVERY_S) <= MAX_GAP_S


def test_it_asks_most_where_the_end_is_likely() -> None:
    fit = Durations(60.0, 0.1)
    assert next_gap(fit, 0.0, 5.0) > 30, "nothing ends at once"
    assert next_gap(fit, 60.0, 5.0) < 3
