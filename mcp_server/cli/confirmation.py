"""Confirming a decision at a terminal, by typing a phrase that belongs to this very decision.

An agent that runs commands has a pipe on standard input, not a terminal, and the phrase keeps a user from confirming
out of habit. This stops a helpful agent, not a program that opens a terminal of its own; the caller records every use.
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
"""Decisions that the user's own script may make without a terminal, separated by commas, such as raise-limits."""


def confirm(what: str, phrase: str, script: str = "") -> How:
    """Get the user's confirmation; returns how they gave it.

    what: the question, such as "Type 50 to do this". phrase: what they must type. script: the word in REELWRIGHT_YES
    that replaces typing, "" = none does. VideoError("consent") without a terminal or with another phrase.
    """
    if not sys.stdin.isatty():
        if script and script in os.environ.get(SCRIPT_VARIABLE, "").replace(",", " ").split():
            return "script"
        raise VideoError("consent", "only the user can confirm this, at a terminal. Nothing was changed")
    typer.echo(f"{what}: ", nl=False)
    try:
        typed = input()
    except EOFError:
        typed = ""
    if typed.strip() != phrase:
        raise VideoError("consent", "that is not the phrase: nothing was changed")
    return "terminal"


def where_from() -> How:
    """How a command that needs no confirmation was given: typed, or by a script."""
    return "terminal" if sys.stdin.isatty() else "script"


def name() -> str:
    """The user of this machine, "" where it has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
