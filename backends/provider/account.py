"""Which account would be used, from the environment alone: its lane, without its key."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from backends.provider import network
from backends.provider.protocol import Access


def fingerprint(*secrets: str) -> str:
    """How an account is named where its key must not be: the first 12 hex digits of the key's sha256."""
    whole = "\n".join(secrets)
    return hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()[:12] if whole else ""


def base_url(env: Mapping[str, str], variable: str, default: str) -> str:
    """The service's address: the user's own where it is set."""
    return (env.get(variable) or default).strip().rstrip("/")


def access(provider: str, address: str, secrets: tuple[str, ...], missing: str) -> Access:
    """missing: what to set, in words, when there is no key. The lane is "provider|base URL|account fingerprint".

    The network's own variables are this process's: its HTTP clients, and the workers that it starts, go by them.
    """
    lane = f"{provider}|{address}|{fingerprint(*secrets)}"
    if not secrets:
        return Access(lane, address, (missing,))
    return Access(lane, address, why=network.trouble(os.environ, address))
