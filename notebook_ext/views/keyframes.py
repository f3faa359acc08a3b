"""The keyframe picker: stills are picked from clips or pictures, ordered, timed and checked against a model's
limits."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from backends.catalog.availability import availability
from backends.catalog.price import estimate
from backends.catalog.ranking import rank
from backends.catalog.rules.check import Misfit, find
from backends.catalog.rules.checked import Checked
from backends.catalog.schema.span import number_text
from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.request import MAX_PROMPT, Frame, Role, VideoRequest
from backends.studio import Studio
from backends.values import MAX_DURATION_S, Number
from notebook_ext import saved
from notebook_ext.controls import Control, control
from notebook_ext.kept_settings import Kept, file_digest, kept
from notebook_ext.media_names import literal_path, save_bytes
from notebook_ext.sources import Source, frame_png, small, source_of
from notebook_ext.view import Answer, Ask, Buffers, ClearAsk, CodeAsk, View

if TYPE_CHECKING:
    from notebook_ext.client import NotebookStudio

MOST = 100
"""The most frames of a request, for any model."""
USUAL_S = 5.0
"""The assumed length of a clip of unknown length, seconds."""

Seconds = Annotated[Number, Field(ge=0, le=MAX_DURATION_S)]


class TimeAsk(Ask):
    """A frame of the source with that number: the one at t seconds, or the last one."""

    source: int = Field(ge=0, le=MOST)
    t: Seconds
    last: bool = False


class KeyAsk(Ask):
    key: int


class MoveAsk(KeyAsk):
    by: Literal[-1, 1]


class SetAsk(KeyAsk):
    """at_s None: evenly spaced."""

    at_s: Seconds | None
    prompt: str = Field(max_length=MAX_PROMPT)


@dataclass(frozen=True)
class _Pick:
    """A still that was picked. jpeg: a small picture of it."""

    key: int
    name: str
    label: str
    facts: MediaFacts
    jpeg: bytes
    at_s: float | None = None
    prompt: str = ""


class Keyframes(View):
    """The result of `keyframes`. frames: the picked ones in order, ready for interpolate_keyframes."""

    NAME = "keyframes"
    ACTIONS: ClassVar[Mapping[str, type[Ask]]] = {
        "show": TimeAsk,
        "pick": TimeAsk,
        "thumb": KeyAsk,
        "move": MoveAsk,
        "set": SetAsk,
        "drop": KeyAsk,
        "clear": ClearAsk,
        "code": CodeAsk,
    }

    def __init__(
        self,
        studio: Studio,
        folder: Path,
        sources: Sequence[Source],
        has: Control,
        duration_s: float | None,
        model: str | None,
        kept: Kept | None = None,
    ) -> None:
        self.duration_s, self.model = duration_s, model
        self._studio, self._folder, self._has = studio, folder, has
        self._sandbox = studio.context.sandbox
        self._clips = [source for source in sources if source.is_clip]
        self._lock = threading.RLock()
        self._last_key = 0
        self._seen: tuple[TimeAsk, bytes, bytes] | None = None
        self._picks: list[_Pick] = []
        for source in sources:
            if not source.is_clip:
                self._add(source.name, _short(source), source.facts, small(source.path, self._sandbox))
        self._first = tuple(self._picks)
        self._kept = kept or Kept()
        if self._kept.found is not None:
            self._restore(self._kept.found)
        super().__init__(data=self._state())

    def _restore(self, state: Mapping[str, Any]) -> None:
        try:
            picks = [self._picked_before(number, one) for number, one in enumerate(state["picks"][:MOST], 1)]
        except VideoError as error:
            self._kept.unfit(error.message)
        except (ValueError, KeyError, TypeError):
            self._kept.unfit("its file is damaged")
        else:
            self._picks, self._last_key = picks, max(self._last_key, len(picks))
            self._kept.restored(f"{len(picks)} frame{'s' if len(picks) != 1 else ''}")

    def _picked_before(self, key: int, one: Mapping[str, Any]) -> _Pick:
        """VideoError("asset") where the image no longer exists."""
        kept_values = SetAsk(key=key, at_s=one["at_s"], prompt=one["prompt"])
        still = source_of(str(one["name"]), self._studio, self._folder)
        jpeg = base64.b64decode(one["jpeg"])
        return _Pick(key, still.name, str(one["label"]), still.facts, jpeg, kept_values.at_s, kept_values.prompt)

    def _keep(self) -> None:
        if not self._kept.keeps:
            return
        shown = ("name", "label", "at_s", "prompt")
        picks = [
            {**{name: getattr(pick, name) for name in shown}, "jpeg": base64.b64encode(pick.jpeg).decode()}
            for pick in self._picks
        ]
        self._kept.put({"picks": picks} if tuple(self._picks) != self._first else None)

    def _add(self, name: str, label: str, facts: MediaFacts, jpeg: bytes) -> None:
        if len(self._picks) >= MOST:
            raise VideoError("invalid_request", f"a request holds at most {MOST} frames")
        self._last_key += 1
        self._picks.append(_Pick(self._last_key, name, label, facts, jpeg))

    @property
    def frames(self) -> tuple[Frame, ...]:
        """In order, with their roles. Times that were not chosen are left out; the last frame gets the whole duration_s
        where that was given and the model lets times be chosen."""
        with self._lock:
            return self._frames()

    @property
    def nothing_set(self) -> str:
        """Why this cannot be used as `frames` yet; "" when it can."""
        return self._kept.lost or ("" if self._picks else "nothing is picked in the view: pick frames, or give images")

    def clear(self) -> None:
        """Reset to the images that the call gave."""
        with self._lock:
            self._picks = list(self._first)
            self._tell()

    def code(self) -> str:
        """The argument of a call that gives the same without this view."""
        frames: list[dict[str, Any]] = []
        for frame in self.frames:
            given = frame.model_dump(include={"at_s", "prompt"}, exclude_defaults=True, exclude_none=True)
            frames.append({"image": literal_path(frame.image), **given})
        return f"frames={frames!r}"

    def figure(self) -> str:
        with self._lock:
            picks = list(self._picks)
            _, verdict, times = self._judged()
        shown = [
            (pick.jpeg, f"{number}. {pick.label}, at {time:g} s{f': {pick.prompt}' if pick.prompt else ''}")
            for number, (pick, time) in enumerate(zip(picks, times, strict=True), 1)
        ]
        return saved.figure(saved.strip(shown), f"keyframes: {verdict}", self.code() if picks else "")

    def _frames(self) -> tuple[Frame, ...]:
        last = len(self._picks) - 1
        found: list[Frame] = []
        for number, pick in enumerate(self._picks):
            role: Role = "first" if number == 0 else "last" if number == last else "middle"
            ends = role == "last" and pick.at_s is None and self._timed
            at_s = self.duration_s if ends else pick.at_s
            found.append(Frame(image=pick.name, role=role, at_s=at_s, prompt=pick.prompt))
        return tuple(found)

    @property
    def _timed(self) -> bool:
        if self.model is None:
            return True
        row = self._studio.context.catalog.get(self.model)
        return any(mode.frames.timed for mode in row.modes if "interpolate" in mode.tasks)

    # what the page asks

    def do_show(self, ask: TimeAsk, _: Buffers) -> Answer:
        if ask.last:
            return {}, [self._decoded(ask)[1]]
        return {}, [small(self._clip(ask).path, self._sandbox, ask.t)]

    def do_pick(self, ask: TimeAsk, _: Buffers) -> None:
        clip = self._clip(ask)
        png, jpeg = self._decoded(ask)
        facts = MediaFacts("image", "image/png", clip.facts.width, clip.facts.height, len(png))
        place = "last_frame" if ask.last else f"frame/{number_text(ask.t) or '0'}"
        if clip.job:
            name = f"video://jobs/{clip.job}/{place}"
        else:
            name = str(save_bytes(png, self._folder / "stills", ".png"))
        when = "last frame" if ask.last else f"{ask.t:.2f} s"
        with self._lock:
            self._add(name, f"{_short(clip)}, {when}", facts, jpeg)
            self._tell()

    def _decoded(self, ask: TimeAsk) -> tuple[bytes, bytes]:
        """The exact frame as PNG and small: decoded in another process; the last one is remembered."""
        seen = self._seen
        if seen is None or seen[0] != ask:
            part: Literal["last_frame", "frame"] = "last_frame" if ask.last else "frame"
            seen = self._seen = (ask, *frame_png(self._clip(ask).path, part, ask.t, self._sandbox))
        return seen[1:]

    def _clip(self, ask: TimeAsk) -> Source:
        if ask.source >= len(self._clips):
            raise VideoError("invalid_request", f"there is no clip {ask.source}")
        return self._clips[ask.source]

    def do_thumb(self, ask: KeyAsk, _: Buffers) -> Answer:
        with self._lock:
            return {}, [self._picks[self._place(ask)].jpeg]

    def do_move(self, ask: MoveAsk, _: Buffers) -> None:
        """One place earlier or later; the times stay in their places."""
        with self._lock:
            one = self._place(ask)
            two = min(max(one + ask.by, 0), len(self._picks) - 1)
            here, there = self._picks[one], self._picks[two]
            self._picks[one], self._picks[two] = replace(there, at_s=here.at_s), replace(here, at_s=there.at_s)
            self._tell()

    def do_set(self, ask: SetAsk, _: Buffers) -> None:
        """Its time and prompt. A time beyond a neighbour's moves the frame past it."""
        with self._lock:
            place = self._place(ask)
            pick = replace(self._picks.pop(place), at_s=ask.at_s, prompt=ask.prompt)
            if ask.at_s is not None:
                place = _in_time(self._picks, place, ask.at_s)
            self._picks.insert(place, pick)
            self._tell()

    def do_drop(self, ask: KeyAsk, _: Buffers) -> None:
        with self._lock:
            del self._picks[self._place(ask)]
            self._tell()

    def do_clear(self, _: ClearAsk, __: Buffers) -> None:
        self.clear()

    def do_code(self, _: CodeAsk, __: Buffers) -> Answer:
        return {"code": self.code()}

    def _place(self, ask: KeyAsk) -> int:
        for number, pick in enumerate(self._picks):
            if pick.key == ask.key:
                return number
        raise VideoError("invalid_request", "this frame no longer exists")

    # the page's state

    def _tell(self) -> None:
        self._keep()
        self.publish(self._state())

    def _state(self) -> dict[str, Any]:
        fits, verdict, times = self._judged()
        seconds = self.duration_s or max([USUAL_S, *times])
        return {
            "note": "error" if self._has.kind == "none" else "dim",
            "text": self._has.text,
            "clips": [_strip(source) for source in self._clips],
            "frames": [
                {"key": pick.key, "label": pick.label, "at_s": pick.at_s, "even": time, "prompt": pick.prompt}
                for pick, time in zip(self._picks, times, strict=True)
            ],
            "seconds": seconds,
            "fits": fits,
            "verdict": verdict,
            "kept": self._kept.note,
        }

    def _judged(self) -> tuple[bool, str, list[float]]:
        """Whether a model can do exactly this, in words with its price, and when each frame would be shown."""
        frames = self._frames()
        even = _even(frames, self.duration_s or USUAL_S)
        if len(frames) < 2:
            return False, f"Pick two frames or more ({len(frames)} so far)", even
        # the prompt of the whole clip comes with the call: a placeholder keeps it from counting as missing
        request = VideoRequest(task="interpolate", frames=frames, prompt="-", duration_s=self.duration_s)
        facts = {f"frames[{number}].image": pick.facts for number, pick in enumerate(self._picks)}
        context = self._studio.context
        if self.model is not None:
            row = context.catalog.get(self.model)
            found = find(request, row, facts)
            if not isinstance(found, Checked):
                return False, f"{row.id} cannot do this: {_why(found)}", even
            text = f"{row.id}: {len(frames)} keyframes, {_length(found)}, {estimate(found, row).text}"
            return True, text, [frame.at_s or 0.0 for frame in found.request.frames]
        ranking = rank(request, context.catalog, facts, availability(context.env))
        usable = [offer for offer in ranking.fits if offer.available]
        if not usable:
            near = [f" The nearest, {misfit.row.id}: {_why(misfit)}" for misfit in ranking.nearest[:1]]
            return False, "No configured model does exactly this." + "".join(near), even
        named = ", ".join(f"{offer.row.id} ({offer.estimate.text})" for offer in usable[:3])
        more = f" and {len(usable) - 3} more" if len(usable) > 3 else ""
        best = usable[0].checked
        times = [frame.at_s or 0.0 for frame in best.request.frames]
        return True, f"{len(frames)} keyframes, {_length(best)}, can be done by {named}{more}", times


