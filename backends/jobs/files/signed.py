"""The signed copy of a finished job's clip, as the job's result records it.

    "signed": {file, sha256, embedded, source, manifest, sidecar}

file: the copy in the store, or (embedded false) the manifest of a clip whose format cannot hold one; sha256: of that
file; manifest: what the manifest is called; sidecar: where that file lies beside the published clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast


def record_of(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """{} where the clip is not signed."""
    return cast("Mapping[str, Any]", result.get("signed") or {})


def copy_of(result: Mapping[str, Any]) -> tuple[Path, str] | None:
    """The signed copy and its hash; None where the clip is given out as it is."""
    record = record_of(result)
    return (Path(record["file"]), str(record["sha256"])) if record.get("embedded") else None


def given_out(result: Mapping[str, Any]) -> tuple[Path, str]:
    """The file of the store that leaves, and its hash: the signed copy where there is one. Of a job whose files were
    removed, what it has published."""
    copy = copy_of(result)
    if "cleared_at" in result and result.get("published"):
        return Path(result["published"]), copy[1] if copy else str(result["sha256"])
    if copy is not None and copy[0].exists():
        return copy
    return unsigned(result)


def unsigned(result: Mapping[str, Any]) -> tuple[Path, str]:
    """What leaves where nothing is signed, and its hash: the clip, or what it was made into (a GIF)."""
    if "export" in result:
        path = Path(result["export"])
        return path, str(result["kept"][path.name])
    return Path(result["file"]), str(result["sha256"])
