"""Who makes a call: the owner on a stream of this machine, over HTTP whoever the token says that came with it.

Nothing that a call carries in its arguments, nor what a client says of itself, is asked.
"""

from __future__ import annotations

from typing import Protocol, cast

from backends.errors import VideoError
from backends.jobs.principals import OWNER, Who

STDIO = Who(place="stdio")


class Asked(Protocol):
    """What is read of an HTTP request (Starlette's)."""

    @property
    def scope(self) -> dict[str, object]: ...


def caller(request: object) -> Who:
    """On whose behalf a call is to be done. request: the HTTP request that brought it, None on a stream.

    A server without people of its own has one principal over HTTP, the owner's, who sees there what they started
    themselves. VideoError("auth") for a token that names nobody, which the door lets nobody bring.
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
        raise VideoError("auth", "nobody is known by that token: ask the owner of this server for one")
    return Who(principal, sees_all=False, place=place)
