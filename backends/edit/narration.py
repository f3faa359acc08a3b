"""Whether a narration fits its film: asked when the film is ordered, as far as both are known, and when it is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from backends.edit.plan import Plan, plan
from backends.edit.request import FinishRequest
from backends.errors import Problem, VideoError
from backends.facts import MediaFacts
from backends.media_name import MediaName

BEYOND_S = 120
"""How much of a narration beyond the film's end is listened to."""
SLOWEST = 0.5
"""A film is not slowed down further for its narration's sake."""


def too_long(spoken_s: float, film_s: float, nearest: Mapping[str, Any] | None = None) -> VideoError:
    """The refusal of a narration that speaks beyond the film's end: a sentence cut off is nothing to publish."""
    over = spoken_s - film_s
    text = (
        f"narration lasts {spoken_s:.1f} s and the film {film_s:.1f} s: shorten it by {over:.1f} s "
        f"({100 * over / spoken_s:.0f} %), or make the film longer (hold an image for {over:.1f} s more, add a clip)"
    )
    return VideoError("invalid_request", text, problems=[Problem("narration", text)], nearest=nearest)


def longest_s(made: Plan) -> float:
    """The most seconds that the film can last: where its ends already meet, a loop takes nothing away."""
    return float((made.frames + made.loop) / made.fps)


def lengthened(
    request: FinishRequest, made: Plan, facts: Mapping[str, MediaFacts], spoken_s: float
) -> dict[str, object]:
    """What to change of a request, so that its film lasts `spoken_s` seconds: its last image held for longer, else the
    whole slowed down a little. Empty where neither makes a film. facts: as for `plan`."""
    for change in (_held(request, made, spoken_s), _slowed(request, made, spoken_s)):
        if change and _lasts({**request.model_dump(), **change}, facts) >= spoken_s:
            return change
    return {}


def _held(request: FinishRequest, made: Plan, spoken_s: float) -> dict[str, object]:
    stills = [number for number, one in enumerate(made.segments) if one.still]
    if not stills:
        return {}
    number = stills[-1]
    seconds = made.segments[number].to_s + spoken_s - made.duration_s
    names = list(request.clips)
    text = names[number]
    bare = text[: text.rfind("#t=")] if MediaName.parse(text).is_part else text
    names[number] = f"{bare}#t=0,{math.ceil(seconds * 10) / 10:g}"
    return {"clips": names}


def _slowed(request: FinishRequest, made: Plan, spoken_s: float) -> dict[str, object]:
    speed = math.floor(request.speed * made.duration_s / spoken_s * 100) / 100
    return {"speed": speed} if speed >= SLOWEST else {}


def _lasts(fields: Mapping[str, Any], facts: Mapping[str, MediaFacts]) -> float:
    """Seconds of the film of such a request, 0 where there is none."""
    try:
        return plan(FinishRequest.model_validate(fields), facts).duration_s
    except (VideoError, ValueError):
        return 0.0
