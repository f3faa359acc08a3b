"""extend: the whole clip again, then new frames that go on from its true last frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np

from backends.animatic.brush import Brush, Placement
from backends.animatic.camera import REVEALING, CameraPath
from backends.animatic.card import Card
from backends.animatic.drift import from_json, in_words, is_still, to_json, velocity
from backends.animatic.ease import DRIFT, travel
from backends.animatic.lens import Matrix, Rgb, inverse, shoot
from backends.animatic.onward import HAND_OVER_S, Onward
from backends.animatic.still import brush_of
from backends.animatic.take import Take
from backends.animatic.timing import frame_count
from backends.camera import CameraMove
from backends.errors import VideoError
from backends.media.container import open_clip
from backends.media.frames import decode, last_frame
from backends.media.probe import hdr_note
from backends.media.rates import exact_rate
from backends.provider.protocol import Asset, JsonObject, Prepared

UNSTEADY = Fraction(1, 3)
"""Of a frame: times that stray farther from an even rate are a phone's varying rate, not a container's rounding."""
SUSTAINED_S = Fraction(1, 2)
"""How long a rate must be kept up to be the clip's."""
HEARD_S = 0.1
"""Sound that outlasts the picture by less is the same length: a sound packet has 20 to 40 ms."""
OUTWARD_PCT_S = -0.8
SOFT = 1.5


def extend_take(prepared: Prepared) -> Take:
    """The take for extend. VideoError("unsupported") for moves that would look beyond the last frame."""
    request = prepared.request
    asset = prepared.assets.get("source_clip")
    if asset is None:
        raise VideoError("invalid_request", "extend needs the clip to extend: give source_clip")
    _refuse_pull_outs(request.camera)
    rate, steady, before = _timing(asset)
    added = frame_count(request.duration_s or 5, rate)
    take = Take(frames=iter(()), count=before + added, rate=rate, phase="going on from the last frame")
    if request.prompt:
        take.notes.append("the prompt is not followed: an animatic continues only camera and motion")
    if not steady:
        take.notes.append(f"the clip's frame rate varies: all of it was brought to an even {float(rate):.5g} fps")
    if asset.facts.audio:
        take.audio_from = asset.path
        take.notes.append(_heard(asset.path, float(before / rate), float(added / rate)))
    if told := hdr_note(asset.path):
        take.notes.append(told)
    take.facts["method"] = "extend"
    take.frames = _frames(prepared, asset, steady, added, take)
    return take


def _refuse_pull_outs(camera: Sequence[CameraMove]) -> None:
    if wide := [str(move) for move in camera if move.move in REVEALING and move.amount]:
        raise VideoError(
            "unsupported",
            f"an extension cannot do {', '.join(wide)}: nothing lies beyond the edges of the last frame. Pull out in "
            "the first clip (image_to_video with dolly-out), or extend with dolly-in, pan, tilt, truck or crane",
        )


def _timing(asset: Asset) -> tuple[Fraction, bool, int]:
    """The clip's rate, whether its frames come evenly, and how many there will be at that rate (an estimate when
    they don't; the rate is then the highest that it keeps up, in whole frames: slower parts repeat theirs)."""
    rate = exact_rate(asset.facts.fps or 24.0)
    times = _frame_times(asset.path)
    if all(abs((time - times[0]) * rate - index) < UNSTEADY for index, time in enumerate(times)):
        return rate, True, len(times)
    rate = Fraction(min(60, max(8, round(1 / _quickest_step(times)))))
    return rate, False, frame_count(asset.facts.duration_s or 1.0, rate)