def _in_time(others: Sequence[_Pick], place: int, at_s: float) -> int:
    """The place of a frame with that time among the others: `place`, or just past those whose times require it."""
    sooner = [n for n, other in enumerate(others) if other.at_s is not None and other.at_s <= at_s]
    later = [n for n, other in enumerate(others) if other.at_s is not None and other.at_s > at_s]
    if sooner and sooner[-1] >= place:
        return sooner[-1] + 1
    return min([place, *later])


def _why(misfit: Misfit) -> str:
    return "; ".join(dict.fromkeys(problem.text for problem in misfit.problems if problem.field != "prompt"))


def _length(checked: Checked) -> str:
    return f"{number_text(checked.request.duration_s or 0)} s"


def _short(source: Source) -> str:
    """The page's name for a source."""
    return f"job {source.job[4:10]}" if source.job else Path(source.name).name


def _strip(source: Source) -> dict[str, Any]:
    """A clip's frames as the slider counts them."""
    fps = source.facts.fps or 24.0
    frames = max(1, round((source.facts.duration_s or 0) * fps))
    return {"label": _short(source), "fps": fps, "frames": frames}


def _even(frames: Sequence[Frame], seconds: float) -> list[float]:
    """When each frame would be shown: at its time, else evenly between its neighbours."""
    known: list[float | None] = [frame.at_s for frame in frames]
    if not known:
        return []
    known[0] = known[0] or 0.0
    if len(known) > 1 and known[-1] is None:
        known[-1] = max(seconds, *(time for time in known if time is not None))
    times: list[float] = []
    for number, time in enumerate(known):
        if time is None:
            after = next(n for n in range(number, len(known)) if known[n] is not None)
            end = known[after] or 0.0
            time = times[-1] + (end - times[-1]) / (after - number + 1)
        times.append(round(time, 3))
    return times


