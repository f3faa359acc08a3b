"""Named tokens: who may use this server over HTTP, in a file of the data folder that only its owner can read.

A token is shown once, when it is made. The file holds only its SHA-256: a token is 256 random bits, so no slower hash
is needed, and whoever reads the file cannot use its content.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from backends.errors import VideoError
from backends.jobs.files.private import private_folder
from backends.jobs.principals import check_name

ISSUER_VARIABLE = "REELWRIGHT_HTTP_ISSUER"
"""The variable that names a token issuer, beside the people here or instead of them."""
NAME = "people.toml"
HEAD = "# Who may use this server over HTTP. Written by: reelwright people add NAME\n"
PREFIX = "rw_"
"""The first characters of every token, so that secret scanners can find one."""


@dataclass(frozen=True)
class Person:
    """token_sha256: in hexadecimal. added: the UTC day."""

    name: str
    token_sha256: str
    added: str


class People:
    """The people of a data folder. The file is read again whenever it has changed."""

    def __init__(self, home: Path) -> None:
        self.path = home / NAME
        self._seen: tuple[int, int, int] | None = None
        self._by_hash: dict[str, str] = {}

    def exist(self) -> bool:
        """Whether a person was ever added: from then on the server requires a token."""
        return self.path.exists()

    def all(self) -> dict[str, Person]:
        """By name. VideoError("auth") for a file that others can read, VideoError("storage") for one that cannot be
        read."""
        try:
            text = self.path.read_text("utf-8")
            mode = self.path.stat().st_mode
            entries = cast("dict[str, Mapping[str, object]]", tomllib.loads(text))
            found = {
                name: Person(check_name(name), str(entry["token_sha256"]), str(entry.get("added", "")))
                for name, entry in entries.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
            remedy = "put it back from a copy, or replace it with an empty file of mode 0600 and give out new tokens"
            text = f"{self.path} cannot be read: {remedy}; without the file everyone has access"
            raise VideoError("storage", text) from None
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise VideoError("auth", f"{self.path} can be read by others: run chmod 600 on it")
        return found

    def named(self, token: str) -> str | None:
        """Whose token it is; None for no one's. VideoError as in `all`."""
        try:
            facts = self.path.stat()
        except OSError:
            return None
        seen = (facts.st_mtime_ns, facts.st_ino, facts.st_mode)
        if seen != self._seen:
            self._by_hash = {person.token_sha256: person.name for person in self.all().values()}
            self._seen = seen
        return self._by_hash.get(_hash(token))

    def add(self, name: str) -> str:
        """Give a person a token, which replaces their previous one; returns the token. VideoError("invalid_request")
        for an illegal name."""
        people, token = self.all(), PREFIX + secrets.token_urlsafe(32)
        today = datetime.now(UTC).date().isoformat()
        self._write(people | {name: Person(check_name(name), _hash(token), today)})
        return token

    def known(self, name: str) -> Person:
        """A person who has a token. VideoError("not_found") otherwise."""
        people = self.all()
        if name not in people:
            known = ", ".join(sorted(people)) or "nobody"
            raise VideoError("not_found", f"{name[:60]!r} has no token here; these people have one: {known}")
        return people[name]

    def remove(self, name: str) -> None:
        """Revoke a person's token, at once. VideoError as in `known`."""
        del (people := self.all())[self.known(name).name]
        self._write(people)

    def _write(self, people: Mapping[str, Person]) -> None:
        temporary = self.path.with_name(f".{NAME}.{secrets.token_hex(6)}")
        try:
            private_folder(self.path.parent)
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(HEAD + "".join(map(_table, people.values())))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise VideoError("storage", f"{self.path} cannot be written ({error.strerror})") from None


def _table(one: Person) -> str:
    name, token, day = (json.dumps(text) for text in (one.name, one.token_sha256, one.added))
    return f"\n[{name}]\ntoken_sha256 = {token}\nadded = {day}\n"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
