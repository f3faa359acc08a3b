"""Ordering a film: clips and stills finished into one file on this machine, as a job like any other. Free.

The job's row holds the FinishRequest in its prepared request; its VideoRequest holds the fields that both have. Clips
may be jobs that are not finished yet: the film then waits for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Self

from backends.edit.cues import Kind, read_lines, within
from backends.edit.narration import BEYOND_S, lengthened, longest_s, too_long
from backends.edit.plan import Plan, forecast
from backends.edit.request import FinishRequest
from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.jobs import records
from backends.jobs.order.entries import Keep, Resolved, is_pending
from backends.jobs.order.inputs import Inputs
from backends.jobs.order.order import Order, key_of_take
from backends.jobs.records import NewJob
from backends.jobs.store import codec
from backends.jobs.store.database import Store
from backends.jobs.store.stored_job import StoredJob
from backends.media_name import MediaName
from backends.provider.protocol import Prepared
from backends.provider.registry import registered
from backends.request import VideoRequest
from backends.terms import DEFAULT_TERMS, Terms

EDITOR = "edit"
"""The provider, the engine and the model name of every film."""
SECONDS_A_FRAME = 0.03
"""For a 720p film on one core: the estimate that a waiting client sees."""

Heard = Callable[[Path, float], float]
"""Seconds of a sound file up to its last sound that can be heard, within its first so many seconds."""


@dataclass(frozen=True)
class Cut(Order):
    """A FinishRequest and its terms. before: the film of which this is another take; its media are that film's
    copies."""

    finish: FinishRequest = field(default_factory=lambda: FinishRequest(clips=("?",)))
    before: StoredJob | None = None

    @classmethod
    def of(
        cls, finish: FinishRequest, terms: Terms = DEFAULT_TERMS, *, confirmed: bool = False, client: str = ""
    ) -> Self:
        return cls(carrier(finish), terms, confirmed=confirmed, client=client, finish=finish)

    @classmethod
    def take_of(cls, job: StoredJob, take: int, max_cost_usd: Decimal | None) -> Self:
        """Another take of an existing film."""
        return replace(cls.of(finish_of(job), Terms(take=take, label=job.label)), before=job)

    def resolve(self, inputs: Inputs, principal: str, keep: Keep = "copy") -> Resolved:
        if self.before is not None:
            return inputs.again(self.before.inputs, principal, keep)
        return inputs.resolve_media(self.finish.media(), principal, keep, self.promised)

    def key(self, digest: str) -> str:
        if self.before is not None:
            return key_of_take(self.before, self.terms.take)
        return super().key(digest)

    def digest(self, inputs: Resolved) -> str:
        if self.before is not None:
            return self.before.digest
        return hashlib.sha256(f"finish {self.finish.digest(inputs.hashes)}".encode()).hexdigest()


def upscaled(cut: Cut, model: str, *, smoother: bool = False) -> tuple[Cut, Order]:
    """The film without the model's part, and the order for the model's part; its clip is filled in later.

    The model enlarges the film, as `resolution` asks. smoother: it also adds frames, as `fps` asks.
    """
    if cut.finish.format != "mp4":
        raise VideoError("invalid_request", f"upscaler {model[:80]} takes an MP4 film: leave format out, or upscaler")
    left_to_it = "fps" if smoother else "resolution"
    finish = cut.finish.model_copy(update={"upscaler": None, left_to_it: None, "max_cost_usd": None})
    film = replace(Cut.of(finish, client=cut.client), promised=cut.promised)
    fields = {left_to_it: getattr(cut.finish, left_to_it), "max_cost_usd": cut.finish.max_cost_usd}
    wanted = VideoRequest.model_validate({"task": "upscale", "model": model, "source_clip": "the film", **fields})
    return film, Order(wanted, cut.terms, confirmed=cut.confirmed, client=cut.client)


def carrier(finish: FinishRequest, plan: Plan | None = None) -> VideoRequest:
    """The film as a VideoRequest, as far as that has its fields. plan: supplies what the film will be."""
    fields: dict[str, object] = {
        "aspect_ratio": finish.aspect_ratio,
        "resolution": finish.resolution,
        "fps": finish.fps,
        "fit": finish.fit,
        "focus": finish.focus,
        "loop": finish.loop,
        "max_cost_usd": finish.max_cost_usd,
    }
    if plan is not None:
        fields |= {"duration_s": plan.duration_s, "fps": float(plan.fps)}
    return VideoRequest.model_validate({"task": "finish", "model": EDITOR, **fields})


def finish_of(job: StoredJob) -> FinishRequest:
    """The FinishRequest of a film."""
    return FinishRequest.model_validate(job.prepared_record["wire"]["finish"])


def going_on(store: Store, inputs: Resolved) -> tuple[int, ...]:
    """The numbers of the film's clips that were made from the last frame of the clip before."""
    found: list[int] = []
    made_by = {place: entry.get("from_job") or entry.get("job") for place, entry in inputs.entries.items()}
    for number in range(1, len(made_by)):
        before, job = made_by.get(f"clips[{number - 1}]"), made_by.get(f"clips[{number}]")
        row = store.row("SELECT request FROM jobs WHERE id = ?", (job,)) if before and job else None
        if row is not None and _starts_from(VideoRequest.model_validate_json(row["request"]), str(before)):
            found.append(number)
    return tuple(found)


