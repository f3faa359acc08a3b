"""Bytes on disk: inputs by their hash, finished clips by their job, and published copies.

    artifacts/blobs/ab/<sha256>       inputs
    artifacts/jobs/<job id>/clip.mp4  the clip, poster.jpg, further files, and meta.json, written last

Everything is written to a temporary file in the same file system, flushed to disk, then renamed into place. Kept files
are read-only and have no name outside the store, so a change to a published clip never reaches them. Before a kept file
is used again its hash is checked; a missing one is fetched from the place that all machines of the store share
(`objects`), where there is one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from backends.errors import VideoError
from backends.jobs.crashpoints import crash_point
from backends.jobs.files import copies
from backends.jobs.files.names import stem_of
from backends.jobs.files.objects import Objects, OnlyHere
from backends.jobs.files.places import Places
from backends.jobs.files.private import new_private_file, private_folder
from backends.media.hashing import is_intact, sha256_of
from backends.provider.protocol import PREVIEW, JsonObject

NOTED_S = 3600.0
"""How exactly the time of a file's last use is recorded, seconds."""


@contextmanager
def disk_errors(what: str) -> Generator[None]:
    """Turn an OSError of the disk into a VideoError("storage"): full, too large for the limit, not writable."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = f"the disk is full while {what}: free some space and repeat; no accepted job is lost"
        elif error.errno == errno.EFBIG:
            text = f"the file would be larger than this process may write, while {what}: raise the limit (ulimit -f)"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            text = f"no permission while {what}: make the folder writable, or set REELWRIGHT_HOME to one that is"
        else:
            text = f"the disk failed while {what}: {error.strerror or error}"
        raise VideoError("storage", text, retryable=True) from None


def fsync_folder(folder: Path) -> None:
    """Make a rename in this folder last through a power cut, where the system can."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class Blob(NamedTuple):
    """new: whether this call has put it there."""

    sha256: str
    new: bool


def changed(what: str) -> VideoError:
    """The message for a kept file whose content has changed."""
    return VideoError(
        "asset",
        f"{what} has been changed on disk, so it is not used: reelwright jobs verify lists all such files",
    )


