"""The columns of a table of shots: their names as people write them, their meaning, and reading a cell's value.

The names are those of `backends.vocabulary`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backends import vocabulary
from backends.errors import VideoError
from backends.vocabulary import Argument, Kind
from mcp_server.cli.options import provider_options

CONTINUE = "continue"
"""The column that is not in a request: whether a shot continues the one before."""
SEVERAL = "several are separated by ; or , or are a JSON list"
HOW: Mapping[Kind, str] = {
    "flag": "yes or no: {}",
    "list": f"{{}}; {SEVERAL}",
    "frames": f"{{}}: each PATH, PATH@second or PATH@second+seconds held; {SEVERAL}",
    "regions": "{}, as JSON",
    "options": "{}: JSON, or NAME=VALUE separated by ;",
}
"""The form of a cell of some kinds, around its description."""


@dataclass(frozen=True)
class Column:
    """name: the field's own. kind: how its cells are read. what: an explanation. also: other names, the command's
    option among them."""

    name: str
    kind: Kind
    what: str
    also: tuple[str, ...] = ()


_ASIDE = """note notes comment comments remark remarks shot scene id nr no number status owner todo who date link
anmerkung anmerkungen bemerkung kommentar notiz notizen szene remarque remarques commentaire nota notas comentario"""
ASIDE = frozenset(_ASIDE.split())
"""Columns that people keep beside the request: they are ignored, with one note."""

_ON = "true yes y on 1 x wahr ja vrai oui verdadero vero si sí истина да"
_OFF = "false no n off 0 falsch nein faux non falso ложь нет"
ON, OFF = frozenset(_ON.split()), frozenset(_OFF.split())
"""Spreadsheets write TRUE and FALSE in the user's language."""
_SECONDS, _DOLLARS, _RATE = r"\s*(?:s|sec|secs|seconds?)", r"\s*(?:\$|usd)", r"\s*fps"


def _unit(name: str) -> str:
    """The units that may follow a number in a cell, as a pattern."""
    if name == "fps":
        return _RATE
    return _SECONDS if name.endswith("_s") else _DOLLARS if name.endswith("_usd") else ""


@cache
def columns() -> Mapping[str, Column]:
    """By name, in the order of the template: columns that every shot uses come first."""
    arguments = {**vocabulary.asked(), "task": vocabulary.task(), **vocabulary.terms()}
    first = ("label", "prompt", "model", "duration_s", "aspect_ratio", "resolution")
    order = (*first, *(name for name in arguments if name not in first))
    found = {name: _column(arguments[name]) for name in order}
    what = "yes: starts from the last frame of the shot before"
    return found | {CONTINUE: Column(CONTINUE, "flag", what, ("continues", "continued"))}


def _column(argument: Argument) -> Column:
    what = HOW.get(argument.kind, "{}").format(argument.about)
    if argument.kind == "choice" and not all(word in argument.about for word in argument.choices):
        what = f"{what} ({', '.join(argument.choices)})"
    option = argument.option.replace("-", "_")
    also = argument.written.also if option == argument.name else (option, *argument.written.also)
    return Column(argument.name, argument.kind, what, also)


def plain(name: str) -> str:
    """A column's name for comparison: Aspect Ratio, aspect-ratio and --aspect-ratio are the same."""
    bare = re.sub(r"\(.*?\)|\[.*?\]", "", name)  # Duration (s)
    return re.sub(r"[\s_-]+", "_", bare.strip().casefold()).strip("_")


def known(name: str) -> str | None:
    """The field that a column means, None when it means none."""
    name_given = plain(name)
    return next((one.name for one in columns().values() if name_given in (one.name, *one.also)), None)


def meant(name: str) -> str:
    """The known name that resembles this one, "" when none does."""
    names = {spelling: one.name for one in columns().values() for spelling in (one.name, *one.also)}
    near = difflib.get_close_matches(plain(name), names, n=1, cutoff=0.75)
    return near[0] if near else ""