def _starts_from(request: VideoRequest, before: str) -> bool:
    frames = request.frames
    if not frames or frames[0].role != "first":
        return False
    name = MediaName.parse(frames[0].image)
    return (name.kind, name.value, name.part) == ("job", before, "last_frame")


def cut_job(
    order: Cut, inputs: Resolved, principal: str, client: str, heard: Heard, going_on: Sequence[int] = ()
) -> NewJob:
    """The job of a film. going_on: the clips that continue from the last frame of the one before. VideoError names what
    can never be made, as far as the media are known."""
    plan = forecast(order.finish, inputs.facts, going_on)
    if plan is not None:
        _check_narration(order.finish, inputs, heard)
    notes = (*inputs.notes, *(plan.notes if plan else ()), *(_words(order.finish, plan) if plan else ()))
    digest = order.digest(inputs)
    key = order.key(digest)
    access = registered(EDITOR).access({})
    prepared = Prepared(
        request=carrier(order.finish, plan),
        model=EDITOR,
        width=plan.width if plan else 0,
        height=plan.height if plan else 0,
        wire={"finish": order.finish.model_dump(mode="json"), "going_on": list(going_on)},
    )
    return NewJob(
        id=records.new_job_id(),
        request=order.as_written,
        prepared=prepared,
        inputs=inputs.entries,
        needs=inputs.needs,
        digest=digest,
        request_key=key,
        key_given=key.startswith("given "),
        principal=principal,
        client=order.client or client,
        take=order.terms.take,
        label=order.terms.label,
        engine=EDITOR,
        provider=EDITOR,
        kind="local",
        lane=access.lane,
        base_url="",
        est_low=0,
        est_high=0,
        typical_s=_typical_s(plan),
        notes=tuple(dict.fromkeys(notes)),
    )


def _check_narration(finish: FinishRequest, inputs: Resolved, heard: Heard) -> None:
    """VideoError where a narration file is longer than a film whose clips are all there. What is not known yet, and a
    text that is still to be spoken, is checked when the film is made. A quote does not open the file."""
    facts, entry = inputs.facts.get("narration"), inputs.entries.get("narration", {})
    if facts is None or "path" not in entry or any(map(is_pending, inputs.entries.values())):
        return
    plan = forecast(finish, inputs.facts)
    if plan is None or (facts.duration_s or 0.0) <= longest_s(plan):
        return
    try:
        spoken_s = heard(Path(entry["path"]), longest_s(plan) + BEYOND_S)
    except VideoError:  # it takes too long here: it is checked when the film is made
        return
    if spoken_s > longest_s(plan):
        raise too_long(spoken_s, plan.duration_s, lengthened(finish, plan, inputs.facts, spoken_s))


def promise_of_film(job: NewJob) -> MediaFacts | None:
    """What the film will be, None while that depends on media that are not known yet."""
    prepared = job.prepared
    if not prepared.width:
        return None
    audio = any(codec.facts_from_json(entry["facts"]).audio for entry in job.inputs.values() if "facts" in entry)
    seconds, fps = prepared.request.duration_s, prepared.request.fps
    return MediaFacts("clip", "video/mp4", prepared.width, prepared.height, 0, seconds, fps, audio=audio)


def _words(finish: FinishRequest, plan: Plan) -> list[str]:
    """Notes about the words in the picture. VideoError for an invalid line. A subtitle file is read when the film is
    made."""
    notes: list[str] = []
    captions = () if finish.captions_file else finish.captions
    kinds: tuple[tuple[Sequence[str], Kind, str], ...] = (
        (captions, "caption", "captions"),
        (finish.titles, "title", "titles"),
    )
    for lines, kind, place in kinds:
        notes += within(read_lines(lines, kind, place), plan.duration_s, place)[1]
    return notes


def _typical_s(plan: Plan | None) -> float | None:
    if plan is None:
        return None
    return round(1 + plan.frames * SECONDS_A_FRAME * plan.width * plan.height / (1280 * 720), 1)
