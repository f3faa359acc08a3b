"""Reading tables as spreadsheets and other programs write them: encoding, separator, rows.

A row whose first cell begins with # is skipped, with a note: it is a remark, or a shot that is put aside.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from backends.errors import VideoError
from mcp_server.cli import shot_columns

Cells = dict[str, object]
Row = tuple[int, Cells | VideoError]
"""The line number in the file, from 1, and the row's values by field, or what is wrong with it."""

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
MOST = 10_000
"""The most rows of one file."""
FOREIGN = re.compile(r"[\u00c0-\u00ff]{4}")
"""Characters in a row that occur in no Western European word: the file has another code page."""


@dataclass
class _Table:
    """header: the file's own names. fields: the field of each column, None for one that is ignored."""

    header: list[str]
    fields: list[str | None] = field(default_factory=list[str | None])


def rows(path: Path, tell: Callable[[str], None]) -> Iterator[Row]:
    """The rows of a .csv, .tsv or .jsonl file. tell: receives notes about how it was read.

    VideoError("asset") when it cannot be read as text; "invalid_request" for an invalid header.
    """
    text = _text(path, tell)
    jsonl = path.suffix.lower() in (".jsonl", ".ndjson") or (
        path.suffix.lower() not in (".csv", ".tsv") and text.lstrip().startswith("{")
    )
    for number, row in enumerate(_jsonl_rows(path, text, tell) if jsonl else _csv_rows(path, text, tell)):
        if number >= MOST:
            raise VideoError("invalid_request", f"{path.name} holds more than {MOST} rows: split it")
        yield row


def _text(path: Path, tell: Callable[[str], None]) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VideoError("asset", f"{path}: {error.strerror}: --from takes a .csv or .jsonl file") from None
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise VideoError("asset", f"{path.name} is a spreadsheet's own file: save it as CSV UTF-8, or as JSONL")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:200]:
        order = "utf-16" if data[:1] in b"\xff\xfe" else "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
        try:
            return data.decode(order)
        except UnicodeDecodeError:
            raise VideoError("asset", f"{path.name} is not a text file: save it as CSV UTF-8 or JSONL") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = ""
    if not text or FOREIGN.search(text):
        raise VideoError("asset", f"{path.name} is not UTF-8 text: save it as CSV UTF-8 or JSONL")
    sample = next((word for word in re.findall(r"\S+", text) if not word.isascii()), "")
    tell(f"{path.name} is not UTF-8: read as Windows-1252, with words such as {sample[:40]!r}; save it as CSV UTF-8")
    return text


def _jsonl_rows(path: Path, text: str, tell: Callable[[str], None]) -> Iterator[Row]:
    asides: list[str] = []
    for line, words in enumerate(text.split("\n"), 1):
        if not words.strip():
            continue
        try:
            value: object = json.loads(words)
        except json.JSONDecodeError as error:
            yield line, VideoError("invalid_request", f"not JSON: {error}")
            continue
        if not isinstance(value, dict):
            yield line, VideoError("invalid_request", 'a row is an object, as {"prompt": "a boat", "duration_s": 4}')
            continue
        cells: Cells = {}
        bad: list[str] = []
        for name, cell in cast(Cells, value).items():
            if cell is None:
                continue
            if meant := shot_columns.known(name):
                cells[meant] = cell
            elif shot_columns.is_aside(name, [cell]):
                asides.append(name)
            else:
                bad.append(name)
        yield line, shot_columns.unknown(bad) if bad else cells
    _tell_asides(path, asides, tell)


def _csv_rows(path: Path, text: str, tell: Callable[[str], None]) -> Iterator[Row]:
    lines = text.splitlines(keepends=True)
    skipped = 0
    separator = ""
    if lines and (declared := re.fullmatch(r"sep=(.)\s*", lines[0], re.IGNORECASE)):  # a line that Excel itself writes
        separator, skipped = declared[1], 1
    while skipped < len(lines) and (not lines[skipped].strip() or lines[skipped].lstrip('"').startswith("#")):
        skipped += 1
    separator = separator or _separator(path, lines[skipped : skipped + 1])
    reader = csv.reader(lines[skipped:], delimiter=separator, strict=True)
    try:
        found: list[tuple[int, list[str]]] = []
        header = [name.strip() for name in next(reader, list[str]())]
        before = reader.line_num
        remarks = 0
        for row in reader:
            line, before = before + 1 + skipped, reader.line_num
            if row and row[0].lstrip().startswith("#"):
                remarks += 1
            elif any(cell.strip() for cell in row):
                found.append((line, row))
    except csv.Error as error:
        at = reader.line_num + skipped
        raise VideoError("invalid_request", f"line {at} of {path.name}: not CSV: {error}") from None
    table = _headed(path, header, [row for _, row in found], separator, skipped + 1, tell)
    if remarks:
        tell(f"{path.name}: {remarks} {'row that begins' if remarks == 1 else 'rows that begin'} with # left out")
    for line, row in found:
        yield line, _csv_cells(table, row, separator)


def _separator(path: Path, first: list[str]) -> str:
    """The separator that gives the header the most known names."""

    def names(mark: str) -> int:
        cells = next(csv.reader(first, delimiter=mark), list[str]())
        return sum(shot_columns.known(name) is not None for name in cells)

    order = ("\t", ",", ";") if path.suffix.lower() == ".tsv" else (",", ";", "\t")
    best = max(order, key=names)
    if names(best):
        return best
    return next((mark for mark in order if first and mark in first[0]), order[0])


def _headed(
    path: Path, header: list[str], body: list[list[str]], separator: str, line: int, tell: Callable[[str], None]
) -> _Table:
    table = _Table(header, [shot_columns.known(name) for name in header])
    named = [name for name in table.fields if name is not None]
    if len(set(named)) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise VideoError("invalid_request", f"line {line}: a column occurs twice: {twice}")
    bad: list[str] = []
    asides: list[str] = []
    for number, (name, meant) in enumerate(zip(header, table.fields, strict=True)):
        if meant is None:
            cells = [row[number] for row in body if number < len(row)]
            (asides if shot_columns.is_aside(name, cells) else bad).append(name)
    if header and any(header) and not named and not bad:
        bad = header
    if bad:
        error = shot_columns.unknown(bad)
        split = "" if named else f" (read with {SEPARATORS.get(separator, separator)} between the columns)"
        raise VideoError("invalid_request", f"line {line}{split}: {error.message}")
    _tell_asides(path, [name for name in asides if name.strip()], tell)
    return table


def _tell_asides(path: Path, names: list[str], tell: Callable[[str], None]) -> None:
    if listed := list(dict.fromkeys(names)):
        tell(f"{path.name}: not part of any request, ignored: {', '.join(name[:40] for name in listed[:10])}")


def _csv_cells(table: _Table, row: list[str], separator: str) -> Cells | VideoError:
    if len(row) > len(table.header) and any(cell.strip() for cell in row[len(table.header) :]):
        kind = SEPARATORS.get(separator, separator)
        text = f"{len(row)} cells under {len(table.header)} columns: quote texts with {kind}"
        return VideoError("invalid_request", text)
    cells: Cells = {}
    problems: list[str] = []
    for name, text in zip(table.fields, row, strict=False):
        if name is not None and text.strip():
            try:
                cells[name] = shot_columns.value(name, text.strip())
            except ValueError as error:
                problems.append(f"{name}: {error}")
    return VideoError("invalid_request", "; ".join(problems), problems=problems) if problems else cells
