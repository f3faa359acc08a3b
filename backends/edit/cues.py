"""Words on the picture as data: what is shown, from when to when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from backends.errors import Problem, VideoError
from backends.plain import cleaned, quoted

Kind = Literal["caption", "title"]

CUES_MOST = 5000
TEXT_MOST = 500
"""Characters of one cue."""
NEAR_S = 0.05
"""A cue that ends so little after the film does ends with it, and nothing is said."""
LEAST_S = 0.001

_LINE = re.compile(
    r"\s*(?P<first>[\d:.,]*\d)\s*s?\s*(?:-->|->|[-‐‑‒–—]|\bto\b)\s*(?P<last>[\d:.,]*\d)\s*s?\s*:?\s+(?P<text>\S.*)",
    re.S,
)
EXAMPLE = '"0-2.5 A lighthouse at dawn"'


@dataclass(frozen=True)
class Cue:
    """Words and when they are shown, in seconds of the film. text: one line or more."""

    from_s: float
    to_s: float
    text: str
    kind: Kind


class Cues(list[Cue]):
    """Cues in the order in which they are shown, none over another of its kind. notes: what was changed to get so."""

    def __init__(self, cues: Sequence[Cue] = (), notes: Sequence[str] = ()) -> None:
        super().__init__(cues)
        self.notes = list(notes)


def seconds(text: str) -> float | None:
    """Of 2.5, 1:02.5 or 1:02:03,250; None for what is no time."""
    parts = text.strip().replace(",", ".").split(":")
    if len(parts) > 3 or not all(re.fullmatch(r"\d{1,9}", part) for part in parts[:-1]):
        return None
    if not re.fullmatch(r"\d{1,9}(\.\d*)?|\.\d+", parts[-1]):
        return None
    numbers = [float(part) for part in parts]
    if any(number >= 60 for number in numbers[1:]):
        return None
    total = 0.0
    for number in numbers:
        total = 60 * total + number
    return total


def read_lines(lines: Sequence[str], kind: Kind, field: str) -> list[Cue]:
    """Cues of lines FROM-TO TEXT; VideoError("invalid_request") names the line that is none."""
    if len(lines) > CUES_MOST:
        raise refused(field, f"{field} has {len(lines)} lines; at most {CUES_MOST} are taken")
    return [_read_line(line, kind, f"{field}[{number}]") for number, line in enumerate(lines)]


def _read_line(line: str, kind: Kind, place: str) -> Cue:
    found = _LINE.fullmatch(line)
    first, last = (seconds(found[name]) if found else None for name in ("first", "last"))
    if found is None or first is None or last is None:
        text = f"{place} is not FROM-TO TEXT ({quoted(line, 60)}): write times in seconds or m:ss, as in {EXAMPLE}"
        raise refused(place, text)
    if first >= last:
        raise refused(place, f"{place} ends at {last:g} s, which is not after its start at {first:g} s")
    text = tidy(found["text"])
    if len(text) > TEXT_MOST:
        raise refused(place, f"{place} has {len(text)} characters; at most {TEXT_MOST} are shown at once: split it")
    if not text:
        raise refused(place, f"{place} has no words after its times: write it as in {EXAMPLE}")
    return Cue(first, last, text, kind)


def within(cues: Sequence[Cue], film_s: float, field: str) -> tuple[list[Cue], list[str]]:
    """Cues cut at the film's end. VideoError("invalid_request") for one that would begin after it."""
    kept: list[Cue] = []
    notes: list[str] = []
    for number, cue in enumerate(cues):
        if cue.from_s >= film_s - LEAST_S:
            place = f"{field}[{number}]"
            text = f"{place} begins at {cue.from_s:g} s, and the film ends at {film_s:.6g} s: let it begin earlier"
            raise refused(place, text)
        if cue.to_s > film_s + NEAR_S:
            notes.append(f"{field}[{number}] ends at {cue.to_s:g} s and is cut at the film's end ({film_s:.6g} s)")
        kept.append(replace(cue, to_s=min(cue.to_s, film_s)))
    if len(notes) > 3:
        notes = [*notes[:2], f"{len(notes) - 2} more {field} are cut at the film's end"]
    return kept, notes


def one_at_a_time(cues: Sequence[Cue]) -> tuple[list[Cue], list[str]]:
    """Cues of one kind in order: those that begin together share the picture, and else the later one takes over."""
    kept: list[Cue] = []
    notes: list[str] = []
    for cue in sorted(cues, key=lambda cue: cue.from_s):
        last = kept[-1] if kept else None
        if last is not None and cue.from_s - last.from_s < LEAST_S:
            kept[-1] = replace(last, to_s=max(last.to_s, cue.to_s), text=f"{last.text}\n{cue.text}")
            notes.append(f"two {cue.kind}s begin at {cue.from_s:g} s: both are shown, until the later one ends")
            continue
        if last is not None and cue.from_s < last.to_s - LEAST_S:
            notes.append(f"the {cue.kind} at {last.from_s:g} s ends at {cue.from_s:g} s, where the next one begins")
            kept[-1] = replace(last, to_s=cue.from_s)
        kept.append(cue)
    if len(notes) > 3:
        notes = [*notes[:2], f"{len(notes) - 2} more {kept[0].kind}s overlap and end where the next one begins"]
    return kept, notes


def tidy(text: str) -> str:
    """Words without what steers, without blank lines, and with single spaces."""
    lines = (
        " ".join(line.split()) for line in str(cleaned(text)).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    )
    return "\n".join(line for line in lines if line)


def refused(field: str, text: str) -> VideoError:
    return VideoError("invalid_request", text, problems=[Problem(field, text)], lead="")
