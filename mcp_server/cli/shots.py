"""A list of shots from a file: each row a request with its label and take. Every bad row is told, by its line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from backends.errors import VideoError
from backends.plain import trouble
from mcp_server.cli.request_options import Given, keyframe

if TYPE_CHECKING:
    from backends.request import VideoRequest

TEXT = frozenset(
    {"model", "prompt", "negative_prompt", "image", "clip", "aspect_ratio", "resolution", "fit", "effect", "label"}
)
NUMBERS = frozenset({"duration_s", "add_s", "fps", "max_cost_usd"})
WHOLE = frozenset({"seed", "take"})
FLAGS = frozenset({"audio", "loop"})
LISTS = frozenset({"camera", "references", "loras", "frames"})
"""In CSV: parted by semicolons, or a JSON list. A frame is PATH[@s], or the tools' object."""
OBJECTS = frozenset({"motion", "provider_options"})
"""In CSV: JSON."""
CHOICES = frozenset({"task", "prefer", "where"})
COLUMNS = TEXT | NUMBERS | WHOLE | FLAGS | LISTS | OBJECTS | CHOICES

MOST = 10_000
"""Rows of one file."""

Cells = dict[str, object]


@dataclass(frozen=True)
class Shot:
    """One row. line: where it stands in the file, from 1."""

    line: int
    request: VideoRequest
    given: Given
    label: str
    take: int


def refused(path: Path, problems: Mapping[int, str]) -> VideoError:
    """Every bad row in one failure; nothing has been started by then."""
    listed = [f"line {line}: {text}".replace("\n", " ") for line, text in sorted(problems.items())]
    rows = "1 row" if len(listed) == 1 else f"{len(listed)} rows"
    text = f"{rows} of {path.name} cannot be made; nothing was started:\n" + "\n".join(listed)
    return VideoError("invalid_request", text, problems=listed)


def read(path: Path, base: Given, label: str) -> list[Shot]:
    """The shots of a file, with the options of the command where a row says nothing.

    VideoError("invalid_request") names every bad line; "asset" when the file cannot be read.
    """
    shots: list[Shot] = []
    problems: dict[int, str] = {}
    for line, cells in _rows(path):
        try:
            shots.append(_shot(line, cells, base, label))
        except VideoError as error:
            problems[line] = "; ".join(map(str, error.problems)) or error.message
    if problems:
        raise refused(path, problems)
    if not shots:
        raise VideoError("invalid_request", f"{path.name} holds no shots: a header line of column names, then rows")
    return shots


def _rows(path: Path) -> Iterator[tuple[int, Cells | VideoError]]:
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise VideoError("asset", f"{path.name} is not UTF-8 text: save it as CSV UTF-8 or JSONL") from None
    except OSError as error:
        raise VideoError("asset", f"{path}: {error.strerror}: --from takes a .csv or .jsonl file") from None
    jsonl = path.suffix.lower() in (".jsonl", ".ndjson") or (
        path.suffix.lower() not in (".csv", ".tsv") and text.lstrip().startswith("{")
    )
    rows = _jsonl_rows(text) if jsonl else _csv_rows(path, text)
    for number, row in enumerate(rows):
        if number >= MOST:
            raise VideoError("invalid_request", f"{path.name} holds more than {MOST} rows: split it")
        yield row


def _jsonl_rows(text: str) -> Iterator[tuple[int, Cells | VideoError]]:
    for line, words in enumerate(text.splitlines(), 1):
        if not words.strip():
            continue
        try:
            value: object = json.loads(words)
        except json.JSONDecodeError as error:
            yield line, VideoError("invalid_request", f"not JSON: {error}")
            continue
        if isinstance(value, dict):
            yield line, {name: cell for name, cell in cast(Cells, value).items() if cell is not None}
        else:
            yield line, VideoError("invalid_request", 'a row is an object, as {"prompt": "a boat", "duration_s": 4}')


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Cells | VideoError]]:
    dialect = "excel-tab" if path.suffix.lower() == ".tsv" else "excel"
    reader = csv.reader(text.splitlines(keepends=True), dialect=dialect, strict=True)
    try:
        header = [name.strip() for name in next(reader, list[str]())]
        if unknown := [name for name in header if name not in COLUMNS]:
            raise VideoError("invalid_request", f"line 1: no column is called {_some(unknown)}; {_columns()}")
        if len(set(header)) < len(header):
            raise VideoError("invalid_request", "line 1: a column stands twice")
        before = reader.line_num
        for row in reader:
            line, before = before + 1, reader.line_num
            if any(cell.strip() for cell in row):
                yield line, _csv_cells(header, row)
    except csv.Error as error:
        raise VideoError("invalid_request", f"line {reader.line_num} of {path.name}: not CSV: {error}") from None


