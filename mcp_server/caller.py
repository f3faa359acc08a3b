"""Who makes a call: on a stream of this machine the owner, over HTTP the person whose token came with it.

Neither a call's arguments nor the name that a client gives itself count.
"""

from __future__ import annotations

from typing import Protocol, cast

from backends.errors import VideoError
from backends.jobs.principals import OWNER, Who

STDIO = Who(place="stdio")


class Asked(Protocol):
    """The part of an HTTP request (Starlette's) that is read."""

    @property
    def scope(self) -> dict[str, object]: ...


def caller(request: object) -> Who:
    """On whose behalf a call is made. request: the HTTP request that brought it, None on a stream.

    A server without people has one principal over HTTP, the owner's, who sees there only what they started themselves.
    VideoError("auth") for a token that names no one, which the door would not let in.
    """
    if request is None:
        return STDIO
    scope = cast(Asked, request).scope
    client = scope.get("client")
    place = f"http {client[0]}" if isinstance(client, tuple) else "http"
    if "user" not in scope:
        return Who(OWNER, sees_all=False, place=place)
    principal = getattr(getattr(scope["user"], "access_token", None), "principal", None)
    if not isinstance(principal, str) or not principal:
        raise VideoError("auth", "that token belongs to no one here: ask the owner of this server for one")
    return Who(principal, sees_all=False, place=place)
