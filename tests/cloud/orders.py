"""Orders for a catalogue row, as the job engine would hand them to a back end: every box, at its edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from backends.catalog.rules.check import check
from backends.catalog.schema.row import Mode, Option, Row
from backends.facts import MediaFacts
from backends.jobs.order.legal import prepare
from backends.provider.protocol import Asset, Handle, Prepared
from backends.request import build_request
from tests.fakes import tiny_clip


def still(width: int = 1280, height: int = 720, size: int = 50_000) -> MediaFacts:
    return MediaFacts("image", "image/png", width, height, size)


def clip(seconds: float = 4.0, size: int = 500_000) -> MediaFacts:
    return MediaFacts("clip", "video/mp4", 1280, 720, size, seconds, 24.0, round(seconds * 24), True, "h264")


def asset(place: str, facts: MediaFacts, path: Path = Path("/nowhere")) -> Asset:
    return Asset(place, place.encode().hex()[:32].ljust(64, "0"), path, facts)


def order(
    backend: Any, row: Row, facts: Mapping[str, MediaFacts], parent: Handle | None = None, **fields: Any
) -> Prepared:
    """A request judged by the catalogue and prepared by the back end."""
    checked = check(build_request(model=row.id, **fields), row, facts)
    ready = prepare(checked)
    assets = {place: asset(place, facts[place]) for place in checked.request.media()}
    ready = replace(ready, assets=assets)
    return backend.prepare(ready.request, ready, parent)


def every_order(row: Row) -> Iterator[tuple[dict[str, MediaFacts], dict[str, Any]]]:
    """(facts of the inputs, request fields) that hold every promise of every box at least once."""
    for mode in row.modes:
        for task in sorted(mode.tasks):
            for change in _changes(mode):
                yield _one(mode, task, change)


def _one(mode: Mode, task: str, change: dict[str, Any]) -> tuple[dict[str, MediaFacts], dict[str, Any]]:
    facts: dict[str, MediaFacts] = {}
    fields: dict[str, Any] = {"task": task}
    if mode.prompt_max:
        fields["prompt"] = "a fox in the snow"
    count = change.pop("frames", mode.frames.low)
    if count:
        fields["frames"] = [{"image": f"/in/{number}.png"} for number in range(count)]
        facts |= {f"frames[{number}].image": still() for number in range(count)}
    images, clips = change.pop("references", (min(mode.references.low, mode.references.images), 0))
    if images + clips:
        fields["references"] = [f"tag{number}=/in/ref{number}" for number in range(images + clips)]
        fields["prompt"] = " ".join(["a fox with", *(f"@tag{number}" for number in range(images + clips))])
        kinds = [still(512, 512)] * images + [clip(min(mode.references.clip_max_s or 2.0, 2.0))] * clips
        facts |= {f"references[{number}].media": kind for number, kind in enumerate(kinds)}
    if task in ("extend", "edit", "upscale"):
        fields["source_clip"] = "/in/source.mp4"
        facts["source_clip"] = clip(max(4.0, mode.source.min_s))
    return facts, {**fields, **change}


def _changes(mode: Mode) -> Iterator[dict[str, Any]]:
    """What to vary from the plainest order: one promise of the box at a time."""
    yield {}
    for size in mode.sizes:
        if size.rule == "fixed":
            yield {"resolution": size.resolution, "aspect_ratio": size.ratio, "fit": "pad"}
        elif mode.tasks & {"image_to_video", "interpolate"} or len(mode.resolutions) > 1:
            yield {"resolution": size.resolution}
    if mode.durations is not None:
        for seconds in (mode.durations.smallest, mode.durations.largest):
            yield {"duration_s": seconds}
    for fps in mode.fps.values if mode.fps else ():
        yield {"fps": fps}
    if mode.audio == "switch":
        yield {"audio": True}
        yield {"audio": False}
    if mode.seed:
        yield {"seed": 7}
    if mode.negative_max:
        yield {"negative_prompt": "blur"}
    for count in range(mode.frames.low + 1, mode.frames.high + 1):
        yield {"frames": count}
    if mode.references.high:
        yield {"references": (1, 0) if mode.references.images else (0, 1)}
        if mode.references.images and mode.references.clips:
            yield {"references": (1, 1)}
    if mode.loop != "none":
        yield {"loop": True}
    if mode.camera.how == "words" and mode.prompt_max:
        yield {"camera": ["dolly-in:0.4"]}
    for name, option in mode.options.items():
        for value in _values(option):
            yield {"provider_options": {name: value}}


def _values(option: Option) -> list[Any]:
    if option.values:
        return list(option.values)
    if option.kind == "boolean":
        return [True, False]
    if option.kind == "text":
        return ["text"]
    edges = [option.low or 0, option.high if option.high is not None else 1]
    return [int(edge) for edge in edges] if option.kind == "integer" else edges


def leaves(value: object) -> list[object]:
    """Every plain value in a body."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def with_files(ready: Prepared, folder: Path) -> Prepared:
    """The same with a small real file behind each input."""
    made: dict[str, Asset] = {}
    for place, known in ready.assets.items():
        size = (known.facts.width, known.facts.height)
        still = known.facts.kind == "image"
        path = folder / (f"{size[0]}x{size[1]}.png" if still else "clip.mp4")
        if not path.exists() and still:
            Image.new("RGB", size, "teal").save(path)
        elif not path.exists():
            path.write_bytes(tiny_clip().read_bytes())
        made[place] = replace(known, path=path, facts=replace(known.facts, bytes=path.stat().st_size))
    return replace(ready, assets=made)
