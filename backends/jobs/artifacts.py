"""Bytes on disk: inputs by their hash, finished clips by their job, and links for people.

    artifacts/blobs/ab/<sha256>       inputs, read-only
    artifacts/jobs/<job id>/clip.mp4  the clip, poster.jpg, meta.json (its presence = whole), further files

Everything is written to a temporary file in the same file system, flushed to disk, then renamed into place.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backends.backend import JsonObject
from backends.errors import VideoError
from backends.jobs.crash import crash_point

_CHUNK = 1 << 20


@contextmanager
def disk_errors(what: str) -> Generator[None]:
    """Turn what a disk can do to us into words: full, too large for the limit, not writable."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = f"the disk is full while {what}: free some space and repeat; nothing that was accepted is lost"
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


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Artifacts:
    """The artifact folder, and where clips are linked for people."""

    root: Path
    output: Path

    def blob(self, sha256: str) -> Path:
        return self.root / "blobs" / sha256[:2] / sha256

    def job(self, job_id: str) -> Path:
        return self.root / "jobs" / job_id

    def add_blob(self, source: BinaryIO, limit: int = 4 << 30) -> str:
        """Copy an open file in; its sha256. VideoError("asset") above `limit` bytes, "storage" from the disk."""
        folder = self.root / "blobs"
        temporary = folder / f".{secrets.token_hex(8)}.part"
        digest, size = hashlib.sha256(), 0
        with disk_errors("copying an input"):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with temporary.open("xb") as file:
                    while chunk := source.read(_CHUNK):
                        size += len(chunk)
                        if size > limit:
                            raise VideoError("asset", f"an input is larger than {limit >> 20} MiB")
                        digest.update(chunk)
                        file.write(chunk)
                    target = self.blob(digest.hexdigest())
                    if not target.exists():
                        file.flush()
                        os.fsync(file.fileno())
                        target.parent.mkdir(exist_ok=True)
                        temporary.chmod(0o444)
                        temporary.replace(target)
                        fsync_folder(target.parent)
            finally:
                temporary.unlink(missing_ok=True)
        return digest.hexdigest()

    def adopt_blob(self, path: Path, sha256: str) -> None:
        """Let a file of ours also stand among the inputs, by hard link (or copy)."""
        target = self.blob(sha256)
        if target.exists():
            return
        with disk_errors("keeping a clip as input"):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{secrets.token_hex(8)}.part")
            try:
                os.link(path, temporary)
            except OSError:
                shutil.copyfile(path, temporary)
            temporary.replace(target)

    def spool(self, job_id: str) -> Path:
        """A folder for what is being made or fetched; kept through a restart, so that a download can resume."""
        folder = self.root / "spool" / job_id
        with disk_errors("making a work folder"):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def clear_spool(self, job_id: str) -> None:
        shutil.rmtree(self.root / "spool" / job_id, ignore_errors=True)

    def commit(self, job_id: str, files: dict[str, Path], meta: JsonObject) -> dict[str, Path]:
        """Move finished files (name -> where they lie) into the job's folder; meta.json last. Repeatable."""
        folder = self.job(job_id)
        placed: dict[str, Path] = {}
        with disk_errors("keeping the finished clip"):
            folder.mkdir(parents=True, exist_ok=True)
            for name, source in files.items():
                target = folder / name
                if source.exists():
                    with source.open("rb+") as file:
                        os.fsync(file.fileno())
                    source.replace(target)
                placed[name] = target
            crash_point("before-meta")
            temporary = folder / f".{secrets.token_hex(8)}.part"
            with temporary.open("x", encoding="utf-8") as file:
                json.dump(meta, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(folder / "meta.json")
            fsync_folder(folder)
        return placed

    def publish(self, clip: Path, label: str, take: int, job_id: str) -> Path:
        """Link (or copy) the clip into the output folder as LABEL_takeNN.mp4; never over another file."""
        stem = re.sub(r"[^\w.-]+", "-", label, flags=re.ASCII).strip("-.")[:60] or job_id[:12]
        with disk_errors(f"linking the clip into {self.output}"):
            self.output.mkdir(parents=True, exist_ok=True)
            for number in range(1, 1000):
                suffix = "" if number == 1 else f"_{number}"
                target = self.output / f"{stem}_take{take:02d}{suffix}{clip.suffix}"
                try:
                    os.link(clip, target)
                except FileExistsError:
                    if target.exists() and (target.samefile(clip) or _same_bytes(target, clip)):
                        return target
                    continue
                except OSError:
                    if not _copy_new(clip, target):
                        continue
                return target
        raise VideoError("storage", f"{self.output} holds a thousand clips named {stem}: choose another label")


def _copy_new(source: Path, target: Path) -> bool:
    """Copy where links can't go, whole or not at all; False when the name is taken meanwhile."""
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with source.open("rb") as read, temporary.open("xb") as write:
            shutil.copyfileobj(read, write, _CHUNK)
            write.flush()
            os.fsync(write.fileno())
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        except OSError:  # a file system without links: nothing but a look keeps another's file
            if target.exists():
                return False
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _same_bytes(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and file_sha256(one) == file_sha256(other)
