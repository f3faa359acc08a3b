"""Raw arguments against the published schema, at every depth, before anything may convert them.

The SDK's own models would take "8" for 8, true for 1.0 and ignore an unknown name: with money at stake each of those is
refused, in a sentence that names the remedy and repeats at most 60 characters of the value.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from types import UnionType
from typing import Protocol, cast

from backends import plain, spelling
from mcp_server.arguments import DEFAULTS, LENGTHS, RANGES, Schema

Arguments = Mapping[str, object]

MOST = 20
"""The most problems that are reported at once."""
DEEPEST = 32
"""The deepest nesting of lists and objects in one argument; no provider's options come near it."""
NAMES = ("label", "request_key")
"""Arguments that are shown on a line of their own."""
CURSOR = re.compile("[0-9A-Za-z_.:-]{1,100}")
ECHO = 60
"""The most characters of a value that are repeated to the caller."""
FORMATS = (
    "fqdn",
    "rfc3987",
    "rfc3986_validator",
    "rfc3987_syntax",
    "rfc3339_validator",
    "webcolors",
    "jsonpointer",
    "uri_template",
    "isoduration",
)
"""Packages that jsonschema imports if they are installed (JupyterLab brings them), for formats that no schema here
uses."""

SIMPLE = frozenset(("type", "enum", "minimum", "maximum", "items", "minItems", "maxItems", "default", "description"))
"""The schema keywords that `_plainly` handles."""
SIMPLE_KINDS: dict[object, type | UnionType] = {
    "string": str,
    "number": int | float,
    "integer": int,
    "boolean": bool,
    "array": list,
}
KINDS = {
    "string": "a string",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}
PLAIN = {"number": "write a number, such as 5", "integer": "write a whole number", "boolean": "write true or false"}
"""What to write where it cannot be told what a string was meant to be."""
SYNONYMS = {
    "duration": "duration_s",
    "seconds": "duration_s",
    "length": "duration_s",
    "ratio": "aspect_ratio",
    "size": "resolution",
    "budget": "max_cost_usd",
    "price": "max_cost_usd",
    "image_url": "image",
    "image_path": "image",
    "start_image": "image",
    "first_frame": "image",
    "video": "clip",
    "keyframes": "frames",
    "text": "prompt",
    "id": "job_id",
    "jobs": "job_ids",
    "timeout": "timeout_s",
    "idempotency_key": "request_key",
    "options": "provider_options",
    "framerate": "fps",
    "path": "image",
    "url": "image",
    "file": "image",
    "time": "at_s",
    "timestamp": "at_s",
    "t": "at_s",
    "at": "at_s",
    "hold": "hold_s",
    "region": "box",
    "area": "box",
    "rect": "box",
    "bbox": "box",
    "speed": "intensity",
    "strength": "intensity",
    "amount": "intensity",
}
"""Names that callers of other video tools are used to."""


class Finding(Protocol):
    """The part of a jsonschema ValidationError that is read."""

    validator: str
    validator_value: object
    instance: object
    schema: Schema
    absolute_path: Iterable[str | int]


class Checker(Protocol):
    """The part of a jsonschema validator that is used."""

    def iter_errors(self, instance: object) -> Iterator[Finding]: ...


