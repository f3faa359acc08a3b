"""Every command that the README and the guides name is one: the command line takes its words."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer

from mcp_server.cli import app
from mcp_server.serving import serve_arguments
from tests.docs import PAGES

SPAN = re.compile(r"`((?:\.venv/bin/)?reelwright(?: [^`\n]*)?)`")
FENCE = re.compile(r"^```(?:sh|bash|console|shell)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:\$ )?(?:\w+=\S+ )*(?:uvx |(?:\S*/)?)?(reelwright\b.*)")
"""With variables set before it, by its path, or run by uvx."""


def commands() -> list[str]:
    """The lines of shell fences that begin with the command, and every code span that does."""
    found: list[str] = []
    for file in PAGES:
        text = file.read_text("utf-8")
        lines = [line.strip() for fence in FENCE.findall(text) for line in fence.replace("\\\n", " ").splitlines()]
        shapes = [COMMAND.fullmatch(line) for line in lines]
        found += [re.split(r"\s+#|\s+[|>&]", shape[1])[0] for shape in shapes if shape]
        found += SPAN.findall(text)
    return list(dict.fromkeys(found))


def taken(command: Any, words: list[str], parent: Any = None) -> None:
    """Parse and run nothing. click.UsageError (exit code 2) when the words are not taken."""
    at_once = [word for word in words if word.endswith("-completion")]  # would change the shell of whoever runs this
    assert set(at_once) <= {name for param in command.params for name in param.opts}
    words = [word for word in words if word not in at_once]
    with command.make_context(parent.info_name if parent else "reelwright", list(words), parent=parent) as context:
        rest = [*context._protected_args, *context.args] if hasattr(command, "commands") else []
        if rest:
            name, inner, left = command.resolve_command(context, rest)
            if name == "serve":
                serve_arguments().parse_args(left)
            else:
                taken(inner, left, context)


def test_there_are_commands_to_look_at() -> None:
    assert len(commands()) >= 8
    assert "reelwright serve --http 127.0.0.1:8765" in commands()
    assert {"reelwright jobs --by day --csv", "reelwright doctor --quick"} <= set(commands()), "pipes, variables"


@pytest.mark.parametrize("line", commands())
def test_a_documented_command_is_one(line: str) -> None:
    words = shlex.split(line)[1:]
    try:
        taken(typer.main.get_command(app), words)
    except Exception as error:  # typer brings its own copies of click's classes
        # A command that is only named may leave its argument out; help and version end the parsing.
        assert type(error).__name__ in ("Exit", "NoArgsIsHelpError", "MissingParameter"), f"{line}: {error}"


def test_a_word_that_is_none_is_seen() -> None:
    for line in ("reelwright job list", "reelwright jobs list --colour", "reelwright config setup"):
        with pytest.raises(Exception, match=r"No such (command|option)"):
            taken(typer.main.get_command(app), shlex.split(line)[1:])