def _csv_cells(header: list[str], row: list[str]) -> Cells | VideoError:
    if len(row) > len(header):
        return VideoError("invalid_request", f"{len(row)} cells under {len(header)} columns: quote texts with commas")
    cells: Cells = {}
    problems: list[str] = []
    for name, text in zip(header, row, strict=False):
        if text.strip():
            try:
                cells[name] = _cell(name, text.strip())
            except ValueError as error:
                problems.append(f"{name}: {error}")
    return VideoError("invalid_request", "; ".join(problems), problems=problems) if problems else cells


def _cell(name: str, text: str) -> object:
    """One CSV cell as the value that JSONL would hold. ValueError in words."""
    if name in NUMBERS or name in WHOLE:
        try:
            return int(text) if name in WHOLE else float(text)
        except ValueError:
            raise ValueError(f"a {'whole ' if name in WHOLE else ''}number, not {text[:40]!r}") from None
    if name in FLAGS:
        if text.lower() not in ("true", "false", "yes", "no"):
            raise ValueError(f"true or false, not {text[:40]!r}")
        return text.lower() in ("true", "yes")
    if name in OBJECTS or (name in LISTS and text.startswith("[")):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"not JSON ({error})") from None
    return [part.strip() for part in text.split(";") if part.strip()] if name in LISTS else text


def _shot(line: int, cells: Cells | VideoError, base: Given, label: str) -> Shot:
    if isinstance(cells, VideoError):
        raise cells
    if unknown := [name for name in cells if name not in COLUMNS]:
        raise VideoError("invalid_request", f"no field is called {_some(unknown)}; {_columns()}")
    own = dict(cells)
    take, name = own.pop("take", 1), own.pop("label", label)
    task, prefer, where = own.pop("task", base.task), own.pop("prefer", base.prefer), own.pop("where", base.where)
    if isinstance(take, bool) or not isinstance(take, int) or not 1 <= take <= 99:
        raise VideoError("invalid_request", f"take is a whole number of 1 to 99, not {str(take)[:40]!r}")
    if not isinstance(name, str) or len(name) > 80:
        raise VideoError("invalid_request", "label is a text of 80 characters at most")
    if why := trouble(name):
        raise VideoError("invalid_request", f"label is one line of plain text: it holds {why}")
    chosen = replace(base, fields=_with_base(own, base), task=_word("task", task), **_choosing(prefer, where))
    return Shot(line, chosen.request(), chosen, name, take)


def _with_base(own: Cells, base: Given) -> Cells:
    """The row over the command's options; a row's own source replaces theirs."""
    fields = dict(base.fields)
    if own.keys() & {"image", "frames", "clip"}:
        fields = {name: value for name, value in fields.items() if name not in ("image", "frames", "clip", "add_s")}
    fields |= own
    frames = fields.get("frames")
    if isinstance(frames, list):
        listed = cast("list[object]", frames)
        fields["frames"] = [keyframe(one) if isinstance(one, str) else one for one in listed]
    if isinstance(region := fields.get("motion"), dict):
        fields["motion"] = [region]
    return fields


def _choosing(prefer: object, where: object) -> dict[str, str]:
    from typing import get_args

    from mcp_server.cli.request_options import Prefer, Where

    for name, value, legal in (("prefer", prefer, get_args(Prefer)), ("where", where, get_args(Where))):
        if value not in legal:
            raise VideoError("invalid_request", f"{name} is one of {', '.join(legal)}, not {str(value)[:40]!r}")
    return {"prefer": str(prefer), "where": str(where)}


def _word(name: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise VideoError("invalid_request", f"{name} is a text, not {str(value)[:40]!r}")
    return value


def _some(names: Iterable[str]) -> str:
    return ", ".join(repr(name[:40]) for name in list(names)[:5])


def _columns() -> str:
    return f"the columns are {', '.join(sorted(COLUMNS))}"
