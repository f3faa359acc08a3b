"""The columns of a table of shots: their names as people write them, what they hold, and the value in a cell."""

from __future__ import annotations

import difflib
import inspect
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args, get_type_hints

from backends.errors import VideoError
from mcp_server.cli.request_options import given_by_options, provider_options

Kind = Literal["text", "number", "whole", "flag", "list", "object", "choice", "point"]


@dataclass(frozen=True)
class Column:
    """name: the field's own, as the tools have it. what: an explanation. also: other names, the command's option
    among them. examples: a cell of each row of the template."""

    name: str
    kind: Kind
    what: str
    also: tuple[str, ...] = ()
    examples: tuple[str, str, str] = ("", "", "")


LISTED = "several are separated by ; or , or are a JSON list"

KNOWN = (
    Column("label", "text", "names the file", ("name",), ("opening", "portrait", "journey")),
    Column(
        "prompt",
        "text",
        "what happens in the clip",
        (),
        ("a red kite over dunes", "the sea behind her moves slowly", ""),
    ),
    Column("model", "text", "a model's id or alias; empty: chosen for you", (), ("animatic", "animatic", "animatic")),
    Column("duration_s", "number", "seconds of the clip", ("duration", "seconds", "length"), ("4", "3.5", "6")),
    Column("aspect_ratio", "text", "as 16:9 or 9:16", ("aspect", "ratio"), ("16:9", "", "")),
    Column("resolution", "text", "as 720p or 1080p", (), ("720p", "720p", "720p")),
    Column("image", "text", "the image that the clip starts from: a path or an https URL", (), ("", "photo.jpg", "")),
    Column(
        "frames",
        "list",
        f"keyframes in order, each PATH, PATH@second or PATH@second+seconds held; {LISTED}",
        ("frame", "keyframes"),
        ("", "", "a.jpg; b.jpg@2.5; c.jpg"),
    ),
    Column(
        "camera",
        "list",
        f"moves as dolly-in:0.4@0-2 (move:amount@from-to); {LISTED}",
        (),
        ("", "dolly-in:0.4@0-2; pan-left@2-3.5", ""),
    ),
    Column("continue", "flag", "yes: starts from the last frame of the shot before", ("continues", "continued")),
    Column("motion", "object", 'a motion region as JSON: {"box": [0, 0, 0.5, 1], "direction": "up"}'),
    Column("clip", "text", "a clip to extend (with add_s) or restyle: a path, URL or job"),
    Column("add_s", "number", "seconds to add to the clip", ("add",)),
    Column("references", "list", f"TAG=PATH, written @TAG in the prompt; {LISTED}", ("reference", "ref", "refs")),
    Column("fps", "number", "frames a second"),
    Column("audio", "flag", "yes or no: with or without sound", ("sound",)),
    Column("seed", "whole", "0 to 4294967295"),
    Column("negative_prompt", "text", "what must not be in the clip", ("negative",)),
    Column("fit", "text", "when the image's aspect ratio differs: crop, pad, blur or refuse"),
    Column("loop", "flag", "yes: the clip loops seamlessly"),
    Column("effect", "text", "a model's named effect"),
    Column("loras", "list", f"NAME:weight; {LISTED}", ("lora",)),
    Column(
        "provider_options", "object", "the provider's own: JSON, or NAME=VALUE separated by ;", ("option", "options")
    ),
    Column("max_cost_usd", "number", "US dollars for this shot", ("max_cost",)),
    Column("task", "choice", "the kind of work; empty: inferred from the inputs"),
    Column("prefer", "choice", "how to rank models when none is named: quality, cheapest, fastest ..."),
    Column("where", "choice", "any, or local for this machine only"),
    Column("take", "whole", "2, 3 ...: another variant of the same shot", ("takes",)),
)

_ASIDE = """note notes comment comments remark remarks shot scene id nr no number status owner todo who date link
anmerkung anmerkungen bemerkung kommentar notiz notizen szene remarque remarques commentaire nota notas comentario"""
ASIDE = frozenset(_ASIDE.split())
"""Columns that people keep beside the request: read by nobody, told once."""

_ON = "true yes y on 1 x wahr ja vrai oui verdadero vero si sí истина да"
_OFF = "false no n off 0 falsch nein faux non falso ложь нет"
ON, OFF = frozenset(_ON.split()), frozenset(_OFF.split())
"""Spreadsheets write TRUE and FALSE in the language of their person."""
UNITS = {
    "duration_s": r"\s*(?:s|sec|secs|seconds?)",
    "add_s": r"\s*(?:s|sec|secs|seconds?)",
    "fps": r"\s*fps",
    "max_cost_usd": r"\s*(?:\$|usd)",
}


