"""Downloading a model's weights, only by the user at a terminal: the licence first, then the files, never code.

The commit is read first, and everything is taken from that one commit. Its name goes into the hub's cache (refs/) when
the last file is there, so a model whose download was broken off is not taken for whole, and jobs record the commit.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from backends.catalog.schema.row import Row
from backends.errors import VideoError
from backends.local.device import INSTALL
from backends.local.families import variant
from backends.local.weights import (
    UNSAFE,
    Index,
    as_folder,
    check_libraries,
    components,
    find,
    hub,
    hub_folder,
    repo_of,
)

SUFFIXES = frozenset({".json", ".txt", ".model", ".safetensors", ".jinja"})
"""Configurations, vocabularies and safetensors of the pipeline's own parts; no pickles, no code, no other checkpoints
that lie in the same repository."""
LICENCE = re.compile(r"(LICEN[CS]E|NOTICE)([-_.]\w+)*(\.md|\.txt)?", re.IGNORECASE)
SHARD = re.compile(r"-\d{5}-of-\d{5}$")
SPARE = 2**30
"""Bytes that stay free on the disk."""
AT_ONCE = 2
"""Files under way: what is lost when the process ends is as many, since the hub's client goes on in the middle of a
file only while it lives."""
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True)
class Download:
    """One repository of a model. about_gib: at two bytes a parameter. tasks: what needs it. commit: of what is on the
    disk, "" when it is not."""

    repo: str
    revision: str
    about_gib: float
    tasks: tuple[str, ...]
    commit: str = ""


@dataclass(frozen=True)
class Pulled:
    """commit: the one that the revision named. folder: where it lies. bytes: of all its files."""

    repo: str
    commit: str
    folder: Path
    bytes: int


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
        here = find(wire, env)
        commit = here.revision if here is not None else ""
        found[repo] = Download(repo, revision, kind.download_gib, tuple(dict.fromkeys(tasks)), commit)
    if not found:
        raise VideoError("unsupported", f"{row.id} lies in a folder of yours already: there is nothing to pull")
    return list(found.values())


def pull(one: Download, env: Mapping[str, str], told: Callable[[str], None]) -> Pulled:
    """Download a repository into the hub's cache, with the hub client's progress bar. told: receives the commit and the
    size before the first large file. Files that are there are not fetched again.

    VideoError("network" | "auth" | "not_found" | "unsupported" | "asset" | "storage") says what to do.
    """
    for name in OFFLINE:
        if env.get(name, "").lower() not in ("", "0", "false", "no", "off"):
            raise VideoError("network", f"{name} is set: unset it to download, or copy the folder and use wire.repo")
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    with _in_words(one):
        from huggingface_hub import HfApi, hf_hub_download, snapshot_download
        from huggingface_hub.hf_api import RepoFile

        cache, token = hub(env), env.get("HF_TOKEN") or None
        api = HfApi(token=token)
        commit = str(api.repo_info(one.repo, revision=one.revision).sha)
        listed = api.list_repo_tree(one.repo, recursive=True, revision=commit)
        sizes = {entry.path: entry.size for entry in listed if isinstance(entry, RepoFile)}
        if "model_index.json" not in sizes:
            raise VideoError("asset", f"{one.repo} holds no model_index.json: it is no folder of a diffusers pipeline")
        where = hf_hub_download(one.repo, "model_index.json", revision=commit, cache_dir=cache, token=token)
        files = chosen(sizes, json.loads(Path(where).read_text("utf-8")), one.repo)
        _sweep(cache, one.repo)
        total, left = sum(files.values()), _missing(cache, one.repo, commit, files)
        _check_room(cache, left)
        told(f"commit {commit}: {len(files)} files, {total / 2**30:.1f} GiB, {left / 2**30:.1f} GiB to fetch")
        folder = snapshot_download(
            one.repo, revision=commit, cache_dir=cache, allow_patterns=sorted(files), token=token, max_workers=AT_ONCE
        )
        _name(cache, one.repo, one.revision, commit)
        return Pulled(one.repo, commit, Path(folder), total)


def chosen(sizes: Mapping[str, int], index: Index, repo: str) -> dict[str, int]:
    """The files to take, of a repository's files with their bytes. VideoError("asset") for code and for weights that
    come as pickles only."""
    check_libraries(index, repo)
    parts = set(components(index))
    taken: dict[str, int] = {}
    for path, size in sizes.items():
        folder, _, name = path.rpartition("/")
        ours = folder in parts and PurePosixPath(name).suffix in SUFFIXES
        if ours or path == "model_index.json" or (not folder and LICENCE.fullmatch(name)):
            taken[path] = size
    for part in sorted(parts):
        weights = [path for path in taken if path.startswith(f"{part}/") and path.endswith(".safetensors")]
        plain = [path for path in weights if "." not in _stem(path)]
        for path in set(weights) - set(plain) if plain else ():
            del taken[path]  # the same in another precision (model.fp16.safetensors), of which nothing is loaded
        if not weights and any(path.startswith(f"{part}/") and path.endswith(UNSAFE) for path in sizes):
            raise VideoError(
                "asset", f"{part} of {repo} has no safetensors: pickled weights are never loaded; take another model"
            )
    return taken


def _stem(path: str) -> str:
    return SHARD.sub("", PurePosixPath(path).stem)


def _missing(cache: Path, repo: str, commit: str, files: Mapping[str, int]) -> int:
    """Bytes of the files that are not here yet."""
    folder = hub_folder(cache, repo) / "snapshots" / commit
    return sum(size for path, size in files.items() if not (folder / path).exists())


def _check_room(cache: Path, needed: int) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    if needed and needed + SPARE > free:
        raise VideoError(
            "storage",
            f"{(needed + SPARE) / 2**30:.1f} GiB are needed in {cache}, {free / 2**30:.1f} GiB are free: make room, or "
            "set HF_HOME to a folder on a larger disk",
        )


def _sweep(cache: Path, repo: str) -> None:
    """Remove what a killed download has left: the hub's client never comes back to it. A part whose lock is held
    belongs to a download that lives."""
    root = hub_folder(cache, repo)
    for part in (root / "blobs").glob("*.incomplete"):
        lock = cache / ".locks" / root.name / f"{part.name.split('.')[0]}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with suppress(Timeout, FileNotFoundError), FileLock(lock, timeout=0):
            part.unlink()


def _name(cache: Path, repo: str, revision: str, commit: str) -> None:
    """The branch's commit, as the hub's client notes it."""
    path = hub_folder(cache, repo) / "refs" / revision
    if revision == commit:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(commit)
    fresh.replace(path)


@contextmanager
def _in_words(one: Download) -> Generator[None]:
    """What the hub's client raises, as what to do."""
    try:
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
    except ImportError:
        raise VideoError("unsupported", f"huggingface_hub is not installed: {INSTALL}") from None
    try:
        yield
    except VideoError:
        raise
    except GatedRepoError:
        raise VideoError(
            "auth", f"{one.repo} is gated: accept its terms at https://huggingface.co/{one.repo}, then set HF_TOKEN"
        ) from None
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise VideoError(
            "not_found", f"{one.repo} at {one.revision} is not on the hub (or private): correct wire.repo of the row"
        ) from None
    except Exception as error:  # HTTP, sockets, the disk: the client's own choice of classes
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise VideoError(
                "storage", f"the disk is full: make room, then run the same command again ({error})"
            ) from None
        text = f"{one.repo} could not be downloaded ({type(error).__name__}): run the same command again to go on; "
        raise VideoError("network", text + "files that are whole are kept", retryable=True) from None
