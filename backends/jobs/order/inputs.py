"""Inputs: every media name of a request becomes a checked file of ours, kept by its hash, before anything is paid.

At submit local files (`input_files`) and finished jobs (`job_clips`) are resolved at once; https inputs and unfinished
jobs become pending entries (`entries`) that the lane's driver resolves (`settle`) before the claim.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from backends.errors import OwnFault, Problem, VideoError
from backends.facts import MediaFacts
from backends.jobs.files import copies
from backends.jobs.files.artifacts import Artifacts, disk_errors
from backends.jobs.files.objects import Away
from backends.jobs.order import lora_files
from backends.jobs.order.entries import Keep, Resolved, content_of, is_pending, note_of
from backends.jobs.order.input_files import InputFiles
from backends.jobs.order.input_kinds import check_kind, kind_of
from backends.jobs.order.job_clips import JobClips
from backends.jobs.order.lora_files import LoraFile
from backends.jobs.store import codec
from backends.jobs.store.database import Store, Transaction
from backends.jobs.store.stored_job import StoredJob
from backends.media.addresses import refuse_known
from backends.media.sandbox import Sandbox
from backends.media_name import MediaName
from backends.provider.network import check_download
from backends.provider.protocol import JsonObject
from backends.request import VideoRequest


class Inputs:
    """Resolves media names. files: local ones; clips: those of jobs. roots: folders that local files may come from;
    cwd: the base of relative paths."""

    def __init__(self, store: Store, artifacts: Artifacts, sandbox: Sandbox, roots: Sequence[Path], cwd: Path) -> None:
        self.store = store
        self.artifacts = artifacts
        self.files = InputFiles(store, artifacts, sandbox, roots, cwd)
        self.clips = JobClips(store, artifacts, sandbox, self.files)

    def resolve(
        self,
        request: VideoRequest,
        principal: str,
        keep: Keep = "copy",
        promised: Mapping[str, MediaFacts] | None = None,
    ) -> Resolved:
        """Resolve every media name of the request; all problems are reported together. What a refused request had
        copied is removed again.

        promised: facts of inputs that are not made yet, by place; those are not looked for.
        """
        problems: list[VideoError] = []
        found = Resolved({}, {}, {}, ())
        try:
            found = self._with_loras(request, keep)
        except VideoError as error:
            problems.append(error)
        return self._all(request.media(), found, problems, principal, keep, promised or {})

    def resolve_media(
        self,
        media: Mapping[str, str],
        principal: str,
        keep: Keep = "copy",
        promised: Mapping[str, MediaFacts] | None = None,
    ) -> Resolved:
        """The same for media names by their places."""
        return self._all(media, Resolved({}, {}, {}, ()), [], principal, keep, promised or {})

    def _all(
        self,
        media: Mapping[str, str],
        found: Resolved,
        problems: list[VideoError],
        principal: str,
        keep: Keep,
        promised: Mapping[str, MediaFacts],
    ) -> Resolved:
        for place, text in media.items():
            if place in promised:
                entry: JsonObject = {"promised": text, "facts": codec.facts_to_json(promised[place])}
                found = replace(
                    found,
                    entries={**found.entries, place: entry},
                    hashes={**found.hashes, place: text},
                    facts={**found.facts, place: promised[place]},
                )
                continue
            try:
                found = self._with(found, place, text, principal, keep)
            except VideoError as error:
                problems.append(_at(place, error))
        if problems:
            self.forget(found)
            raise _together(problems)
        return found

    def _with(self, found: Resolved, place: str, text: str, principal: str, keep: Keep) -> Resolved:
        """`found` with the input of one place added. What was copied for a refused input is removed at once."""
        name = MediaName.parse(text)
        if name.is_part and not place.startswith("clips"):
            raise VideoError(
                "asset", f"{name.fragment} takes a part of a clip, and no part is taken here: leave it out"
            )
        added: list[str] = []
        notes: list[str] = []
        try:
            if name.kind == "url":
                refuse_known(name.value)
                check_download(os.environ, name.value)
                entry: JsonObject = {"url": name.value}
            elif name.kind == "path":
                entry = self.files.entry(name.value, kind_of(place), keep, added, notes)
            else:
                entry = self.clips.entry(name, principal, keep=keep, added=added)
            check_kind(place, entry)
            notes += note_of(entry)
        except BaseException:
            self.forget(replace(found, added=tuple(added)))
            raise
        waits = (name.value,) if name.kind == "job" and is_pending(entry) else ()
        facts = {place: codec.facts_from_json(entry["facts"])} if "facts" in entry else {}
        return Resolved(
            {**found.entries, place: entry},
            {**found.hashes, place: content_of(entry, text)},
            {**found.facts, **facts},
            tuple(dict.fromkeys((*found.needs, *waits))),
            (*found.added, *added),
            tuple(dict.fromkeys((*found.notes, *notes))),
            found.loras,
        )

    def _with_loras(self, request: VideoRequest, keep: Keep) -> Resolved:
        """The request's LoRA files, and nothing else yet."""
        files = lora_files.find(request, self.files.roots, self.files.cwd, hashed=keep != "look")
        hashes = {place: file.sha256 for place, file in files.items() if file.sha256}
        notes = tuple(file.note for file in files.values() if file.note)
        return Resolved({}, hashes, {}, (), notes=notes, loras=files)

    def same_loras(self, request: VideoRequest, wire: JsonObject, job: str) -> Mapping[str, LoraFile]:
        """The LoRA files of an existing job, for another take. wire: the job's prepared request."""
        files = self._with_loras(request, "hash").loras
        lora_files.check_same(files, wire, job)
        return files

    def again(self, entries: Mapping[str, JsonObject], principal: str, keep: Keep = "copy") -> Resolved:
        """The inputs of an existing job, for another take: its copies, and unfinished jobs in their current state."""
        found: dict[str, JsonObject] = {}
        added: list[str] = []
        notes: list[str] = []
        for place, entry in self.artifacts.places.entries(entries).items():
            if "job" in entry and is_pending(entry):
                name = MediaName("job", entry["job"], entry["part"], entry["t"])
                found[place] = self.clips.entry(name, principal, keep=keep, added=added)
                notes += note_of(found[place])
            else:
                found[place] = entry
        self.check_kept(found)
        return Resolved(
            found,
            {place: content_of(entry, str(entry.get("url") or "")) for place, entry in found.items()},
            {place: codec.facts_from_json(entry["facts"]) for place, entry in found.items() if "facts" in entry},
            tuple(dict.fromkeys(entry["job"] for entry in found.values() if "job" in entry and is_pending(entry))),
            tuple(added),
            tuple(notes),
        )

    def check_kept(self, entries: Mapping[str, JsonObject]) -> None:
        """VideoError("asset") for an input whose kept copy has changed."""
        for place, entry in entries.items():
            if not is_pending(entry) and "path" in entry:
                try:
                    self.artifacts.check_kept(Path(entry["path"]), entry["sha256"], "the kept copy of this input")
                except VideoError as error:
                    raise _at(place, error) from None

    def forget(self, refused: Resolved) -> None:
        """Remove the copies that were made for a refused call, unless a job has come to use them. What cannot be
        removed now is left for `jobs clean`: the caller must see the refusal."""
        if not refused.added:
            return

        def write(tx: Transaction) -> None:
            for sha256 in refused.added:
                if tx.row("SELECT 1 FROM jobs WHERE instr(inputs, ?) > 0 LIMIT 1", (sha256,)) is None:
                    tx.run("DELETE FROM blobs WHERE sha256 = ?", (sha256,))
                    copies.remove_kept(self.artifacts.blob(sha256))

        with suppress(VideoError), disk_errors("removing the copy of an input"):
            self.store.write(write)

    def settle(self, place: str, entry: Mapping[str, Any]) -> JsonObject:
        """Resolve a pending entry whose job has succeeded, or whose URL was fetched to entry["fetched"]."""
        if "still_of" in entry:
            source: JsonObject = entry["still_of"]
            clip = Path(source["path"])
            self.artifacts.check_kept(clip, source["sha256"], "the kept copy of the clip that is extended")
            return self.clips.still(clip, entry["part"], entry["t"], "copy", [])
        if "fetched" in entry:
            with Path(entry["fetched"]).open("rb") as fetched:
                settled = self.files.added(fetched, [], kind_of(place))
            if place.startswith("clips") or kind_of(place) != "picture":
                check_kind(place, settled)
            return settled
        row = self.store.row("SELECT * FROM jobs WHERE id = ?", (entry["job"],))
        job = None if row is None else StoredJob.of(row)
        if job is None or job.state != "succeeded":
            raise VideoError("asset", f"job {entry['job']} has no clip")
        return self.clips.from_job(job, MediaName("job", entry["job"], entry["part"], entry["t"]), "copy", [])


def _at(place: str, error: VideoError) -> VideoError:
    words = place.removesuffix(".image").removesuffix(".media")
    if isinstance(error, OwnFault):
        return OwnFault(f"{words}: {error.message}")
    if isinstance(error, Away):
        return Away(f"{words}: {error.message}")
    problem = Problem(words, f"{words}: {error.message}")
    return VideoError(error.kind, problem.text, retryable=error.retryable, next=error.next, problems=[problem], lead="")


def _together(problems: Sequence[VideoError]) -> VideoError:
    if len(problems) == 1:
        return problems[0]
    lines = [problem.message for problem in problems]
    text = f"{len(lines)} inputs cannot be used:\n" + "\n".join(f"- {line}" for line in lines)
    return VideoError(problems[0].kind, text, problems=lines)
