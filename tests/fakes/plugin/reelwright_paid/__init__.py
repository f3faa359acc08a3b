"""A back end as a third party would write it: one module, one TOML file of rows, one entry point.

Environment: PAID_API_KEY, PAID_BASE_URL; PAID_MODE "key" | "lookup" | "none" (what the service offers against double
charges; "key"); PAID_TIMEOUT_S (waiting for an answer, 30), PAID_CONNECT_TIMEOUT_S (5), PAID_CONNECTIONS (8).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from backends.provider.protocol import Access, Registration

if TYPE_CHECKING:
    from reelwright_paid.backend import PaidBackend


def access(env: Mapping[str, str]) -> Access:
    """Who is asked: the service at PAID_BASE_URL, on the account of PAID_API_KEY."""
    base_url = env.get("PAID_BASE_URL", "").rstrip("/")
    key = env.get("PAID_API_KEY", "")
    missing = tuple(name for name, value in (("PAID_API_KEY", key), ("PAID_BASE_URL", base_url)) if not value)
    account = hashlib.sha256(key.encode()).hexdigest()[:12] if key else ""
    return Access(f"paid|{base_url}|{account}", base_url, missing)


def open_backend(env: Mapping[str, str], base_url: str) -> PaidBackend:
    """The back end itself; httpx is loaded here, in the worker, and not before."""
    from reelwright_paid.backend import PaidBackend

    return PaidBackend(env, base_url)


def register() -> Registration:
    return Registration("paid", "remote", access, open_backend, Path(__file__).with_name("paid.toml"))
