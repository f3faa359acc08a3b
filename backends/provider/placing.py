"""Which input goes under which field: the media half of a wire body, as pure data.

A row's `wire.fields` names the service's fields for our inputs: first, last, images (every frame), reference_images,
reference_clips, source_clip. A dotted name is a path; a list field may say what its items look like:
"image_urls" is a list of addresses, "images[].image_url" a list of {"image_url": address}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from backends.errors import VideoError
from backends.provider.protocol import Asset, JsonObject, Prepared
from backends.request import VideoRequest

LISTS = frozenset({"images", "reference_images", "reference_clips"})


def wire_table(prepared: Prepared, key: str) -> Mapping[str, object]:
    """A table of the catalogue's wire words ("fields", "forms" ...), {} when there is none."""
    value: object = prepared.wire.get(key)
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def wire_text(prepared: Prepared, key: str) -> str:
    value: object = prepared.wire.get(key)
    return value if isinstance(value, str) else ""


def named(prepared: Prepared, ours: str) -> str:
    """The service's field for one of our inputs; "" when it has none."""
    value = wire_table(prepared, "fields").get(ours)
    return value if isinstance(value, str) else ""


def plain_body(prepared: Prepared) -> JsonObject:
    """A copy of the body that the catalogue made: every plain field, no media yet."""
    return _copy(wire_table(prepared, "body"))


def _copy(value: Mapping[str, object]) -> JsonObject:
    return {
        key: _copy(cast("Mapping[str, object]", part)) if isinstance(part, dict) else part
        for key, part in value.items()
    }


def inputs_by_field(request: VideoRequest, prepared: Prepared) -> dict[str, tuple[str, ...]]:
    """Our field names -> the places of the request that go there, in order.

    VideoError("unsupported") for an input that the row names no field for: it is never left out in silence.
    """
    found: dict[str, list[str]] = {}
    frames = [f"frames[{i}].image" for i in range(len(request.frames))]
    if frames and named(prepared, "images"):
        found["images"] = frames
    elif frames:
        found["first"] = frames[:1]
        if len(frames) > 1:
            found["last"] = frames[-1:]
        elif request.loop and not named(prepared, "loop"):
            found["last"] = frames[:1]
    for number in range(len(request.references)):
        place = f"references[{number}].media"
        kind = _kind(place, prepared.assets) or ("image" if named(prepared, "reference_images") else "clip")
        found.setdefault("reference_clips" if kind == "clip" else "reference_images", []).append(place)
    if request.source_clip is not None:
        found["source_clip"] = ["source_clip"]
    _check(request, prepared, found)
    return {ours: tuple(places) for ours, places in found.items()}


def _kind(place: str, assets: Mapping[str, Asset]) -> str:
    asset = assets.get(place)
    return asset.facts.kind if asset is not None else ""


def _check(request: VideoRequest, prepared: Prepared, found: Mapping[str, list[str]]) -> None:
    used = {place for places in found.values() for place in places}
    lost = [place for place in request.media() if place not in used]
    lost += [places[0] for ours, places in found.items() if not named(prepared, ours)]
    if lost:
        raise VideoError("unsupported", f"{prepared.model} takes no {lost[0]} for {request.task}: leave it out")


def place_media(body: JsonObject, prepared: Prepared, inputs: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Puts a {"asset": place} mark into the body for every input; the places, each once."""
    for ours, places in inputs.items():
        path = named(prepared, ours)
        if ours in LISTS:
            path, _, key = path.partition("[].")
            put(body, path, [{key: asset_mark(place)} if key else asset_mark(place) for place in places])
        else:
            put(body, path, asset_mark(places[0]))
    return tuple(dict.fromkeys(place for places in inputs.values() for place in places))


def asset_mark(place: str) -> JsonObject:
    """Stands in a body for an input until the POST: rows hold names, not bytes."""
    return {"asset": place}


def marked(value: object) -> tuple[str, ...]:
    """The places of all marks in a body, each once, in order."""
    found: list[str] = []

    def note(place: str) -> object:
        found.append(place)
        return None

    filled(value, note)
    return tuple(dict.fromkeys(found))


def filled(value: object, fill: Callable[[str], object]) -> object:
    """A wire body with every mark replaced by fill(place)."""
    if isinstance(value, dict):
        inner = cast("dict[str, object]", value)
        if inner.keys() == {"asset"}:
            return fill(str(inner["asset"]))
        return {key: filled(part, fill) for key, part in inner.items()}
    if isinstance(value, list):
        return [filled(part, fill) for part in cast("list[object]", value)]
    return value


def put(body: JsonObject, path: str, value: object) -> None:
    """Sets a field by its dotted path."""
    *outer, last = path.split(".")
    inner = body
    for part in outer:
        inner = cast("JsonObject", inner.setdefault(part, {}))
    inner[last] = value
