"""check(): is a request legal for a row, and if not, what is wrong and what is the nearest legal request.

A request is legal when one of the row's boxes holds it. Nothing is clamped, snapped or dropped: an illegal request is
refused with every problem at once, and with the arguments to change.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pydantic import BaseModel

from backends.catalog import controls, fitting, media_rules, shape
from backends.catalog.checked import Checked
from backends.catalog.fitting import Fitting, Problem
from backends.catalog.price import estimate
from backends.catalog.row import Mode, Row
from backends.catalog.wire import wire_fields
from backends.errors import VideoError
from backends.request import CameraMove, Frame, Lora, MediaFacts, Reference, VideoRequest

JUDGES = (
    media_rules.judge_source,
    fitting.judge_prompt,
    fitting.judge_duration,
    fitting.judge_fps,
    fitting.judge_audio,
    fitting.judge_seed,
    media_rules.judge_frames,
    media_rules.judge_references,
    shape.judge_shape,
    controls.judge_style,
    controls.judge_camera,
    controls.judge_motion,
    controls.judge_loop,
    controls.judge_effect,
    controls.judge_loras,
    controls.judge_options,
)
"""In the order in which each one's findings need the others'."""

UNMENDABLE = 3
"""What a problem that no argument mends weighs against one that an argument does."""
ROUNDS = 4
"""Mending one problem may uncover another; no chain in the field is longer than two."""


@dataclass(frozen=True)
class Misfit:
    """Why no box of a row holds a request: the problems of the box that needs the fewest changes."""

    row: Row
    problems: tuple[Problem, ...]
    others: tuple[tuple[Problem, ...], ...] = ()

    @property
    def weight(self) -> int:
        return _weight(self.problems)


def _weight(problems: Sequence[Problem]) -> int:
    return sum(1 if problem.change is not None else UNMENDABLE for problem in problems)


def fit_box(request: VideoRequest, row: Row, mode: Mode, inputs: Mapping[str, MediaFacts]) -> Fitting:
    """The request held against one box."""
    fit = Fitting(request, row, mode, inputs)
    fit.settled["model"] = row.id
    for judge in JUDGES:
        judge(fit)
    return fit


def find(request: VideoRequest, row: Row, inputs: Mapping[str, MediaFacts]) -> Checked | Misfit:
    """The first box that holds the request, or why none does."""
    boxes = [mode for mode in row.modes if request.task in mode.tasks]
    if not boxes:
        does = ", ".join(row.tasks) or "nothing any more"
        text = f"task {request.task}: {row.id} does {does}"
        return Misfit(row, (Problem("task", text, lacking=True),))
    failed: list[tuple[Problem, ...]] = []
    for mode in boxes:
        fit = fit_box(request, row, mode, inputs)
        if not fit.problems:
            return _checked(fit)
        failed.append(tuple(fit.problems))
    failed.sort(key=_weight)
    return Misfit(row, failed[0], tuple(failed[1:]))


def _checked(fit: Fitting) -> Checked:
    request = fit.request.model_copy(update=fit.settled)
    wire = wire_fields(request, fit.row, fit.mode, fit.width, fit.height, fit.size_wire)
    notes = (*fit.row.notes, *fit.notes)
    kinds = [fit.inputs.get(f"references[{i}].media") for i in range(len(request.references))]
    clips = [facts for facts in kinds if facts is not None and facts.kind == "clip"]
    return Checked(
        request,
        fit.row,
        fit.mode,
        fit.width,
        fit.height,
        fit.seconds,
        wire,
        notes,
        fit.crop_loss,
        references_s=float(sum(math.ceil((facts.duration_s or 0) - 1e-6) for facts in clips)),
        images=len(request.frames) + len(kinds) - len(clips),
    )


def check(request: VideoRequest, row: Row, inputs: Mapping[str, MediaFacts]) -> Checked:
    """A legal request, settled.

    inputs: facts by place (`request.media()`); a place may be missing when it isn't known yet: what depends on it is
    not judged then. VideoError("unsupported") when the model lacks what was asked, else VideoError("invalid_request");
    both list every problem, and `nearest` holds the arguments to change (null = leave out).
    """
    found = find(request, row, inputs)
    if isinstance(found, Checked):
        return found
    raise refusal(request, found, inputs)


def refusal(request: VideoRequest, misfit: Misfit, inputs: Mapping[str, MediaFacts]) -> VideoError:
    """The error for a misfit, with the nearest legal request and its price."""
    texts = list(dict.fromkeys(problem.text for problem in misfit.problems))
    head = f"{misfit.row.id} cannot do this"
    text = f"{head}: {texts[0]}." if len(texts) == 1 else f"{head}; {len(texts)} problems:\n- " + "\n- ".join(texts)
    separator = " " if len(texts) == 1 else "\n"
    nearest, price = nearest_legal(request, misfit.row, misfit.problems, inputs)
    if nearest:
        text += f"{separator}Nearest legal request: {changes_text(nearest)}{f' ({price})' if price else ''}."
    for other in misfit.others:
        second, second_price = nearest_legal(request, misfit.row, other, inputs)
        if second and second_price and second != nearest and _weight(other) <= misfit.weight:
            text += f" Or: {changes_text(second)} ({second_price})."
            break
    kind = "unsupported" if all(problem.lacking for problem in misfit.problems) else "invalid_request"
    return VideoError(kind, text, problems=texts, nearest=nearest)


def nearest_legal(
    request: VideoRequest, row: Row, problems: Sequence[Problem], inputs: Mapping[str, MediaFacts]
) -> tuple[dict[str, object], str]:
    """(the arguments to change as JSON, its price in words); no price while something else must be mended too."""
    changes: dict[str, object] = {}
    for _ in range(ROUNDS):
        for problem in problems:
            changes.update(problem.change or {})
        found = find(request.model_copy(update=changes), row, inputs)
        if isinstance(found, Checked):
            return _json(changes), estimate(found, row).text
        if all(problem.change is None for problem in found.problems):
            break
        problems = found.problems
    return _json(changes), ""


def _json(changes: Mapping[str, object]) -> dict[str, object]:
    return {name: _plain(value) for name, value in changes.items()}


def _plain(value: object) -> object:
    if isinstance(value, CameraMove | Reference | Lora):
        return str(value)
    if isinstance(value, Frame) and value.camera:
        bare = value.model_copy(update={"camera": ()}).model_dump(mode="json", exclude_defaults=True)
        return bare | {"camera": [str(move) for move in value.camera]}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, tuple):
        return [_plain(item) for item in cast("tuple[object, ...]", value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def changes_text(changes: Mapping[str, object]) -> str:
    """duration_s=10, leave out seed."""
    said: list[str] = []
    for name, value in changes.items():
        if value is None or value in ([], {}, ""):
            said.append(f"leave out {name}")
        elif isinstance(value, bool):
            said.append(f"{name}={str(value).lower()}")
        elif isinstance(value, list):
            said.append(f"{name}={json.dumps(_asked(cast('list[object]', value)), ensure_ascii=False)}")
        else:
            said.append(f"{name}={value}")
    return ", ".join(said)


def _asked(values: list[object]) -> list[object]:
    """As a caller writes them: a still's role follows from its place, and nothing is null."""
    objects = [cast("dict[str, object]", value) if isinstance(value, dict) else None for value in values]
    return [
        value if of is None else {name: part for name, part in of.items() if name != "role" and part is not None}
        for value, of in zip(values, objects, strict=True)
    ]
