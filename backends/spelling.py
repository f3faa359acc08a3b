"""What a value that is written in another way was meant to be: the sentence that says exactly what to write.

Callers bring the habits of other tools along: "16/9", "5s", "yes", a move as an object, a box as a string. The value is
refused all the same, since guessing costs money, but one answer is enough to write it right.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
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

TRUE, FALSE = ("yes", "true", "on", "y", "1"), ("no", "false", "off", "n", "0")
NUMBER = re.compile(r"[$€]?\s*(-?[0-9]+(?:[.,][0-9]+)?)\s*(?:s|sec|secs|second|seconds|fps|usd|dollars?|\$)?", re.I)
NAMED = "media are named, not carried: save it to a file and give its path, or give an https URL"
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
    if name == "camera":
        return _camera(value, item)
    if name == "references":
        return _reference(value, item)
    if name == "frames" and isinstance(value, str):
        return f"write {_json({'image': value})}" if item else None
    if name == "box" and not item:
        return _box(value)
    if kind in ("number", "integer") and isinstance(value, str):
        found = _number(value)
        return None if kind == "integer" and found and "." in found else found
    return _flag(value) if kind == "boolean" else None


def _ratio(value: object) -> str | None:
    text = value.strip().lower() if isinstance(value, str) else ""
    if value == "":
        return "leave it out, or write one such as 16:9"
    if shape := re.fullmatch(r"([1-9][0-9]{0,3})\s*[/x×:*\s-]\s*([1-9][0-9]{0,3})", text):
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
        return f'write "{int(value)}p"'
    if not isinstance(value, Mapping):
        return None
    sides = cast("Mapping[str, object]", value)
    wide, high = sides.get("width"), sides.get("height")
    if isinstance(wide, int) and isinstance(high, int) and wide > 0 and high > 0:
        return f'write "{min(wide, high)}p", and the shape as aspect_ratio "{_shortened(wide, high)}"'
    return None


def _camera(value: object, item: bool) -> str | None:
    """A move as an object, or moves as a sentence."""
    if isinstance(value, Mapping):
        part = cast("Mapping[str, object]", value)
        named = part.get("move") or part.get("type") or part.get("name") or ""
        moves = camera_moves(str(named).replace("-", " ").replace("_", " "))
        amount = part.get("amount")
        if moves and isinstance(amount, int | float):
            moves = [f"{moves[0].partition(':')[0]}:{amount:g}"]
        written = moves[0] if moves else "dolly-in:0.4@0-2"
        return f"write {_json(written if item else [written])}"
    if not isinstance(value, str) or not re.search(r"\S\s+\S", value) or re.search(r"[:@\[]", value):
        return None
    if moves := camera_moves(value):
        return f"write camera {_json(moves)} (times in seconds), or put the words into prompt"
    return 'write a move such as "dolly-in:0.4@0-2", or put the words into prompt'


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
    if len(moves) == 1:
        return [f"{moves[0]}:{amount:g}"]
    return [f"{move}:{amount:g}@{i * SHARE_S:g}-{(i + 1) * SHARE_S:g}" for i, move in enumerate(moves)]


def _reference(value: object, item: bool) -> str | None:
    if not isinstance(value, Mapping):
        return None
    part = cast("Mapping[str, object]", value)
    tag = part.get("tag") or part.get("name") or "hero"
    media = next((part[key] for key in ("media", "image", "path", "url", "uri", "file") if key in part), "PATH")
    written = f"{tag}={media}"[:120]
    return f"write {_json(written if item else [written])}, and @{tag} in the prompt"[:200]


def _box(value: object) -> str | None:
    if isinstance(value, str):
        numbers = re.findall(r"[0-9]+(?:\.[0-9]+)?", value)
        if len(numbers) == 4:
            return f"write [{', '.join(numbers)}]"
        return BOX
    if not isinstance(value, Mapping):
        return None
    part = cast("Mapping[str, object]", value)
    sides = [part.get(name) for name in ("left", "top", "right", "bottom")]
    if all(isinstance(side, int | float) for side in sides):
        return f"write {_json(sides)}"
    corner = [part.get("x"), part.get("y")]
    size = [part.get("width", part.get("w")), part.get("height", part.get("h"))]
    if all(isinstance(side, int | float) for side in (*corner, *size)):
        (x, y), (w, h) = cast("list[float]", corner), cast("list[float]", size)
        return f"write {_json([x, y, round(x + w, 4), round(y + h, 4)])}"
    return BOX


def _number(value: str) -> str | None:
    shape = NUMBER.fullmatch(value.strip())
    return f"write {shape[1].replace(',', '.')}" if shape else None


def _flag(value: object) -> str | None:
    word = str(value).strip().lower()
    return "write true" if word in TRUE else "write false" if word in FALSE else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
