"""The signed copies of a finished job's files, as recorded in the job's result.

    "signed": {file, sha256, embedded, source, manifest, sidecar, files}

file: the signed copy in the store, or (embedded false) the manifest of a clip whose format cannot hold one; sha256: of
that file; manifest: the manifest's name; sidecar: its path beside the published clip; files: the same records for
further files, with `of`, the name of the original.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast


def record_of(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """{} where the clip is not signed."""
    return cast("Mapping[str, Any]", result.get("signed") or {})


def records_of(result: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The records of the further files."""
    return cast("Sequence[Mapping[str, Any]]", record_of(result).get("files") or ())


def under(result: Mapping[str, Any], manifest: str) -> Mapping[str, Any]:
    """The record of the file that was signed under a manifest's name; {} when there is none."""
    for one in (record_of(result), *records_of(result)):
        if one.get("manifest") == manifest:
            return one
    return {}


def further_of(result: Mapping[str, Any]) -> list[Path]:
    """Files that users get besides the clip: the clip from which an animated picture was made, and every further file.
    As made or delivered."""
    clip = [result["file"]] if "export" in result else []
    return [Path(path) for path in (*clip, *result.get("extras", ()))]


def further_given_out(result: Mapping[str, Any]) -> list[str]:
    """The same as published: the signed copies where there are any."""
    signed = {str(one["of"]): str(one["file"]) for one in records_of(result) if one["embedded"]}
    return [signed.get(path.name) or str(path) for path in further_of(result)]


def copy_of(result: Mapping[str, Any]) -> tuple[Path, str] | None:
    """The signed copy and its hash; None where the clip is published unsigned."""
    record = record_of(result)
    return (Path(record["file"]), str(record["sha256"])) if record.get("embedded") else None


def given_out(result: Mapping[str, Any]) -> tuple[Path, str]:
    """The file of the store that is published, and its hash: the signed copy where there is one. For a job whose files
    were removed, the published copy."""
    copy = copy_of(result)
    if "cleared_at" in result and result.get("published"):
        return Path(result["published"]), copy[1] if copy else str(result["sha256"])
    if copy is not None and copy[0].exists():
        return copy
    return unsigned(result)


def unsigned(result: Mapping[str, Any]) -> tuple[Path, str]:
    """What is published where nothing is signed, and its hash: the clip, or what it was converted to (a GIF)."""
    if "export" in result:
        path = Path(result["export"])
        return path, str(result["kept"][path.name])
    return Path(result["file"]), str(result["sha256"])