def _quickest_step(times: list[Fraction]) -> Fraction:
    """The usual step between frames, in seconds, in the half second (or more) that holds most of them: a burst of a
    few frames, or a phone's jitter, is no rate."""
    densest, end = (0, len(times) - 1), 0
    most = Fraction(0)
    for start, time in enumerate(times):
        while end < len(times) and times[end] - time < SUSTAINED_S:
            end += 1
        if end == len(times):
            break
        if (kept := (end - start) / (times[end] - time)) > most:
            most, densest = kept, (start, end)
    window = times[densest[0] : densest[1] + 1]
    steps = sorted(after - before for before, after in pairwise(window) if after > before)
    return steps[len(steps) // 2]


def _heard(path: Path, clip_s: float, added_s: float) -> str:
    """What is heard of the clip's own sound, which may be longer than its picture."""
    with open_clip(path) as clip:
        ends = [
            (packet.pts + (packet.duration or 0)) * packet.time_base
            for packet in clip.container.demux(clip.container.streams.audio[0])
            if packet.pts is not None
        ]
        over_s = float(max(ends, default=Fraction(0)) - clip.origin * clip.time_base) - clip_s
    if over_s <= HEARD_S:
        return "the clip's own sound is kept; the added part is silent"
    if over_s < added_s - HEARD_S:
        return (
            f"the clip's own sound is kept: it continues for {over_s:.1f} s of the added part, and the rest is silent"
        )
    cut = "" if over_s <= added_s + HEARD_S else f", and is cut {over_s - added_s:.1f} s before its end"
    return f"the clip's own sound is kept: it continues under the whole added part{cut}"


def _frame_times(path: Path) -> list[Fraction]:
    """When every frame is shown, in seconds, from the packets alone (nothing is decoded)."""
    with open_clip(path) as clip:
        stamps = [
            packet.pts
            for packet in clip.container.demux(clip.video)
            if packet.pts is not None and not packet.is_discard
        ]
        return [stamp * clip.time_base for stamp in sorted(stamps)]


def _frames(prepared: Prepared, asset: Asset, steady: bool, added: int, take: Take) -> Iterator[Rgb]:
    """The source's frames as they are decoded, then the new ones. Only the last of them is kept."""
    last: Rgb | None = None
    before = 0
    for frame in decode(asset.path, fps=None if steady else take.rate):
        last = _even(frame, prepared)
        before += 1
        yield last
    if last is None:
        raise VideoError("asset", "the clip to extend holds no frame: export it again as H.264 MP4")
    if not steady:  # an even rate may have stepped over the true last frame
        last = _even(last_frame(asset.path), prepared)
    take.count = before + added
    take.facts |= {"source_frames": before, "added_frames": added}
    sidecar = _own_sidecar(asset, prepared, before, take.notes)
    card = _card(prepared, sidecar, before, take.rate)
    if card and not prepared.request.camera and not prepared.request.motion:
        card = card.continued(added)
        take.sidecar = {"kind": "card", "card": card.to_json(), "velocity": to_json(np.zeros((3, 3)))}
        take.notes.append("the storyboard card continues, with its timecode")
        yield from card.frames()
        return
    onward = _onward(prepared, sidecar, added, take)
    views = onward.views()
    _tell(onward, views, take)
    brush = _brush(prepared, last, sidecar, take)
    shares = _shares(added, take.rate, moving_before=bool(sidecar.get("regions_moving")))
    shown = last if brush is None else last.copy()
    for view, share in zip(views, shares, strict=True):
        if brush:
            brush.paint(last, shown, share)
        yield shown if view is None else shoot(shown, view, prepared.width, prepared.height)


def _brush(prepared: Prepared, last: Rgb, sidecar: JsonObject, take: Take) -> Brush | None:
    """The motion regions of the added part, which lie on the clip's last frame."""
    regions = prepared.request.motion
    take.sidecar["regions"] = len(regions)
    if not regions:
        if sidecar.get("regions"):
            take.notes.append(
                "the motion regions of the clip hold still in the added part; motion=[...] keeps them moving"
            )
        return None
    place = Placement(0.0, 0.0, float(prepared.width), float(prepared.height))
    brush = brush_of(regions, prepared.assets, place, last, take.notes)
    take.sidecar["regions_moving"] = brush is not None
    if brush:
        take.facts["slides_px"] = [round(slide, 1) for slide in brush.slides]
    return brush


def _shares(added: int, rate: Fraction, *, moving_before: bool) -> list[float]:
    """How much of their way the motion regions have gone at each new frame; those that moved when the clip ended start
    at the speed that a clip of this engine ends with."""
    span = float(added / rate)
    return [travel(float(k / rate), span, DRIFT, DRIFT if moving_before else 0.0) for k in range(1, added + 1)]


def _even(frame: Rgb, prepared: Prepared) -> Rgb:
    """The frame at the clip's even size: an odd source loses its last row or column."""
    rows, columns = frame.shape[:2]
    if not (0 <= rows - prepared.height <= 1 and 0 <= columns - prepared.width <= 1):
        raise VideoError(
            "invalid_request",
            f"an extension keeps the clip's size, {columns}x{rows}: it cannot be {prepared.width}x{prepared.height}",
        )
    return np.ascontiguousarray(frame[: prepared.height, : prepared.width])


def _own_sidecar(asset: Asset, prepared: Prepared, frames: int, notes: list[str]) -> JsonObject:
    """What this engine left beside the clip, if the clip is still the one it was left for; else {}."""
    sidecar = asset.sidecar
    if sidecar.get("engine") != "animatic":
        return {}
    if sidecar.get("size") == [prepared.width, prepared.height] and sidecar.get("frames") == frames:
        return sidecar
    notes.append("the clip was changed since it was made, so its camera path is not continued")
    return {}


def _card(prepared: Prepared, sidecar: JsonObject, frames: int, rate: Fraction) -> Card | None:
    stored: object = sidecar.get("card")
    if not isinstance(stored, dict):
        return None
    fields = cast("dict[str, object]", stored)
    return Card(
        str(fields.get("prompt", "")), str(fields.get("shot", "")), prepared.width, prepared.height, rate, frames
    )


def _onward(prepared: Prepared, sidecar: JsonObject, added: int, take: Take) -> Onward:
    """What the camera does in the added part: the new moves, or the old motion easing out. Nothing else moves."""
    request, length_s = prepared.request, float(added / take.rate)
    old = from_json(sidecar.get("velocity")) if sidecar else None
    moving = old is not None and not is_still(old)
    moves = request.camera
    if moving and moves:
        take.notes.append(f"the clip's own camera motion fades in {HAND_OVER_S:g} s while the new moves take over")
    elif moving:
        take.notes.append("the camera continues the motion at the end of the clip, and eases out")
    elif not moves:
        why = "the clip ends at rest" if old is not None else "the clip's own camera path is not known"
        what = "the picture" if not request.motion else "all but the motion regions"
        take.notes.append(f"{why}: {what} stands still in the added part; camera=[...] moves over it")
    path = CameraPath(tuple(moves), length_s, request.seed or 0, from_rest=True)
    return Onward(old if moving else None, path, added, take.rate, prepared.width / prepared.height)


def _tell(onward: Onward, views: list[Matrix | None], take: Take) -> None:
    """The facts, the notes and the sidecar of the added part."""
    seen = [np.eye(3), *(np.eye(3) if view is None else view for view in views)]
    speed = velocity(inverse(seen[-2]), inverse(seen[-1]), float(1 / take.rate))
    closing, upscale = onward.closing, onward.upscale(seen[-1])
    take.facts |= {
        "closing_pct": round(100 * closing, 1),
        "upscale": round(upscale, 2),
        "speed_at_seam": in_words(onward.old if onward.old is not None else np.zeros((3, 3))),
    }
    take.sidecar = {
        "kind": "camera",
        "camera": [str(move) for move in onward.path.moves],
        "velocity": to_json(speed),
        "speed": in_words(speed),
    }
    if onward.old is not None and in_words(onward.old)["grow_pct_s"] < OUTWARD_PCT_S:
        take.notes.append(
            "the clip was pulling out: nothing lies beyond its last frame, so the camera comes to rest there"
        )
    if closing > 0.02:
        take.notes.append(
            f"the view closes in by {closing:.0%} of the width while it moves, to stay inside the last frame"
        )
    if upscale > SOFT:
        take.notes.append(f"the last frame is enlarged {upscale:.1f}x by the end and is soft")
