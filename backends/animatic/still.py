"""image_to_video: a camera over a still, with motion regions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from backends.animatic.brush import Brush, Placement, Plane
from backends.animatic.camera import CameraPath
from backends.animatic.drift import in_words, to_json, velocity
from backends.animatic.ease import DRIFT, out_and_back, travel
from backends.animatic.lens import Rgb
from backends.animatic.stage import Stage, at_rest
from backends.animatic.take import Take
from backends.animatic.timing import frame_count
from backends.errors import VideoError
from backends.media.images import load_image, load_mask
from backends.media.rates import exact_rate
from backends.provider.protocol import Asset, Prepared
from backends.regions import MotionRegion


def still_take(prepared: Prepared) -> Take:
    """The take for image_to_video. VideoError from reading the inputs passes through."""
    request = prepared.request
    rate = exact_rate(request.fps or 24)
    count = frame_count(request.duration_s or 5, rate)
    path = CameraPath(request.camera, _length(count, rate, request.loop), request.seed or 0, loop=request.loop)
    asset = prepared.assets.get("frames[0].image")
    if asset is None:
        raise VideoError("invalid_request", "image_to_video needs an image: give frames[0].image")
    image = load_image(asset.path)
    times = [float(i / rate) for i in range(count)]
    size = (prepared.width, prepared.height)
    stage = Stage.of(image, size, request.fit, request.focus, path, times)
    notes: list[str] = []
    brush = brush_of(request.motion, prepared.assets, stage.place, stage.plane, notes)
    notes += stage.notes
    if request.prompt:
        notes.append("the prompt is not followed: an animatic moves the camera and the marked regions, nothing else")
    if request.loop and brush:
        notes.append("motion regions go out and back so that the loop has no seam")
    speed = at_rest()
    if count > 1 and not path.still and not request.loop:
        speed = velocity(stage.matrices[-2], stage.matrices[-1], float(1 / rate))
    take = Take(
        frames=iter(()),
        count=count,
        rate=rate,
        phase=_phase(path, brush),
        sidecar={
            "kind": "camera",
            "camera": [str(move) for move in path.moves],
            "velocity": to_json(speed),
            "speed": in_words(speed),
            "regions": len(request.motion),
            "regions_moving": brush is not None and not request.loop,
        },
        facts={
            "method": "+".join(["camera"] * (not path.still) + ["motion brush"] * (brush is not None)) or "held still",
            "crop_pct": round(100 * (1 - stage.overscan.scale), 1),
            "upscale": round(stage.upscale, 2),
        },
        notes=notes,
    )
    if brush:
        take.facts["slides_px"] = [round(slide * stage.window[0] / stage.plane.shape[1], 1) for slide in brush.slides]
    take.frames = _frames(stage, brush, [_done(path, t) if count > 1 else 0.0 for t in times])
    return take


def _length(count: int, rate: Fraction, loop: bool) -> float:
    """The time of the last frame; for a loop the whole period, whose end is the first frame again."""
    return float((count if loop else count - 1) / rate)


def _done(path: CameraPath, t: float) -> float:
    """How much of their way the motion regions have gone at a time."""
    return out_and_back(t, path.length_s) if path.loop else travel(t, path.length_s, DRIFT)


def _phase(path: CameraPath, brush: Brush | None) -> str:
    if not path.still:
        return "moving the camera over the image"
    return "moving the marked regions" if brush else "holding the image"


def _frames(stage: Stage, brush: Brush | None, done: list[float]) -> Iterator[Rgb]:
    """One frame a value of `done` (the motion regions' share of their way)."""
    painted = stage.plane.copy() if brush else None
    for index, share in enumerate(done):
        if brush and painted is not None:
            brush.paint(stage.plane, painted, share)
        yield stage.view(index, painted)


def brush_of(
    regions: Sequence[MotionRegion], assets: Mapping[str, Asset], place: Placement, plane: Rgb, notes: list[str]
) -> Brush | None:
    """The motion regions of a picture that lies so on a plane; None when nothing moves."""
    if not regions:
        return None
    masks: list[Plane | None] = []
    for index in range(len(regions)):
        asset = assets.get(f"motion[{index}].mask")
        masks.append(load_mask(asset.path) if asset else None)
    for index, mask in enumerate(masks):
        if mask is not None and abs(mask.shape[1] / mask.shape[0] / (place.width / place.height) - 1) > 0.03:
            notes.append(f"motion[{index}].mask has another ratio than the image and was stretched to it")
    return Brush.make(regions, masks, place, (plane.shape[1], plane.shape[0]), notes)
