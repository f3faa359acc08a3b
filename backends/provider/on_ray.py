"""The setting REELWRIGHT_RAY: a Ray cluster whose GPUs do the work of local engines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from backends.errors import VideoError
from backends.provider.protocol import Access

SETTING = "REELWRIGHT_RAY"
LANE = "ray"
"""The lane of the jobs that any GPU of the cluster may do."""

LOCAL = "local"
"""The cluster of the Ray that runs on this machine, else one of this machine alone, for as long as it is needed."""

INSTALL = "pip install 'reelwright[ray]'"


def cluster(text: str) -> str:
    """The head's "HOST:PORT", or "local". VideoError("storage") for anything else."""
    text = text.strip()
    shape = re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})", text)
    if text == LOCAL or (shape and 0 < int(shape[2]) < 65536):
        return text
    raise VideoError("storage", f"{SETTING} takes HOST:PORT of the cluster's head or {LOCAL}, not {text[:60]!r}")


def access(env: Mapping[str, str]) -> Access | None:
    """Of a local engine whose GPUs are a cluster's; None where no cluster is set."""
    if not env.get(SETTING, "").strip():
        return None
    try:
        cluster(env[SETTING])
    except VideoError as error:
        return Access(LANE, why=error.message)
    return Access(LANE, why="" if _installed() else f"{SETTING} is set, and Ray is not installed: {INSTALL}")


def _installed() -> bool:
    """By what pip knows of: a folder of that name would do for an import."""
    try:
        return bool(version("ray"))
    except PackageNotFoundError:
        return False
