"""A legal request as the service's own fields, from the row's and the box's `wire` tables.

Keys that every provider's TOML may use (a box's wins over the row's; `fields`, `fixed` and `forms` are merged):
  model      the service's id, default the row's name
  endpoint   path or method that the paid request goes to
  fields     our name -> theirs; ours: model, prompt, negative_prompt, duration_s, size (the size's own word, else WxH),
             shape (the size's own word, else the ratio), aspect_ratio, resolution, width, height, fps, seed, audio,
             effect, style, loop. Media have names too, for the back end to fill: first, last, images (every frame),
             reference_images, reference_clips, source_clip. A dotted name is a path ("response_format.duration").
  forms      our name -> how its value is written: "int", "text" (a string), "text_s" ("8s"), "{...}" (a template
             over width, height, aspect_ratio, resolution, size), or a table value -> theirs
  fixed      fields that are always sent as they are
Fields of ours that `fields` doesn't name, or names "", are not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from backends.catalog.schema.row import Mode, Row
from backends.request import VideoRequest

Wire = Mapping[str, object]


def merged(row: Row, mode: Mode) -> dict[str, object]:
    """The row's wire table with the box's over it."""
    whole: dict[str, object] = {"model": row.name, **row.wire, **mode.wire}
    for key in ("fields", "forms", "fixed"):
        whole[key] = {**_table(row.wire, key), **_table(mode.wire, key)}
    return whole


def _table(wire: Wire, key: str) -> Mapping[str, object]:
    value = wire.get(key)
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def wire_fields(
    request: VideoRequest, row: Row, mode: Mode, width: int, height: int, size_wire: str
) -> dict[str, object]:
    """{model, endpoint, fields, body, ...}: body holds every plain field as the service wants it, media are left to
    the back end, which finds their names in `fields`."""
    wire = merged(row, mode)
    fields, forms = _table(wire, "fields"), _table(wire, "forms")
    values: dict[str, object] = {
        "model": wire["model"],
        "prompt": request.prompt or None,
        "negative_prompt": request.negative_prompt or None,
        "duration_s": request.duration_s,
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "width": width or None,
        "height": height or None,
        "fps": request.fps,
        "seed": request.seed,
        "audio": request.audio,
        "effect": request.effect,
        "style": request.style or None,
        "loop": request.loop or None,
        "size": f"{width}x{height}" if width else None,
        "shape": request.aspect_ratio,
    }
    body: dict[str, object] = {}
    for key, value in _table(wire, "fixed").items():
        _put(body, key, value)
    for ours, theirs in fields.items():
        if not isinstance(theirs, str) or not theirs:
            continue
        if size_wire and ours in ("size", "shape"):
            _put(body, theirs, size_wire)
            continue
        value = values.get(ours)
        if value is not None:
            _put(body, theirs, _formed(value, forms.get(ours), values))
    for key, value in request.provider_options.items():
        _put(body, key, value)
    wire["body"] = body
    return wire


def _put(body: dict[str, object], path: str, value: object) -> None:
    *outer, last = path.split(".")
    inner = body
    for part in outer:
        inner = cast("dict[str, object]", inner.setdefault(part, {}))
    inner[last] = value


def _formed(value: object, form: object, values: Mapping[str, object]) -> object:
    if isinstance(form, dict):
        key = str(value).lower() if isinstance(value, bool) else _plain(value)
        return cast("Mapping[str, object]", form).get(key, value)
    if form == "int" and isinstance(value, int | float):
        return int(value)
    if form == "text":
        return _plain(value)
    if form == "text_s":
        return f"{_plain(value)}s"
    if isinstance(form, str) and "{" in form:
        return form.format_map({name: _plain(part) for name, part in values.items() if part is not None})
    return value


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
