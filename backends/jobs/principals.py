"""Principals: to whom a job belongs. The owner of the store works at this machine and sees all jobs; everyone else
comes over HTTP with a token and sees only their own.

A principal's name comes from a verified token, never from an argument of a call. Named people have short names
(`alice`); people of a token issuer have a name that begins with the issuer's address
(`https://issuer.example.org#subject`), so that the two can never be the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backends.errors import VideoError

OWNER = "local"
"""The principal of whoever works at this machine, and of a server's one shared token."""

EVERYBODY = "*"
"""Instead of a principal: everyone's jobs (for reading), or each person who has no limit of their own."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
SUBJECT = re.compile(r"https?://[!-~]{1,200}#[ -~]{1,255}")


@dataclass(frozen=True)
class Who:
    """On whose behalf something is done. name: the owner of jobs that are made. sees_all: may look at everyone's jobs.
    place: where they come from, in words ("stdio", "http 10.0.0.7"), for the audit log."""

    name: str = OWNER
    sees_all: bool = True
    place: str = ""

    @property
    def sees(self) -> str:
        """Whose jobs may be looked at and used: one principal's, or EVERYBODY's."""
        return EVERYBODY if self.sees_all else self.name


def who_is(principal: Who | str, place: str = "") -> Who:
    """A principal by name, with what they may see. place: where they come from."""
    return Who(principal, principal == OWNER, place) if isinstance(principal, str) else principal


def check_name(name: str) -> str:
    """Check the name of a person who gets a token. VideoError("invalid_request") with what is legal."""
    if name == OWNER or not NAME.fullmatch(name):
        legal = "1 to 40 of a-z, 0-9, . _ and -, begins with a letter or digit"
        raise VideoError("invalid_request", f"a person's name is {legal}, and is not {OWNER!r}: not {name[:60]!r}")
    return name


def is_limited(name: str) -> bool:
    """Whether a person's own spending limit may have that name."""
    return name == EVERYBODY or (name != OWNER and bool(NAME.fullmatch(name) or SUBJECT.fullmatch(name)))
