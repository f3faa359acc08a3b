"""Folders as users write them into a setting: with `~`, variables and quotes, which no shell has read before us.

A client's configuration file hands `$HOME/x` over as it stands. Taken for a name it would be a folder below whatever
folder one happens to work in, and every project would have a store, and spending limits, of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from backends.errors import VideoError

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$([A-Za-z_]\w*)|%([A-Za-z_]\w*)%")


def unquoted(text: str) -> str:
    """Without the pair of quotes around it that docker's --env-file leaves there."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def folder(setting: str, text: str, env: Mapping[str, str]) -> Path:
    """The folder that a setting names; it may be relative. VideoError("storage") names the setting and what in it
    cannot be meant: a variable that is not set, a user who is not known."""
    text = unquoted(text)

    def value(found: re.Match[str]) -> str:
        name = next(filter(None, found.groups()))
        if not env.get(name):
            raise _refused(setting, text, f"names the variable {name}, which is not set: set it, or write the path out")
        return env[name]

    path = Path(_VARIABLE.sub(value, text))
    try:
        return path.expanduser()
    except RuntimeError:
        raise _refused(
            setting, text, "names the home folder of a user unknown to this machine: write the path out"
        ) from None


def whole_folder(setting: str, text: str, env: Mapping[str, str], cwd: Path) -> Path:
    """The same, refused when it is relative."""
    path = folder(setting, text, env)
    if not path.is_absolute():
        raise VideoError(
            "storage",
            f"{setting} is {text!r}, which is another folder for every working folder: give its whole path, such as "
            f"{cwd / path}",
        )
    return path


def folders(setting: str, text: str, env: Mapping[str, str]) -> list[Path]:
    """Several, as PATH lists them."""
    return [folder(setting, part, env) for part in unquoted(text).split(os.pathsep) if part]


def _refused(setting: str, text: str, why: str) -> VideoError:
    return VideoError("storage", f"{setting} is {text!r} and {why}")