class StrictArguments:
    """One tool's argument check. takers: for every argument name the tools that take it."""

    def __init__(self, tool: str, schema: Schema, takers: Mapping[str, Sequence[str]]) -> None:
        self.tool = tool
        self.properties = cast("dict[str, Schema]", schema["properties"])
        self._schema = schema
        self._takers = takers

    @cached_property
    def _checker(self) -> Checker:
        return _checker(self._schema)

    def problems(self, given: Arguments) -> dict[str, str]:
        """Every problem as place -> sentence, at most 20; empty when the arguments are legal."""
        if place := _too_deep(given):
            return {place: f"must be nested at most {DEEPEST} levels deep"}
        found: dict[str, str] = {}
        findings = () if self._plainly_legal(given) else self._checker.iter_errors(given)
        for finding in islice(findings, MOST):
            for place, sentence in self._sentences(finding):
                found.setdefault(place, sentence)
        for place, sentence in _beyond_schema(given):
            found.setdefault(place, sentence)
        outer = (place for place in found if not inside(place, found))
        return {place: found[place] for place in islice(outer, MOST)}

    def _plainly_legal(self, given: Arguments) -> bool:
        """Whether these are simple values that are legal without a JSON Schema validator: true for most calls, which
        then save its import (50 ms, 4 MB) and a quarter of their time. False proves nothing."""
        needed = cast("list[str]", self._schema.get("required", []))
        return all(name in given for name in needed) and all(
            name in self.properties and _plainly(value, self.properties[name]) for name, value in given.items()
        )

    def without_nulls(self, given: Arguments) -> Arguments:
        """The arguments without those that are null, at every depth that the schema knows: many hosts write null for
        what they omit. Entries of a list stay, and so does whatever the schema does not name."""
        return cast("Arguments", _without_nulls(given, {"properties": self.properties}))

    def completed(self, given: Arguments) -> dict[str, object]:
        """The arguments with defaults for omitted ones, and 8.0 as 8 where a whole number is meant."""
        values: dict[str, object] = {}
        for name, takes in self.properties.items():
            if name in given:
                value = given[name]
                values[name] = int(value) if takes.get("type") == "integer" and isinstance(value, float) else value
            elif "default" in takes:
                values[name] = takes["default"]
            elif name in DEFAULTS:
                values[name] = DEFAULTS[name]
        return values

    def _sentences(self, finding: Finding) -> Iterator[tuple[str, str]]:
        place = spelled(finding.absolute_path)
        match finding.validator:
            case "additionalProperties":
                known = cast("dict[str, object]", finding.schema["properties"])
                for name in islice((n for n in cast("dict[str, object]", finding.instance) if n not in known), MOST):
                    yield _joined(place, name[:ECHO]), self._unknown(name, list(known), nested=bool(place))
            case "required":
                instance = cast("dict[str, object]", finding.instance)
                for name in cast("list[str]", finding.validator_value):
                    if name not in instance:
                        yield _joined(place, name), "is required"
            case "type":
                yield place, _wrong_type(finding, place)
            case "anyOf":
                branches = cast("list[Schema]", finding.validator_value)
                yield place, _of_no_kind(finding.instance, [cast(str, branch["type"]) for branch in branches], place)
            case "enum":
                words = cast("list[str]", finding.validator_value)
                yield (
                    place,
                    f"must be one of {', '.join(words)}, not {echo(finding.instance)}{_near(finding.instance, words)}",
                )
            case "minimum" | "maximum":
                low = finding.schema.get("minimum", 0)
                yield place, f"must be {low} to {finding.schema.get('maximum')}, not {echo(finding.instance)}"
            case "minItems" | "maxItems":
                low, high = finding.schema.get("minItems", 0), finding.schema.get("maxItems")
                span = f"{low} to {high}" if high else f"at least {low}"
                yield place, f"must hold {span} entries, not {len(cast('list[object]', finding.instance))}"
            case keyword:
                yield place, f"breaks the schema's {keyword}: {echo(finding.validator_value)}"

    def _unknown(self, name: str, known: list[str], *, nested: bool) -> str:
        meant = SYNONYMS.get(name, name)
        meant = next(iter(difflib.get_close_matches(meant, known, n=1, cutoff=0.85)), meant)
        if meant in known:
            return f"no such argument; did you mean {meant}?"
        if not nested and (takers := self._takers.get(meant)):
            also = "" if meant == name else f" (as {meant})"
            return f"{self.tool} has no such argument; {', '.join(takers)} take{'s' * (len(takers) == 1)} it{also}"
        if near := difflib.get_close_matches(name, known, n=1):
            return f"no such argument; did you mean {near[0]}?"
        return f"no such argument; there are {', '.join(known)}"


def inside(place: str, places: Iterable[str]) -> bool:
    """Whether a place is one of the places or a part of one: camera[0].from is a part of camera[0] and camera."""
    return any(place.startswith((f"{outer}[", f"{outer}.")) for outer in places if outer)


