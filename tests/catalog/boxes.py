"""Requests made from the catalogue's own boxes: a plain legal one, and each way to its limits and one step beyond."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from backends.camera import CAMERA_MOVES
from backends.catalog.schema.row import Mode, Row
from backends.catalog.schema.span import Size
from backends.facts import MediaFacts
from backends.request import Task, VideoRequest, build_request

FROM_CLIP = ("extend", "edit", "upscale")


@dataclass
class Draft:
    """A request as plain values, with the facts of its inputs."""

    fields: dict[str, Any]
    inputs: dict[str, MediaFacts] = field(default_factory=dict)

    def request(self) -> VideoRequest:
        return build_request(**self.fields)

    def changed(self, **fields: Any) -> Draft:
        return Draft({**self.fields, **fields}, dict(self.inputs))


def still(width: int = 1280, height: int = 720) -> MediaFacts:
    return MediaFacts("image", "image/png", width, height, 1000)


def clip(width: int = 1280, height: int = 720, duration_s: float = 5.0, fps: float = 24.0) -> MediaFacts:
    return MediaFacts("clip", "video/mp4", width, height, 100_000, duration_s=duration_s, fps=fps, audio=True)


def cases(rows: tuple[Row, ...]) -> list[tuple[Row, Mode, Task]]:
    return [(row, mode, task) for row in rows for mode in row.modes for task in sorted(mode.tasks)]


def name_of(case: tuple[Row, Mode, Task]) -> str:
    row, mode, task = case
    return f"{row.id}:{row.modes.index(mode)}:{task}"


def plain(mode: Mode, task: Task) -> Draft:
    """The least that a box needs: its frames, references, clip and prompt, and its own first sizes and durations."""
    size = mode.sizes[0]
    fields: dict[str, Any] = {"task": task}
    inputs: dict[str, MediaFacts] = {}
    if mode.prompt_required:
        fields["prompt"] = "a red kite over the sea"
    picture = image_for(mode, size)
    _add_frames(fields, inputs, mode.frames.low, picture)
    _add_references(fields, inputs, mode.references.low, 0)
    if task in FROM_CLIP:
        fields["source_clip"] = "source.mp4"
        room = mode.source.total_max_s - (mode.durations.default if mode.durations else 0)
        length = max(mode.source.min_s, min(5.0, mode.source.max_s or 5.0, room if mode.source.total_max_s else 5.0))
        inputs["source_clip"] = clip(size.width or 1280, size.height or 720, length)
    elif size.rule == "fixed":
        fields["aspect_ratio"] = size.ratio
    if task != "extend":
        fields["resolution"] = None if size.resolution == "as the clip" else size.resolution
    if mode.durations is not None:
        fields["duration_s"] = mode.durations.default
    if mode.fps_times:
        fields["fps"] = 2 * (inputs["source_clip"].fps or 24.0)
    if mode.effect_required:
        fields["effect"] = mode.effects[0]
    return Draft(fields, inputs)


def image_for(mode: Mode, size: Size) -> MediaFacts:
    """A still in the shape of a size, large enough."""
    width, height = (size.width, size.height) if size.rule == "fixed" else (1280, 720)
    scale = max(1, -(-mode.frames.min_side // min(width, height)))
    return still(width * scale, height * scale)


def _add_frames(fields: dict[str, Any], inputs: dict[str, MediaFacts], count: int, picture: MediaFacts) -> None:
    if count:
        fields["frames"] = [{"image": f"frame{i}.png"} for i in range(count)]
    for i in range(count):
        inputs[f"frames[{i}].image"] = picture


def _add_references(fields: dict[str, Any], inputs: dict[str, MediaFacts], images: int, clips: int) -> None:
    if images + clips:
        fields["references"] = [{"tag": f"r{i}", "media": f"r{i}"} for i in range(images + clips)]
    for i in range(images + clips):
        inputs[f"references[{i}].media"] = still() if i < images else clip(duration_s=3.0)


def at_limits(mode: Mode, task: Task) -> Iterator[tuple[str, Draft]]:
    """Each way to a limit of the box; every one is legal."""
    base = plain(mode, task)
    yield "plain", base
    if mode.durations is not None:
        for value in {mode.durations.smallest, mode.durations.default, mode.durations.largest, *mode.durations.values}:
            draft = base.changed(duration_s=value)
            if task == "extend" and mode.source.total_max_s:
                length = mode.source.total_max_s - value
                if mode.source.max_s:
                    length = min(length, mode.source.max_s)
                draft.inputs["source_clip"] = replace(base.inputs["source_clip"], duration_s=length)
            yield f"duration {value}", draft
    yield from _sizes_at_limits(mode, task, base)
    if mode.fps is not None and task != "extend":
        for value in {mode.fps.smallest, mode.fps.largest, *mode.fps.values, *mode.fps.also}:
            yield f"fps {value}", base.changed(fps=value)
    if mode.audio == "switch":
        yield "audio", base.changed(audio=True)
        yield "silent", base.changed(audio=False)
    yield from _media_at_limits(mode, base)
    yield from _words_at_limits(mode, base)


def _sizes_at_limits(mode: Mode, task: Task, base: Draft) -> Iterator[tuple[str, Draft]]:
    for size in mode.sizes:
        if task == "extend" or size.rule == "same":
            continue
        draft = base.changed(resolution=size.resolution)
        if size.rule == "fixed":
            draft.fields["aspect_ratio"] = size.ratio
            for i in range(len(draft.fields.get("frames", []))):
                draft.inputs[f"frames[{i}].image"] = image_for(mode, size)
        yield f"size {size.resolution} {size.ratio}", draft
        if size.rule != "fixed" and "frames" in base.fields and mode.frames.ratio_high:
            for ratio in (mode.frames.ratio_low, mode.frames.ratio_high):
                edge = base.changed(resolution=size.resolution)
                for i in range(len(edge.fields["frames"])):
                    edge.inputs[f"frames[{i}].image"] = still(int(1000 * ratio), 1000)
                yield f"image ratio {ratio}", edge


def _media_at_limits(mode: Mode, base: Draft) -> Iterator[tuple[str, Draft]]:
    if mode.frames.high > len(base.fields.get("frames", [])):
        draft = base.changed()
        _add_frames(draft.fields, draft.inputs, mode.frames.high, image_for(mode, mode.sizes[0]))
        needed = (mode.frames.gap_s or 0.2) * mode.frames.high
        if mode.durations is not None and mode.frames.timed:
            draft.fields["duration_s"] = max(mode.durations.default, mode.durations.nearest(needed))
        yield "most frames", draft
    if mode.references.images:
        draft = base.changed()
        _add_references(draft.fields, draft.inputs, min(mode.references.images, mode.references.high), 0)
        yield "most image references", draft
    if mode.references.clips:
        draft = base.changed()
        _add_references(draft.fields, draft.inputs, 0, min(mode.references.clips, mode.references.high))
        yield "most clip references", draft


def _words_at_limits(mode: Mode, base: Draft) -> Iterator[tuple[str, Draft]]:
    if mode.prompt_max:
        yield "longest prompt", base.changed(prompt="p" * min(mode.prompt_max, 32_000))
    if mode.negative_max:
        yield "longest negative prompt", base.changed(negative_prompt="n" * mode.negative_max)
    if mode.seed:
        yield "smallest seed", base.changed(seed=0)
        yield "largest seed", base.changed(seed=mode.seed_max)
    if mode.loop != "none":
        yield "loop", base.changed(loop=True)
    if mode.camera.how != "none":
        moves = [move for move in CAMERA_MOVES if mode.camera.how == "words" or move in mode.camera.moves]
        yield "camera", base.changed(camera=[f"{move}:1" for move in moves[: min(mode.camera.high, 3)]])
    if mode.motion:
        region = {"box": [0, 0, 1, 1], "direction": "up"}
        yield "most motion", base.changed(motion=[region] * mode.motion)
    for effect in mode.effects:
        yield f"effect {effect}", base.changed(effect=effect)
    if mode.loras:
        yield "most loras", base.changed(loras=[f"lora{i}.safetensors:0.5" for i in range(mode.loras)])
    for key, option in mode.options.items():
        values: list[Any] = list(option.values)
        if not values:
            values = [True] if option.kind == "boolean" else [option.low or 1, option.high or 1]
            values = ["x" * int(option.high or 5)] if option.kind == "text" else values
        for value in values:
            kind = int(value) if option.kind == "integer" else value
            yield f"option {key}={value}", base.changed(provider_options={key: kind})


def beyond(mode: Mode, task: Task) -> Iterator[tuple[str, Draft]]:
    """One step over each limit of the box that an argument can mend."""
    base = plain(mode, task)
    if mode.durations is not None:
        step = mode.durations.step or 0.5
        yield "too long", base.changed(duration_s=mode.durations.largest + step)
        if mode.durations.smallest > step:
            yield "too short", base.changed(duration_s=mode.durations.smallest - step)
        if mode.durations.step or mode.durations.values:
            yield "between", base.changed(duration_s=mode.durations.smallest + 0.013)
    else:
        yield "length of its own", base.changed(duration_s=99.0)
    yield "resolution", base.changed(resolution="8640p")
    yield "ratio", base.changed(aspect_ratio="97:3")
    yield "fps", base.changed(fps=(mode.fps.largest if mode.fps else 23.0) + 0.37)
    if mode.audio in ("never", "always"):
        yield "audio", base.changed(audio=mode.audio == "never")
    if mode.audio == "unknown":
        yield "audio", base.changed(audio=True)
    if not mode.seed:
        yield "seed", base.changed(seed=1)
    elif mode.seed_max < 2**32 - 1:
        yield "seed", base.changed(seed=mode.seed_max + 1)
    if not mode.negative_max:
        yield "negative prompt", base.changed(negative_prompt="blur")
    frames = base.changed()
    _add_frames(frames.fields, frames.inputs, mode.frames.high + 1, image_for(mode, mode.sizes[0]))
    yield "too many frames", frames
    references = base.changed()
    _add_references(references.fields, references.inputs, mode.references.images + 1, 0)
    yield "too many references", references
    if mode.loop == "none":
        yield "loop", base.changed(loop=True)
    if mode.camera.how == "none":
        yield "camera", base.changed(camera=["pan-left"])
    region = {"box": [0, 0, 1, 1], "direction": "up"}
    yield "motion", base.changed(motion=[region] * (mode.motion + 1))
    yield "effect", base.changed(effect="Cakify" if mode.effects else "Melt")
    yield "loras", base.changed(loras=[f"l{i}" for i in range(mode.loras + 1)])
    yield "option", base.changed(provider_options={"no_such_option": 1})
    if task not in FROM_CLIP:
        stray = base.changed(source_clip="x.mp4")
        stray.inputs["source_clip"] = clip()
        yield "stray clip", stray
