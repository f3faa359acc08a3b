"""Bytes on disk: whole or not there, never over another file, and readable words when the disk refuses."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs.artifacts import Artifacts, disk_errors

CLIP = b"a clip" * 100


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts", tmp_path / "out")


def clip(artifacts: Artifacts, job: str, data: bytes = CLIP) -> Path:
    source = artifacts.spool(job) / "output0.mp4"
    source.write_bytes(data)
    return source


def test_an_input_is_kept_once_by_its_hash(artifacts: Artifacts) -> None:
    sha256 = artifacts.add_blob(io.BytesIO(CLIP))
    assert sha256 == hashlib.sha256(CLIP).hexdigest() == artifacts.add_blob(io.BytesIO(CLIP))
    path = artifacts.blob(sha256)
    assert path.read_bytes() == CLIP and path.stat().st_mode & 0o222 == 0
    assert [file.name for file in (artifacts.root / "blobs").rglob("*") if file.is_file()] == [sha256]


def test_an_input_above_the_limit_leaves_nothing(artifacts: Artifacts) -> None:
    with pytest.raises(VideoError, match="an input is larger than 1 MiB") as caught:
        artifacts.add_blob(io.BytesIO(b"x" * (1 << 20) + b"x"), 1 << 20)
    assert caught.value.kind == "asset"
    assert not [file for file in artifacts.root.rglob("*") if file.is_file()]


def test_a_commit_is_repeatable(artifacts: Artifacts) -> None:
    source = clip(artifacts, "job_1")
    first = artifacts.commit("job_1", {"clip.mp4": source}, {"a": 1})
    again = artifacts.commit("job_1", {"clip.mp4": source}, {"a": 1})
    assert first == again and first["clip.mp4"].read_bytes() == CLIP and not source.exists()
    assert sorted(path.name for path in artifacts.job("job_1").iterdir()) == ["clip.mp4", "meta.json"]


def test_published_never_over_another(artifacts: Artifacts) -> None:
    placed = artifacts.commit("job_1", {"clip.mp4": clip(artifacts, "job_1")}, {})["clip.mp4"]
    other = artifacts.commit("job_2", {"clip.mp4": clip(artifacts, "job_2", b"another")}, {})["clip.mp4"]
    first = artifacts.publish(placed, "sunset / beach", 1, "job_1")
    assert first.name == "sunset-beach_take01.mp4" and first.samefile(placed)
    assert artifacts.publish(placed, "sunset / beach", 1, "job_1") == first, "again is the same"
    second = artifacts.publish(other, "sunset / beach", 1, "job_2")
    assert second.name == "sunset-beach_take01_2.mp4" and first.read_bytes() == CLIP
    assert artifacts.publish(placed, "../..", 2, "job_1234567890").name == "job_12345678_take02.mp4"


def test_published_by_copy_where_links_cannot_go(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file system, or one without links at all: the copy is whole before it has its name."""
    placed = artifacts.commit("job_1", {"clip.mp4": clip(artifacts, "job_1")}, {})["clip.mp4"]
    other = artifacts.commit("job_2", {"clip.mp4": clip(artifacts, "job_2", b"another")}, {})["clip.mp4"]

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    first = artifacts.publish(placed, "beach", 1, "job_1")
    second = artifacts.publish(other, "beach", 1, "job_2")
    assert (first.name, second.name) == ("beach_take01.mp4", "beach_take01_2.mp4")
    assert first.read_bytes() == CLIP and not first.samefile(placed) and second.read_bytes() == b"another"
    assert sorted(path.name for path in artifacts.output.iterdir()) == [first.name, second.name]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full while keeping a clip: free some space and repeat"),
        (errno.EDQUOT, "the disk is full while keeping a clip"),
        (errno.EFBIG, "raise the limit (ulimit -f)"),
        (errno.EACCES, "no permission while keeping a clip: make the folder writable"),
        (errno.EROFS, "or set REELWRIGHT_HOME to one that is"),
        (errno.EIO, "the disk failed while keeping a clip: Input/output error"),
    ],
)
def test_a_disk_that_refuses(number: int, words: str) -> None:
    with pytest.raises(VideoError) as caught, disk_errors("keeping a clip"):
        raise OSError(number, os.strerror(number))
    assert caught.value.kind == "storage" and caught.value.retryable and words in caught.value.message
