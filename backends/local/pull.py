"""Downloading a model's weights, by a person at a terminal alone: the licence first, then the files, never code."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from backends.catalog.row import Row
from backends.errors import VideoError
from backends.local.device import INSTALL
from backends.local.families import variant
from backends.local.weights import as_folder, find, hub, repo_of

TAKEN = ["*.json", "*.txt", "*.model", "*.safetensors", "*.jinja"]
"""Configurations, vocabularies and safetensors; no pickles and no code."""


@dataclass(frozen=True)
class Download:
    """One repository of a model. about_gib: at two bytes a parameter. tasks: what needs it. here: it is on the disk."""

    repo: str
    revision: str
    about_gib: float
    tasks: tuple[str, ...]
    here: bool


def downloads(row: Row, env: Mapping[str, str]) -> list[Download]:
    """The repositories that a row's boxes need. VideoError("unsupported") for a row that has none to pull."""
    found: dict[str, Download] = {}
    for mode in row.modes:
        wire = {**row.wire, **mode.wire}
        if row.provider != "local" or not isinstance(wire.get("variant"), str):
            raise VideoError("unsupported", f"{row.id} runs at {row.provider}: only local models have weights to pull")
        kind, repo = variant(str(wire["variant"])), repo_of(wire)
        if as_folder(repo) is not None:
            continue
        tasks = (*(found[repo].tasks if repo in found else ()), *sorted(mode.tasks))
        revision = str(wire.get("revision") or kind.revision)
        here = find(wire, env) is not None
        found[repo] = Download(repo, revision, kind.download_gib, tuple(dict.fromkeys(tasks)), here)
    if not found:
        raise VideoError("unsupported", f"{row.id} lies in a folder of yours already: there is nothing to pull")
    return list(found.values())


def pull(one: Download, env: Mapping[str, str]) -> str:
    """Download a repository into the hub's cache, with the hub client's progress bar; the folder. Broken-off downloads
    go on where they ended. VideoError("network" | "auth" | "not_found" | "unsupported") says what to do."""
    if env.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        raise VideoError("network", "HF_HUB_OFFLINE is set: unset it to download, or copy the folder and use wire.repo")
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError:
        raise VideoError("unsupported", f"huggingface_hub is not installed: {INSTALL}") from None
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        return snapshot_download(
            one.repo, revision=one.revision, cache_dir=hub(env), allow_patterns=TAKEN, token=env.get("HF_TOKEN") or None
        )
    except GatedRepoError:
        raise VideoError(
            "auth", f"{one.repo} is gated: accept its terms at https://huggingface.co/{one.repo}, then set HF_TOKEN"
        ) from None
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise VideoError(
            "not_found", f"{one.repo} at {one.revision} is not on the hub (or private): correct wire.repo of the row"
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        text = f"{one.repo} could not be downloaded ({type(error).__name__}): run the same command again to go on"
        raise VideoError("network", text, retryable=True) from None
