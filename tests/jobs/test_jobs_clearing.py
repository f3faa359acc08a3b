"""`jobs clean --older`: old clips go, and never one that something that stays was made from, or the only copy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from backends.errors import VideoError
from backends.jobs import clearing, preferences, upkeep
from backends.jobs.clearing import Wish
from backends.jobs.files.artifacts import Artifacts
from backends.jobs.files.sizes import about_bytes_of, bytes_of, forget
from backends.jobs.views import Job
from backends.studio import Studio
from tests.cli.shell import Shell
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request

DAY = 86400.0
OLD = Wish(30 * DAY)


@pytest.fixture
def station(serve: Callable[..., FakeServer], stand: Callable[..., Station]) -> Station:
    return stand(serve(mode="none"), PAID_MODE="none", REELWRIGHT_WORKER="inline")


@pytest.fixture
def studio(station: Station) -> Studio:
    return station.studio()


def made(station: Station, studio: Studio, prompt: str, label: str = "", **fields: object) -> Job:
    (job,) = station.settled(studio, [studio.submit(text_request(prompt, **fields), label=label).job_id], 60)
    assert job.state == "succeeded", job.error
    return job


def after(job: Job) -> dict[str, object]:
    """The fields of a request that begins with the last frame of a job's clip."""
    return {"task": "image_to_video", "frames": [{"image": f"video://jobs/{job.job_id}/last_frame"}]}


def age(studio: Studio, *jobs: str, days: float = 40) -> None:
    """As if the jobs had ended so long ago."""
    for job in jobs:
        studio.context.store.write(
            lambda tx, job=job: tx.run("UPDATE jobs SET ended_at = ended_at - ? WHERE id = ?", (days * DAY, job))
        )


def folders(station: Station) -> set[str]:
    return {path.name for path in (station.home / "artifacts" / "jobs").iterdir()}


def artifacts(station: Station) -> Artifacts:
    return Artifacts(station.home / "artifacts", station.output)


def test_old_clips_go_and_their_published_copies_stay(station: Station, studio: Studio) -> None:
    Image.new("RGB", (320, 180), "teal").save(station.root / "still.png")
    frames = [{"image": "still.png"}]
    old = made(station, studio, "a fox", task="image_to_video", frames=frames)
    new = made(station, studio, "a hare")
    age(studio, old.job_id)
    store, kept = studio.context.store, artifacts(station)
    planned = clearing.plan(store, kept, OLD)
    before = bytes_of(kept.root)
    assert planned.jobs == {old.job_id} and folders(station) == {old.job_id, new.job_id}, "a plan removes nothing"
    assert {one.what for one in planned.leftovers} == {
        f"the kept clip of job {old.job_id}",
        "an input that no job names",
    }
    assert clearing.clear(store, kept, OLD) == planned.bytes == before - bytes_of(kept.root) > 1000
    assert folders(station) == {new.job_id}
    job = studio.get(old.job_id)
    assert job.file == old.file and Path(job.file or "").exists() and studio.provenance(job.job_id).is_whole
    assert job.files == [job.file] and job.poster is None and clearing.GONE in job.notes and job.cost_usd == 0.4
    assert upkeep.verify(store, kept).damage == (), "what was meant to go is no damage"
    assert clearing.plan(store, kept, OLD).leftovers == ()
    with pytest.raises(
        VideoError, match="was removed \\(reelwright jobs clean\\): give the path of its published copy"
    ):
        studio.submit(text_request("on", **after(old)))


def test_what_a_newer_clip_comes_from_stays_at_any_remove(station: Station, studio: Studio) -> None:
    first = made(station, studio, "a fox")
    second = made(station, studio, "and on", **after(first))
    third = made(station, studio, "and on again", **after(second))
    age(studio, first.job_id, second.job_id)
    assert clearing.plan(studio.context.store, artifacts(station), OLD).jobs == frozenset()
    age(studio, third.job_id)
    everything = clearing.plan(studio.context.store, artifacts(station), OLD)
    assert everything.jobs == {first.job_id, second.job_id, third.job_id}


def test_jobs_of_a_kept_label_stay_with_what_they_come_from(station: Station, studio: Studio) -> None:
    first = made(station, studio, "a fox")
    kept = made(station, studio, "and on", "teaser", **after(first))
    other = made(station, studio, "a hare", "draft")
    age(studio, first.job_id, kept.job_id, other.job_id)
    wish = Wish(30 * DAY, ("teaser",))
    assert clearing.plan(studio.context.store, artifacts(station), wish).jobs == {other.job_id}


