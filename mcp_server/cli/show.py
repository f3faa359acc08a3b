"""Output: tables and words on a terminal, tab-separated plain lines in a pipe, JSON on request.

Texts of providers, prompts and file names are data: control characters never reach the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import IO, Any, NoReturn, cast

import typer
from pydantic import BaseModel

from backends import plain, vocabulary
from backends.edit import vocabulary as film
from backends.errors import VideoError, listing
from mcp_server.text import dollars

SHOWS = {
    "list_models": "reelwright models shows all",
    "list_jobs": "reelwright jobs list shows all jobs",
    "estimate_cost": "reelwright estimate shows prices",
    "wait_for_job": "reelwright jobs watch waits for it",
    "image_to_video": "reelwright make --image starts from an image",
}
"""What a terminal shows for the call that a failure names."""

_REQUESTED = {one.name: f"--{one.option}" for one in (*vocabulary.asked().values(), *vocabulary.terms().values())}
OPTIONS = {
    **{one.name: f"--{one.option}" for one in film.asked().values()},
    **_REQUESTED,
    "frames[0].image": _REQUESTED["image"],
    "source_clip": _REQUESTED["clip"],
}
"""The options for a request's fields, and for a film's own."""


def is_terminal(stream: IO[str] | None = None) -> bool:
    """Whether the stream (default: standard output) is a terminal that can be redrawn."""
    import os

    target = sys.stdout if stream is None else stream
    return target.isatty() and os.environ.get("TERM") != "dumb"


def line(text: str = "") -> None:
    """One line to standard output, whatever the text holds."""
    typer.echo(plain.one_line(text))


def folded(text: str) -> None:
    """One sentence to standard output, wrapped at words on a terminal."""
    if not is_terminal():
        line(text)
        return
    from mcp_server.cli import grid

    for part in grid.wrapped(plain.one_line(text), width()):
        typer.echo(part)


def width() -> int:
    """The width that is used of the user's terminal, in cells."""
    from shutil import get_terminal_size

    return max(20, get_terminal_size((80, 24)).columns - 1)


def aside(text: str) -> None:
    """One line to standard error: what is not meant for a pipe's reader."""
    typer.echo(plain.one_line(text), err=True)


def block(text: str) -> None:
    """Lines of our own to standard output: text for the user to paste."""
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
    """$0, $0.40, $1.25, $0.0042: at least cents, and no digit lost; "unknown" for None."""
    return "unknown" if amount is None else dollars(amount)


def words_of(error: VideoError) -> str:
    """A failure for a user at a terminal: its kind, what is wrong, options that would work, and the command that shows
    more."""
    lead = error.message if error.lead is None else error.lead
    problems = [problem.named(OPTIONS) for problem in error.problems]
    if error.lead is None:
        words = "\n- ".join((lead, *(problem.text for problem in problems)))
    else:
        words = listing(lead, problems)
    if error.next is not None and error.next.tool in SHOWS:
        words = f"{words.removesuffix('.')}: {SHOWS[error.next.tool]}"
    lines = [plain.listed(f"{error.kind}: {words}")]
    if error.nearest and (options := as_options(error.nearest)):
        lines.append(plain.one_line(f"what works: {options}{f' ({error.cost})' if error.cost else ''}"))
    if error.aside:
        lines.append(plain.one_line(error.aside))
    return "\n".join(lines)


def as_options(changes: Mapping[str, object]) -> str:
    """Changed arguments as options of the command; "" when one of them is no option."""
    if any(name not in OPTIONS for name in changes):
        return ""
    return " ".join(" ".join(_option(OPTIONS[name], value)) for name, value in changes.items())


def _option(option: str, value: object) -> list[str]:
    import shlex

    if value is None or (value in ([], {}, "", False) and option != "--audio"):
        return [f"without {option}"]
    if option == "--focus":
        return [f"{option} {','.join(f'{at:g}' for at in cast('list[float]', value))}"]
    if isinstance(value, bool):
        return [option if value else option.replace("--", "--no-")]
    if isinstance(value, Mapping):
        table = cast("Mapping[str, object]", value)
        return [f"{option} {shlex.quote(f'{name}={json.dumps(of)}')}" for name, of in table.items()]
    if isinstance(value, list):
        return [f"{option} {shlex.quote(_entry(item))}" for item in cast("list[object]", value)]
    return [f"{option} {shlex.quote(str(value))}"]


def _entry(item: object) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    part = cast("Mapping[str, object]", item)
    if "image" not in part or part.get("camera") or part.get("prompt"):
        return json.dumps({name: of for name, of in part.items() if of and name != "role"})
    at, held = part.get("at_s"), part.get("hold_s")
    return f"{part['image']}{'' if at is None else f'@{at:g}'}{f'+{held:g}' if held else ''}"


def refuse(error: VideoError, json_wanted: bool = False) -> NoReturn:
    """Report a failure and end with exit code 1."""
    if json_wanted:
        as_json({"error": error.to_json()})
    else:
        typer.echo(f"reelwright: {words_of(error)}", err=True)
    raise typer.Exit(1)


def agreed(price: str, question: str) -> bool:
    """Whether the user approves a price at the terminal; VideoError("consent") when standard input is not one."""
    cost = f"This costs at most {price}." if price.startswith("$") else f"Its cost: {price}."
    if not sys.stdin.isatty():
        raise VideoError("consent", f"{cost} Not a terminal, so there is nobody to ask: add --yes to confirm")
    answer = ""
    with suppress(EOFError):
        typer.echo(f"{plain.one_line(cost)} {question} [y/N] ", nl=False, err=True)
        answer = input()
    return answer.strip().lower() in ("y", "yes")
