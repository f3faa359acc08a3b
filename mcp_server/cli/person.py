"""What only a person may do: at a terminal, by typing a phrase that belongs to this very decision.

An agent that runs commands has a pipe on standard input, not a terminal; the phrase keeps a habit from deciding. This
stops the helpful agent, not a program that makes itself a terminal: every use is recorded by whoever asks here.
"""

from __future__ import annotations

import getpass
import os
import sys
from typing import TYPE_CHECKING

import typer

from backends.errors import VideoError

if TYPE_CHECKING:
    from backends.jobs.money.limits import How

SCRIPT_VARIABLE = "REELWRIGHT_YES"
"""Names what a person's own script may do without a terminal, separated by commas, such as raise-limits."""


def decides(what: str, phrase: str, script: str = "") -> How:
    """The user's leave, and how they gave it.

    what: the question, such as "Type 50 to do this". phrase: what they must type. script: the word in REELWRIGHT_YES
    that stands for it, "" = nothing does. VideoError("consent") without a terminal or with another phrase.
    """
    if not sys.stdin.isatty():
        if script and script in os.environ.get(SCRIPT_VARIABLE, "").replace(",", " ").split():
            return "script"
        raise VideoError("consent", "you decide this at a terminal, and standard input is not one. Nothing was changed")
    typer.echo(f"{what}: ", nl=False)
    try:
        typed = input()
    except EOFError:
        typed = ""
    if typed.strip() != phrase:
        raise VideoError("consent", "that is not the phrase: nothing was changed")
    return "terminal"


def where_from() -> How:
    """How a command that needs no leave was given: typed, or by a script."""
    return "terminal" if sys.stdin.isatty() else "script"


def name() -> str:
    """The user of this machine, "" where it has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
