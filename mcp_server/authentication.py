"""Authentication for a server that has people: every HTTP request carries a token, which says who asks.

A token is a person's own (`tokens`), the server's one shared token (the owner's), or one of an issuer (`issuer`). The
checks and answers are the MCP SDK's (`mcp.server.auth`), loaded only for such a server.
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from starlette.middleware.authentication import AuthenticationMiddleware

from backends.errors import VideoError
from backends.jobs.principals import OWNER
from mcp_server.headers import own_origin, refuse
from mcp_server.tokens import People

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from mcp_server.issuer import Issuer

logger = logging.getLogger("reelwright")


class Known(AccessToken):
    """A verified token. principal: whose it is; set here, never read from a token's own claims."""

    principal: str


@dataclass(frozen=True)
class Doorkeeper:
    """Verifies tokens, as the SDK's `TokenVerifier` does. shared: the server's one token, None for none. issuer: of
    other tokens, None for none."""

    people: People
    shared: str | None = None
    issuer: Issuer | None = None

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who brings a token; None for no one."""
        if self.shared is not None and hmac.compare_digest(token.encode(), self.shared.encode()):
            return self._known(token, OWNER)
        try:
            name = self.people.named(token)
        except VideoError as error:
            logger.error("no one of %s is let in: %s", self.people.path.name, error.message)
            name = None
        if name is not None:
            return self._known(token, name)
        return None if self.issuer is None else await self._vouched(token, self.issuer)

    def _known(self, token: str, principal: str) -> Known:
        scopes = [] if self.issuer is None else list(self.issuer.scopes)
        return Known(token=token, client_id=principal, scopes=scopes, subject=principal, principal=principal)

    @staticmethod
    async def _vouched(token: str, issuer: Issuer) -> Known | None:
        verified = await issuer.check(token)
        if verified is None:
            return None
        return Known(
            token=token,
            client_id=verified.client_id,
            scopes=list(verified.scopes),
            expires_at=verified.expires_at,
            subject=verified.subject,
            claims={"iss": issuer.url},
            principal=verified.principal,
        )


class Door:
    """ASGI middleware: a request for the tools needs a token, and a browser's request must come from the server's own
    page. The server's metadata (RFC 9728) is open to all."""

    def __init__(self, app: ASGIApp, keeper: Doorkeeper) -> None:
        issuer = keeper.issuer
        scopes = [] if issuer is None else list(issuer.scopes)
        inner = RequireAuthMiddleware(app, scopes, None if issuer is None else issuer.metadata_url)
        self._guarded: ASGIApp = AuthenticationMiddleware(inner, backend=BearerAuthBackend(keeper))
        self._app = app
        self._open = "" if issuer is None else issuer.metadata_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (self._open and scope["path"] == self._open):
            await self._app(scope, receive, send)
        elif own_origin(dict(scope["headers"])):
            await self._guarded(scope, receive, send)
        else:
            await refuse(send, 403, "Invalid Origin header")
