"""Measures of a clip in sentences, each with its unit and the figure from which it matters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from backends.provider.protocol import JsonObject

SEAM = 1.5  # in units of a usual step: a loop's seam below it is not noticed
ALIKE = 3.0  # of 255: below it two pictures show the same, re-encoded or a frame apart
RELATED = 20.0  # of 255: below it mostly the same scene; pictures of different things measure 40 and more
ALL = 0.9  # the share of the picture from which all of it counts as moving


def in_words(measures: JsonObject) -> list[str]:
    """What moves and where, how the first and last frame match, and what is seen and heard. measures: the result of
    `measure`.

    A loop's seam is reported where there may be a loop: where first and last frame are alike, or the step between them
    is a usual one.
    """
    number = _numbers(measures)
    seam, mean, differs = number("loop_seam"), number("ends_apart"), number("ends_differ")
    ends = f"first/last frame: {apart(mean, differs)}"
    if measures.get("loop_seam") is not None and number("moving") and (seam < SEAM or (mean < ALIKE and not differs)):
        ends += f"; loop seam: {seam:.1f} of a usual step: {'seen' if seam >= SEAM else 'not seen'} ({SEAM:g} is)"
    loud = f"; loudness {_loudness(measures)}" if measures.get("audio") else ""
    return [
        f"moves: {_moving(measures)}; {_drift(number)}speed {number('motion'):.2f} px a frame",
        ends,
        f"sharpness {number('sharpness'):.1f} (<1 soft), flicker {number('flicker'):.1f} (>3 seen), of 255{loud}",
    ]


def compared(one: JsonObject, two: JsonObject, pair: Mapping[str, tuple[float, float]]) -> list[str]:
    """Two clips side by side, A and B. pair: the distances of their first and last frames, from the sandbox's
    `inspect`."""
    both = (_numbers(one), _numbers(two))
    length, rate, width, height = (
        [number(name) for number in both] for name in ("duration_s", "fps", "width", "height")
    )
    sizes = [f"{across:g}x{down:g}" for across, down in zip(width, height, strict=True)]
    return [
        f"first frames, A and B: {apart(*pair['first'])}",
        f"last frames, A and B: {apart(*pair['last'])}",
        f"last of A, first of B: {apart(*pair['joint'])}",
        f"A / B: length {_pair([f'{seconds:.2f}' for seconds in length], ' s')}, size {_pair(sizes)}, "
        f"rate {_pair([f'{fps:.2f}' for fps in rate], ' fps')}, "
        f"loudness {_pair([_loudness(one), _loudness(two)])}",
    ]


def apart(mean: float, differs: float) -> str:
    """`2.1 of 255 apart: alike`. differs: the share of the picture that shows something else, 0..1."""
    if mean < ALIKE:
        word = "alike" if differs == 0 else f"alike but for {max(0.01, differs):.0%} of it"
    else:
        word = "related" if mean < RELATED else "different"
    return f"{mean:.1f} of 255 apart: {word}"


def _moving(measures: JsonObject) -> str:
    share = _numbers(measures)("moving")
    boxes = cast("Sequence[Sequence[float]]", measures.get("moving_boxes") or ())
    if not share or not boxes:
        return "nothing"
    places = " and ".join("[" + ", ".join(f"{value:g}" for value in box[:4]) + "]" for box in boxes)
    if share < ALL:
        return f"{max(0.01, share):.0%} of the picture, in {places}"
    return "all of the picture" + ("" if boxes[0][4] >= ALL else f" between its bars, in {places}")


def _drift(number: Callable[[str], float]) -> str:
    """The direction in which the whole picture moves, for judging pans and trucks."""
    x, y = number("mean_flow_x"), number("mean_flow_y")
    ways = ((x, "right" if x > 0 else "left"), (y, "down" if y > 0 else "up"))
    parts = [f"{abs(pixels):.1f} {way}" for pixels, way in ways if abs(pixels) >= 0.05]
    return f"drift {' '.join(parts)}, " if parts else ""


def _loudness(measures: JsonObject) -> str:
    value = measures.get("lufs")
    if isinstance(value, float):
        return f"{value:.1f} LUFS"
    return "none (silent)" if measures.get("audio") else "none (no sound)"


def _pair(values: Sequence[str], unit: str = "") -> str:
    one, two = values
    return f"{one}{unit} both" if one == two else f"{one} / {two}{unit}"


def _numbers(measures: JsonObject) -> Callable[[str], float]:
    """Reads a measure by its name as a float; 0 where it was not taken."""

    def number(name: str) -> float:
        value = measures.get(name)
        return float(value) if isinstance(value, int | float) else 0.0

    return number
