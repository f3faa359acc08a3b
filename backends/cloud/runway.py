"""Runway: who would be asked, and how to reach it. The back end itself is in `runway_api`, which loads the SDK.

Environment: RUNWAYML_API_SECRET; REELWRIGHT_RUNWAY_BASE_URL (the host's root, https://api.dev.runwayml.com).
"""

from __future__ import annotations

from collections.abc import Mapping

from backends.backend import Access, Registration, RemoteBackend
from backends.cloud import http_account

PROVIDER = "runway"
KEY = "RUNWAYML_API_SECRET"
BASE_URL = "https://api.dev.runwayml.com"


def access(env: Mapping[str, str]) -> Access:
    """The account of the key, at the address that is set."""
    key = env.get(KEY, "").strip()
    address = http_account.base_url(env, "REELWRIGHT_RUNWAY_BASE_URL", BASE_URL)
    return http_account.access(PROVIDER, address, (key,) if key else (), KEY)


def open_backend(env: Mapping[str, str], base_url: str) -> RemoteBackend:
    from backends.cloud.runway_api import RunwayBackend

    return RunwayBackend(env.get(KEY, "").strip(), base_url)


def register() -> Registration:
    return Registration(PROVIDER, "remote", access, open_backend)
