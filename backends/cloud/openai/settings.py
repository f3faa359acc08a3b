"""Servers that speak OpenAI's Videos API (/v1/videos): their key, their address, and their account.

Environment: REELWRIGHT_OPENAI_BASE_URL (it ends in /v1, as the SDK's does); OPENAI_API_KEY. A server of one's own may
need no key: with the address set and no key, none is sent. With both, the key goes to that server.
"""

from __future__ import annotations

from collections.abc import Mapping

from backends.provider import account
from backends.provider.protocol import Access

PROVIDER = "openai"
KEY = "OPENAI_API_KEY"
ADDRESS = "REELWRIGHT_OPENAI_BASE_URL"
BASE_URL = "https://api.openai.com/v1"
NO_KEY = "keyless"
"""What stands for the account in the lane of a server that is used without a key."""


def access(env: Mapping[str, str]) -> Access:
    """The account of the key at the address that is set; nothing is missing where an address stands without a key."""
    key = env.get(KEY, "").strip()
    address = account.base_url(env, ADDRESS, BASE_URL)
    if not key and address != BASE_URL:
        return Access(f"{PROVIDER}|{address}|{NO_KEY}", address)
    return account.access(PROVIDER, address, (key,) if key else (), KEY)
