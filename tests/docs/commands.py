"""docs/cli.md, from the command line itself: each command with its help, arguments and options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from mcp_server.cli import app
from mcp_server.serving import serve_arguments


def commands() -> Iterator[tuple[str, Any, Any]]:
    """(name, command, its context) of every command, groups before what they hold."""
    yield from _walk("reelwright", typer.main.get_command(app), None)


def _walk(name: str, command: Any, parent: Any) -> Iterator[tuple[str, Any, Any]]:
    context = command.context_class(command, info_name=name.rpartition(" ")[2], parent=parent)
    yield name, command, context
    for word, inner in getattr(command, "commands", {}).items():
        yield from _walk(f"{name} {word}", inner, context)


def page() -> str:
    """Every command but the bare one."""
    return "\n\n".join(_section(*found) for found in commands() if " " in found[0])


def _section(name: str, command: Any, context: Any) -> str:
    is_serve = name == "reelwright serve"  # read without typer, to start fast
    usage = _serve_usage() if is_serve else " ".join([name, *command.collect_usage_pieces(context)])
    table = _serve_table() if is_serve else _table(command, context)
    parts = [f"## {name}", f"```text\n{usage}\n```", _text(inspect.cleandoc(command.help or "")), table]
    return "\n\n".join(filter(None, parts))


def _text(text: str) -> str:
    """Paragraphs of a help text, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _table(command: Any, context: Any) -> str:
    found = [param.get_help_record(context) for param in command.params]
    return _rows([(left, right) for left, right in filter(None, found)])


def _rows(rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    lines = [f"| `{_cell(left)}` | {_cell(right)} |" for left, right in rows]
    return "\n".join(["| option | what it does |", "|---|---|", *lines])


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


def _serve_usage() -> str:
    return " ".join(serve_arguments().format_usage().removeprefix("usage: ").split())


def _serve_table() -> str:
    """The options of `serve`."""
    rows: list[tuple[str, str]] = []
    for one in serve_arguments()._actions:
        value = one.metavar or ("" if one.nargs == 0 else one.dest.upper())
        rows.append((" ".join(filter(None, [", ".join(one.option_strings), str(value)])), one.help or ""))
    return _rows(rows)