def keyframes(
    *sources: object,
    duration_s: float | None = None,
    model: str | None = None,
    name: str | None = None,
    client: NotebookStudio | None = None,
) -> Keyframes:
    """Pick keyframes; `studio.interpolate_keyframes(picker)` makes the clip through them.

    sources: clips to scrub (paths, finished jobs) and pictures that are picked at once (paths, arrays, PIL images,
    `video://jobs/ID/last_frame`). duration_s: of the clip to be made; default: the model's. model: whose limits they
    are checked against; default: those of every configured one. The picks are kept by sources and cell, or by `name` if
    given, and restored when the cell is run again. VideoError("asset") for what cannot be read, "not_found" for an
    unknown model.
    """
    if client is None:
        from notebook_ext.client import studio as client
    if not sources:
        raise VideoError("invalid_request", "give a clip to pick from (a path or a job), or pictures")
    if duration_s is not None and not 0 < duration_s <= MAX_DURATION_S:
        raise VideoError("invalid_request", f"duration_s is above 0 and at most {MAX_DURATION_S:g}, not {duration_s:g}")
    model = None if model == "auto" else model
    has = control(model, "keyframes", client.inner.context)
    folder = client.home.folder
    found = [source_of(source, client.inner, folder) for source in sources]
    about = {"sources": [file_digest(source.path) for source in found]}
    seconds = None if duration_s is None else float(duration_s)
    return Keyframes(client.inner, folder, found, has, seconds, model, kept("keyframes", about, folder, name))
