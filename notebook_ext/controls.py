"""Which models have a control (camera, motion brush, keyframes), shown before a user paints or picks anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from backends.catalog.availability import Available, availability
from backends.catalog.price import price_text
from backends.catalog.schema.row import Mode, Row
from backends.catalog.schema.span import number_text
from backends.jobs.context import Context

Name = Literal["camera", "motion", "keyframes"]
Kind = Literal["native", "words", "none"]

SHOWN = 3
"""The most models that are named where the chosen one lacks the control."""

_WHAT: dict[Name, str] = {"camera": "a camera control", "motion": "a motion brush", "keyframes": "keyframes"}
_ELSE: dict[Name, str] = {
    "camera": "say the camera in the prompt",
    "motion": "regions would be refused; say the motion in the prompt",
    "keyframes": "frames would be refused; image_to_video takes one",
}


@dataclass(frozen=True)
class Control:
    """kind: native = the model has the control, words = it is put into the prompt, none = it would be refused.

    text: that in words, with models that have the control where the chosen one has not. models: their ids, at most
    three, usable ones first. most: how many moves, regions or frames at a time (0 = none).
    """

    kind: Kind
    text: str
    models: tuple[str, ...] = ()
    most: int = 0


def control(model: str | None, name: Name, context: Context | None = None) -> Control:
    """What a model (None or "auto": any configured one) does with a control; context: the notebook's when None.

    VideoError("not_found") or ("model_retired") for a name that leads to no current model.
    """
    if context is None:
        from notebook_ext.client import the_studio

        context = the_studio().inner.context
    usable = availability(context.env)
    have = sorted(_having(context, name), key=lambda found: (usable(found[0]) is not None, found[0].tier, found[0].id))
    if model in (None, "auto"):
        return _any(name, have, usable)
    row = context.catalog.get(model or "")
    best = _best(row, name)
    if best is not None:
        return Control("native", f"{row.id}: {_reach(best, name)}.", (row.id,), _most(best, name))
    others = _named(have[:SHOWN], usable)
    models = tuple(found.id for found, _ in have[:SHOWN])
    if name == "camera" and (worded := [mode for mode in row.modes if mode.camera.how == "words"]):
        text = f"{row.id} takes camera moves as words in the prompt, and may follow them loosely. "
        return Control("words", f"{text}A control of its own: {others}.", models, worded[0].camera.high)
    text = f"{row.id} has no {_WHAT[name].removeprefix('a ')}: {_ELSE[name]}. "
    return Control("none", f"{text}Models that have {'them' if name == 'keyframes' else 'one'}: {others}.", models)


def _any(name: Name, have: list[tuple[Row, Mode]], usable: Available) -> Control:
    ready = [found for found in have if usable(found[0]) is None]
    shown = (ready or have)[:SHOWN]
    more = len(ready or have) - len(shown)
    text = f"{'Configured models' if ready else 'No configured model has this; models'} with {_WHAT[name]}: "
    text += _named(shown, usable) + (f" and {more} more" if more else "") + "."
    if name == "camera":
        text += " Others take camera moves as words in the prompt."
    most = max((_most(mode, name) for _, mode in ready), default=0)
    return Control("native" if ready else "none", text, tuple(row.id for row, _ in shown), most)


def _having(context: Context, name: Name) -> Iterator[tuple[Row, Mode]]:
    """Every current row that has the control itself, with its best box for it."""
    for row in context.catalog.rows:
        if row.state != "retired" and (best := _best(row, name)) is not None:
            yield row, best


def _best(row: Row, name: Name) -> Mode | None:
    boxes = [mode for mode in row.modes if _has(mode, name)]
    return max(boxes, key=lambda mode: _most(mode, name), default=None)


def _has(mode: Mode, name: Name) -> bool:
    if name == "camera":
        return mode.camera.how == "native" and bool(mode.tasks & {"image_to_video", "text_to_video"})
    return mode.motion > 0 if name == "motion" else "interpolate" in mode.tasks and mode.frames.high > 1


def _most(mode: Mode, name: Name) -> int:
    return {"camera": mode.camera.high, "motion": mode.motion, "keyframes": mode.frames.high}[name]


def _reach(mode: Mode, name: Name) -> str:
    """A control's range in a box: "2 to 16 keyframes, times may be chosen, a prompt each"."""
    if name == "camera":
        parts = [f"up to {mode.camera.high} camera moves of {len(mode.camera.moves)} kinds"]
        timed = mode.camera.timed
    elif name == "motion":
        return f"up to {mode.motion} motion regions"
    else:
        low, high = mode.frames.low, mode.frames.high
        parts = [f"{low} keyframes (first and last)" if low == high == 2 else f"{low} to {high} keyframes"]
        timed = mode.frames.timed
        if timed and mode.frames.grid_s:
            parts.append(f"times in steps of {number_text(mode.frames.grid_s)} s")
            timed = False
    parts += ["times may be chosen"] * timed + ["a prompt each"] * (name == "keyframes" and mode.frames.prompts)
    return ", ".join(parts)


def _named(rows: list[tuple[Row, Mode]], usable: Available) -> str:
    """ "animatic (free), fal/pikaframes ($0.04-0.06/s, not configured)"; "none" for no rows."""
    named = [
        f"{row.id} ({price_text(mode)}{', not configured' if usable(row) is not None else ''})" for row, mode in rows
    ]
    return ", ".join(named) or "none"