@cache
def columns() -> Mapping[str, Column]:
    """By name: the known ones, and each further option of the command under its own name."""
    found = {one.name: one for one in KNOWN}
    taken = {name for one in KNOWN for name in (one.name, *one.also)}
    hints = get_type_hints(given_by_options, include_extras=True)
    for name in inspect.signature(given_by_options).parameters:
        if name not in taken:
            kind, *about = get_args(hints[name])
            point = getattr(about[0], "metavar", None) == "X,Y"
            what = str(getattr(about[0], "help", "")).rstrip(".")
            found[name] = Column(name, "point" if point else _kind(str(kind)), what)
    return found


def _kind(hint: str) -> Kind:
    kinds: dict[str, Kind] = {"list": "list", "float": "number", "int": "whole", "bool": "flag"}
    found: list[Kind] = [kind for word, kind in kinds.items() if word in hint]
    return found[0] if found else "text"


def plain(name: str) -> str:
    """A column's name as it is compared: Aspect Ratio, aspect-ratio and --aspect-ratio are the same."""
    bare = re.sub(r"\(.*?\)|\[.*?\]", "", name)  # Duration (s)
    return re.sub(r"[\s_-]+", "_", bare.strip().casefold()).strip("_")


def known(name: str) -> str | None:
    """The field that a column is meant for, None when it is none of them."""
    asked = plain(name)
    return next((one.name for one in columns().values() if asked in (one.name, *one.also)), None)


def meant(name: str) -> str:
    """The known name that is nearly this one, "" when there is none."""
    names = {spelling: one.name for one in columns().values() for spelling in (one.name, *one.also)}
    near = difflib.get_close_matches(plain(name), names, n=1, cutoff=0.75)
    return near[0] if near else ""


def is_aside(name: str, cells: Iterable[object]) -> bool:
    """Whether an unknown column is clearly no part of a request: it is called a note, begins with # or _, is empty, or
    holds sentences and is no slip of a known name. Anything else may be an option that is meant, and is not dropped."""
    if not name.strip() or name.strip().startswith(("#", "_")) or plain(name) in ASIDE:
        return True
    texts = [cell.strip() for cell in cells if isinstance(cell, str) and cell.strip()]
    sentences = any(len(text.split()) >= 3 and text[0] not in "[{" for text in texts)
    return not meant(name) and (sentences or not texts)


def unknown(names: Iterable[str]) -> VideoError:
    """The refusal of columns that are none."""
    told: list[str] = []
    for name in list(names)[:5]:
        near = meant(name)
        told.append(f"no column is called {name[:40]!r}{f': did you mean {near}?' if near else ''}")
    return VideoError(
        "invalid_request",
        f"{'; '.join(told)} (the columns are {', '.join(sorted(columns()))}; begin the name of a column of your own "
        "with #)",
    )


def value(name: str, text: str) -> object:
    """One cell as the value that JSONL would hold. ValueError in words."""
    kind = columns()[name].kind
    if kind in ("number", "whole"):
        return _number(text, UNITS.get(name, ""), kind == "whole")
    if kind == "flag":
        if text.casefold() not in ON | OFF:
            raise ValueError(f"yes or no, not {text[:40]!r}")
        return text.casefold() in ON
    if kind == "point":
        found = re.findall(r"\d*\.?\d+", text)
        if len(found) != 2:
            raise ValueError(f"two numbers as 0.5; 0.3, not {text[:40]!r}")
        return [float(number) for number in found]
    if kind == "object" and name == "provider_options" and not text.startswith("{"):
        try:
            return provider_options([part.strip() for part in text.split(";") if part.strip()])
        except VideoError as error:
            raise ValueError(error.message) from None
    if kind == "object" or (kind == "list" and text.startswith("[")):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"not JSON ({error})") from None
    return _listed(name, text) if kind == "list" else text


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
    """The parts of a list: at semicolons and line breaks, else at commas. A file's name may hold a comma."""
    if name in ("camera", "loras"):
        text = re.sub(r"(?<=\d),(?=\d)", ".", text)  # dolly-in:0,4
    elif name == "frames":
        text = re.sub(r"(@\d+),(?=\d)", r"\1.", text)  # a.jpg@1,5
    if not re.search(r"[;\n]", text) and "," in text and Path(text.partition("=")[2] or text).expanduser().exists():
        return [text]
    return [part.strip() for part in re.split(r"[;\n]" if re.search(r"[;\n]", text) else ",", text) if part.strip()]
