"""The native library with our settings. Imported in the sandbox's child alone.

By its own defaults it asks the network: for a manifest that a file only names, and for revoked certificates. A hostile
file could so reach any address from this machine, so neither is ever done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import c2pa  # pyright: ignore[reportMissingTypeStubs]

from backends.provider.protocol import JsonObject

EMBEDS = frozenset(
    {"video/mp4", "video/quicktime", "image/gif", "image/webp", "image/png", "image/jpeg", "image/avif", "image/tiff"}
)
"""Formats, of those that are made or taken here, that can hold a manifest. Others get one in a file of its own."""


def context(anchors: Sequence[bytes] = (), *, check: bool = True) -> Any:
    """anchors: certificates (PEM) that are trusted. check: whether files are held against their manifests when they are
    read, which takes a pass over all of their bytes."""
    settings: JsonObject = {
        "verify": {
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
            "verify_after_sign": False,
            "verify_after_reading": check,
            "verify_trust": bool(anchors),
        },
        "core": {"allowed_network_hosts": []},
        "builder": {
            "thumbnail": {"enabled": False},  # it would show the user's own pictures to whoever gets the clip
            "bmff_hash_exclude_free_and_skip_boxes": False,
        },
    }
    if anchors:
        settings["trust"] = {"user_anchors": b"\n".join(anchors).decode("ascii", "replace")}
    return c2pa.Context(c2pa.Settings.from_json(json.dumps(settings)))
