"""The key file: TOML, readable by its owner only, replaced as a whole so that a crash never leaves half of it."""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from pathlib import Path

from backends.errors import VideoError
from backends.jobs.files.private import private_folder
from backends.provider.accounts import accounts
from backends.provider.keys import is_key, key_variables

HEAD = "# Keys that Reelwright reads where the environment has none. Written by: reelwright config keys set NAME\n"


def check(name: str, home: Path) -> None:
    """VideoError("invalid_request") for a variable that is used neither by an installed back end nor by an account in
    the data folder's config.toml."""
    if not is_key(name) and not any(one.key_variable == name for one in accounts(home)):
        variables = ", ".join(key_variables())
        raise VideoError("invalid_request", f"no key is called {name[:60]!r}: the variables are {variables}")


def put(path: Path, name: str, text: str) -> None:
    """Save a value. VideoError("invalid_request") for an empty one or one with spaces; the message never repeats the
    value."""
    value = text.strip()
    if not value:
        raise VideoError("invalid_request", f"no value for {name}: type it, or pipe it to standard input")
    if not value.isprintable():
        text = f"the value for {name} holds line breaks or control characters: copy it again"
        raise VideoError("invalid_request", text)
    _write(path, _read(path) | {name: value})


def drop(path: Path, name: str) -> bool:
    """Remove a value; whether it was there."""
    entries = _read(path)
    if name not in entries:
        return False
    del entries[name]
    _write(path, entries)
    return True


def _read(path: Path) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in tomllib.loads(path.read_text("utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):  # no details: they could contain a key
        raise VideoError("storage", f"{path} cannot be read as TOML: fix or remove it") from None


def _write(path: Path, entries: dict[str, str]) -> None:
    text = HEAD + "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in entries.items())
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        private_folder(path.parent)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise VideoError("storage", f"{path} cannot be written ({error.strerror}): make its folder writable") from None
