"""Bytes on disk: whole or not there, never over another file, and readable words when the disk refuses."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs.files.artifacts import Artifacts, disk_errors

CLIP = b"a clip" * 100


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts", tmp_path / "out")


def clip(artifacts: Artifacts, job: str, data: bytes = CLIP) -> Path:
    source = artifacts.spool(job) / "output0.mp4"
    source.write_bytes(data)
    return source


def test_an_input_is_kept_once_by_its_hash(artifacts: Artifacts) -> None:
    first, second = (artifacts.add_blob(io.BytesIO(CLIP)) for _ in range(2))
    sha256 = first.sha256
    assert sha256 == hashlib.sha256(CLIP).hexdigest() == second.sha256 and (first.new, second.new) == (True, False)
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


@pytest.mark.parametrize("links", [True, False])
def test_a_kept_file_that_gets_another_name_is_never_replaced_before_it_has_it(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """As when the delivered part was kept as the clip, and the joined clip comes after it."""
    part = artifacts.commit("job_1", {"clip.mp4": clip(artifacts, "job_1", b"the paid part")}, {})["clip.mp4"]
    if not links:

        def refuse(*_: object) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refuse)
    joined = artifacts.spool("job_1") / "joined.mp4"
    joined.write_bytes(b"the joined clip")
    placed = artifacts.commit("job_1", {"clip.mp4": joined, "extra1.mp4": part}, {})
    assert placed["clip.mp4"].read_bytes() == b"the joined clip"
    assert placed["extra1.mp4"].read_bytes() == b"the paid part"
    swapped = artifacts.commit("job_1", {"clip.mp4": placed["extra1.mp4"], "extra1.mp4": placed["clip.mp4"]}, {})
    assert swapped["clip.mp4"].read_bytes() == b"the paid part"
    last = artifacts.commit("job_1", {"clip.mp4": swapped["clip.mp4"], "extra2.mp4": swapped["extra1.mp4"]}, {})
    assert last["extra2.mp4"].read_bytes() == b"the joined clip"
    assert sorted(path.name for path in last["clip.mp4"].parent.iterdir()) == ["clip.mp4", "extra2.mp4", "meta.json"]
    assert {path.stat().st_nlink for path in last.values()} == {1}


def test_published_never_over_another(artifacts: Artifacts) -> None:
    placed = artifacts.commit("job_1", {"clip.mp4": clip(artifacts, "job_1")}, {})["clip.mp4"]
    other = artifacts.commit("job_2", {"clip.mp4": clip(artifacts, "job_2", b"another")}, {})["clip.mp4"]
    first = artifacts.publish(placed, "sunset / beach", 1, "job_1")
    assert first.name == "sunset-beach_take01.mp4" and first.read_bytes() == CLIP
    assert artifacts.publish(placed, "sunset / beach", 1, "job_1") == first, "again is the same"
    second = artifacts.publish(other, "sunset / beach", 1, "job_2")
    assert second.name == "sunset-beach_take01_2.mp4" and first.read_bytes() == CLIP
    assert artifacts.publish(placed, "../..", 2, "job_1234567890").name == "job_12345678_take02.mp4"


def test_the_published_clip_is_the_persons_and_the_kept_one_is_not(artifacts: Artifacts) -> None:
    """Whatever is done to the file in the output folder, the store's bytes stay what they were."""
    placed = artifacts.commit("job_1", {"clip.mp4": clip(artifacts, "job_1")}, {})["clip.mp4"]
    published = artifacts.publish(placed, "beach", 1, "job_1")
    assert not published.samefile(placed)
    with published.open("r+b") as file:
        file.write(b"cut by an editor")
    assert placed.read_bytes() == CLIP
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(published.stat().st_mode) == 0o666 & ~umask, "the person's own rights"
    assert stat.S_IMODE(placed.stat().st_mode) & 0o222 == 0, "and nobody writes into the store"


def test_a_link_of_an_earlier_version_is_parted(artifacts: Artifacts) -> None:
    placed = artifacts.commit("job_1", {"clip.mp4": clip(artifacts, "job_1")}, {})["clip.mp4"]
    artifacts.output.mkdir()
    os.link(placed, artifacts.output / "beach_take01.mp4")
    published = artifacts.publish(placed, "beach", 1, "job_1")
    assert published.name == "beach_take01.mp4" and not published.samefile(placed)
    assert [path.name for path in artifacts.output.iterdir()] == [published.name]


def test_a_second_finish_publishes_nothing_more(artifacts: Artifacts) -> None:
    kept = {"clip.mp4": clip(artifacts, "job_1")}
    placed = artifacts.commit("job_1", kept, {})["clip.mp4"]
    first = artifacts.publish(placed, "beach", 1, "job_1")
    again = artifacts.commit("job_1", {"clip.mp4": placed}, {"a": 1})["clip.mp4"]
    assert again == placed and artifacts.publish(again, "beach", 1, "job_1") == first
    assert [path.name for path in artifacts.output.iterdir()] == [first.name]


def test_kept_files_are_read_only_and_private(artifacts: Artifacts) -> None:
    umask = os.umask(0)
    try:
        poster = artifacts.spool("job_1") / "poster.jpg"
        poster.write_bytes(b"poster")
        artifacts.commit("job_1", {"clip.mp4": clip(artifacts, "job_1"), "poster.jpg": poster}, {})
        artifacts.add_blob(io.BytesIO(CLIP))
    finally:
        os.umask(umask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in artifacts.root.rglob("*")}
    files = [modes.pop(name) for name in ("clip.mp4", "poster.jpg", "meta.json", hashlib.sha256(CLIP).hexdigest())]
    assert files == [0o400] * 4
    assert set(modes.values()) == {0o700}, modes


