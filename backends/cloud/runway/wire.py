"""A legal request as one of Runway's bodies: each model's variant takes its own fields and refuses any other.

The catalogue's row names the fields; what is left to do here is where the media go (see models.toml):
    images             [{uri, position}]      keyframes         [{uri, seconds}]
    reference_images   [{uri}]                reference_clips   [{type: "video", uri}], or with
                                              reference_clip_form = "uri" [{uri}]
    source_clip        the URI                character         {type: "image", uri}
    performance        {type: "video", uri}
A body holds {"asset": place} for every URI until the POST, so that a job's row stays small.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from backends.errors import VideoError
from backends.provider.placing import asset_mark, named, plain_body, put, wire_text
from backends.provider.protocol import Asset, JsonObject, Prepared
from backends.request import VideoRequest

ENDPOINTS = ("text_to_video", "image_to_video", "video_to_video", "video_upscale", "character_performance")

INLINE_MAX = 5_000_000
"""Characters of one data: URI (docs.dev.runwayml.com, API Input Parameters, 2026-11-22: 5 MB for images)."""
INLINE_TOTAL = 10_000_000
"""Characters of all of them: one request stays quick to send. The others are uploaded."""
INLINE_BYTES = (INLINE_MAX - 100) // 4 * 3
UPLOAD_MAX = 200_000_000
"""Bytes of an ephemeral upload (same page)."""


def runway_body(request: VideoRequest, prepared: Prepared) -> tuple[JsonObject, tuple[str, ...]]:
    """(the body with its media marked, notes). VideoError("unsupported") for an input that the row has no field for."""
    if wire_text(prepared, "endpoint") not in ENDPOINTS:
        raise VideoError(
            "unsupported", f"{prepared.model}: its row's wire.endpoint is none of {', '.join(ENDPOINTS)}: fix the row"
        )
    body: JsonObject = {"model": prepared.wire["model"], **plain_body(prepared)}
    placed = _frames(request, prepared, body) | _source(request, prepared, body)
    tags = _references(request, prepared, body)
    lost = [place for place in request.media() if place not in placed and not place.startswith("references[")]
    if lost:
        raise VideoError("unsupported", f"{prepared.model} takes no {lost[0]} for {request.task}: leave it out")
    return body, _say_tags(request, prepared, body, tags)


def _frames(request: VideoRequest, prepared: Prepared, body: JsonObject) -> set[str]:
    places = [f"frames[{number}].image" for number in range(len(request.frames))]
    if not places:
        return set()
    if field := named(prepared, "keyframes"):
        timed = zip(places, request.frames, strict=True)
        put(body, field, [{"uri": asset_mark(place), "seconds": frame.at_s or 0.0} for place, frame in timed])
    elif field := named(prepared, "character"):
        put(body, field, {"type": "image", "uri": asset_mark(places[0])})
    elif field := named(prepared, "images"):
        roles = zip(places, request.frames, strict=True)
        images = [{"uri": asset_mark(place), "position": frame.role} for place, frame in roles]
        if request.loop and len(places) == 1 and not named(prepared, "loop"):
            images.append({"uri": asset_mark(places[0]), "position": "last"})
        put(body, field, images)
    else:
        return set()
    return set(places)


def _source(request: VideoRequest, prepared: Prepared, body: JsonObject) -> set[str]:
    if request.source_clip is None:
        return set()
    if field := named(prepared, "performance"):
        put(body, field, {"type": "video", "uri": asset_mark("source_clip")})
    elif field := named(prepared, "source_clip"):
        put(body, field, asset_mark("source_clip"))
    else:
        return set()
    return {"source_clip"}


def _references(request: VideoRequest, prepared: Prepared, body: JsonObject) -> dict[str, str]:
    """Tag -> what the model calls it."""
    images: list[JsonObject] = []
    clips: list[JsonObject] = []
    tags: dict[str, str] = {}
    for number, reference in enumerate(request.references):
        place = f"references[{number}].media"
        asset = prepared.assets.get(place)
        if asset is not None and asset.facts.kind == "clip":
            kind = {} if wire_text(prepared, "reference_clip_form") == "uri" else {"type": "video"}
            clips.append({**kind, "uri": asset_mark(place)})
            tags[reference.tag] = f"[Video {len(clips)}]"
        else:
            images.append({"uri": asset_mark(place)})
            tags[reference.tag] = f"[Image {len(images)}]"
    for ours, items in (("reference_images", images), ("reference_clips", clips)):
        if not items:
            continue
        field = named(prepared, ours)
        if not field:
            kind = "images" if ours == "reference_images" else "clips"
            raise VideoError("unsupported", f"{prepared.model} takes no {kind} as references for {request.task}")
        put(body, field, items)
    return tags


def _say_tags(request: VideoRequest, prepared: Prepared, body: JsonObject, tags: dict[str, str]) -> tuple[str, ...]:
    """References have no names here: the prompt's @tag becomes the position that Runway's types document."""
    field = named(prepared, "prompt")
    prompt = body.get(field)
    if not tags or not isinstance(prompt, str):
        return ()
    used: list[str] = []

    def position(match: re.Match[str]) -> str:
        used.append(match[1])
        return tags[match[1]]

    longest_first = "|".join(sorted(map(re.escape, tags), key=len, reverse=True))
    body[field] = re.sub(rf"(?<![A-Za-z0-9._%+-])@({longest_first})(?![A-Za-z0-9_-])", position, prompt)
    return tuple(f"@{tag} goes into the prompt as {tags[tag]}" for tag in tags if tag in used)


def too_large_inline(prepared: Prepared, places: Sequence[str]) -> tuple[str, ...]:
    """The places whose files must be uploaded, since they do not fit into the request."""
    uploads: list[str] = []
    total = 0
    for place in places:
        size = _inline_size(prepared.assets.get(place))
        if size > INLINE_MAX or total + size > INLINE_TOTAL:
            uploads.append(place)
        else:
            total += size
    return tuple(uploads)


def _inline_size(asset: Asset | None) -> int:
    """Characters of an input's data: URI; a still that must be cropped or padded is made to fit later."""
    return 0 if asset is None else asset.facts.bytes * 4 // 3 + 100
