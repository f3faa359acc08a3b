"""What is written to the terminal: tables and words there, tab-separated plain lines in a pipe, JSON where asked.

Texts of providers, prompts and file names are data: control characters never reach the terminal.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import IO, Any, NoReturn

import typer
from pydantic import BaseModel

from backends import plain
from backends.errors import VideoError

COMMANDS = {
    "list_models": "reelwright models",
    "list_jobs": "reelwright jobs list",
    "estimate_cost": "reelwright estimate",
    "wait_for_job": "reelwright jobs watch",
}
"""Errors are written for tools; a person at a terminal is told the command."""


def is_terminal(stream: IO[str] | None = None) -> bool:
    """Whether a person sees the stream (standard output when left out) on a terminal that can be redrawn."""
    import os

    target = sys.stdout if stream is None else stream
    return target.isatty() and os.environ.get("TERM") != "dumb"


def line(text: str = "") -> None:
    """One line to standard output, whatever the text holds."""
    typer.echo(plain.one_line(text))


def folded(text: str) -> None:
    """One sentence to standard output, folded at words where a person reads it."""
    if not is_terminal():
        line(text)
        return
    from mcp_server.cli import grid

    for part in grid.wrapped(plain.one_line(text), width()):
        typer.echo(part)


def width() -> int:
    """Cells of the person's terminal that are written to."""
    from shutil import get_terminal_size

    return max(20, get_terminal_size((80, 24)).columns - 1)


def aside(text: str) -> None:
    """One line to standard error: what a pipe is not meant to read."""
    typer.echo(plain.one_line(text), err=True)


def block(text: str) -> None:
    """Lines of our own to standard output: what a person pastes."""
    typer.echo(plain.lines(text))


def as_json(value: object) -> None:
    """A value as JSON; views (pydantic models) and exact amounts included."""
    typer.echo(plain.escaped(json.dumps(value, indent=2, ensure_ascii=False, default=_plain)))


def _plain(value: object) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Decimal):
        return float(value)
    return str(value)


def cells(*values: object) -> None:
    """One row of plain output: tab-separated."""
    typer.echo("\t".join(_cell(value) for value in values))


def _cell(value: object) -> str:
    return plain.one_line("" if value is None else str(value))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], below: Collection[str] = ()) -> None:
    """Rows under their column names: drawn on a terminal, tab-separated in a pipe. below: the columns that go to a line
    of their own under each row on a terminal that is too narrow for them."""
    if not is_terminal():
        for row in (columns, *rows):
            cells(*row)
        return
    from mcp_server.cli import grid

    for text in grid.layout(columns, [[_cell(value) for value in row] for row in rows], width(), below):
        typer.echo(text)


def usd(amount: float | Decimal | None) -> str:
    """$0, $0.40, $1.25, $0.0042: cents at least, and no digit lost; "unknown" for None."""
    if amount is None:
        return "unknown"
    if amount == 0:
        return "$0"
    whole, _, cents = f"{amount:.6f}".rstrip("0").partition(".")
    return f"${whole}.{cents.ljust(2, '0')}"


def words_of(error: VideoError) -> str:
    """A failure as a person at a terminal reads it: its kind, its message, the problems that the message leaves out."""
    lines = [plain.listed(f"{error.kind}: {error.message}")]
    lines += [plain.one_line(f"- {problem}") for problem in error.problems if problem not in error.message]
    text = "\n".join(lines)
    for tool, command in COMMANDS.items():
        text = re.sub(rf"\b{tool}\b", command, text)
    return re.sub(r"\bmax_cost_usd=(?=[\d.])", "--max-cost ", text)


def refuse(error: VideoError, json_wanted: bool = False) -> NoReturn:
    """Tell a failure and end with exit code 1."""
    if json_wanted:
        as_json({"error": error.to_json()})
    else:
        typer.echo(f"reelwright: {words_of(error)}", err=True)
    raise typer.Exit(1)


def asked(question: str) -> bool:
    """A yes from the person at the terminal; VideoError("consent") when nobody sits there."""
    if not sys.stdin.isatty():
        raise VideoError("consent", f"{question} Nobody can be asked here: repeat with --yes if that is agreed")
    answer = ""
    with suppress(EOFError):
        typer.echo(f"{plain.one_line(question)} [y/N] ", nl=False, err=True)
        answer = input()
    return answer.strip().lower() in ("y", "yes")
