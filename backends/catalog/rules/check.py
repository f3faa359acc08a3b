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

from backends import errors
from backends.camera import CameraMove
from backends.catalog.price import estimate
from backends.catalog.rules import controls, fitting, media, shape
from backends.catalog.rules.checked import Checked
from backends.catalog.rules.fitting import Fitting, Problem
from backends.catalog.rules.wire import wire_fields
from backends.catalog.rules.wishes import given_up
from backends.catalog.schema.row import Mode, Row
from backends.errors import VideoError, listing
from backends.facts import MediaFacts
from backends.request import Frame, Lora, Reference, VideoRequest

JUDGES = (
    media.judge_source,
    fitting.judge_prompt,
    fitting.judge_duration,
    fitting.judge_fps,
    fitting.judge_audio,
    fitting.judge_seed,
    media.judge_frames,
    media.judge_references,
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
"""What a problem that no argument fixes weighs against one that an argument does."""
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
    not judged then. VideoError("unsupported") when the model lacks what was requested, else
    VideoError("invalid_request"); both list every problem, and `nearest` holds the arguments to change (null = leave
    out).
    """
    found = find(request, row, inputs)
    if isinstance(found, Checked):
        return found
    raise refusal(request, found, inputs)


@dataclass(frozen=True)
class Change:
    """A legal request near an illegal one. changes: its arguments as JSON (None = leave out). cost: in words.
    lost: the fields of which it gives something up."""

    request: VideoRequest
    changes: dict[str, object]
    cost: str
    lost: tuple[str, ...]


def refusal(request: VideoRequest, misfit: Misfit, inputs: Mapping[str, MediaFacts]) -> VideoError:
    """The error for a misfit. `nearest` and its price are there when the whole changed request is legal for the row
    and gives up nothing that was requested; one that does is only named, as the closest."""
    problems = [errors.Problem(one.field, text) for text, one in {one.text: one for one in misfit.problems}.items()]
    lead = f"{misfit.row.id} cannot do this"
    kind = "unsupported" if all(problem.lacking for problem in misfit.problems) else "invalid_request"
    ways = ways_out(request, misfit, inputs)
    if not ways:
        return VideoError(kind, listing(lead, problems), problems=problems, lead=lead)
    first = ways[0]
    if first.lost:
        aside = f"Closest: {changes_text(first.changes)} ({first.cost}), which gives up {', '.join(first.lost)}."
        return VideoError(kind, joined(lead, problems, aside), problems=problems, lead=lead, aside=aside)
    remedy = f"Nearest legal request: {changes_text(first.changes)} ({first.cost})."
    remedy += "".join(f" Or: {changes_text(one.changes)} ({one.cost})." for one in ways[1:2] if not one.lost)
    text = joined(lead, problems, remedy)
    return VideoError(kind, text, problems=problems, lead=lead, nearest=first.changes, cost=first.cost)


def ways_out(request: VideoRequest, misfit: Misfit, inputs: Mapping[str, MediaFacts]) -> list[Change]:
    """The legal requests near this one that the row takes, those that give nothing up first."""
    found: list[Change] = []
    for problems in (misfit.problems, *misfit.others):
        if found and _weight(problems) > misfit.weight and not found[0].lost:
            break
        change = nearest_legal(request, misfit.row, problems, inputs)
        if change is not None and all(change.changes != other.changes for other in found):
            found.append(change)
    return sorted(found, key=lambda change: len(change.lost))


def joined(lead: str, problems: Sequence[errors.Problem], more: str) -> str:
    """The problems in words, and what follows them."""
    return f"{listing(lead, problems)}{' ' if len(problems) < 2 else chr(10)}{more}"


def nearest_legal(
    request: VideoRequest, row: Row, problems: Sequence[Problem], inputs: Mapping[str, MediaFacts]
) -> Change | None:
    """The changes after which the row takes the whole request; None when only the asker can fix it."""
    changes: dict[str, object] = {}
    for _ in range(ROUNDS):
        if any(problem.change is None for problem in problems):
            return None
        for problem in problems:
            changes.update(problem.change or {})
        changed = request.model_copy(update=changes)
        found = find(changed, row, inputs)
        if isinstance(found, Checked):
            return Change(changed, _json(changes), estimate(found, row).text, given_up(request, changed))
        problems = found.problems
    return None


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
