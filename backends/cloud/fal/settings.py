"""fal: its key, its address, and whose account is asked.

Environment: FAL_KEY; REELWRIGHT_FAL_BASE_URL (the host's root, https://queue.fal.run).
"""

from __future__ import annotations

from collections.abc import Mapping

from backends.provider import account
from backends.provider.protocol import Access

KEY = "FAL_KEY"
ADDRESS = "REELWRIGHT_FAL_BASE_URL"
DEFAULT_URL = "https://queue.fal.run"


def key(env: Mapping[str, str]) -> str:
    return env.get(KEY, "").strip()


def access(env: Mapping[str, str]) -> Access:
    """The account of the key, at the address that is set."""
    address = account.base_url(env, ADDRESS, DEFAULT_URL)
    return account.access("fal", address, (key(env),) if key(env) else (), KEY)
