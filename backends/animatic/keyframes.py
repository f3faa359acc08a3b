"""interpolate: the take that runs through the keyframes, and stands on those that are held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from backends.animatic.camera import CameraPath
from backends.animatic.drift import in_words, to_json, velocity
from backends.animatic.lens import Matrix, Rgb
from backends.animatic.morph import RELATED, Bridge
from backends.animatic.pacing import Beat, Pace, beats_of
from backends.animatic.stage import Stage, at_rest
from backends.animatic.take import Take
from backends.animatic.timing import frame_count
from backends.errors import VideoError
from backends.media.fit import fit_image
from backends.media.images import load_image
from backends.media.rates import exact_rate
from backends.provider.protocol import Prepared

MOSTLY = 0.9
"""Consistency below which the part that only dissolves is noted."""


def keyframes_take(prepared: Prepared) -> Take:
    """The take for interpolate. VideoError("invalid_request") for keyframes closer than a frame."""
    request = prepared.request
    rate = exact_rate(request.fps or 24)
    duration_s = request.duration_s or 5.0
    count = frame_count(duration_s, rate)
    times, holds = [frame.at_s for frame in request.frames], [frame.hold_s for frame in request.frames]
    beats = beats_of(times, holds, duration_s, rate, count, request.loop)
    take = Take(
        frames=iter(()),
        count=count,
        rate=rate,
        phase="running through the keyframes",
        sidecar={"kind": "keyframes", "velocity": to_json(at_rest())},
    )
    if request.prompt or any(frame.prompt for frame in request.frames):
        take.notes.append("prompts are not followed: an animatic runs from keyframe to keyframe, nothing else")
    if count <= 2 * len(request.frames):
        take.notes.append(f"{len(request.frames)} keyframes in {count} frames: hardly anything is shown between them")
    take.frames = _Run(prepared, beats, take).frames()
    return take


@dataclass
class _Run:
    """The frames of a take as they come. Only the two keyframes in use are kept.

    agreed: for each way that was walked, by the keyframe that it leaves, how much of the flow agreed.
    """

    prepared: Prepared
    beats: list[Beat]
    take: Take
    agreed: dict[int, float] = field(default_factory=dict[int, float])

    def frames(self) -> Iterator[Rgb]:
        loop, count = self.prepared.request.loop, self.take.count
        pace = Pace.of(self.beats, count, loop)
        last = len(self.beats) - 1
        standing = 0
        before = self._held(0)
        after: _Held | None = None
        bridge: Bridge | None = None
        for frame in range(count):
            while standing < last and frame >= self.beats[standing + 1].arrives:
                standing += 1
                before, after, bridge = after or self._held(standing), None, None
            beat = self.beats[standing]
            if frame <= beat.leaves or (standing == last and not loop):
                yield before.view(frame - beat.arrives)
                continue
            if bridge is None or after is None:
                after = self._held((standing + 1) % len(self.beats))
                bridge = Bridge.between(before.end, after.start)
                self.agreed[standing] = bridge.consistency
            yield bridge.at(pace.at(frame) - standing)
        self._tell(before)

    def _held(self, index: int) -> _Held:
        """A keyframe as it is shown, from the first frame of its hold to the last."""
        request, size = self.prepared.request, (self.prepared.width, self.prepared.height)
        asset = self.prepared.assets.get(f"frames[{index}].image")
        if asset is None:
            raise VideoError("invalid_request", f"interpolate needs its keyframes: frames[{index}].image is missing")
        image, moves = load_image(asset.path), request.frames[index].camera
        if not moves:
            picture, lost = fit_image(image, *size, request.fit, request.focus)
            lost_before = float(self.take.facts.get("cut_off_pct", 0.0))
            self.take.facts["cut_off_pct"] = max(lost_before, round(100 * lost, 1))
            return _Held(picture)
        frames, to_rest = self._span(index)
        rate = self.take.rate
        path = CameraPath(moves, float((frames - 1) / rate), (request.seed or 0) + index, to_rest=to_rest)
        times = [float(k / rate) for k in range(frames)]
        stage = Stage.of(image, size, request.fit, request.focus, path, times)
        for note in stage.notes:
            told = f"frames[{index}]: {note}"
            if told not in self.take.notes:
                self.take.notes.append(told)
        return _Held(stage.view(0).copy(), stage)

    def _span(self, index: int) -> tuple[int, bool]:
        """How many frames a keyframe stands, and whether its camera must be at rest by then: it goes on over a cut."""
        beat, loop, count = self.beats[index], self.prepared.request.loop, self.take.count
        if index == len(self.beats) - 1 and not loop:
            return count - beat.arrives, False
        follows = count if index == len(self.beats) - 1 else self.beats[index + 1].arrives
        return beat.frames, follows > beat.leaves + 1

    def _tell(self, last: _Held) -> None:
        """What was really made between the keyframes: morphs, dissolves, cuts, or some of each."""
        take, agreed = self.take, self.agreed
        ways = len(self.beats) if self.prepared.request.loop else len(self.beats) - 1
        made = {"morph" if value >= RELATED else "dissolve" for value in agreed.values()}
        kinds = [kind for kind in ("morph", "dissolve") if kind in made] + ["cut"] * (len(agreed) < ways)
        take.facts["method_effective"] = " and ".join(kinds)
        take.facts["method"] = "keyframes"
        take.facts["flow_consistency_pct"] = [round(100 * value, 1) for value in agreed.values()]
        speed = last.speed(float(1 / take.rate))
        take.sidecar |= {"velocity": to_json(speed), "speed": in_words(speed)}
        cut_off = float(take.facts.setdefault("cut_off_pct", 0.0))
        if cut_off >= 0.5:
            take.notes.append(f"up to {cut_off:.0f}% of a keyframe was cut off to fit the clip")
        for i, value in agreed.items():
            if value < RELATED:
                take.notes.append(
                    f"from keyframe {i} to the next there is no common motion ({value:.0%} of the flow agrees): "
                    "a plain dissolve was made, not a motion; a generative model can make the motion"
                )
            elif value < MOSTLY:
                take.notes.append(
                    f"from keyframe {i} to the next {1 - value:.0%} of the common view has no motion that both "
                    "pictures share, and dissolves in place"
                )


@dataclass(frozen=True)
class _Held:
    """One keyframe in its frame. stage: where a camera moves over it while it is held."""

    start: Rgb
    stage: Stage | None = None

    @cached_property
    def end(self) -> Rgb:
        """Its last view, which the way to the next keyframe leaves from."""
        return self.start if self.stage is None else self.stage.view(len(self.stage.matrices) - 1).copy()

    def view(self, index: int) -> Rgb:
        """`index` frames into its hold; before it, its first view, and after it, its last."""
        if self.stage is None:
            return self.start
        return self.stage.view(min(max(index, 0), len(self.stage.matrices) - 1))

    def speed(self, seconds: float) -> Matrix:
        """Its camera's velocity at the end of the hold; seconds: between two frames."""
        if self.stage is None or self.stage.locked or len(self.stage.matrices) < 2:
            return at_rest()
        return velocity(self.stage.matrices[-2], self.stage.matrices[-1], seconds)
