"""The camera view's sliders: which moves they mean, and the figures with which the page moves a still like the engine.

The page's preview (static/camera.js, camera.css) is the engine's camera facing the still squarely. All figures are
computed here from the engine's own: units, handheld's waves, and the factor by which the crop enlarges.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from backends.animatic import camera as engine
from backends.animatic.shake import Shake
from backends.camera import CameraMove
from backends.errors import VideoError

FPS = 24
"""The animatic's default frame rate; the page's preview uses it too."""

PAIRS: dict[str, tuple[str, str]] = {
    "pan": ("pan-left", "pan-right"),
    "tilt": ("tilt-down", "tilt-up"),
    "dolly": ("dolly-out", "dolly-in"),
    "truck": ("truck-left", "truck-right"),
    "crane": ("crane-down", "crane-up"),
    "orbit": ("orbit-left", "orbit-right"),
    "roll": ("roll-ccw", "roll-cw"),
    "zoom": ("zoom-out", "zoom-in"),
    "handheld": ("handheld", "handheld"),
}
"""Slider -> the moves to its left and to its right."""

Setting = tuple[float, float | None, float | None]
"""A slider's place (-1..1, 0 = not moved), and its move's start and end in seconds (None = the clip's)."""


@dataclass(frozen=True)
class Row:
    """One slider; two moves on the same axis get two sliders."""

    axis: str
    start: Setting = (0.0, None, None)


def rows_of(moves: Iterable[CameraMove]) -> tuple[Row, ...]:
    """One slider for each axis, set to the given moves, and a further one for each further move on an axis."""
    taken: dict[str, list[Row]] = {axis: [] for axis in PAIRS}
    for move in moves:
        if move.move == "static":
            continue
        axis = next(axis for axis, ways in PAIRS.items() if move.move in ways)
        side = 1 if move.move == PAIRS[axis][1] else -1
        taken[axis].append(Row(axis, (side * move.amount, move.from_s, move.to_s)))
    return tuple(row for axis, found in taken.items() for row in found or [Row(axis)])


def moves_of(rows: Sequence[Row], settings: Sequence[Setting], seconds: float) -> tuple[CameraMove, ...]:
    """The moves that the sliders mean: handheld first (its shake depends on its place in the list), the others by start
    time.

    VideoError("invalid_request") for a move that ends before it starts, or after the clip.
    """
    if len(settings) != len(rows):
        raise VideoError("invalid_request", f"{len(settings)} settings came for {len(rows)} sliders")
    moves: list[CameraMove] = []
    for row, (value, start, end) in zip(rows, settings, strict=True):
        if value:
            moves.append(_move(PAIRS[row.axis][value > 0], abs(value), start, end, seconds))
    return tuple(sorted(moves, key=lambda move: (move.move != "handheld", move.from_s or 0)))


def _move(name: str, amount: float, start: float | None, end: float | None, seconds: float) -> CameraMove:
    if start is None and end is None:
        return CameraMove(move=name, amount=amount)
    start, end = start or 0.0, seconds if end is None else end
    if end > seconds:
        raise VideoError("invalid_request", f"{name} ends at {end:g} s, the clip at {seconds:g} s")
    try:
        return CameraMove.parse(f"{name}:{amount:g}@{start:g}-{end:g}")
    except ValueError as error:
        raise VideoError("invalid_request", str(error)) from None


def for_page(rows: Sequence[Row], settings: Sequence[Setting], aspect: float, seed: int = 0) -> list[dict[str, Any]]:
    """Each slider in the form that the page reads.

    ways: the moves to either side. shares: [property of the preview, its value at the slider's end, what is subtracted
    from the part done, waves [radians a second, phase, size]].
    """
    shaken = 0
    shown: list[dict[str, Any]] = []
    for row, (value, start, end) in zip(rows, settings, strict=True):
        times = {"from": start, "to": end, "value": value}
        name = row.axis.capitalize()
        if row.axis == "handheld":
            shares, least = _shake(shaken, aspect, seed), 0
            shaken += 1
        else:
            middle = 0.5 if row.axis in engine.SIDEWAYS else 0.0
            shares, least = [[row.axis, _unit(row.axis, aspect), middle]], -1
        shown.append({"name": name, "ways": PAIRS[row.axis], "least": least, "shares": shares} | times)
    return shown


def _unit(axis: str, aspect: float) -> float:
    """The effect of amount 1 in the page's CSS: degrees, or hundredths of the frame's width or height; powers for
    lenses."""
    match axis:
        case "pan" | "tilt":
            return _degrees(axis, aspect) * engine.QUARTER
        case "truck":
            return -100 * engine.QUARTER
        case "crane":
            return 100 * engine.QUARTER
        case "roll" | "orbit":
            return -engine.TURN_DEG
        case "zoom":
            return -1.0
        case _:
            return 1.0


def _degrees(axis: str, aspect: float) -> float:
    """The turn that moves the picture by one frame width or height, extrapolated from a small turn."""
    from backends.animatic.lens import FOCAL

    size = 2 * (aspect if axis == "pan" else 1.0)
    return math.degrees(math.atan2(size * engine.QUARTER / 2, FOCAL * max(aspect, 1.0))) / (engine.QUARTER / 2)


def _shake(number: int, aspect: float, seed: int) -> list[list[Any]]:
    """Handheld's share of pan, tilt and roll, with the engine's own waves."""
    sizes = {
        "pan": engine.SHAKE_FRAME * 9 / 16 * _degrees("pan", aspect),
        "tilt": engine.SHAKE_FRAME * _degrees("tilt", aspect),
        "roll": -engine.SHAKE_DEG,
    }
    shares: list[list[Any]] = []
    for channel, size in sizes.items():
        partials = Shake.make(seed, f"{number}/{channel}").partials
        waves = [[round(hz * 2 * math.pi, 4), round(phase, 4), round(part, 4)] for hz, phase, part in partials]
        shares.append([channel, size, 0, waves])
    return shares


def crop_of(moves: Sequence[CameraMove], aspect: float, seconds: float, seed: int = 0) -> list[float]:
    """The engine's crop, which keeps the still's edges out of sight: by how much it enlarges, and how far the still is
    shifted first, in per cent of its width and height.

    VideoError("unsupported") in the engine's words for moves that leave too little of the still.
    """
    from backends.animatic.lens import Overscan
    from backends.animatic.stage import camera_matrices

    path = engine.CameraPath(tuple(moves), seconds - 1 / FPS, seed)
    if path.still:
        return [1.0, 0.0, 0.0]
    looks = 97 if path.shaken else 25  # for even movement the widest point is an end, or nearly
    times = [path.length_s * look / (looks - 1) for look in range(looks)]
    crop = Overscan.of(camera_matrices(path, times, aspect), aspect)
    x, y = crop.shift
    return [1 / crop.scale, -50 * x / aspect, -50 * y]
