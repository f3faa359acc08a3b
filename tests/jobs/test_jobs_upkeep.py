"""`verify` names what is damaged or gone; `clean` frees what nothing needs, and never what somebody does."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from backends.jobs import upkeep
from backends.jobs.files.artifacts import Artifacts
from backends.request import VideoRequest
from backends.studio import Studio
from tests.cli.shell import Shell
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request, tiny_request, until


@pytest.fixture
def server(serve: Callable[..., FakeServer]) -> FakeServer:
    return serve(mode="none")


@pytest.fixture
def station(server: FakeServer, stand: Callable[..., Station]) -> Station:
    return stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")


@pytest.fixture
def studio(station: Station) -> Studio:
    return station.studio()


@pytest.fixture
def shell(station: Station, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(station, monkeypatch)


def kept(station: Station) -> Artifacts:
    return Artifacts(station.home / "artifacts", station.output)


def animate(station: Station, name: str) -> VideoRequest:
    Image.new("RGB", (320, 180), (0, 120, ord(name[0]))).save(station.root / name)
    return text_request(name, task="image_to_video", frames=[{"image": name}])


def damage(path: Path) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(b"damaged")
    path.chmod(0o400)


def test_all_is_as_it_was_kept(station: Station, studio: Studio, shell: Shell) -> None:
    station.settled(studio, [studio.submit(animate(station, "a.png")).job_id])
    found = upkeep.verify(studio.context.store, studio.context.artifacts)
    assert found.damage == () and found.files == 5 and found.bytes > 1000  # clip, signed copy, poster, meta.json, input
    assert shell.done("jobs", "verify").lines == [f"5 files are unchanged ({found.bytes / (1 << 20):.1f} MiB)"]


def test_what_is_damaged_or_gone_is_named(station: Station, studio: Studio, shell: Shell) -> None:
    jobs = station.settled(studio, [studio.submit(animate(station, name)).job_id for name in ("a.png", "b.png")])
    one, two = (job.job_id for job in jobs)
    for job in jobs:
        Path(job.file or "").unlink()  # the published copies
    artifacts = kept(station)
    damage(artifacts.job(one) / "clip.mp4")
    (artifacts.job(two) / "poster.jpg").unlink()
    (artifacts.job(two) / "clip.mp4").unlink()
    first, second = sorted(path for path in (artifacts.root / "blobs").rglob("*") if path.is_file())
    damage(first)
    second.unlink()
    ended = shell.run("jobs", "verify")
    assert ended.code == 1
    assert sorted(ended.lines[:-1]) == sorted(
        [
            f"changed\tthe clip of job {one}\t{artifacts.job(one) / 'clip.mp4'}",
            f"gone\tthe clip of job {two}\t{artifacts.job(two) / 'clip.mp4'}",
            f"gone\tthe poster of job {two}\t{artifacts.job(two) / 'poster.jpg'}",
            f"changed\tan input\t{first}",
            f"gone\tan input\t{second}",
        ]
    )
    assert (
        ended.lines[-1] == "5 of 10 kept files are damaged: restore them from a backup; published copies may be intact"
    )
    told = shell.run("jobs", "verify", "--json").json
    assert len(told["damage"]) == 5 and told["files"] == 10


def test_every_kept_file_is_held_against_its_hash(station: Station, studio: Studio, shell: Shell) -> None:
    (job,) = station.settled(studio, [studio.submit(animate(station, "a.png")).job_id])
    folder = kept(station).job(job.job_id)
    for path in folder.iterdir():
        damage(path)
    faults = [line.split("\t")[:2] for line in shell.run("jobs", "verify").lines[:-1]]
    things = ("clip", "signed clip", "poster", "description")
    assert faults == [["changed", f"the {thing} of job {job.job_id}"] for thing in things]


def test_a_published_copy_that_is_whole_is_named(station: Station, studio: Studio, shell: Shell) -> None:
    (job,) = station.settled(studio, [studio.submit(tiny_request("a fox")).job_id])
    clip = kept(station).job(job.job_id) / "clip.mp4"
    damage(clip)
    ended = shell.run("jobs", "verify")
    assert ended.lines[0] == f"changed\tthe clip of job {job.job_id}\t{clip}\ta signed copy is intact at {job.file}"
    damage(signed := next(clip.parent.glob("signed-*.mp4")))
    assert shell.run("jobs", "verify").lines[1] == (
        f"changed\tthe signed clip of job {job.job_id}\t{signed}\tintact at {job.file}"
    )


def test_clean_frees_what_no_job_needs(station: Station, studio: Studio, shell: Shell) -> None:
    """First it only shows; and what an open job, a failed paid one or any row needs stays."""
    artifacts = kept(station)
    (done,) = station.settled(studio, [studio.submit(animate(station, "a.png")).job_id])
    (needed,) = [path for path in (artifacts.root / "blobs").rglob("*") if path.is_file()]
    until(lambda: not (artifacts.root / "spool" / done.job_id).exists(), "the worker has removed its work folder")
    left = artifacts.spool(done.job_id) / "output0.mp4"
    left.write_bytes(b"x" * 2_000_000)
    with (station.root / "b.bin").open("w+b") as file:
        file.write(b"y" * 1_000_000)
        file.seek(0)
        orphan = artifacts.blob(artifacts.add_blob(file).sha256)
    foreign = artifacts.spool("job_of_another_store") / "output0.mp4"
    foreign.write_bytes(b"clip")
    shown = shell.done("jobs", "clean").lines
    assert shown == [
        f"2.0 MB\twork folder of job {done.job_id}, which is succeeded\t{left.parent}",
        f"1.0 MB\tan input that no job names\t{orphan}",
        "3.0 MB in all; nothing was removed: reelwright jobs clean --yes",
    ]
    assert left.exists() and orphan.exists()
    assert shell.done("jobs", "clean", "--yes").lines[-1] == "3.0 MB freed"
    assert not left.parent.exists() and not orphan.exists()
    assert needed.exists() and foreign.exists()
    assert shell.done("jobs", "clean").lines == ["nothing to remove"]


def test_clean_keeps_the_only_copy_of_a_paid_clip(
    server: FakeServer, station: Station, studio: Studio, shell: Shell
) -> None:
    server.script("submit", {"job": {"polls": 1, "outcome": "failed"}})
    (failed,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    assert failed.error is not None and failed.error.charged == "yes"
    clip = kept(station).spool(failed.job_id) / "output0.mp4"
    clip.write_bytes(b"what was paid for")
    assert shell.done("jobs", "clean", "--yes").lines == ["nothing to remove"]
    assert clip.exists()


def test_clean_leaves_open_jobs_alone(station: Station, studio: Studio, shell: Shell) -> None:
    job = station.place(studio.context, animate(station, "a.png"))
    (kept(station).spool(job) / "input0").write_bytes(b"half")
    found = upkeep.leftovers(studio.context.store, studio.context.artifacts)
    assert found == ()


def test_parts_that_a_killed_process_has_left_are_freed_once_they_are_old(station: Station, studio: Studio) -> None:
    folder = kept(station).root / "blobs"
    folder.mkdir(mode=0o700, parents=True)
    for name in (".old.part", ".new.part"):
        (folder / name).write_bytes(b"half")
    os.utime(folder / ".old.part", (1_000_000, 1_000_000))
    (found,) = upkeep.leftovers(studio.context.store, studio.context.artifacts)
    assert found.path == folder / ".old.part" and found.what == "a copy that was never finished"
    assert upkeep.clean(studio.context.store, studio.context.artifacts) == 4
    assert [path.name for path in folder.iterdir()] == [".new.part"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
