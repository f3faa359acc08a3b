"""Google: whose account is asked, and where: the Gemini API by a key, Vertex AI by a project and credentials.

Environment, Gemini API: GEMINI_API_KEY or GOOGLE_API_KEY; REELWRIGHT_GOOGLE_BASE_URL (the host's root).
Environment, Vertex AI: GOOGLE_CLOUD_PROJECT, GOOGLE_CLOUD_LOCATION; REELWRIGHT_VERTEX_BASE_URL (the host's root);
application default credentials (GOOGLE_APPLICATION_CREDENTIALS, else gcloud's file, else the machine's account).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from backends.provider import account, network
from backends.provider.protocol import Access

GEMINI, VERTEX = "gemini", "vertex"
KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
GEMINI_ADDRESS = "REELWRIGHT_GOOGLE_BASE_URL"
GEMINI_URL = "https://generativelanguage.googleapis.com"
PROJECT, LOCATION, CREDENTIALS = "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GOOGLE_APPLICATION_CREDENTIALS"
VERTEX_ADDRESS = "REELWRIGHT_VERTEX_BASE_URL"
REGIONS_OF_MANY = ("us", "eu")
"""Locations of several regions, which have hosts of their own (google-genai 3.4.0, _MULTI_REGIONAL_LOCATIONS)."""


def gemini_key(env: Mapping[str, str]) -> str:
    """The key of the Gemini API; GEMINI_API_KEY goes before GOOGLE_API_KEY."""
    return next((key for name in KEYS if (key := env.get(name, "").strip())), "")


def gemini_access(env: Mapping[str, str]) -> Access:
    key = gemini_key(env)
    address = account.base_url(env, GEMINI_ADDRESS, GEMINI_URL)
    return account.access(GEMINI, address, (key,) if key else (), KEYS[0])


def vertex_url(location: str) -> str:
    """The host that serves a location (google-genai 3.4.0, BaseApiClient)."""
    if location in ("", "global"):
        return "https://aiplatform.googleapis.com"
    if location in REGIONS_OF_MANY:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def vertex_access(env: Mapping[str, str]) -> Access:
    """The account is the project and location: whether credentials for it lie somewhere is not known without I/O."""
    project, location = env.get(PROJECT, "").strip(), env.get(LOCATION, "").strip()
    address = account.base_url(env, VERTEX_ADDRESS, vertex_url(location))
    both = tuple(name for name, value in ((PROJECT, project), (LOCATION, location)) if not value)
    missing = (" and ".join(both),) if both else ()  # one way to get access, which takes them together
    who = "" if missing else f"{project}/{location}"
    why = "" if missing else network.trouble(os.environ, address)
    return Access(f"{VERTEX}|{address}|{who}", address, missing, why)
