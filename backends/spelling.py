"""What a value that is written in another way was meant to be: the sentence that says exactly what to write.

Callers bring the habits of other tools along: "16/9", "5s", "yes", a move as an object, a box as a string. The value is
refused all the same, since guessing costs money, but one answer is enough to write it right.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Literal, cast

Kind = Literal["string", "number", "integer", "boolean", "array", "object", ""]

RATIO_WORDS = {
    "vertical": "9:16",
    "portrait": "9:16",
    "tall": "9:16",
    "story": "9:16",
    "horizontal": "16:9",
    "landscape": "16:9",
    "wide": "16:9",
    "widescreen": "16:9",
    "square": "1:1",
    "cinematic": "21:9",
    "ultrawide": "21:9",
    "cinemascope": "21:9",
}
CAMERA_WORDS = {
    "dolly in": "dolly-in",
    "push in": "dolly-in",
    "move in": "dolly-in",
    "dolly forward": "dolly-in",
    "dolly back": "dolly-out",
    "dolly backward": "dolly-out",
    "dolly out": "dolly-out",
    "pull out": "dolly-out",
    "pull back": "dolly-out",
    "zoom in": "zoom-in",
    "zoom out": "zoom-out",
    "pan left": "pan-left",
    "pan right": "pan-right",
    "tilt up": "tilt-up",
    "tilt down": "tilt-down",
    "truck left": "truck-left",
    "truck right": "truck-right",
    "crane up": "crane-up",
    "crane down": "crane-down",
    "orbit left": "orbit-left",
    "orbit right": "orbit-right",
    "roll ccw": "roll-ccw",
    "roll cw": "roll-cw",
    "roll": "roll-cw",
    "dolly": "dolly-in",
    "push": "dolly-in",
    "zoom": "zoom-in",
    "pan": "pan-right",
    "tilt": "tilt-up",
    "truck": "truck-right",
    "crane": "crane-up",
    "orbit": "orbit-right",
    "handheld": "handheld",
    "shaky": "handheld",
    "static": "static",
    "locked": "static",
    "still": "static",
}
"""A move as people say it, the longer words first, and our name for it."""
SHARE_S = 2.0
"""Seconds of each of several moves that follow one another, where nobody has said how long they take."""

TRUE, FALSE = ("yes", "true", "on", "y", "1"), ("no", "false", "off", "n", "0", "none", "mute", "silent")
NUMBER = re.compile(r"[$€]?\s*(-?[0-9]+(?:[.,][0-9]+)?)\s*(?:s|sec|secs|second|seconds|fps|usd|dollars?|\$)?", re.I)
LENGTH = re.compile(r"(?:([0-9]+):([0-5]?[0-9](?:\.[0-9]+)?)|([0-9]+(?:[.,][0-9]+)?)\s*(?:m|min|mins|minutes?))", re.I)
"""A length of time in minutes: 0:05, 2 min."""
HEIGHTS = {1280: "720p", 1920: "1080p", 2560: "1440p", 2160: "4k", 3840: "4k", 4096: "4k"}
"""Sides of a picture that say its resolution under another name."""
MEDIA = ("path", "url", "uri", "file", "image", "media", "clip", "video", "src")
"""What other tools call the name of a picture or a clip."""
NAMED = "media are named, not carried: save it to a file and give its path, or give an https URL"
REGION = 'write an object such as {"box": [0.3, 0.1, 0.7, 0.5], "direction": "up"}'
BOX = "write [left, top, right, bottom], each 0 to 1 from the top left, such as [0.3, 0.1, 0.7, 0.5]"


def corrected(place: str, value: object, kind: Kind = "") -> str | None:
    """What to write in that place instead of a value that was refused; None when nobody can say.

    place: the argument, with the place inside it ("camera[0]"). kind: what the place takes, where it is known.
    """
    name = re.sub(r"\[\d+\]$", "", place).rpartition(".")[2]
    item = place.endswith("]")
    if isinstance(value, str) and value[:5].lower() == "data:":
        return NAMED
    if name == "aspect_ratio":
        return _ratio(value)
    if name == "resolution" and not isinstance(value, str):
        return _resolution(value)
    if name in PARTS:
        return PARTS[name](value, item)
    if kind in ("number", "integer") and isinstance(value, str):
        found = _number(value, seconds=name.endswith("_s"))
        return None if kind == "integer" and found and "." in found else found
    if kind == "string":
        return _named(value)
    return _flag(value) if kind == "boolean" else None


def _ratio(value: object) -> str | None:
    text = value.strip().lower() if isinstance(value, str) else ""
    if value == "" or text in ("auto", "none", "original", "source", "default", "same"):
        return "leave it out, or write one such as 16:9"
    if shape := re.fullmatch(r"([1-9][0-9]{0,3})\s*(?:[/x×:*\s-]|by|to)\s*([1-9][0-9]{0,3})", text):
        return f"write {_shortened(int(shape[1]), int(shape[2]))}"
    if re.fullmatch(r"[0-9]+\.[0-9]+", text) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return _near(float(text or cast(float, value)))
    if word := next((ratio for name, ratio in RATIO_WORDS.items() if name in text), None):
        return f"write {word}"
    return f"write width:height, such as 16:9, 9:16 or 1:1, not {_json(value)[:60]}"


def _near(number: float) -> str | None:
    known = {"16:9": 16 / 9, "9:16": 9 / 16, "1:1": 1.0, "4:3": 4 / 3, "3:4": 3 / 4, "21:9": 21 / 9, "3:2": 1.5}
    if not math.isfinite(number) or number <= 0:
        return None
    name = min(known, key=lambda ratio: abs(math.log(known[ratio] / number)))
    return f"write {name}" if abs(known[name] / number - 1) < 0.05 else f"write width:height, not {number:g}"


def _shortened(width: int, height: int) -> str:
    common = math.gcd(width, height) if max(width, height) > 64 else 1
    return f"{width // common}:{height // common}"


def _resolution(value: object) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 100 <= value <= 4320:
        return f'write "{HEIGHTS.get(int(value), f"{int(value)}p")}"'
    if isinstance(value, list):
        wide, high = [*cast("list[object]", value), None, None][:2]
    elif isinstance(value, Mapping):
        sides = cast("Mapping[str, object]", value)
        wide, high = sides.get("width"), sides.get("height")
    else:
        return None
    if isinstance(wide, int) and isinstance(high, int) and wide > 0 and high > 0:
        return f'write "{min(wide, high)}p", and the shape as aspect_ratio "{_shortened(wide, high)}"'
    return None


def _camera(value: object, item: bool) -> str | None:
    """A move as an object, or moves as a sentence."""
    if isinstance(value, Mapping):
        written = _move(cast("Mapping[str, object]", value))
        if written is None:
            return f"write a move such as {_json('dolly-in:0.4@0-2' if item else ['dolly-in:0.4@0-2'])}"
        return f"write {_json(written if item else [written])}"
    if not isinstance(value, str) or not re.search(r"\S\s+\S", value) or re.search(r"[:@\[]", value):
        return None
    if moves := camera_moves(value):
        return f"write camera {_json(moves)} (times in seconds), or put the words into prompt"
    return 'write a move such as "dolly-in:0.4@0-2", or put the words into prompt'


def _move(part: Mapping[str, object]) -> str | None:
    """An object that says a move, its way, its amount and its times, as one string; None when it names no move."""
    said = [str(part[key]) for key in ("move", "type", "name", "movement", "motion", "direction", "way") if key in part]
    amounts = [part[key] for key in ("amount", "speed", "intensity", "strength") if key in part]
    if not said:
        said, amounts = [str(key) for key in part], list(part.values())  # {"pan_left": 0.4}
    moves = camera_moves(re.sub(r"[-_]", " ", " ".join(said)))
    if not moves:
        return None
    move, _, usual = moves[0].partition("@")[0].partition(":")
    amount = next((f"{one:g}" for one in amounts if _is_number(one) and 0 <= cast(float, one) <= 1), usual)
    start = next((part[key] for key in ("from_s", "from", "start_s", "start") if key in part), 0)
    end = next((part[key] for key in ("to_s", "to", "end_s", "end") if key in part), None)
    timed = _is_number(start) and _is_number(end) and cast(float, end) > cast(float, start)
    return f"{move}{f':{amount}' if amount else ''}{f'@{start:g}-{end:g}' if timed else ''}"


def camera_moves(words: str) -> list[str]:
    """The moves that a sentence names, in its order; several follow one another, 2 s each."""
    text = f" {' '.join(re.findall(r'[a-z]+', words.lower()))} "
    found: dict[int, str] = {}
    for said, move in CAMERA_WORDS.items():
        while (at := text.find(f" {said} ")) >= 0:
            found[at] = move
            text = f"{text[: at + 1]}{'#' * len(said)}{text[at + 1 + len(said) :]}"
    amount = 0.3 if re.search(r"slow|gentl|slight|soft", words.lower()) else 0.5
    moves = [found[at] for at in sorted(found)]
    written = [move if move == "static" else f"{move}:{amount:g}" for move in moves]
    if len(moves) == 1:
        return written
    return [f"{move}@{i * SHARE_S:g}-{(i + 1) * SHARE_S:g}" for i, move in enumerate(written)]


def _reference(value: object, item: bool) -> str | None:
    """A reference as an object, a mapping of tags, or a path without its tag."""
    if isinstance(value, str):
        bare = "=" not in value and re.search(r"[./\\]|^job_", value)
        tagged = [f"hero={value}"[:120]] if bare else list[str]()
    elif isinstance(value, Mapping):
        tagged = _tagged(cast("Mapping[str, object]", value))
    else:
        return None
    if not tagged:
        return None
    tags = " and ".join(f"@{one.partition('=')[0]}" for one in tagged)
    written = ", ".join(map(_json, tagged))
    return f"write {written if item else f'[{written}]'}, and {tags} in the prompt"


def _tagged(part: Mapping[str, object]) -> list[str]:
    media = next((part[key] for key in MEDIA if key in part), None)
    tag = part.get("tag") or part.get("name")
    if media is None and tag is None:
        return [f"{name}={path}"[:120] for name, path in part.items() if isinstance(path, str)][:4]
    return [f"{tag or 'hero'}={media or 'PATH'}"[:120]]


def _still(value: object, item: bool) -> str | None:
    """Keyframes as names alone: one, several in one string, or by their roles."""
    if isinstance(value, str):
        if value.lstrip().startswith(("[", "{")):
            return None
        names = [value] if item else [name.strip() for name in re.split(r"[,;\n]", value) if name.strip()]
    elif isinstance(value, Mapping) and not item:
        names = [name for name in cast("Mapping[str, object]", value).values() if isinstance(name, str)]
    else:
        return None
    stills = [{"image": name[:120]} for name in names[:4]]
    return f"write {_json(stills[0] if item else stills)}" if stills else None


def _region(value: object, item: bool) -> str | None:
    return REGION if item and isinstance(value, str) else None


def _lora(value: object, item: bool) -> str | None:
    if not isinstance(value, Mapping):
        return None
    part = cast("Mapping[str, object]", value)
    name = next((part[key] for key in ("name", "id", *MEDIA) if key in part), "NAME")
    weight = next((part[key] for key in ("weight", "scale", "strength") if _is_number(part.get(key))), None)
    written = f"{name}{'' if weight is None else f':{weight:g}'}"[:120]
    return f"write {_json(written if item else [written])}"


def _direction(value: object, item: bool) -> str | None:
    if item or not isinstance(value, Mapping):
        return None
    part = cast("Mapping[str, object]", value)
    way = [next((part[key] for key in keys if key in part), None) for keys in (("x", "dx"), ("y", "dy"))]
    return f"write {_json(way)}" if all(map(_is_number, way)) else "write a word such as up, or [dx, dy] with y down"


def _named(value: object) -> str | None:
    """The one string that a list or an object holds where its name alone is wanted."""
    if isinstance(value, list):
        items = cast("list[object]", value)
        return f"write {_json(items[0][:120])}" if len(items) == 1 and isinstance(items[0], str) else None
    if not isinstance(value, Mapping):
        return None
    part = cast("Mapping[str, object]", value)
    names = [name for key in MEDIA if isinstance(name := part.get(key), str)]
    return f"write {_json(names[0][:120])}" if names else None


def _box(value: object, item: bool) -> str | None:
    if item:  # [[left, top], [right, bottom]]
        return BOX if isinstance(value, list) else None
    if isinstance(value, str):
        numbers = re.findall(r"[0-9]+(?:\.[0-9]+)?", value)
        return f"write [{', '.join(numbers)}]" if len(numbers) == 4 else BOX
    if not isinstance(value, Mapping):
        return None
    part = cast("Mapping[str, object]", value)
    for names in (("left", "top", "right", "bottom"), ("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax")):
        sides = [part.get(name) for name in names]
        if all(map(_is_number, sides)):
            return f"write {_json(sides)}"
    corner = [part.get("x"), part.get("y")]
    size = [part.get("width", part.get("w")), part.get("height", part.get("h"))]
    if all(map(_is_number, (*corner, *size))):
        (x, y), (w, h) = cast("list[float]", corner), cast("list[float]", size)
        return f"write {_json([x, y, round(x + w, 4), round(y + h, 4)])}"
    return BOX


PARTS: Mapping[str, Callable[[object, bool], str | None]] = {
    "camera": _camera,
    "references": _reference,
    "frames": _still,
    "motion": _region,
    "loras": _lora,
    "box": _box,
    "direction": _direction,
}
"""What corrects an argument that is a list or a part of one, by its name. It takes the value, and whether that is an
entry of the list."""


def _number(value: str, seconds: bool) -> str | None:
    if shape := NUMBER.fullmatch(value.strip()):
        return f"write {shape[1].replace(',', '.')}"
    length = LENGTH.fullmatch(value.strip()) if seconds else None
    if length is None:
        return None
    minutes = float((length[1] or length[3]).replace(",", "."))
    return f"write {60 * minutes + float(length[2] or 0):g}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _flag(value: object) -> str | None:
    word = str(value).strip().lower()
    return "write true" if word in TRUE else "write false" if word in FALSE else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