def is_aside(name: str, cells: Iterable[object]) -> bool:
    """Whether an unknown column is clearly not part of a request: it is called a note, begins with # or _, is empty, or
    holds sentences and is no misspelling of a known name. Any other column may be an option that is meant, and is not
    dropped."""
    if not name.strip() or name.strip().startswith(("#", "_")) or plain(name) in ASIDE:
        return True
    texts = [cell.strip() for cell in cells if isinstance(cell, str) and cell.strip()]
    sentences = any(len(text.split()) >= 3 and text[0] not in "[{" for text in texts)
    return not meant(name) and (sentences or not texts)


def unknown(names: Iterable[str]) -> VideoError:
    """The error for unknown columns."""
    texts: list[str] = []
    for name in list(names)[:5]:
        near = meant(name)
        texts.append(f"no column is called {name[:40]!r}{f': did you mean {near}?' if near else ''}")
    return VideoError(
        "invalid_request",
        f"{'; '.join(texts)} (the columns are {', '.join(sorted(columns()))}; begin the name of a column of your own "
        "with #)",
    )


def value(name: str, text: str) -> object:
    """One cell as the value that JSONL would hold. ValueError with a message."""
    match columns()[name].kind:
        case "number" | "whole" as kind:
            return _number(text, _unit(name), kind == "whole")
        case "flag":
            return _flag(text)
        case "point":
            return _point(text)
        case "options" if not text.startswith("{"):
            return _options(text)
        case "options" | "regions":
            return _json(text)
        case "list" | "frames":
            return _json(text) if text.startswith("[") else _listed(name, text)
        case _:
            return text


def _flag(text: str) -> bool:
    if text.casefold() not in ON | OFF:
        raise ValueError(f"yes or no, not {text[:40]!r}")
    return text.casefold() in ON


def _point(text: str) -> list[float]:
    found = re.findall(r"\d*\.?\d+", text)
    if len(found) != 2:
        raise ValueError(f"two numbers as 0.5; 0.3, not {text[:40]!r}")
    return [float(number) for number in found]


def _options(text: str) -> dict[str, object]:
    try:
        return provider_options([part.strip() for part in text.split(";") if part.strip()])
    except VideoError as error:
        raise ValueError(error.message) from None


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error})") from None


def _number(text: str, unit: str, whole: bool) -> float | int:
    """A number with a decimal point or comma, with or without its unit."""
    bare = (
        re.sub(rf"{unit}$", "", text.strip().removeprefix("$").strip(), flags=re.IGNORECASE) if unit else text.strip()
    )
    if re.fullmatch(r"-?[1-9]\d{0,2}[.,]\d{3}", bare) and "," in bare:
        raise ValueError(f"a number, not {text[:40]!r}: is the comma a decimal one or one of thousands?")
    bare = re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", bare)
    try:
        number = float(bare)
    except ValueError:
        raise ValueError(f"a {'whole ' if whole else ''}number, not {text[:40]!r}") from None
    if not whole:
        return number
    if not number.is_integer():
        raise ValueError(f"a whole number, not {text[:40]!r}")
    return int(bare) if bare.lstrip("-").isdigit() else int(number)


def _listed(name: str, text: str) -> list[str]:
    """The parts of a list: separated by semicolons and line breaks, else by commas. A file's name may contain a
    comma."""
    if name in ("camera", "loras"):
        text = re.sub(r"(?<=\d),(?=\d)", ".", text)  # dolly-in:0,4
    elif name == "frames":
        text = re.sub(r"(@\d+),(?=\d)", r"\1.", text)  # a.jpg@1,5
    if not re.search(r"[;\n]", text) and "," in text and Path(text.partition("=")[2] or text).expanduser().exists():
        return [text]
    return [part.strip() for part in re.split(r"[;\n]" if re.search(r"[;\n]", text) else ",", text) if part.strip()]
