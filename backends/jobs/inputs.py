"""Inputs: every media name of a request becomes bytes of ours, checked and kept by hash, before anything is paid.

At submit local files and finished jobs are resolved at once; https inputs and unfinished jobs become pending entries
that the lane's driver resolves (`settle`) before the claim. An entry is JSON, by the place it stands in:

    {"sha256", "path", "facts", "sidecar"}                    resolved
    {"url"} | {"job", "part", "t"} | {"still_of", "part", "t"} (+ "facts" as predicted)   pending
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from backends.backend import Asset, JsonObject
from backends.errors import OwnFault, VideoError
from backends.jobs import codec
from backends.jobs.artifacts import Artifacts, disk_errors
from backends.jobs.store import Row, Store, Transaction, to_json
from backends.media.paths import open_input
from backends.media.sandbox import Sandbox
from backends.request import MediaFacts, MediaName, VideoRequest

MAX_INPUT = 2 << 30
"""Bytes of one input."""


@dataclass(frozen=True)
class Resolved:
    """The inputs of one request. entries: as kept in the row. hashes: by place, what stands for the content in the
    request's digest. facts: what is known (or predicted) of each. needs: unfinished jobs to wait for."""

    entries: dict[str, JsonObject]
    hashes: dict[str, str]
    facts: dict[str, MediaFacts]
    needs: tuple[str, ...]


def is_pending(entry: Mapping[str, Any]) -> bool:
    return "sha256" not in entry


class Inputs:
    """Resolves media names. roots: where local files may come from; cwd: what relative paths are relative to."""

    def __init__(self, store: Store, artifacts: Artifacts, sandbox: Sandbox, roots: Sequence[Path], cwd: Path) -> None:
        self.store = store
        self.artifacts = artifacts
        self.sandbox = sandbox
        self.roots = roots
        self.cwd = cwd

    def resolve(self, request: VideoRequest, principal: str, *, copy: bool = True) -> Resolved:
        """Every media name of the request, all problems told at once. copy=False only looks (for an estimate)."""
        entries: dict[str, JsonObject] = {}
        hashes: dict[str, str] = {}
        facts: dict[str, MediaFacts] = {}
        needs: list[str] = []
        problems: list[VideoError] = []
        for place, text in request.media().items():
            try:
                name = MediaName.parse(text)
                if name.kind == "url":
                    entry: JsonObject = {"url": name.value}
                elif name.kind == "path":
                    entry = self._file(name.value, copy=copy)
                else:
                    entry = self.job_entry(name, principal)
                    if is_pending(entry):
                        needs.append(name.value)
                _check_kind(place, entry)
            except VideoError as error:
                problems.append(_at(place, error))
                continue
            entries[place] = entry
            hashes[place] = str(entry.get("sha256") or text)
            if "facts" in entry:
                facts[place] = codec.facts_from_json(entry["facts"])
        if problems:
            raise _together(problems)
        return Resolved(entries, hashes, facts, tuple(dict.fromkeys(needs)))

    def again(self, entries: Mapping[str, JsonObject], principal: str) -> Resolved:
        """The inputs of a job that is there, for another take: its copies, and unfinished jobs as they are now."""
        found: dict[str, JsonObject] = {}
        for place, entry in entries.items():
            if "job" in entry and is_pending(entry):
                name = MediaName("job", entry["job"], entry["part"], entry["t"])
                found[place] = self.job_entry(name, principal)
            else:
                found[place] = entry
        return Resolved(
            found,
            {place: str(entry.get("sha256") or entry.get("url") or "") for place, entry in found.items()},
            {place: codec.facts_from_json(entry["facts"]) for place, entry in found.items() if "facts" in entry},
            tuple(dict.fromkeys(entry["job"] for entry in found.values() if "job" in entry and is_pending(entry))),
        )

    def _file(self, text: str, *, copy: bool) -> JsonObject:
        if not copy:
            return {"facts": codec.facts_to_json(self.sandbox.check(self.checked_path(text)))}
        with open_input(text, self.roots, self.cwd) as source:
            sha256 = self.artifacts.add_blob(source, MAX_INPUT)
        return self._blob(sha256)

    def checked_path(self, text: str) -> Path:
        """Where a local file that may be used really lies."""
        open_input(text, self.roots, self.cwd).close()
        return (self.cwd / Path(text).expanduser()).resolve()

    def _blob(self, sha256: str) -> JsonObject:
        """The entry of a kept blob; its facts are found once and remembered."""
        path = self.artifacts.blob(sha256)
        known = self.store.row("SELECT facts FROM blobs WHERE sha256 = ?", (sha256,))
        if known:
            return {"sha256": sha256, "path": str(path), **json.loads(known["facts"])}
        try:
            facts = self.sandbox.check(path)
        except OwnFault:  # the next working version can read it
            raise
        except VideoError:
            path.unlink(missing_ok=True)
            raise
        record: JsonObject = {"facts": codec.facts_to_json(facts), "sidecar": {}}
        self.store.write(lambda tx: remember(tx, sha256, record))
        return {"sha256": sha256, "path": str(path), **record}

    def job_entry(self, name: MediaName, principal: str) -> JsonObject:
        """A job's clip, or a still of it: resolved when it has succeeded, pending while it runs."""
        row = self.store.row("SELECT * FROM jobs WHERE id = ? AND principal = ?", (name.value, principal))
        if row is None:
            raise VideoError("asset", f"there is no job {name.value}: list_jobs shows those there are")
        if row["state"] in ("failed", "cancelled"):
            raise VideoError("asset", f"job {name.value} {row['state']}, so it has no clip: use another one")
        if row["state"] != "succeeded":
            return {"job": name.value, "part": name.part, "t": name.t, "facts": _predicted(row, name)}
        return self.from_job(row, name)

    def from_job(self, row: Row, name: MediaName) -> JsonObject:
        """The clip of a finished job, or a still of it, as a resolved entry."""
        result = json.loads(row["result"])
        clip = Path(result["file"])
        if not clip.exists():
            raise VideoError("asset", f"the clip of job {name.value} is gone from {clip.parent}")
        if name.part == "clip":
            self.artifacts.adopt_blob(clip, result["sha256"])
            path = self.artifacts.blob(result["sha256"])
            record = {"facts": result["clip_facts"], "sidecar": result.get("sidecar", {})}
            self.store.write(lambda tx: remember(tx, result["sha256"], record))
            return {"sha256": result["sha256"], "path": str(path), "from_job": name.value, **record}
        return {**self._still(clip, name.part, name.t), "from_job": name.value}

    def _still(self, clip: Path, part: Literal["last_frame", "frame"], t: float) -> JsonObject:
        """The entry of a still that is taken from a clip."""
        with disk_errors("taking a still from a clip"):
            self.artifacts.root.mkdir(parents=True, exist_ok=True)
        still = self.artifacts.root / f".{secrets.token_hex(8)}.png"
        try:
            self.sandbox.still(clip, part, t, still)
            with still.open("rb") as source:
                return self._blob(self.artifacts.add_blob(source))
        finally:
            still.unlink(missing_ok=True)

    def settle(self, entry: Mapping[str, Any]) -> JsonObject:
        """A pending entry whose job has succeeded, or whose URL was fetched to entry["fetched"], resolved now."""
        if "still_of" in entry:
            return self._still(Path(entry["still_of"]["path"]), entry["part"], entry["t"])
        if "fetched" in entry:
            with Path(entry["fetched"]).open("rb") as source:
                return self._blob(self.artifacts.add_blob(source, MAX_INPUT))
        row = self.store.row("SELECT * FROM jobs WHERE id = ?", (entry["job"],))
        if row is None or row["state"] != "succeeded":
            raise VideoError("asset", f"job {entry['job']} has no clip")
        return self.from_job(row, MediaName("job", entry["job"], entry["part"], entry["t"]))


