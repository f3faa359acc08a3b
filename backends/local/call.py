"""Call: what a pipeline is called with, from a legal request and its inputs; and which of its frames are kept."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, cast

from PIL import Image

from backends.errors import VideoError
from backends.local.families import Variant, frame_step
from backends.media.fit import fit_image
from backends.media.frames import decode, last_frame
from backends.media.images import load_image
from backends.media.rates import exact_rate
from backends.provider.protocol import Prepared
from backends.request import Lora

OVERLAP = 9
"""Frames of the source that an extension by conditions sees: two latent frames of LTX."""


@dataclass
class Call:
    """arguments: for the pipeline's call, but for the generator. size: width and height that are requested; frames: how
    many (of a clip that is restyled: its own). drop: generated frames that the result leaves out at its start;
    drop_last: and at its end (a loop's last frame is its first). before: the clip that an extension goes on from.
    own_size, guidance, places: what the pipeline has no argument for (see `overrides`), False, None or () where it has;
    places: frames of LTX-2's stills. lora_files: sha256 by path of the LoRA files, as they were when they were asked
    for."""

    arguments: dict[str, Any]
    size: tuple[int, int]
    frames: int
    fps: Fraction
    loras: tuple[Lora, ...] = ()
    drop: int = 0
    drop_last: int = 0
    before: Path | None = None
    own_size: bool = False
    guidance: float | None = None
    places: tuple[int, ...] = ()
    notes: list[str] = field(default_factory=list[str])
    lora_files: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, kind: Variant, prepared: Prepared) -> Call:
        """VideoError("invalid_request") for a number of frames or a size that the pipeline would silently change."""
        return _Builder(kind, prepared).call()

    def recorded(self) -> dict[str, Any]:
        """The plain arguments, for the job's record."""
        given = self.arguments if self.guidance is None else {**self.arguments, "guidance_scale": self.guidance}
        return {name: value for name, value in given.items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_plain(one) for one in cast("list[object]", value))
    return isinstance(value, str | int | float | bool)


class _Builder:
    def __init__(self, kind: Variant, prepared: Prepared) -> None:
        self.kind = kind
        self.prepared = prepared
        self.request = prepared.request
        self.size = (prepared.width, prepared.height)
        self.places: list[int] = []
        self.notes: list[str] = []

    def call(self) -> Call:
        self._check_size()
        request, kind = self.request, self.kind
        source = self.prepared.assets.get("source_clip")
        if source is not None and request.task != "extend":
            fps = exact_rate(source.facts.fps or 0)
            frames = self._legal_below(source.facts.frames or round((source.facts.duration_s or 0) * fps))
        else:
            fps = exact_rate(request.fps or 0)
            frames = round((request.duration_s or 0) * fps) + 1
        drop = 0
        if request.task == "extend":
            assert source is not None
            self._same_rate(source.facts.fps, fps)
            drop = OVERLAP if kind.inputs == "conditions" else 1
            frames += drop - 1
        self._check_frames(frames)
        call = Call(
            {}, self.size, frames, fps, request.loras, drop=drop, before=source.path if drop and source else None
        )
        call.drop_last = 1 if request.loop else 0
        call.own_size = not kind.sized
        call.lora_files = cast("dict[str, str]", self.prepared.wire.get("lora_files") or {})
        if not kind.guided and "guidance" in request.provider_options:
            call.guidance = float(cast("float", request.provider_options["guidance"]))
        call.arguments = {**self._plain(frames, fps), **self._media(frames, fps)}
        extra = self.prepared.wire.get("call")
        if isinstance(extra, dict):
            call.arguments |= extra
        call.places = tuple(self.places)
        call.notes = self.notes
        return call

    def _check_size(self) -> None:
        width, height = self.size
        many = self.kind.multiple
        if width % many or height % many:
            near = [max(many, round(side / many) * many) for side in self.size]
            raise VideoError(
                "invalid_request",
                f"{self.kind.id} makes sides that are multiples of {many}, not {width}x{height}; the nearest size is "
                f"{near[0]}x{near[1]}",
            )

    def _check_frames(self, frames: int) -> None:
        near = self.kind.nearest_frames(frames)
        if near != frames:
            fps = self.request.fps or 0
            seconds = f" (duration_s {(near - 1) / fps:.4g})" if fps else ""
            raise VideoError(
                "invalid_request",
                f"{self.kind.id} makes {self.kind.frames} frames, not {frames}; the nearest is {near}{seconds}",
                nearest={"duration_s": round((near - 1) / fps, 4)} if fps else {},
            )

    def _legal_below(self, count: int) -> int:
        step = frame_step(self.kind.frames)
        if count < step + 1:
            raise VideoError("asset", f"the clip has {count} frames; {self.kind.id} needs at least {step + 1}")
        legal = (count - 1) // step * step + 1
        if legal < count:
            self.notes.append(f"the last {count - legal} frames of the clip are left out ({self.kind.frames} frames)")
        return legal

    def _same_rate(self, own: float | None, fps: Fraction) -> None:
        if own is not None and abs(own - float(fps)) > 0.01:
            raise VideoError(
                "asset",
                f"the clip has {own:g} frames a second and {self.kind.id} makes {float(fps):g}: extend it with a model "
                "of its own rate, or bring it to that rate first",
            )

    def _plain(self, frames: int, fps: Fraction) -> dict[str, Any]:
        request, kind, options = self.request, self.kind, self.request.provider_options
        plain: dict[str, Any] = {
            **kind.keep,
            "prompt": request.prompt,
            "num_inference_steps": options.get("steps", kind.steps),
        }
        if kind.guided:
            plain["guidance_scale"] = options.get("guidance", kind.guidance)
        if kind.sized:
            plain["width"], plain["height"] = self.size
        if kind.counted:
            plain["num_frames"] = frames + kind.cut
        if kind.rate:
            plain["frame_rate"] = float(fps) if fps.denominator > 1 else int(fps)
        if kind.negative and request.negative_prompt:
            plain["negative_prompt"] = request.negative_prompt
        if "strength" in options:
            plain["strength"] = options["strength"]
        return plain

    def _media(self, frames: int, fps: Fraction) -> dict[str, Any]:
        how = self.kind.inputs
        if how == "none":
            return {}
        if how == "video":
            return {"video": self._clip("source_clip", frames, None)}
        if how == "vace":
            return self._vace(frames, fps)
        if how == "conditions":
            return {"conditions": self._conditions(frames, fps)}
        if self.request.task == "extend":
            return {"image": self._last_of_source()}
        images = [self._still(f"frames[{number}].image") for number in range(len(self.request.frames))]
        if how == "first_last" or self.request.loop:
            return {"image": images[0], "last_image": images[-1]}
        return {"image": images[0]}

    def _vace(self, frames: int, fps: Fraction) -> dict[str, Any]:
        """Reference stills, and one guide clip whose motion the result follows."""
        found: dict[str, Any] = {}
        for number in range(len(self.request.references)):
            place = f"references[{number}].media"
            if self.prepared.assets[place].facts.kind == "clip":
                found["video"] = self._clip(place, frames, fps)
            else:
                found.setdefault("reference_images", []).append(self._still(place))
        return found

    def _conditions(self, frames: int, fps: Fraction) -> list[Any]:
        """Stills and clips at frames of the result; a still stands on a multiple of the VAE's step in time."""
        if self.request.task == "extend":
            return [self._condition(self._tail(OVERLAP), 0)]
        if self.request.task == "edit":
            return [self._condition(self._clip("source_clip", frames, None), 0)]
        places = [self._place(number, frames, fps) for number in range(len(self.request.frames))]
        found = [self._condition(self._still(f"frames[{number}].image"), at) for number, at in enumerate(places)]
        if self.request.loop:
            found.append(self._condition(self._still("frames[0].image"), frames - 1))
        return found

    def _place(self, number: int, frames: int, fps: Fraction) -> int:
        """The frame of the result that a still stands on; the last one ends the clip where no time was given."""
        frame, step = self.request.frames[number], self.kind.time
        if frame.at_s is None:
            return frames - 1 if frame.role == "last" else 0
        at = min(round(frame.at_s * fps), frames - 1)
        if at % step and not self._anywhere:
            raise VideoError(
                "invalid_request",
                f"frames[{number}].at_s {frame.at_s:g}: {self.kind.id} takes images at every {step}th frame; "
                f"the nearest is {float(round(at / step) * step / fps):.4g}",
            )
        return at

    @property
    def _anywhere(self) -> bool:
        """Whether a still may stand at any frame."""
        return self.kind.pipeline.startswith("LTX2")

    def _condition(self, what: Any, at: int) -> Any:
        if self._anywhere:
            from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

            if at:
                self.places.append(at)
            return LTX2VideoCondition(frames=what, index=-(-at // self.kind.time), strength=1.0)
        from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

        if isinstance(what, list):
            return LTXVideoCondition(video=what, frame_index=at, strength=1.0)
        return LTXVideoCondition(image=what, frame_index=at, strength=1.0)

    def _still(self, place: str) -> Image.Image:
        picture, _ = fit_image(
            load_image(self.prepared.assets[place].path), *self.size, self.request.fit, self.request.focus
        )
        return Image.fromarray(picture)

    def _fitted(self, pictures: Iterator[Any]) -> list[Image.Image]:
        return [Image.fromarray(fit_image(picture, *self.size, "crop")[0]) for picture in pictures]

    def _clip(self, place: str, frames: int, fps: Fraction | None) -> list[Image.Image]:
        found = self._fitted(islice(decode(self.prepared.assets[place].path, fps=fps), frames))
        if len(found) < frames:
            raise VideoError(
                "asset", f"{place} shows {len(found)} frames, the clip needs {frames}: ask for a shorter clip"
            )
        return found

    def _tail(self, count: int) -> list[Image.Image]:
        asset = self.prepared.assets["source_clip"]
        total = asset.facts.frames or sum(1 for _ in decode(asset.path))
        if total < count:
            raise VideoError("asset", f"the clip has {total} frames; extending it needs at least {count}")
        return self._fitted(islice(decode(asset.path), total - count, None))

    def _last_of_source(self) -> Image.Image:
        return self._fitted(iter([last_frame(self.prepared.assets["source_clip"].path)]))[0]
