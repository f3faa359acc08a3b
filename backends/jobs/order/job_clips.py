"""Clips of jobs as inputs: resolved where the job has succeeded, predicted while it runs."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Literal

from backends.errors import Next, VideoError
from backends.facts import MediaFacts
from backends.jobs import archive
from backends.jobs.files.artifacts import Artifacts, disk_errors
from backends.jobs.files.private import private_folder
from backends.jobs.order.entries import Keep, remember, source_seconds
from backends.jobs.order.input_files import InputFiles
from backends.jobs.store import codec
from backends.jobs.store.database import Store
from backends.jobs.store.stored_job import StoredJob
from backends.media.hashing import sha256_of
from backends.media.sandbox import Sandbox
from backends.media_name import MediaName
from backends.provider.protocol import JsonObject


class JobClips:
    """Clips of jobs, and stills of them, as inputs of other jobs."""

    def __init__(self, store: Store, artifacts: Artifacts, sandbox: Sandbox, files: InputFiles) -> None:
        self._store = store
        self._artifacts = artifacts
        self._sandbox = sandbox
        self._files = files

    def entry(
        self, name: MediaName, principal: str, *, keep: Keep = "copy", added: list[str] | None = None
    ) -> JsonObject:
        """A job's clip, or a still of it: resolved when the job has succeeded, pending while it runs.

        added: receives the hashes of blobs that this call has put into the store.
        """
        job = archive.stored_job(self._store, name.value, principal)
        if job is None:
            raise VideoError("asset", f"there is no job {name.value}", next=Next("list_jobs"))
        if job.state in ("failed", "cancelled"):
            raise VideoError("asset", f"job {name.value} {job.state}, so it has no clip: use another one")
        if job.state != "succeeded":
            return {"job": name.value, "part": name.part, "t": name.t, "facts": _predicted(job, name)}
        return self.from_job(job, name, keep, [] if added is None else added)

    def from_job(self, job: StoredJob, name: MediaName, keep: Keep, added: list[str]) -> JsonObject:
        """The clip of a finished job, or a still of it, as a resolved entry."""
        result = self._artifacts.places.result_of(job.row)
        clip, sha256 = Path(result["file"]), str(result["sha256"])
        what = f"the kept clip of job {name.value}"
        if "cleared_at" in result:
            raise VideoError(
                "asset", f"{what} was removed (reelwright jobs clean): give the path of its published copy"
            )
        self._artifacts.check_kept(clip, sha256, what)
        if name.part != "clip":
            return {**self.still(clip, name.part, name.t, keep, added), "from_job": name.value}
        record = {"facts": result["clip_facts"], "sidecar": result.get("sidecar", {})}
        if keep != "copy":
            return {"sha256": sha256, "path": str(clip), "from_job": name.value, **record}
        if self._artifacts.adopt_blob(clip, sha256, what):
            added.append(sha256)
        self._store.write(lambda tx: remember(tx, sha256, record))
        return {"sha256": sha256, "path": str(self._artifacts.blob(sha256)), "from_job": name.value, **record}

    def still(
        self, clip: Path, part: Literal["last_frame", "frame"], t: float, keep: Keep, added: list[str]
    ) -> JsonObject:
        """The entry of a still that is taken from a clip; "note" where its user should know something (`note_of`)."""
        with disk_errors("taking a frame from a clip"):
            private_folder(self._artifacts.root)
        still = self._artifacts.root / f".{secrets.token_hex(8)}.png"
        try:
            taken = self._sandbox.still(clip, part, t, still)
            note = {"note": taken.note} if taken.note else {}
            with still.open("rb") as source:
                if keep != "copy":
                    return {"facts": codec.facts_to_json(taken.facts), "sha256": sha256_of(source), **note}
                return {**self._files.added(source, added), **note}
        finally:
            still.unlink(missing_ok=True)

    def promise(self, job: str, principal: str) -> MediaFacts:
        """What the clip of a job is, or will be."""
        entry = self.entry(MediaName("job", job), principal, keep="look")
        return codec.facts_from_json(entry["facts"])


def _predicted(job: StoredJob, name: MediaName) -> JsonObject:
    """What an unfinished job will deliver, by its prepared request."""
    prepared = job.prepared
    request = prepared.request
    if name.part != "clip":
        return codec.facts_to_json(MediaFacts("image", "image/png", prepared.width, prepared.height, 0))
    seconds = (request.duration_s or 0) + (source_seconds(job) if request.task == "extend" else 0)
    facts = MediaFacts("clip", "video/mp4", prepared.width, prepared.height, 0, seconds or None, request.fps)
    return codec.facts_to_json(replace(facts, audio=bool(request.audio)))
