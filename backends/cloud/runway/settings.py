"""Runway: its key, its address, and its account.

Environment: RUNWAYML_API_SECRET; REELWRIGHT_RUNWAY_BASE_URL (the host's root, https://api.dev.runwayml.com).
"""

from __future__ import annotations

from collections.abc import Mapping

from backends.provider import account
from backends.provider.protocol import Access

PROVIDER = "runway"
KEY = "RUNWAYML_API_SECRET"
ADDRESS = "REELWRIGHT_RUNWAY_BASE_URL"
BASE_URL = "https://api.dev.runwayml.com"


def access(env: Mapping[str, str]) -> Access:
    """The account of the key, at the address that is set."""
    key = env.get(KEY, "").strip()
    address = account.base_url(env, ADDRESS, BASE_URL)
    return account.access(PROVIDER, address, (key,) if key else (), KEY)