def test_the_input_of_an_open_or_uncertain_job_stays(station: Station, studio: Studio) -> None:
    first, second = made(station, studio, "a fox"), made(station, studio, "a hare")
    age(studio, first.job_id, second.job_id)
    studio.close()
    client = station.studio(REELWRIGHT_WORKER="detached")
    waiting = station.place(client.context, text_request("on", **after(first)))
    unsure = station.place(client.context, text_request("elsewhere", **after(second)))
    client.context.store.write(lambda tx: tx.run("UPDATE jobs SET state = 'uncertain' WHERE id = ?", (unsure,)))
    age(client, waiting, unsure)
    blobs = sorted((station.home / "artifacts" / "blobs").glob("*/*"))
    assert clearing.clear(client.context.store, artifacts(station), OLD) == 0
    assert folders(station) == {first.job_id, second.job_id}
    assert sorted((station.home / "artifacts" / "blobs").glob("*/*")) == blobs and len(blobs) == 1


def test_a_failed_job_that_may_be_charged_keeps_all_it_has(station: Station, studio: Studio) -> None:
    first = made(station, studio, "a fox")
    failed = made(station, studio, "on", **after(first))
    error = json.dumps({"kind": "provider", "message": "lost", "charged": "unknown"})
    sql = "UPDATE jobs SET state = 'failed', error = ?, result = NULL WHERE id = ?"
    studio.context.store.write(lambda tx: tx.run(sql, (error, failed.job_id)))
    age(studio, first.job_id, failed.job_id)
    assert clearing.plan(studio.context.store, artifacts(station), OLD).jobs == frozenset()


def test_the_only_copy_goes_only_where_that_is_asked_for(station: Station, studio: Studio) -> None:
    moved, changed = made(station, studio, "a fox"), made(station, studio, "a hare")
    Path(moved.file or "").rename(station.root / "mine.mp4")
    Path(changed.file or "").write_bytes(b"cut by its owner")
    age(studio, moved.job_id, changed.job_id)
    planned = clearing.plan(studio.context.store, artifacts(station), OLD)
    assert planned.jobs == frozenset() and len(planned.only_copies) == 2
    clearing.clear(studio.context.store, artifacts(station), Wish(30 * DAY, only_copies=True))
    assert folders(station) == set()


def test_at_the_terminal_it_shows_first_and_then_removes(
    station: Station, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Shell(station, monkeypatch)
    old, labelled = made(station, studio, "a fox"), made(station, studio, "a hare", "teaser")
    age(studio, old.job_id, labelled.job_id)
    words = ("jobs", "clean", "--older", "30d", "--keep-label", "teaser")
    folder = station.home / "artifacts" / "jobs" / old.job_id
    size = sum(path.stat().st_size for path in folder.iterdir())
    much = f"{size / 1e6:.1f} MB"
    for more in ((), ("--dry-run",), ("--dry-run", "--yes")):
        assert shell.done(*words, *more).lines == [
            f"{much}\tthe kept clip of job {old.job_id}\t{folder}",
            f"{much} in all; nothing was removed: reelwright jobs clean --older 30d --keep-label teaser --yes",
        ]
    assert shell.done(*words, "--json").json["bytes"] == size
    assert shell.done(*words, "--yes").lines[-1] == f"{size / 1e6:.1f} MB freed"
    assert not folder.exists() and folders(station) == {labelled.job_id}
    assert shell.done(*words).lines == ["nothing to remove"]
    assert "--older takes a number of hours, days or weeks, as 30d" in shell.refused(
        "jobs", "clean", "--older", "a month"
    )
    assert "give --older too" in shell.refused("jobs", "clean", "--keep-label", "teaser")


def test_the_person_is_warned_above_what_they_want_to_keep(
    station: Station, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Shell(station, monkeypatch)
    first = made(station, studio, "a fox")
    assert shell.done("config", "set", "keep_gb", "0.00001").lines == ["keep_gb = 0.00001"]
    assert not any("are kept" in note for note in first.notes)
    second = made(station, studio, "a hare")
    told = (
        "0.0 GB of clips and inputs are kept, above the 1e-05 GB of keep_gb: reelwright jobs clean --older 30d shows "
    )
    assert any(note.startswith(told) for note in second.notes), second.notes
    assert shell.done("jobs").lines[-1].startswith(told)
    preferences.put(studio.context.store, "keep_gb", "50", how="script", who="")
    assert not any("are kept" in line for line in shell.done("jobs").lines)


def test_a_large_folder_is_not_looked_through_for_every_warning(tmp_path: Path) -> None:
    def put(name: str, size: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * size)
        return path

    first = put("a/one", 1000)
    (tmp_path / "a" / "again").hardlink_to(first)
    (tmp_path / "link").symlink_to(first)
    assert bytes_of(tmp_path) == about_bytes_of(tmp_path) == 1000, "each file once, whatever its names"
    added = put("b/two", 500)
    put("c/three", 70)
    assert about_bytes_of(tmp_path) == 1000 and about_bytes_of(tmp_path, added.parent) == 1500
    assert about_bytes_of(tmp_path) == 1500, "as it was noted; what others added is found some minutes later"
    forget(tmp_path)
    assert about_bytes_of(tmp_path) == 1570
