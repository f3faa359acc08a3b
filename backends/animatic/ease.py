"""Easing: how a move starts, runs and ends. Positions are exact integrals of smooth speeds, so nothing ever jerks."""

from __future__ import annotations

import math

RAMP_S = 0.9
"""Seconds in which a move gathers or loses its speed, when it is long enough."""
RAMP_SHARE = 0.35
"""... and the most of the move that each of the two may take."""
DRIFT = 0.5
"""The share of its cruising speed that a move to the end of the clip still has at the cut: a shot that stops dead
on its last frame looks like a slide show, and a moving one can be extended."""


def clamp(value: float, low: float = 0.0, high: float = 1.0) -> float:
    return min(high, max(low, value))


def smoothstep(u: float) -> float:
    """0 to 1 with no speed at either end."""
    u = clamp(u)
    return u * u * (3 - 2 * u)


def _smoothstep_area(u: float) -> float:
    """The integral of smoothstep from 0 to u (0.5 at u = 1)."""
    return u**3 - u**4 / 2


def travel(t: float, span: float, end_speed: float = 0.0, start_speed: float = 0.0) -> float:
    """How much of a move is done t seconds into its span: 0 at 0, 1 at the end.

    The speed rises smoothly from start_speed, holds, and falls smoothly to end_speed (shares of the cruising speed).
    """
    if span <= 0:
        return 1.0 if t >= 0 else 0.0
    t = clamp(t, 0.0, span)
    ramp = min(RAMP_S, RAMP_SHARE * span)
    cruise = span - 2 * ramp
    total = ramp * (1 + start_speed) / 2 + cruise + ramp * (1 + end_speed) / 2
    early = min(1.0, t / ramp)
    done = ramp * (start_speed * early + (1 - start_speed) * _smoothstep_area(early))
    done += clamp(t - ramp, 0.0, cruise)
    if (late := t - ramp - cruise) > 0:
        done += late - (1 - end_speed) * ramp * _smoothstep_area(late / ramp)
    return done / total


def out_and_back(t: float, span: float) -> float:
    """A move that returns: 0 at both ends, 1 in the middle, at rest at all three (for loops)."""
    if span <= 0:
        return 0.0
    return (1 - math.cos(2 * math.pi * clamp(t / span))) / 2


def coast(t: float, span: float) -> float:
    """Seconds' worth of the starting speed that are travelled t seconds into an ease-out of `span` seconds.

    The speed falls smoothly from 1 to 0; the whole ease-out travels span / 2.
    """
    if span <= 0:
        return 0.0
    u = clamp(t / span)
    return span * (u - _smoothstep_area(u))
