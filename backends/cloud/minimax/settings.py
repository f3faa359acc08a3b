"""MiniMax: its key, its address, and whose account is asked.

Environment: MINIMAX_API_KEY; REELWRIGHT_MINIMAX_BASE_URL (the host's root, https://api.minimax.io).
"""

from __future__ import annotations

from collections.abc import Mapping

from backends.provider import account
from backends.provider.protocol import Access

KEY = "MINIMAX_API_KEY"
ADDRESS = "REELWRIGHT_MINIMAX_BASE_URL"
DEFAULT_URL = "https://api.minimax.io"


def key(env: Mapping[str, str]) -> str:
    return env.get(KEY, "").strip()


def access(env: Mapping[str, str]) -> Access:
    """The account of the key, at the address that is set."""
    address = account.base_url(env, ADDRESS, DEFAULT_URL)
    return account.access("minimax", address, (key(env),) if key(env) else (), KEY)