def remember(tx: Transaction, sha256: str, record: JsonObject) -> None:
    """Keep what is known of a blob; a sidecar that is already known stays."""
    tx.run(
        "INSERT INTO blobs(sha256, facts, at) VALUES (?, ?, ?) "
        "ON CONFLICT(sha256) DO UPDATE SET facts = excluded.facts WHERE ?",
        (sha256, to_json(record), time.time(), int(bool(record.get("sidecar")))),
    )


def assets_of(entries: Mapping[str, JsonObject]) -> dict[str, Asset]:
    """The resolved entries as assets, by place."""
    return {place: codec.asset_from_json(place, entry) for place, entry in entries.items() if not is_pending(entry)}


def _predicted(row: Row, name: MediaName) -> JsonObject:
    """What an unfinished job will deliver, as its prepared request promises."""
    prepared = codec.prepared_from_json(json.loads(row["prepared"]))
    asked = prepared.request
    if name.part != "clip":
        return codec.facts_to_json(MediaFacts("image", "image/png", prepared.width, prepared.height, 0))
    seconds = (asked.duration_s or 0) + (source_seconds(row) if asked.task == "extend" else 0)
    facts = MediaFacts("clip", "video/mp4", prepared.width, prepared.height, 0, seconds or None, asked.fps)
    return codec.facts_to_json(replace(facts, audio=bool(asked.audio)))


def source_seconds(row: Row) -> float:
    """How long the clip is that a job extends; 0 when that is not known."""
    entry: JsonObject = json.loads(row["inputs"]).get("source_clip", {})
    facts: JsonObject = entry.get("facts") or {}
    return float(facts.get("duration_s") or 0)


def _check_kind(place: str, entry: Mapping[str, Any]) -> None:
    """A clip where a still belongs (or the reverse) is told before anything else looks at it."""
    facts: JsonObject = entry.get("facts") or {}
    kind = facts.get("kind")
    if kind is None or place.startswith("references"):
        return
    if place == "source_clip" and kind != "clip":
        raise VideoError("asset", "this is a still image, and a clip is needed: image_to_video starts from a still")
    if place != "source_clip" and kind != "image":
        raise VideoError(
            "asset", "this is a clip, and a still image is needed: for a clip of ours add /last_frame or /frame/SECONDS"
        )


def _at(place: str, error: VideoError) -> VideoError:
    words = place.removesuffix(".image").removesuffix(".media")
    if isinstance(error, OwnFault):
        return OwnFault(f"{words}: {error.message}")
    return VideoError(error.kind, f"{words}: {error.message}", retryable=error.retryable, nearest=error.nearest)


def _together(problems: Sequence[VideoError]) -> VideoError:
    if len(problems) == 1:
        return problems[0]
    lines = [problem.message for problem in problems]
    text = f"{len(lines)} inputs cannot be used:\n" + "\n".join(f"- {line}" for line in lines)
    return VideoError(problems[0].kind, text, problems=lines)
