"""Longer work in steps: extending a clip with a model that cannot extend.

Each step is a paid job of its own (with its key, lane and ledger line): image_to_video from the true last frame so far.
The job itself waits for its steps, then joins everything on this machine, at the source's size and rate. When a step
fails, the finished steps keep their clips.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from backends.catalog.choice import Choice
from backends.catalog.rules.checked import Checked
from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.jobs import records
from backends.jobs.money import ledger
from backends.jobs.order import legal
from backends.jobs.order.entries import Resolved, is_pending
from backends.jobs.records import NewJob
from backends.provider.protocol import JsonObject
from backends.provider.registry import registered
from backends.request import Frame, VideoRequest

Facts = Mapping[str, MediaFacts]
Pick = Callable[[VideoRequest, Facts, Decimal | None, Decimal | None], Choice]

MAX_STEPS = 6
JOINER = "edit"
"""The provider that joins clips on this machine."""

FRAME = "frames[0].image"


@dataclass(frozen=True)
class Step:
    """One paid step: its legal request and its highest cost (micro-dollars)."""

    checked: Checked
    est_low: int | None
    est_high: int | None
    typical_s: float | None


def plan(
    request: VideoRequest, inputs: Resolved, pick: Pick, per_job: Decimal | None, why: VideoError
) -> tuple[Choice, Sequence[Step]]:
    """The fewest equal steps that make the extension. When there are none, an error with `why` (why no model extends it
    itself)."""
    source = inputs.facts.get("source_clip")
    if source is None or request.duration_s is None:
        raise why
    facts = {FRAME: replace(source, kind="image", mime="image/png")}
    for count in range(1, MAX_STEPS + 1):
        part = _step_request(request, request.duration_s / count)
        try:
            choice = pick(part, facts, _share(request.max_cost_usd, count), _share(per_job, count))
        except VideoError as error:
            if error.kind in ("needs_budget", "wall", "auth", "model_retired", "not_found"):
                raise
            continue
        if choice.row.engine != "generative":
            raise why
        return _with_note(choice, request, count), [_step(choice)] * count
    raise why


def _step_request(request: VideoRequest, seconds: float) -> VideoRequest:
    return request.model_copy(
        update={
            "task": "image_to_video",
            "duration_s": round(seconds, 6),
            "source_clip": None,
            "frames": (Frame(image="video://last_frame"),),
            "aspect_ratio": None,
            "resolution": None,
            "fps": None,
            "max_cost_usd": None,
        }
    )


def _share(amount: Decimal | None, count: int) -> Decimal | None:
    return None if amount is None else amount / count


def _step(choice: Choice) -> Step:
    cost = choice.estimate
    low = None if cost.usd_low is None else ledger.to_micro(cost.usd_low)
    high = None if cost.usd_high is None else ledger.to_micro(cost.usd_high)
    return Step(choice.checked, low, high, cost.typical_s)


def _with_note(choice: Choice, request: VideoRequest, count: int) -> Choice:
    """The choice for the whole, with a note on how it is really made."""
    cost = choice.estimate
    note = (
        f"{choice.row.id} cannot extend a clip: {count} new clip{'s' if count > 1 else ''} from the true last frame "
        "will be joined to it on this machine"
    )
    total = replace(
        cost,
        usd_low=None if cost.usd_low is None else cost.usd_low * count,
        usd_high=None if cost.usd_high is None else cost.usd_high * count,
        typical_s=None if cost.typical_s is None else cost.typical_s * count,
    )
    checked = replace(choice.checked, request=request.model_copy(update={"model": choice.row.id}))
    return replace(choice, checked=checked, estimate=total, notes=(*choice.notes, note))


def jobs(whole: NewJob, steps: Sequence[Step]) -> list[NewJob]:
    """The joining job and its steps. Each step starts from the last frame of the one before."""
    source: JsonObject = dict(whole.inputs["source_clip"])
    made: list[NewJob] = []
    before: JsonObject = (
        {"job": source["job"], "part": "last_frame", "t": 0.0}
        if is_pending(source) and "job" in source
        else {"still_of": source, "part": "last_frame", "t": 0.0}
    )
    for number, step in enumerate(steps, 1):
        request = step.checked.request
        job = replace(
            whole,
            id=records.new_job_id(),
            parent=whole.id,
            step=number,
            request=request,
            prepared=legal.prepare(step.checked),
            inputs={FRAME: before},
            needs=[before["job"]] if "job" in before else [],
            request_key=f"step {number} of {whole.id}",
            key_given=False,
            est_low=step.est_low,
            est_high=step.est_high,
            typical_s=step.typical_s,
            notes=step.checked.notes,
        )
        made.append(job)
        before = {"job": job.id, "part": "last_frame", "t": 0.0}
    access = registered(JOINER).access({})
    entries = {"source_clip": source} | {
        f"added[{index}]": {"job": job.id, "part": "clip", "t": 0.0} for index, job in enumerate(made)
    }
    joiner = replace(
        whole,
        prepared=replace(whole.prepared, wire={"join": True}),
        inputs=entries,
        needs=[*whole.needs, *(job.id for job in made)],
        provider=JOINER,
        kind="local",
        lane=access.lane,
        base_url="",
    )
    return [joiner, *made]
