"""Inputs: every media name of a request becomes bytes of ours, checked and kept by hash, before anything is paid.

At submit local files and finished jobs are resolved at once; https inputs and unfinished jobs become pending entries
that the lane's driver resolves (`settle`) before the claim. An entry is JSON, by the place it stands in:

    {"sha256", "path", "facts", "sidecar"}                    resolved; the row leaves the path out (+ "original": the
                                                              hash of the clip that it is the signed copy of;
                                                              "from_job": the job that made it)
    {"url"} | {"job", "part", "t"} | {"still_of", "part", "t"} (+ "facts" as predicted)   pending

A file is opened once: the descriptor that was checked is what is decoded, hashed and copied. Its name is never read a
second time.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

from backends.errors import Next, OwnFault, Problem, VideoError
from backends.facts import MediaFacts
from backends.jobs import archive
from backends.jobs.files import copies
from backends.jobs.files.artifacts import Artifacts, disk_errors
from backends.jobs.files.held import held
from backends.jobs.files.private import private_folder
from backends.jobs.order import lora_files
from backends.jobs.order.lora_files import LoraFile
from backends.jobs.store import codec
from backends.jobs.store.database import Row, Store, Transaction, to_json
from backends.media.addresses import refuse_known
from backends.media.hashing import sha256_of
from backends.media.paths import find_input
from backends.media.sandbox import Sandbox
from backends.provider.network import check_download
from backends.provider.protocol import Asset, JsonObject
from backends.request import MediaName, VideoRequest

MAX_INPUT = 2 << 30
"""Bytes of one input."""

LARGE = 32 << 20
"""Bytes from which a file is looked at before it is copied too, so that what is no picture or clip fills no disk."""

MOST_WORDS = 2 << 20
"""Bytes of a subtitle file."""

Kind = Literal["picture", "sound", "words"]
"""What an input is looked at as: a picture or clip, a sound file (or a clip's sound), a subtitle file."""

Keep = Literal["copy", "hash", "look"]
"""What is done with an input: it is copied into the store (for a job); only its hash is taken (for a quote, which may
be the job that is there already); only its facts are found (for an estimate)."""


@dataclass(frozen=True)
class Resolved:
    """The inputs of one request. entries: as kept in the row. hashes: by place, what stands for the content in the
    request's digest. facts: what is known (or predicted) of each. needs: unfinished jobs to wait for. added: the blobs
    that this very look has put into the store. notes: what to tell of how files were found. loras: the files among the
    request's LoRAs, by place. made_of: the revision of the model that the request names, "" for most."""

    entries: dict[str, JsonObject]
    hashes: dict[str, str]
    facts: dict[str, MediaFacts]
    needs: tuple[str, ...]
    added: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    loras: Mapping[str, LoraFile] = field(default_factory=dict[str, LoraFile])
    made_of: str = ""


@dataclass(frozen=True)
class Opened:
    """An open file of the person's. path: leads to this very file while it is open, whatever its name becomes."""

    path: Path
    changed_ns: int
    note: str


class BlobGone(Exception):
    """A blob is not there any more: a call that had copied the same bytes was refused and took them away again."""


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

    def resolve(
        self,
        request: VideoRequest,
        principal: str,
        keep: Keep = "copy",
        promised: Mapping[str, MediaFacts] | None = None,
    ) -> Resolved:
        """Every media name of the request, all problems told at once. What a refusal has copied is taken away again.

        promised: what the inputs of some places will be; they are not looked for.
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
        """The same of media names by their places."""
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
        """`found`, and the input of one place. What was copied for one that is refused is taken away at once."""
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
                entry = self._file(name.value, _kind_of(place), keep, added, notes)
            else:
                entry = self.job_entry(name, principal, keep=keep, added=added)
            _check_kind(place, entry)
            notes += told_of(entry)
        except BaseException:
            self.forget(replace(found, added=tuple(added)))
            raise
        waits = (name.value,) if name.kind == "job" and is_pending(entry) else ()
        facts = {place: codec.facts_from_json(entry["facts"])} if "facts" in entry else {}
        return Resolved(
            {**found.entries, place: entry},
            {**found.hashes, place: _content(entry, text)},
            {**found.facts, **facts},
            tuple(dict.fromkeys((*found.needs, *waits))),
            (*found.added, *added),
            tuple(dict.fromkeys((*found.notes, *notes))),
            found.loras,
        )

    def _with_loras(self, request: VideoRequest, keep: Keep) -> Resolved:
        """Nothing yet but the request's LoRA files."""
        files = lora_files.find(request, self.roots, self.cwd, hashed=keep != "look")
        hashes = {place: file.sha256 for place, file in files.items() if file.sha256}
        notes = tuple(file.note for file in files.values() if file.note)
        return Resolved({}, hashes, {}, (), notes=notes, loras=files)

    def same_loras(self, request: VideoRequest, wire: JsonObject, job: str) -> Mapping[str, LoraFile]:
        """The LoRA files of a job that is there, for another take. wire: what the job was prepared with."""
        files = self._with_loras(request, "hash").loras
        lora_files.check_same(files, wire, job)
        return files

    def again(self, entries: Mapping[str, JsonObject], principal: str, keep: Keep = "copy") -> Resolved:
        """The inputs of a job that is there, for another take: its copies, and unfinished jobs as they are now."""
        found: dict[str, JsonObject] = {}
        added: list[str] = []
        notes: list[str] = []
        for place, entry in self.artifacts.places.entries(entries).items():
            if "job" in entry and is_pending(entry):
                name = MediaName("job", entry["job"], entry["part"], entry["t"])
                found[place] = self.job_entry(name, principal, keep=keep, added=added)
                notes += told_of(found[place])
            else:
                found[place] = entry
        self.check_kept(found)
        return Resolved(
            found,
            {place: _content(entry, str(entry.get("url") or "")) for place, entry in found.items()},
            {place: codec.facts_from_json(entry["facts"]) for place, entry in found.items() if "facts" in entry},
            tuple(dict.fromkeys(entry["job"] for entry in found.values() if "job" in entry and is_pending(entry))),
            tuple(added),
            tuple(notes),
        )

    def check_kept(self, entries: Mapping[str, JsonObject]) -> None:
        """VideoError("asset") for an input whose kept copy is not what was kept."""
        for place, entry in entries.items():
            if not is_pending(entry) and "path" in entry:
                try:
                    self.artifacts.check_kept(Path(entry["path"]), entry["sha256"], "the kept copy of this input")
                except VideoError as error:
                    raise _at(place, error) from None

    def forget(self, refused: Resolved) -> None:
        """Take the copies away that were made for a call which was refused, unless a job has come to use them. What
        cannot be removed now is what `jobs clean` finds later: the refusal is what the caller has to hear."""
        if not refused.added:
            return

        def write(tx: Transaction) -> None:
            for sha256 in refused.added:
                if tx.row("SELECT 1 FROM jobs WHERE instr(inputs, ?) > 0 LIMIT 1", (sha256,)) is None:
                    tx.run("DELETE FROM blobs WHERE sha256 = ?", (sha256,))
                    copies.remove_kept(self.artifacts.blob(sha256))

        with suppress(VideoError), disk_errors("removing the copy of an input"):
            self.store.write(write)

    def _file(self, text: str, kind: Kind, keep: Keep, added: list[str], notes: list[str]) -> JsonObject:
        with find_input(text, self.roots, self.cwd) as found:
            if found.note:
                notes.append(found.note)
            size = os.fstat(found.file.fileno()).st_size
            if keep == "copy" and size <= LARGE:
                return self._added(found.file, added, kind)
            with held(found.file, self.artifacts.root / "looks") as path:
                facts = codec.facts_to_json(self._look(path, kind))
            if keep == "copy":
                return self._added(found.file, added, kind)
            return {"facts": facts, **(self._hashed(found.file) if keep == "hash" else {})}

    def _hashed(self, source: BinaryIO) -> JsonObject:
        """An open file's hash, and that of the clip which it is the signed copy of."""
        sha256 = sha256_of(source)
        known = self.store.row("SELECT facts FROM blobs WHERE sha256 = ?", (sha256,))
        original = json.loads(known["facts"]).get("original") if known else None
        return {"sha256": sha256, **({"original": original} if original else {})}

    def _added(self, source: BinaryIO, added: list[str], kind: Kind = "picture") -> JsonObject:
        """The entry of an open file, copied into the store."""
        blob = self.artifacts.add_blob(source, MAX_INPUT)
        if blob.new:
            added.append(blob.sha256)
        return self._blob(blob.sha256, kind)

    def _look(self, path: Path, kind: Kind) -> MediaFacts:
        """What a file is. VideoError("asset") when it is not of that kind."""
        if kind != "words":
            return self.sandbox.check(path, sound=kind == "sound")
        size = path.stat().st_size
        if size > MOST_WORDS:
            raise VideoError("asset", f"the subtitle file has {size >> 20} MiB; at most {MOST_WORDS >> 20} are taken")
        if b"\0\0" in path.read_bytes():  # UTF-16 has single ones
            raise VideoError("asset", "the file is no text: give an .srt or .vtt file")
        return MediaFacts("words", "text/plain", 0, 0, size)

    @contextmanager
    def opened(self, text: str) -> Generator[Opened]:
        """A local file that may be used, open; `find_input` says what is refused."""
        with find_input(text, self.roots, self.cwd) as found, held(found.file, self.artifacts.root / "looks") as path:
            yield Opened(path, os.fstat(found.file.fileno()).st_mtime_ns, found.note)

    def checked_path(self, text: str) -> Path:
        """Where a local file that may be used really lies. For showing it to the person it belongs to: whatever is
        decided on its content takes `opened`."""
        with find_input(text, self.roots, self.cwd) as found:
            return found.path

    def _blob(self, sha256: str, kind: Kind = "picture") -> JsonObject:
        """The entry of a kept blob; its facts are found once and remembered."""
        path = self.artifacts.blob(sha256)
        known = self.store.row("SELECT facts FROM blobs WHERE sha256 = ?", (sha256,))
        if known:
            return {"sha256": sha256, "path": str(path), **json.loads(known["facts"])}
        try:
            facts = self._look(path, kind)
        except OwnFault:  # the next working version can read it
            raise
        except VideoError:
            copies.remove_kept(path)
            raise
        record: JsonObject = {"facts": codec.facts_to_json(facts), "sidecar": {}}
        self.store.write(lambda tx: remember(tx, sha256, record))
        return {"sha256": sha256, "path": str(path), **record}

    def job_entry(
        self, name: MediaName, principal: str, *, keep: Keep = "copy", added: list[str] | None = None
    ) -> JsonObject:
        """A job's clip, or a still of it: resolved when it has succeeded, pending while it runs.

        added: takes the hash of a blob that this call has put into the store.
        """
        row = archive.job_row(self.store, name.value, principal)
        if row is None:
            raise VideoError("asset", f"there is no job {name.value}", next=Next("list_jobs"))
        if row["state"] in ("failed", "cancelled"):
            raise VideoError("asset", f"job {name.value} {row['state']}, so it has no clip: use another one")
        if row["state"] != "succeeded":
            return {"job": name.value, "part": name.part, "t": name.t, "facts": _predicted(row, name)}
        return self.from_job(row, name, keep, [] if added is None else added)

    def from_job(self, row: Row, name: MediaName, keep: Keep, added: list[str]) -> JsonObject:
        """The clip of a finished job, or a still of it, as a resolved entry."""
        result = self.artifacts.places.result_of(row)
        clip, sha256 = Path(result["file"]), str(result["sha256"])
        what = f"the kept clip of job {name.value}"
        if "cleared_at" in result:
            raise VideoError(
                "asset", f"{what} was removed (reelwright jobs clean): give the path of its published copy"
            )
        if name.part != "clip":
            self.artifacts.check_kept(clip, sha256, what)
            return {**self._still(clip, name.part, name.t, keep, added), "from_job": name.value}
        record = {"facts": result["clip_facts"], "sidecar": result.get("sidecar", {})}
        if keep != "copy":
            self.artifacts.check_kept(clip, sha256, what)
            return {"sha256": sha256, "path": str(clip), "from_job": name.value, **record}
        if not clip.exists():
            raise VideoError("asset", f"{what} is gone from {clip.parent}")
        if self.artifacts.adopt_blob(clip, sha256, what):
            added.append(sha256)
        self.store.write(lambda tx: remember(tx, sha256, record))
        return {"sha256": sha256, "path": str(self.artifacts.blob(sha256)), "from_job": name.value, **record}

    def _still(
        self, clip: Path, part: Literal["last_frame", "frame"], t: float, keep: Keep, added: list[str]
    ) -> JsonObject:
        """The entry of a still that is taken from a clip; "note" where its user should know something (`told_of`)."""
        with disk_errors("taking a still from a clip"):
            private_folder(self.artifacts.root)
        still = self.artifacts.root / f".{secrets.token_hex(8)}.png"
        try:
            taken = self.sandbox.still(clip, part, t, still)
            note = {"note": taken.note} if taken.note else {}
            with still.open("rb") as source:
                if keep != "copy":
                    return {"facts": codec.facts_to_json(taken.facts), "sha256": sha256_of(source), **note}
                return {**self._added(source, added), **note}
        finally:
            still.unlink(missing_ok=True)

    def promise(self, job: str, principal: str) -> MediaFacts:
        """What the clip of a job is, or will be."""
        entry = self.job_entry(MediaName("job", job), principal, keep="look")
        return codec.facts_from_json(entry["facts"])

    def settle(self, place: str, entry: Mapping[str, Any]) -> JsonObject:
        """A pending entry whose job has succeeded, or whose URL was fetched to entry["fetched"], resolved now."""
        if "still_of" in entry:
            source: JsonObject = entry["still_of"]
            clip = Path(source["path"])
            self.artifacts.check_kept(clip, source["sha256"], "the kept copy of the clip that is extended")
            return self._still(clip, entry["part"], entry["t"], "copy", [])
        if "fetched" in entry:
            with Path(entry["fetched"]).open("rb") as fetched:
                settled = self._added(fetched, [], _kind_of(place))
            if place.startswith("clips") or _kind_of(place) != "picture":
                _check_kind(place, settled)
            return settled
        row = self.store.row("SELECT * FROM jobs WHERE id = ?", (entry["job"],))
        if row is None or row["state"] != "succeeded":
            raise VideoError("asset", f"job {entry['job']} has no clip")
        return self.from_job(row, MediaName("job", entry["job"], entry["part"], entry["t"]), "copy", [])


def told_of(entry: JsonObject) -> list[str]:
    """What the user of a still should know of it, taken out of its entry."""
    return [str(entry.pop("note"))] if "note" in entry else []


def _content(entry: Mapping[str, Any], otherwise: str) -> str:
    """What stands for an input's content in the request's digest: its hash, a signed copy's being its clip's."""
    return str(entry.get("original") or entry.get("sha256") or otherwise)


def check_there(entries: Mapping[str, JsonObject]) -> None:
    """BlobGone when an input's copy is not there. To be asked in the transaction that writes the entries: `forget`
    removes a blob in one too, after a look at all rows, so either that look sees the row or this one sees the gap."""
    for entry in entries.values():
        source: JsonObject = entry.get("still_of") or entry
        if not is_pending(source) and not Path(source["path"]).exists():
            raise BlobGone(source["sha256"])


def remember(tx: Transaction, sha256: str, record: JsonObject) -> None:
    """Keep what is known of a blob; a sidecar that is already known stays."""
    tx.run(
        "INSERT INTO blobs(sha256, facts, at) VALUES (?, ?, ?) "
        "ON CONFLICT(sha256) DO UPDATE SET facts = excluded.facts WHERE ? = 1",
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


def _kind_of(place: str) -> Kind:
    """What the input of a place is looked at as."""
    if place in ("narration", "music"):
        return "sound"
    return "words" if place == "captions" else "picture"


def _check_kind(place: str, entry: Mapping[str, Any]) -> None:
    """A clip where a still belongs (or the reverse) is told before anything else looks at it."""
    facts: JsonObject = entry.get("facts") or {}
    kind = facts.get("kind")
    if kind is None or (place.startswith(("references", "clips")) and kind in ("image", "clip")):
        return
    if _kind_of(place) == "sound":
        if not facts.get("audio"):
            raise VideoError("asset", "there is no sound in it: give a sound file, or a clip with sound")
        return
    if _kind_of(place) == "words" and kind == "words":
        return
    if place == "source_clip" and kind != "clip":
        raise VideoError("asset", "this is an image, and a clip is needed", next=Next("image_to_video"))
    if kind in ("sound", "words"):
        raise VideoError("asset", "this is a sound or text file, and an image or clip is needed")
    if place != "source_clip" and kind != "image":
        raise VideoError(
            "asset", "this is a clip, and an image is needed: for a clip of ours add /last_frame or /frame/SECONDS"
        )


def _at(place: str, error: VideoError) -> VideoError:
    words = place.removesuffix(".image").removesuffix(".media")
    if isinstance(error, OwnFault):
        return OwnFault(f"{words}: {error.message}")
    told = Problem(words, f"{words}: {error.message}")
    return VideoError(error.kind, told.text, retryable=error.retryable, next=error.next, problems=[told], lead="")


def _together(problems: Sequence[VideoError]) -> VideoError:
    if len(problems) == 1:
        return problems[0]
    lines = [problem.message for problem in problems]
    text = f"{len(lines)} inputs cannot be used:\n" + "\n".join(f"- {line}" for line in lines)
    return VideoError(problems[0].kind, text, problems=lines)