@dataclass(frozen=True)
class Artifacts:
    """The artifact folder, the output folder, and the shared place for the bytes."""

    root: Path
    output: Path
    objects: Objects = field(default_factory=OnlyHere)

    @property
    def places(self) -> Places:
        """How rows name the files in the store and the published ones."""
        return Places(self.root)

    def blob(self, sha256: str) -> Path:
        return self.places.blob(sha256)

    def job(self, job_id: str) -> Path:
        return self.root / "jobs" / job_id

    def add_blob(self, source: BinaryIO, limit: int = 4 << 30) -> Blob:
        """Copy an open file in. VideoError("asset") above `limit` bytes, "storage" from the disk.

        An existing blob of that name whose content has changed is replaced.
        """
        folder = self.root / "blobs"
        temporary = folder / f".{secrets.token_hex(8)}.part"
        digest, size = hashlib.sha256(), 0
        with disk_errors("copying an input"):
            private_folder(folder)
            try:
                with new_private_file(temporary) as file:
                    while chunk := source.read(copies.CHUNK):
                        size += len(chunk)
                        if size > limit:
                            raise VideoError("asset", f"an input is larger than {limit >> 20} MiB")
                        digest.update(chunk)
                        file.write(chunk)
                    sha256 = digest.hexdigest()
                    if is_intact(self.blob(sha256), sha256):
                        self._used(self.blob(sha256))
                        return Blob(sha256, new=False)
                    file.flush()
                    os.fsync(file.fileno())
                return Blob(sha256, self._place_blob(temporary, sha256))
            finally:
                temporary.unlink(missing_ok=True)

    def _place_blob(self, temporary: Path, sha256: str) -> bool:
        """Rename it into place; whether that name was free."""
        target = self.blob(sha256)
        new = not target.exists()
        private_folder(target.parent)
        temporary.chmod(copies.KEPT)
        copies.put_in_place(temporary, target)
        fsync_folder(target.parent)
        return new

    def adopt_blob(self, path: Path, sha256: str, what: str) -> bool:
        """Keep a job's file among the inputs too; whether it is new there. VideoError("asset") when the file does not
        match the hash. what: the file's name in messages.

        A read-only file with one name is hard-linked: both names lie in the store, where nobody writes, and a chain of
        clips would otherwise fill the disk twice. Any other file is copied.
        """
        target = self.blob(sha256)
        with disk_errors("keeping a clip as input"):
            if is_intact(target, sha256):
                return False
            if not is_intact(path, sha256):
                if self.objects.fetch(sha256, target):
                    return True
                raise changed(what)
            private_folder(target.parent)
            temporary = copies.part_beside(target)
            try:
                self._second_name(path, temporary)
                if not is_intact(temporary, sha256):
                    raise changed(what)
                return self._place_blob(temporary, sha256)
            finally:
                copies.remove_kept(temporary)

    def _second_name(self, path: Path, temporary: Path) -> None:
        facts = path.stat()
        if facts.st_nlink == 1 and not facts.st_mode & 0o222 and path.is_relative_to(self.root):
            with suppress(OSError):  # a file system without links
                os.link(path, temporary)
                return
        copies.keep_copy(path, temporary)

    def check_kept(self, path: Path, sha256: str, what: str) -> None:
        """Make sure that a kept file is here. VideoError("asset") when it is gone or changed, both here and in the
        shared place. what: the file's name in messages."""
        with disk_errors(f"reading {what}"):
            if is_intact(path, sha256):
                self._used(path)
                return
            if path.is_relative_to(self.root) and self.objects.fetch(sha256, path):
                return
            if path.exists():
                raise changed(what)
        also = f" and not in {self.objects.where}" if self.objects.where else ""
        raise VideoError("asset", f"{what} is gone from {path.parent}{also}")

    def _used(self, path: Path) -> None:
        """Record that a file was used, where unused files are removed to make room (`cache`). Done seldom, since
        changing a file's times also invalidates its remembered hash."""
        facts = path.stat()
        if self.objects.where and time.time() - facts.st_atime > NOTED_S:
            with suppress(OSError):
                os.utime(path, ns=(time.time_ns(), facts.st_mtime_ns))

    def spool(self, job_id: str) -> Path:
        """A work folder for a job's generation or download. It survives a restart, so that a download can resume."""
        folder = self.root / "spool" / job_id
        with disk_errors("making a work folder"):
            private_folder(folder)
        return folder

    def preview(self, job_id: str) -> Path:
        """The path of a running job's newest preview image; the file exists only where the service provides one."""
        return self.root / "spool" / job_id / PREVIEW

    def clear_spool(self, job_id: str) -> None:
        shutil.rmtree(self.root / "spool" / job_id, ignore_errors=True)

    def commit(self, job_id: str, files: dict[str, Path], meta: JsonObject) -> dict[str, Path]:
        """Move finished files (name -> path) into the job's folder; meta.json last. Repeatable.

        A file that already lies in the folder under another name is renamed before another one can replace it.
        """
        folder = self.job(job_id)
        placed: dict[str, Path] = {}
        with disk_errors("saving the finished clip"):
            private_folder(folder)
            self._rename_kept(folder, files)
            for name, source in files.items():
                if source.parent == folder:
                    placed[name] = folder / name
                    continue
                target = folder / name
                if source != target and source.exists():
                    copies.flush(source)
                    source.chmod(copies.KEPT)
                    copies.put_in_place(source, target)
                placed[name] = target
            crash_point("before-meta")
            temporary = copies.part_beside(folder / "meta.json")
            with new_private_file(temporary) as file:
                file.write(json.dumps(meta, indent=1, sort_keys=True).encode())
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(copies.KEPT)
            copies.put_in_place(temporary, folder / "meta.json")
            fsync_folder(folder)
        return placed

    def _rename_kept(self, folder: Path, files: dict[str, Path]) -> None:
        """Rename files that already lie in the folder. Two may swap names."""
        moved = {
            name: source
            for name, source in files.items()
            if source.parent == folder and source.name != name and source.exists()
        }
        aside: dict[str, Path] = {}
        try:
            for name, source in moved.items():
                aside[name] = copies.part_beside(folder / name)
                self._second_name(source, aside[name])
            for name, part in aside.items():
                copies.put_in_place(part, folder / name)
        finally:
            for part in aside.values():  # a file that is its own target has kept its name
                copies.remove_kept(part)
        for source in moved.values():
            if source.name not in files:
                copies.remove_kept(source)

    def publish(self, clip: Path, label: str, take: int, job_id: str) -> Path:
        """Copy the clip into the output folder as LABEL_takeNN.mp4; never over another file, and only once."""
        stem = stem_of(label) or job_id[:12]
        with disk_errors(f"copying the clip into {self.output}"):
            self.output.mkdir(parents=True, exist_ok=True)
            for number in range(1, 1000):
                suffix = "" if number == 1 else f"_{number}"
                target = self.output / f"{stem}_take{take:02d}{suffix}{clip.suffix}"
                if not os.path.lexists(target) and copies.copy_new(clip, target):
                    return target
                if target.exists() and target.samefile(clip):  # the name that earlier versions used
                    copies.replace_by_copy(clip, target)
                    return target
                if target.exists() and _same_bytes(target, clip):
                    return target
        raise VideoError("storage", f"{self.output} holds a thousand clips named {stem}: choose another label")


def _same_bytes(one: Path, other: Path) -> bool:
    with one.open("rb") as first, other.open("rb") as second:
        return one.stat().st_size == other.stat().st_size and sha256_of(first) == sha256_of(second)
