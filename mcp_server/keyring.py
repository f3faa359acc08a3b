"""The keys that a token issuer publishes: found through its metadata, cached, and fetched again when they may have
changed.

Everything is bounded: the size and time of an answer, the number of keys, and how often the issuer is asked, so that
tokens with made-up key ids cannot make this server flood it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import anyio
import jwt

from backends.media.network import is_loopback

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger("reelwright")

FRESH_S = 3600.0
"""Seconds for which fetched keys count as current."""
KEPT_S = 86_400.0
"""Seconds for which they are used while the issuer does not answer."""
AGAIN_S = 30.0
"""Seconds between two fetches, where some keys are known; a tenth of it where none are."""
ANSWER_S = 10.0
MOST_BYTES = 1 << 20
MOST_KEYS = 100


class KeyRing:
    """The keys of one issuer. url: the issuer's. now: seconds of a clock that only goes forward."""

    def __init__(self, url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._now = now
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = self._fetch_tried = float("-inf")
        self._lock = anyio.Lock()

    async def key(self, name: object) -> jwt.PyJWK | None:
        """The key with that id (a token's "kid"; without one, the issuer's only key). None where there is no such
        key."""
        known = self._find(name)
        if known is not None and (self._is_fresh() or (self._was_tried() and self._is_kept())):
            return known  # without waiting for a fetch that other tokens caused
        async with self._lock:
            if self._find(name) is None or not self._is_fresh():
                await self._refresh()
            return self._find(name) if self._is_kept() else None

    def _is_fresh(self) -> bool:
        return self._now() - self._fetched <= FRESH_S

    def _was_tried(self) -> bool:
        return self._now() - self._fetch_tried < AGAIN_S

    def _is_kept(self) -> bool:
        return self._now() - self._fetched <= KEPT_S

    def _find(self, name: object) -> jwt.PyJWK | None:
        if name is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(str(name))

    async def _refresh(self) -> None:
        pause = AGAIN_S if self._keys else AGAIN_S / 10
        if self._now() - self._fetch_tried < pause:
            return
        self._fetch_tried = self._now()
        found = await self._fetch()
        if found is not None:
            self._keys, self._fetched = found, self._now()

    async def _fetch(self) -> dict[str, jwt.PyJWK] | None:
        """The keys as the issuer publishes them now; None where it does not answer."""
        import httpx

        limit = httpx.Timeout(ANSWER_S)
        try:
            async with httpx.AsyncClient(timeout=limit, follow_redirects=False) as client:
                with anyio.fail_after(ANSWER_S):
                    place = await self._place_of_keys(client)
                    document = None if place is None else await _json(client, place)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            logger.warning("the keys of %s could not be fetched (%s)", self._url, type(error).__name__)
            return None
        if document is None:
            logger.warning("%s publishes no keys: its metadata or key set is missing or not its own", self._url)
            return None
        return _keys(document) or None

    async def _place_of_keys(self, client: httpx.AsyncClient) -> str | None:
        """The address of the keys in the issuer's metadata, which must be about this very issuer."""
        parts = urlsplit(self._url)
        root, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
        for place in dict.fromkeys(
            (
                f"{root}/.well-known/oauth-authorization-server{path}",
                f"{root}/.well-known/openid-configuration{path}",
                f"{root}{path}/.well-known/openid-configuration",
            )
        ):
            document = await _json(client, place)
            if document is not None and document.get("issuer") == self._url:
                keys = urlsplit(str(document.get("jwks_uri") or ""))
                near = parts.scheme == "http" and keys.scheme == "http" and is_loopback(keys.hostname or "")
                safe = keys.scheme == "https" or near
                return keys.geturl() if safe else None
        return None


async def _json(client: httpx.AsyncClient, url: str) -> Mapping[str, object] | None:
    """A JSON object from an address; None for any other answer, or one that is too large."""
    async with client.stream("GET", url, headers={"Accept": "application/json"}) as answer:
        if answer.status_code != 200:
            return None
        body = b""
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > MOST_BYTES:
                return None
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return cast("Mapping[str, object]", found) if isinstance(found, dict) else None


def _keys(document: Mapping[str, object]) -> dict[str, jwt.PyJWK]:
    """The keys of a set by their ids, without shared secrets, encryption keys and unreadable ones."""
    listed = document.get("keys")
    found: dict[str, jwt.PyJWK] = {}
    for entry in cast("list[object]", listed)[:MOST_KEYS] if isinstance(listed, list) else []:
        if not isinstance(entry, dict):
            continue
        key = cast("dict[str, object]", entry)
        if key.get("kty") not in ("RSA", "EC", "OKP") or key.get("use", "sig") != "sig":
            continue
        try:
            found[str(key.get("kid") or "")] = jwt.PyJWK(key)
        except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError):
            continue
    return found
