"""Principals: whose a job is. The owner of the store works at this machine and sees all jobs; everyone else comes over
HTTP with a token and sees their own alone.

A principal's name comes from a token that was checked, never from an argument of a call. Named people have short names
(`alice`); whoever an issuer of tokens vouches for has a name that begins with the issuer's address
(`https://issuer.example.org#subject`), so that the two can never be the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backends.errors import VideoError

OWNER = "local"
"""The principal of whoever works at this machine, and of a server's one shared token."""

EVERYBODY = "*"
"""In place of a principal: the jobs of all (for reading), or each person who has no limit of their own."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
SUBJECT = re.compile(r"https?://[!-~]{1,200}#[ -~]{1,255}")


@dataclass(frozen=True)
class Who:
    """On whose behalf something is done. name: whose jobs are made. sees_all: may look at everybody's. place: where
    they come from, in words ("stdio", "http 10.0.0.7"), for the audit."""

    name: str = OWNER
    sees_all: bool = True
    place: str = ""

    @property
    def sees(self) -> str:
        """Whose jobs may be looked at and used: a principal's, or EVERYBODY's."""
        return EVERYBODY if self.sees_all else self.name


def who_is(principal: Who | str, place: str = "") -> Who:
    """A principal by name, with what is theirs to see. place: where they come from."""
    return Who(principal, principal == OWNER, place) if isinstance(principal, str) else principal


def check_name(name: str) -> str:
    """The name of a person who gets a token. VideoError("invalid_request") with what is legal."""
    if name == OWNER or not NAME.fullmatch(name):
        legal = "1 to 40 of a-z, 0-9, . _ and -, begins with a letter or digit"
        raise VideoError("invalid_request", f"a person's name is {legal}, and is not {OWNER!r}: not {name[:60]!r}")
    return name


def is_limited(name: str) -> bool:
    """Whether a spending limit of a person's own may name it."""
    return name == EVERYBODY or (name != OWNER and bool(NAME.fullmatch(name) or SUBJECT.fullmatch(name)))
