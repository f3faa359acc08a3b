"""Replicate: its key, its address, and whose account is asked.

Environment: REPLICATE_API_TOKEN; REELWRIGHT_REPLICATE_BASE_URL (the host's root, https://api.replicate.com).
"""

from __future__ import annotations

from collections.abc import Mapping

from backends.provider import account
from backends.provider.protocol import Access

KEY = "REPLICATE_API_TOKEN"
ADDRESS = "REELWRIGHT_REPLICATE_BASE_URL"
DEFAULT_URL = "https://api.replicate.com"


def key(env: Mapping[str, str]) -> str:
    return env.get(KEY, "").strip()


def access(env: Mapping[str, str]) -> Access:
    """The account of the key, at the address that is set."""
    address = account.base_url(env, ADDRESS, DEFAULT_URL)
    return account.access("replicate", address, (key(env),) if key(env) else (), KEY)