def test_a_disk_too_full_for_a_copy_leaves_the_clip_in_the_store(artifacts: Artifacts) -> None:
    """In a process that may write no large file: the kept clip stays, and no half one stands beside it."""
    placed = artifacts.commit("job_1", {"clip.mp4": clip(artifacts, "job_1", b"x" * 3_000_000)}, {})["clip.mp4"]
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from backends.errors import VideoError\n"
        "from backends.jobs.files.artifacts import Artifacts\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "try:\n"
        "    Artifacts(Path(sys.argv[1]), Path(sys.argv[2])).publish(Path(sys.argv[3]), 'beach', 1, 'job_1')\n"
        "except VideoError as error:\n"
        "    print(error.message)\n"
    )
    words = [sys.executable, "-c", code, str(artifacts.root), str(artifacts.output), str(placed)]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("the file would be larger than this process may write, while copying the clip into")
    assert list(artifacts.output.iterdir()) == [] and placed.stat().st_size == 3_000_000


def test_published_where_links_cannot_go(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without links at all: the copy is whole before it has its name."""
    placed = artifacts.commit("job_1", {"clip.mp4": clip(artifacts, "job_1")}, {})["clip.mp4"]
    other = artifacts.commit("job_2", {"clip.mp4": clip(artifacts, "job_2", b"another")}, {})["clip.mp4"]

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    first = artifacts.publish(placed, "beach", 1, "job_1")
    second = artifacts.publish(other, "beach", 1, "job_2")
    assert (first.name, second.name) == ("beach_take01.mp4", "beach_take01_2.mp4")
    assert first.read_bytes() == CLIP and not first.samefile(placed) and second.read_bytes() == b"another"
    assert sorted(path.name for path in artifacts.output.iterdir()) == [first.name, second.name]


def damage(path: Path) -> None:
    """What a disk, or a person with the rights, may do to a kept file; its size and times stay."""
    before = path.stat()
    path.chmod(0o600)
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    path.chmod(stat.S_IMODE(before.st_mode))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_changed_clip_is_no_input(artifacts: Artifacts) -> None:
    placed = artifacts.commit("job_1", {"clip.mp4": clip(artifacts, "job_1")}, {})["clip.mp4"]
    sha256 = hashlib.sha256(CLIP).hexdigest()
    damage(placed)
    with pytest.raises(VideoError) as caught:
        artifacts.adopt_blob(placed, sha256, "the kept clip of job job_1")
    assert caught.value.kind == "asset"
    assert caught.value.message == (
        "the kept clip of job job_1 has been changed on disk, so it is not used: reelwright jobs verify lists all "
        "such files"
    )
    assert not artifacts.blob(sha256).exists()


def test_a_blob_is_what_its_name_says(artifacts: Artifacts) -> None:
    """Copied anew over a damaged one, by an input of the same bytes and by the clip itself."""
    sha256 = artifacts.add_blob(io.BytesIO(CLIP)).sha256
    damage(artifacts.blob(sha256))
    assert artifacts.add_blob(io.BytesIO(CLIP)).sha256 == sha256
    assert artifacts.blob(sha256).read_bytes() == CLIP
    damage(artifacts.blob(sha256))
    placed = artifacts.commit("job_1", {"clip.mp4": clip(artifacts, "job_1")}, {})["clip.mp4"]
    assert artifacts.adopt_blob(placed, sha256, "the kept clip of job job_1") is False
    assert artifacts.blob(sha256).read_bytes() == CLIP


def test_a_clip_becomes_an_input_without_a_second_copy_inside_the_store(artifacts: Artifacts) -> None:
    """A link between two read-only files of the store; a clip that has a name outside is copied."""
    placed = artifacts.commit("job_1", {"clip.mp4": clip(artifacts, "job_1")}, {})["clip.mp4"]
    sha256 = hashlib.sha256(CLIP).hexdigest()
    assert artifacts.adopt_blob(placed, sha256, "the kept clip of job job_1") is True
    artifacts.blob(sha256).unlink()
    artifacts.output.mkdir()
    os.link(placed, artifacts.output / "old.mp4")
    artifacts.adopt_blob(placed, sha256, "the kept clip of job job_1")
    assert not artifacts.blob(sha256).samefile(artifacts.output / "old.mp4")
    assert stat.S_IMODE(artifacts.blob(sha256).stat().st_mode) == 0o400


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("東京の夜", "東京の夜_take01.mp4"),
        ("Сцена 3: ночь", "Сцена-3-ночь_take01.mp4"),
        ("हिन्दी शीर्षक", "हिन्दी-शीर्षक_take01.mp4"),
        ("cafe\u0301", "café_take01.mp4"),
        ("take [final] <v2>?", "take-final-v2_take01.mp4"),
        ("..\\..\\evil\x00\x1b[31m", "evil-31m_take01.mp4"),
        ("shot\u202egpj.exe", "shot-gpj.exe_take01.mp4"),
        ("夜" * 40, "夜" * 20 + "_take01.mp4"),
        ("...", "job_1234_take01.mp4"),
    ],
)
def test_labels_keep_the_letters_of_every_script(artifacts: Artifacts, label: str, name: str) -> None:
    placed = artifacts.commit("job_1234", {"clip.mp4": clip(artifacts, "job_1234")}, {})["clip.mp4"]
    assert artifacts.publish(placed, label, 1, "job_1234").name == name


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