def spelled(path: Iterable[str | int]) -> str:
    """A path as text: frames[0].at_s"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def echo(value: object) -> str:
    """A value as JSON, at most 60 characters of it."""
    if isinstance(value, str):
        value = value[: ECHO + 1]
    elif isinstance(value, int) and abs(value) >= 10**ECHO:
        return "a number of more than 60 digits"
    elif isinstance(value, list | dict):
        value = _top(cast("list[object] | dict[str, object]", value))
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= ECHO else f"{shown[:ECHO]}…"


def _top(value: list[object] | dict[str, object]) -> object:
    """The outermost few entries, so that repeating a value is cheap however large it is."""
    if isinstance(value, list):
        return [item if isinstance(item, int | float | bool | None) else _outline(item) for item in value[:8]]
    return {name[:ECHO]: _outline(item) for name, item in islice(value.items(), 4)}


def _outline(value: object) -> object:
    if isinstance(value, str):
        return value[:ECHO]
    if isinstance(value, list | dict):
        return "…"
    return value if not isinstance(value, int) or abs(value) < 10**ECHO else "…"


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _near(value: object, words: list[str]) -> str:
    near = difflib.get_close_matches(value[:ECHO], words, n=1) if isinstance(value, str) else []
    return f"; did you mean {near[0]}?" if near else ""


def _without_nulls(value: object, schema: Schema) -> object:
    if isinstance(value, Mapping) and "properties" in schema:
        fields = cast("dict[str, Schema]", schema["properties"])
        items = cast("Mapping[str, object]", value).items()
        kept = ((name, item) for name, item in items if item is not None or name not in fields)
        return {name: _without_nulls(item, fields.get(name, {})) for name, item in kept}
    if isinstance(value, list) and "items" in schema:
        return [_without_nulls(item, cast(Schema, schema["items"])) for item in cast("list[object]", value)]
    return cast(object, value)


def _wrong_type(finding: Finding, place: str) -> str:
    kind = cast("spelling.Kind", finding.validator_value)
    meant = KINDS[kind]
    value = finding.instance
    if value is None:
        return f"must be {meant}, not null: omit it instead"
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be {meant}, not {value}"
    right = spelling.corrected(place, value, kind)
    if isinstance(value, str) and kind != "string":
        if value.lstrip()[:1] in ("[", "{") and kind in ("array", "object"):
            return f"must be {meant}, not the string {echo(value)}: give it as it is, not JSON in a string"
        right = right or (f"write [{echo(value)}]" if kind == "array" else PLAIN.get(kind))
        return f"must be {meant}, not the string {echo(value)}{f': {right}' if right else ''}"
    if isinstance(value, dict) and kind == "array" and right is None:
        right = "put it into a list, as its only entry"
    return f"must be {meant}, not {echo(cast(object, value))}{f': {right}' if right else ''}"


def _of_no_kind(value: object, kinds: list[str], place: str) -> str:
    """For an argument that takes several types; a list among them holds numbers."""
    shown = echo(value)
    inside = " of numbers" if isinstance(value, list) else ""
    right = spelling.corrected(place, cast(object, value))
    words = f"must be {' or '.join(KINDS[kind] for kind in kinds)}{inside}, not {shown}"
    return f"{words}: {right}" if right else words


def _plainly(value: object, takes: Schema) -> bool:
    """Whether a word, a number, a flag or a list of such is legal by a schema without rarer keywords."""
    kind = takes.get("type")
    if not takes.keys() <= SIMPLE or kind not in SIMPLE_KINDS or not isinstance(value, SIMPLE_KINDS[kind]):
        return False
    if isinstance(value, bool) is not (kind == "boolean") or (isinstance(value, float) and not math.isfinite(value)):
        return False
    if isinstance(value, list):
        items = cast("list[object]", value)
        each = cast("Schema", takes.get("items", {}))
        return _within(len(items), takes, "minItems", "maxItems") and all(_plainly(item, each) for item in items)
    if isinstance(value, int | float):
        return _within(value, takes, "minimum", "maximum")
    return "enum" not in takes or value in cast("list[object]", takes["enum"])


def _within(value: float, takes: Schema, low: str, high: str) -> bool:
    return cast("float", takes.get(low, -math.inf)) <= value <= cast("float", takes.get(high, math.inf))


def _beyond_schema(given: Arguments) -> Iterator[tuple[str, str]]:
    """What JSON Schema cannot say, or what the published schema omits to be short."""
    for name, (low, high) in RANGES.items():
        value = given.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and not low <= value <= high:
            yield name, f"must be {low} to {high}, not {echo(value)}"
    for name, most in LENGTHS.items():
        value = given.get(name)
        if isinstance(value, str) and len(value) > most:
            yield name, f"must be at most {most} characters, not {len(value)}"
    for name in NAMES:
        value = given.get(name)
        if isinstance(value, str) and (why := plain.trouble(value)):
            yield name, f"must be one line of plain text: it holds {why}"
    if isinstance(cursor := given.get("cursor"), str) and not CURSOR.fullmatch(cursor):
        yield "cursor", "must come from an earlier list_jobs; omit it to start with the newest"
    yield from _unreal(given, "")


def _too_deep(given: Arguments) -> str:
    """The argument that is nested deeper than anything legal, "" when none is. Not recursive itself, so that later code
    may recurse."""
    for name, value in given.items():
        level: list[object] = [value]
        for _ in range(DEEPEST):
            level = [item for one in level for item in _items(one)]
        if level:
            return name[:ECHO]
    return ""


def _items(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def _unreal(value: object, place: str) -> Iterator[tuple[str, str]]:
    """What is not a JSON value, at any depth (provider_options is open to everything else)."""
    if isinstance(value, float) and not math.isfinite(value):
        yield place, "must be a finite number: NaN and Infinity are not JSON"
    elif isinstance(value, str):
        if not plain.is_text(value):
            yield place, "must be text: it holds half of a character (a lone surrogate, as of a cut emoji)"
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            yield from _unreal(item, f"{place}[{index}]")
    elif isinstance(value, Mapping):
        for name, item in cast("Mapping[str, object]", value).items():
            yield from _unreal(name, plain.one_line(_joined(place, name[:ECHO])))
            yield from _unreal(item, plain.one_line(_joined(place, name[:ECHO])))


def _is_number(_: object, value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _is_whole(_: object, value: object) -> bool:
    return _is_number(_, value) and (isinstance(value, int) or cast(float, value).is_integer())


def _checker(schema: Schema) -> Checker:
    """A JSON Schema validator that refuses NaN. Imported here: 50 ms that a server's start does not need.

    During this import the packages for formats count as missing: one of them builds a grammar for 2 s, and together
    they take 3 MB.
    """
    modules = cast("dict[str, object]", sys.modules)
    hidden = [name for name in FORMATS if modules.setdefault(name, None) is None]
    try:
        from jsonschema import Draft202012Validator, validators
    finally:
        for name in hidden:
            del modules[name]

    kinds = Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_whole})
    made: object = validators.extend(Draft202012Validator, type_checker=kinds)(schema)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return cast(Checker, made)
