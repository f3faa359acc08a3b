"""A request put into a bound workflow: which value goes where, as pure data.

Nothing is rounded, cut or left out: what the binding has no place for is refused.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from typing import cast

from backends.comfyui import controls
from backends.comfyui.binding import Binding, option_field
from backends.comfyui.filling import Filling
from backends.comfyui.graph import inputs
from backends.errors import VideoError
from backends.provider.protocol import JsonObject, Prepared
from backends.request import VideoRequest


def fill(binding: Binding, request: VideoRequest, prepared: Prepared) -> Filling:
    """The graph for a request that the catalogue has settled. A seed that nobody chose is drawn, since a server does
    not run again what it has run already."""
    graph = cast("dict[str, JsonObject]", copy.deepcopy(dict(binding.graph)))
    filling = Filling(binding, graph, notes=list(prepared.notes))
    _words(filling, request)
    _size(filling, prepared)
    _length(filling, request)
    _source_length(filling, request, prepared)
    _times(filling, request, prepared)
    _seed(filling, request)
    _media(filling, request, prepared)
    if request.motion:
        controls.put_motion(filling, request, prepared)
    if request.camera:
        controls.put_camera(filling, request.camera)
    _loras(filling, request)
    for name, value in request.provider_options.items():
        filling.put(option_field(name), value, f"provider_options.{name}")
    if binding.is_changed:
        changed = f"the workflow {binding.name} has been changed since it was bound; every value was found again"
        filling.notes.append(changed)
    return filling


def _words(filling: Filling, request: VideoRequest) -> None:
    if filling.has("prompt"):  # a row without it says that no prompt is followed
        filling.put("prompt", request.prompt)
    if request.negative_prompt:
        filling.put("negative_prompt", request.negative_prompt)


def _size(filling: Filling, prepared: Prepared) -> None:
    if prepared.width and (filling.has("width") or filling.has("height")):
        filling.put("width", prepared.width)
        filling.put("height", prepared.height)


def _length(filling: Filling, request: VideoRequest) -> None:
    """A clip of `duration_s` at `fps` has duration_s * fps + plus frames."""
    if request.duration_s is not None and filling.has("seconds"):
        filling.put("seconds", request.duration_s)
    if request.duration_s is not None and filling.has("frames") and request.source_clip is None:
        if request.fps is None:
            raise VideoError("unsupported", f"{filling.binding.name} is bound without fps: give its boxes an fps")
        for selector, (node, key) in zip(
            filling.binding.selectors["frames"], filling.where("frames", "duration_s"), strict=True
        ):
            filling.set(node, key, round(request.duration_s * request.fps) + selector.plus)
    if request.fps is not None and filling.has("fps"):
        filling.put("fps", request.fps)


def _source_length(filling: Filling, request: VideoRequest, prepared: Prepared) -> None:
    """A box whose clips are as long as their source: its frames, but for those beyond the last whole step."""
    source = prepared.assets.get("source_clip")
    if source is None or not filling.has("frames"):
        return
    facts = source.facts
    there = facts.frames or round((facts.duration_s or 0.0) * (facts.fps or 0.0))
    for selector, (node, key) in zip(
        filling.binding.selectors["frames"], filling.where("frames", "source_clip"), strict=True
    ):
        kept = selector.plus + (there - selector.plus) // selector.step * selector.step
        if kept < 1:
            raise VideoError("asset", f"source_clip: {there} frames are too few for {filling.binding.name}")
        filling.set(node, key, kept)
        if kept < there:
            text = f"the last {there - kept} of the source's {there} frames are left out: the model makes {kept}"
            filling.notes.append(text)


def _times(filling: Filling, request: VideoRequest, prepared: Prepared) -> None:
    """How many times the source's frame rate is made."""
    source = prepared.assets.get("source_clip")
    if source is None or not filling.has("multiplier"):
        return
    if not request.fps or not source.facts.fps:
        raise VideoError("asset", "source_clip: its frame rate is not known, so that no frames can be put between")
    filling.put("multiplier", round(request.fps / source.facts.fps))


def _seed(filling: Filling, request: VideoRequest) -> None:
    if request.seed is not None or filling.has("seed"):
        filling.seed = random.SystemRandom().randrange(2**32) if request.seed is None else request.seed
        filling.put("seed", filling.seed)


def _media(filling: Filling, request: VideoRequest, prepared: Prepared) -> None:
    frames = len(request.frames)
    if frames:
        filling.put_media("first", "frames[0].image")
    if frames == 2:
        filling.put_media("last", "frames[1].image")
    elif frames > 2:
        raise VideoError("unsupported", f"frames: the workflow {filling.binding.name} takes a first and a last one")
    if request.loop:
        filling.put_media("last", "frames[0].image")
    for number in range(len(request.references)):
        filling.put_media(f"reference_{number + 1}", f"references[{number}].media")
    if request.source_clip is not None:
        filling.put_media("source_clip", "source_clip")
    for index, region in enumerate(request.motion):
        if region.mask and f"motion[{index}].mask" not in prepared.assets:
            raise VideoError("asset", f"motion[{index}].mask is not here yet", retryable=True)


def _loras(filling: Filling, request: VideoRequest) -> None:
    """Those that are requested, by the name of their file on the server; the slots left over weigh nothing."""
    slots = [number for number in range(1, 9) if filling.has(f"lora_{number}")]
    for number, lora in enumerate(request.loras, 1):
        if lora.name.startswith(("/", "~")) or "://" in lora.name:
            text = f"loras[{number - 1}]: give the name of a file in the server's models/loras folder"
            raise VideoError("unsupported", text)
        filling.put(f"lora_{number}", lora.name, f"loras[{number - 1}]")
        filling.put(f"lora_{number}_strength", lora.weight, f"the weight of loras[{number - 1}]")
    for number in slots[len(request.loras) :]:
        filling.put(f"lora_{number}_strength", 0.0)


def with_names(body: Mapping[str, object], names: Mapping[str, str], prefix: str) -> JsonObject:
    """The graph to send: uploads by the names that the server gave them, and every file that is kept under `prefix`, so
    that the node that saves runs although all before it is cached."""
    graph = cast("dict[str, JsonObject]", copy.deepcopy(body["graph"]))
    media = cast("Mapping[str, Sequence[Sequence[str]]]", body.get("media") or {})
    for place, spots in media.items():
        for node, key in spots:
            graph[node]["inputs"][key] = names[place]
    for node in graph.values():
        values = inputs(node)
        if isinstance(values.get("filename_prefix"), str):
            values["filename_prefix"] = prefix
    return cast("JsonObject", graph)
