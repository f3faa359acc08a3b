"""Local input files: each is opened once, and the checked descriptor is then decoded, hashed and copied.

The file's name is never opened a second time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backends.errors import OwnFault, VideoError
from backends.facts import MediaFacts
from backends.jobs.files import copies
from backends.jobs.files.artifacts import Artifacts
from backends.jobs.files.held import held
from backends.jobs.order.entries import Keep, remember
from backends.jobs.order.input_kinds import Kind
from backends.jobs.store import codec
from backends.jobs.store.database import Store
from backends.media.hashing import sha256_of
from backends.media.paths import find_input
from backends.media.sandbox import Sandbox
from backends.provider.protocol import JsonObject

MAX_INPUT = 2 << 30
"""The most bytes of one input."""

LARGE = 32 << 20
"""From this many bytes on a file is also inspected before it is copied, so that an unusable one does not fill the
disk."""

MOST_WORDS = 2 << 20
"""The most bytes of a subtitle file."""


@dataclass(frozen=True)
class Opened:
    """An open file of the user's. path: leads to this very file while it is open, even if its name changes."""

    path: Path
    changed_ns: int
    note: str


class InputFiles:
    """Local files that may be used. roots: folders that they may come from; cwd: the base of relative paths."""

    def __init__(self, store: Store, artifacts: Artifacts, sandbox: Sandbox, roots: Sequence[Path], cwd: Path) -> None:
        self._store = store
        self._artifacts = artifacts
        self._sandbox = sandbox
        self.roots = roots
        self.cwd = cwd

    @contextmanager
    def opened(self, text: str) -> Generator[Opened]:
        """An allowed local file, opened; `find_input` says what is refused."""
        with find_input(text, self.roots, self.cwd) as found, held(found.file, self._artifacts.root / "looks") as path:
            yield Opened(path, os.fstat(found.file.fileno()).st_mtime_ns, found.note)

    def checked_path(self, text: str) -> Path:
        """The real path of an allowed local file. Only for showing it to its user: whatever depends on the content uses
        `opened`."""
        with find_input(text, self.roots, self.cwd) as found:
            return found.path

    def entry(self, text: str, kind: Kind, keep: Keep, added: list[str], notes: list[str]) -> JsonObject:
        with find_input(text, self.roots, self.cwd) as found:
            if found.note:
                notes.append(found.note)
            size = os.fstat(found.file.fileno()).st_size
            if keep == "copy" and size <= LARGE:
                return self.added(found.file, added, kind)
            with held(found.file, self._artifacts.root / "looks") as path:
                facts = codec.facts_to_json(self._look(path, kind))
            if keep == "copy":
                return self.added(found.file, added, kind)
            return {"facts": facts, **(self._hashed(found.file) if keep == "hash" else {})}

    def _hashed(self, source: BinaryIO) -> JsonObject:
        """An open file's hash; for a signed copy also the hash of the original clip."""
        sha256 = sha256_of(source)
        known = self._store.row("SELECT facts FROM blobs WHERE sha256 = ?", (sha256,))
        original = json.loads(known["facts"]).get("original") if known else None
        return {"sha256": sha256, **({"original": original} if original else {})}

    def added(self, source: BinaryIO, added: list[str], kind: Kind = "picture") -> JsonObject:
        """The entry of an open file, copied into the store."""
        blob = self._artifacts.add_blob(source, MAX_INPUT)
        if blob.new:
            added.append(blob.sha256)
        return self._blob(blob.sha256, kind)

    def _look(self, path: Path, kind: Kind) -> MediaFacts:
        """What a file is. VideoError("asset") when it is of another kind."""
        if kind != "words":
            return self._sandbox.check(path, sound=kind == "sound")
        size = path.stat().st_size
        if size > MOST_WORDS:
            raise VideoError("asset", f"the subtitle file has {size >> 20} MiB; at most {MOST_WORDS >> 20} are taken")
        if b"\0\0" in path.read_bytes():  # UTF-16 has single ones
            raise VideoError("asset", "the file is no text: give an .srt or .vtt file")
        return MediaFacts("words", "text/plain", 0, 0, size)

    def _blob(self, sha256: str, kind: Kind = "picture") -> JsonObject:
        """The entry of a kept blob; its facts are read once and remembered."""
        path = self._artifacts.blob(sha256)
        known = self._store.row("SELECT facts FROM blobs WHERE sha256 = ?", (sha256,))
        if known:
            return {"sha256": sha256, "path": str(path), **json.loads(known["facts"])}
        try:
            facts = self._look(path, kind)
        except OwnFault:  # a later version that can read it will
            raise
        except VideoError:
            copies.remove_kept(path)
            raise
        record: JsonObject = {"facts": codec.facts_to_json(facts), "sidecar": {}}
        self._store.write(lambda tx: remember(tx, sha256, record))
        return {"sha256": sha256, "path": str(path), **record}
