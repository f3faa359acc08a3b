"""Tokens of an issuer (OAuth 2): JWTs, verified with the keys that the issuer publishes (RFC 9068, RFC 8414, RFC 7517).

This server issues no tokens and keeps no session of its own: it is a resource server. A token must be signed by a key
of the issuer, be an access token, name this issuer and this server's audience, have a subject, not be expired, and have
the scopes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast
from urllib.parse import urlsplit

import jwt
from mcp.server.auth.routes import build_resource_metadata_url
from mcp.server.auth.settings import AuthSettings
from pydantic import AnyHttpUrl

from backends.errors import VideoError
from backends.jobs.principals import SUBJECT
from backends.media.network import is_loopback
from mcp_server.keyring import KeyRing
from mcp_server.tokens import ISSUER_VARIABLE

logger = logging.getLogger("reelwright")

URL_VARIABLE = "REELWRIGHT_HTTP_URL"
AUDIENCE_VARIABLE = "REELWRIGHT_HTTP_AUDIENCE"
SCOPES_VARIABLE = "REELWRIGHT_HTTP_SCOPES"

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric signatures only: with a shared secret, whoever can verify a token could make one."""
ACCESS_TYPES = frozenset({"at+jwt", "application/at+jwt"})
TYPES = ACCESS_TYPES | {"jwt", ""}
ACCESS_KINDS = frozenset({"bearer", "access"})
"""How issuers mark an access token in a claim (`typ` of Keycloak, `token_use` of Cognito)."""
ID_CLAIMS = frozenset({"at_hash", "c_hash", "s_hash", "nonce"})
"""Claims that OpenID Connect has in ID tokens only."""
ACCESS_CLAIMS = frozenset({"scope", "scp", "client_id", "cid", "appid", "gty", "azpacr", "appidacr"})
"""Claims that ID tokens do not have."""
LONGEST = 16_384
"""The longest token, in characters."""
LEEWAY_S = 30
"""The tolerated difference between the issuer's clock and ours, seconds."""
REQUIRED = ("exp", "iss", "aud", "sub")


@dataclass(frozen=True)
class Verified:
    """The content of a verified token. principal: the issuer and the subject. expires_at: POSIX seconds."""

    principal: str
    subject: str
    client_id: str
    scopes: tuple[str, ...]
    expires_at: int


@dataclass(frozen=True)
class Issuer:
    """url: as in the "iss" of its tokens. resource: this server's public address, the /mcp that clients are given.
    audience: required in the tokens. scopes: required in each. keys: the issuer's."""

    url: str
    resource: str
    audience: str
    scopes: tuple[str, ...]
    keys: KeyRing

    @cached_property
    def settings(self) -> AuthSettings:
        """The SDK's settings. The audience is checked here, with the token."""
        return AuthSettings(
            issuer_url=cast(AnyHttpUrl, self.url),
            resource_server_url=cast(AnyHttpUrl, self.resource),
            required_scopes=list(self.scopes),
            validate_token_resource=False,
        )

    @cached_property
    def metadata_url(self) -> AnyHttpUrl:
        """The address of this server's metadata, which names its issuer (RFC 9728)."""
        return build_resource_metadata_url(cast(AnyHttpUrl, self.settings.resource_server_url))

    @property
    def metadata_path(self) -> str:
        return urlsplit(str(self.metadata_url)).path

    @property
    def host(self) -> str:
        """The host name under which clients know this server, without a port."""
        return urlsplit(self.resource).hostname or ""

    async def check(self, token: str) -> Verified | None:
        """The content of a token; None where it is not a valid one of this issuer for this server."""
        if len(token) > LONGEST:
            return None
        try:
            head = jwt.get_unverified_header(token)
            if head.get("alg") not in ALGORITHMS or str(head.get("typ") or "").lower() not in TYPES:
                return None
            key = await self.keys.key(head.get("kid"))
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self.audience,
                issuer=self.url,
                leeway=LEEWAY_S,
                options={"require": list(REQUIRED)},
            )
        except jwt.PyJWTError as error:
            logger.info("a token is refused: %s", type(error).__name__)
            return None
        if not _is_access(str(head.get("typ") or ""), claims):
            logger.info("a token is refused: it is no access token")
            return None
        return self._verified(claims)

    def _verified(self, claims: Mapping[str, object]) -> Verified | None:
        subject = claims["sub"]
        principal = f"{self.url}#{subject}"
        if not isinstance(subject, str) or not SUBJECT.fullmatch(principal):
            return None
        client = claims.get("client_id") or claims.get("azp") or claims.get("cid") or subject
        expires = int(cast(float, claims["exp"])) + LEEWAY_S
        return Verified(principal, subject, str(client), _scopes(claims), expires)


def _is_access(written: str, claims: Mapping[str, object]) -> bool:
    """Whether it is an access token. An ID token of the same issuer tells a client who has signed in, and gives no
    access. written: the type in its header; an issuer that leaves out the type of RFC 9068 must say so in its
    claims."""
    if written.lower() in ACCESS_TYPES:
        return True
    kind = claims.get("token_use") or claims.get("typ")
    if kind is not None:
        return str(kind).lower() in ACCESS_KINDS
    return not claims.keys() & ID_CLAIMS and bool(claims.keys() & ACCESS_CLAIMS)


def _scopes(claims: Mapping[str, object]) -> tuple[str, ...]:
    """One string of words (RFC 9068), or a list as some issuers write it."""
    found = claims.get("scope", claims.get("scp", ""))
    if isinstance(found, str):
        return tuple(found.split())
    return tuple(map(str, cast("Sequence[object]", found))) if isinstance(found, list) else ()


def issuer_from(env: Mapping[str, str]) -> Issuer | None:
    """The issuer in the settings, None for none. VideoError("invalid_request") for impossible settings."""
    url = env.get(ISSUER_VARIABLE, "").strip()
    if not url:
        return None
    resource = env.get(URL_VARIABLE, "").strip()
    for name, text in ((ISSUER_VARIABLE, url), (URL_VARIABLE, resource)):
        _check(name, text)
    audience = env.get(AUDIENCE_VARIABLE, "").strip() or resource
    scopes = tuple(re.split(r"[,\s]+", env.get(SCOPES_VARIABLE, "").strip()))
    return Issuer(url, resource, audience, tuple(filter(None, scopes)), KeyRing(url))


def _check(name: str, text: str) -> None:
    parts = urlsplit(text)
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if not safe or not parts.hostname or parts.query or parts.fragment:
        what = "the https address that clients are given, such as https://video.example.org/mcp"
        if name == ISSUER_VARIABLE:
            what = "the https address of the token issuer, exactly as in its tokens (iss)"
        raise VideoError("invalid_request", f"{name} is {what}, not {text[:80]!r}")
