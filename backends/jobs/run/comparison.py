"""The delivered clip compared with the request: every difference beyond a tolerance, in words.

The clip is kept in any case. The user is told, has the figures for a complaint, and sees the list price of such a clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from backends.catalog.price import estimate, money
from backends.catalog.rules.checked import Checked
from backends.catalog.schema.row import Row as ModelRow
from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.jobs.order import legal
from backends.jobs.order.entries import source_seconds
from backends.jobs.store import codec
from backends.jobs.store.stored_job import StoredJob
from backends.provider.protocol import JsonObject

SIDE = 0.05
"""The share by which a side may differ: services round to multiples of 8 or 16 pixels."""

SECONDS, LENGTH = 0.5, 0.10
"""A length may differ by half a second, or by this share where that is more: models make whole blocks of frames."""

RATE = 0.05
"""The share by which a frame rate may differ (29.97 for 30)."""

CONTAINERS = {"video/mp4": "MP4", "video/webm": "WebM", "video/quicktime": "MOV", "image/gif": "GIF"}


@dataclass(frozen=True)
class Comparison:
    """differences: one sentence, "" when there are none. asked: {width, height, duration_s, fps, audio} as requested,
    where something differs. notes: what else the user is told (the price of what came, further files)."""

    difference: str = ""
    asked: JsonObject = field(default_factory=dict[str, object])
    notes: tuple[str, ...] = ()


def compare(job: StoredJob, came: MediaFacts, model: ModelRow | None, further_clips: int = 0) -> Comparison:
    """Compare a delivered clip. model: the catalogue's row, for the price; further_clips: number of clips that came
    beside it."""
    prepared = job.prepared
    asked = _asked(job)
    wrong = [*_picture(asked, came), *_length(asked, came), *_sound(asked, came)]
    notes: list[str] = []
    if came.mime in CONTAINERS and came.mime != "video/mp4" and prepared.request.task != "finish":
        notes.append(f"the clip came as {CONTAINERS[came.mime]}, not MP4")
    if further_clips:
        files = "a further file" if further_clips == 1 else f"{further_clips} further files"
        notes.append(f"one clip was requested; {files} came with it, kept in `files`")
    if not wrong:
        return Comparison(notes=tuple(notes))
    text = f"asked {_words(asked)}, delivered {_words(_of(came))}"
    price = _price(job, came, model)
    notes[:0] = [f"{text} ({', '.join(wrong)}){f'; {price}' if price else ''}"]
    return Comparison(text, {name: value for name, value in asked.items() if value is not None}, tuple(notes))


def _asked(job: StoredJob) -> JsonObject:
    """What the clip was to be: an extension is the whole clip; one that is joined here keeps its source's size."""
    prepared = job.prepared
    request, width, height = prepared.request, prepared.width, prepared.height
    seconds = request.duration_s
    if request.task == "extend" and seconds is not None:
        before = source_seconds(job)
        seconds = seconds + before if before else None
    if prepared.wire.get("join"):
        width = height = 0
    return {
        "width": width or None,
        "height": height or None,
        "duration_s": seconds,
        "fps": request.fps,
        "audio": request.audio,
    }


def _of(came: MediaFacts) -> JsonObject:
    return {
        "width": came.width,
        "height": came.height,
        "duration_s": came.duration_s,
        "fps": came.fps,
        "audio": came.audio,
    }


def _picture(asked: JsonObject, came: MediaFacts) -> list[str]:
    wrong: list[str] = []
    width, height = asked["width"], asked["height"]
    if width and height and (_off(came.width, width) > SIDE or _off(came.height, height) > SIDE):
        wrong.append("its size")
        if _off(came.width / max(came.height, 1), width / height) > SIDE:
            wrong.append("its ratio")
    if asked["fps"] and came.fps and _off(came.fps, asked["fps"]) > RATE:
        wrong.append("its frame rate")
    return wrong


def _length(asked: JsonObject, came: MediaFacts) -> list[str]:
    seconds = asked["duration_s"]
    if not seconds or came.duration_s is None:
        return []
    return ["its length"] if abs(came.duration_s - seconds) > max(SECONDS, LENGTH * seconds) else []


def _sound(asked: JsonObject, came: MediaFacts) -> list[str]:
    if asked["audio"] is None or asked["audio"] == bool(came.audio):
        return []
    return ["no sound"] if asked["audio"] else ["sound that was not requested"]


def _off(came: float, asked: float) -> float:
    return abs(came - asked) / asked


def _words(values: Mapping[str, object]) -> str:
    width, height, seconds, fps, audio = (values[name] for name in ("width", "height", "duration_s", "fps", "audio"))
    parts = [f"{width}x{height}" if width and height else "", f"{seconds:.3g} s" if seconds else ""]
    parts += [f"{fps:.4g} fps" if fps else "", "" if audio is None else "with sound" if audio else "silent"]
    return " ".join(part for part in parts if part)


def _price(job: StoredJob, came: MediaFacts, model: ModelRow | None) -> str:
    """The list price of a clip like the delivered one, where it differs."""
    if job.kind == "local" or not job.est_high or model is None:
        return ""
    facts = {place: codec.facts_from_json(entry["facts"]) for place, entry in job.inputs.items() if "facts" in entry}
    with suppress(VideoError):
        checked = legal.recheck(job.request, model, facts)
        paid, fair = estimate(checked, model), estimate(_as_it_came(checked, came), model)
        if fair.usd_high is not None and paid.usd_high is not None and fair.usd_high < paid.usd_high:
            return f"by the list price such a clip is {money(fair.usd_high)}, not {money(paid.usd_high)}"
    return ""


def _as_it_came(checked: Checked, came: MediaFacts) -> Checked:
    """The same request with the delivered size, length and sound: the nearest size that the model offers."""
    sizes = [size for size in checked.mode.sizes if size.width and size.height]
    pixels = came.width * came.height
    nearest = min(sizes, key=lambda size: abs(size.width * size.height - pixels), default=None)
    request = checked.request.model_copy(
        update={"audio": bool(came.audio)} | ({"resolution": nearest.resolution} if nearest else {})
    )
    request_s, came_s = checked.request.duration_s, came.duration_s
    seconds = checked.seconds
    if seconds is not None and request_s and came_s:
        seconds = seconds * min(1.0, came_s / request_s)
    return replace(checked, request=request, seconds=seconds)
