"""Kling: its keys, its address, and whose account is asked.

Environment: KLING_API_KEY, or KLING_ACCESS_KEY and KLING_SECRET_KEY; REELWRIGHT_KLING_BASE_URL (the host's root,
https://api-singapore.klingai.com).
"""

from __future__ import annotations

from collections.abc import Mapping

from backends.provider import account
from backends.provider.protocol import Access

PROVIDER = "kling"
KEY = "KLING_API_KEY"
PAIR = ("KLING_ACCESS_KEY", "KLING_SECRET_KEY")
ADDRESS = "REELWRIGHT_KLING_BASE_URL"
DEFAULT_URL = "https://api-singapore.klingai.com"


def keys(env: Mapping[str, str]) -> tuple[str, ...]:
    """(key,) or (access key, secret key); () when neither is complete."""
    if key := env.get(KEY, "").strip():
        return (key,)
    access_key, secret_key = (env.get(name, "").strip() for name in PAIR)
    return (access_key, secret_key) if access_key and secret_key else ()


def access(env: Mapping[str, str]) -> Access:
    """An account is named by its key, or by its access key (whose secret may be renewed)."""
    address = account.base_url(env, ADDRESS, DEFAULT_URL)
    return account.access(PROVIDER, address, keys(env)[:1], f"{KEY} or {' and '.join(PAIR)}")
