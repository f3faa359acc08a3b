"""Jobs whose bytes lie in a bucket: a clip is first on the disk and then there, a bucket that is down ends no job, and
what is removed is what no job needs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backends.errors import VideoError
from backends.jobs import bucket_upkeep, clearing, fetching
from backends.jobs.clearing import Wish
from backends.jobs.context import Context
from backends.jobs.files import cache, sharing
from backends.jobs.files.sharing import BlobGone
from backends.jobs.lanes import lanes
from backends.jobs.store.stored_job import StoredJob
from backends.request import build_request
from backends.studio import Studio
from mcp_server.cli import doctor
from tests import samples
from tests.fakes import FakeServer
from tests.jobs.station import CATALOG, NARROW, Station, text_request, tiny_request, until

SECRET = "s3cr3t-of-the-bucket"
DAY_S = 86400.0


@pytest.fixture
def bucket() -> Iterator[FakeServer]:
    with FakeServer("bucket") as server:
        yield server


@pytest.fixture
def station(bucket: FakeServer, serve: Callable[..., FakeServer], stand: Callable[..., Station]) -> Station:
    return stand(serve(mode="none"), PAID_MODE="none", **of_bucket(bucket))


def of_bucket(bucket: FakeServer) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "AKIDTEST",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": bucket.url,
        "REELWRIGHT_ARTIFACTS": "s3://clips/team",
        "REELWRIGHT_BUCKET_S": "0.5",
        "REELWRIGHT_BUCKET_AGAIN_S": "0.1",
        "REELWRIGHT_WORKER": "inline",
    }


def empty(context: Context) -> None:
    """As if this machine had made nothing: its data folder holds no file of a job."""
    shutil.rmtree(context.artifacts.root, ignore_errors=True)


def result_of(context: Context, job: str) -> dict[str, Any]:
    row = context.store.row("SELECT * FROM jobs WHERE id = ?", (job,))
    assert row is not None
    return context.artifacts.places.result_of(row)


def made(station: Station, studio: Studio, prompt: str) -> str:
    (done,) = station.settled(studio, [studio.submit(text_request(prompt)).job_id])
    assert done.state == "succeeded", done.error
    return done.job_id


def test_a_clip_is_in_the_bucket_and_comes_back_to_who_asks_for_it(station: Station, bucket: FakeServer) -> None:
    studio = station.studio()
    job = made(station, studio, "kept twice")
    named = sharing.files_of(result_of(studio.context, job))
    assert {key.rpartition("/")[2] for key in bucket.control("keys")} == set(named.values())
    assert SECRET not in str(station.rows("SELECT * FROM jobs")) + str(station.rows("SELECT * FROM settings"))

    empty(studio.context)
    shutil.rmtree(station.output)
    shown = studio.get(job)
    assert shown.file and shown.poster and Path(shown.file).is_file() and Path(shown.poster).is_file()
    assert studio.inspect(job, 2).facts["facts"].kind == "clip"
    assert "trusted" in studio.provenance(job).text or studio.provenance(job).facts["state"] in ("trusted", "valid")

    empty(studio.context)
    bucket.script("get", {"status": 403, "times": 99})
    told = studio.get(job)
    assert told.file is None and any("refuses these keys" in note for note in told.notes)


def test_a_bucket_that_is_down_ends_no_paid_job_and_gets_the_clip_later(station: Station, bucket: FakeServer) -> None:
    studio = station.studio()
    job = studio.submit(text_request("the bucket is down")).job_id
    bucket.always("put", {"status": 503})
    kept = until(
        lambda: (row := station.row(job))["phase"].startswith("the clip is kept here") and row, "it waits and says so"
    )
    assert kept["state"] == "finishing" and "has failed (HTTP 503)" in kept["phase"] and kept["cost"] is None
    assert list((station.home / "artifacts" / "jobs" / job).glob("clip.*")), "first on this disk"
    assert list(station.output.glob("*.mp4")), "and in the output folder"
    until(lambda: lanes.paid_jobs(station.store) == 0, "no client stays for it")
    bucket.control("clear")
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and done.cost_usd == 0.4 and len(list(station.output.glob("*.mp4"))) == 1
    assert set(sharing.files_of(result_of(studio.context, job)).values()) <= {
        key.rpartition("/")[2] for key in bucket.control("keys")
    }


def test_a_clip_that_is_made_here_is_made_once_and_put_there_later(station: Station, bucket: FakeServer) -> None:
    studio = station.studio()
    bucket.always("put", {"status": 503})
    job = studio.submit(tiny_request("made here")).job_id
    until(lambda: station.row(job)["phase"].startswith("the clip is kept here"), "it waits and says so")
    station.store.write(lambda tx: tx.run("UPDATE jobs SET attempts = 3 WHERE id = ?", (job,)))
    for _ in range(2):  # whichever worker puts it there makes nothing
        studio.close()
        station.store.write(lambda tx: tx.run("UPDATE jobs SET phase = '' WHERE id = ?", (job,)))
        studio = station.studio()
        studio.get(job)
        until(lambda: station.row(job)["phase"].startswith("the clip is kept here"), "the next worker waits for it")
    bucket.control("clear")
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and station.row(job)["attempts"] == 3


def test_a_clip_that_waits_for_the_bucket_keeps_no_place_at_the_service(
    bucket: FakeServer, serve: Callable[..., FakeServer], stand: Callable[..., Station], tmp_path: Path
) -> None:
    """One job at a time may be at this service: the next is bought when the first is fetched."""
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "narrow.toml").write_text(NARROW)
    catalog = f"{CATALOG}:{tmp_path / 'rows'}"
    station = stand(serve(mode="none"), PAID_MODE="none", REELWRIGHT_CATALOG=catalog, **of_bucket(bucket))
    bucket.always("put", {"status": 503})
    studio = station.studio()
    jobs = [studio.submit(text_request(words, "paid/narrow")).job_id for words in ("first", "second")]
    until(lambda: all(station.row(job)["state"] == "finishing" for job in jobs), "both clips are here")
    bucket.control("clear")
    assert [done.state for done in station.settled(studio, jobs)] == ["succeeded"] * 2


def test_an_input_that_cannot_be_put_there_is_refused_in_a_sentence_and_costs_nothing(
    station: Station, bucket: FakeServer
) -> None:
    studio = station.studio()
    still = station.root / "photo.png"
    shutil.copyfile(samples.photo(), still)
    bucket.script("put", {"status": 403, "times": 9})
    with pytest.raises(VideoError, match="refuses these keys") as refused:
        studio.submit(_from_still(still))
    assert refused.value.kind == "storage" and not station.rows("SELECT 1 FROM jobs")
    assert not list((station.home / "artifacts" / "blobs").glob("*/*")), "what was copied is taken away again"


def _from_still(still: Path) -> Any:
    return build_request(
        task="image_to_video",
        model="paid/quick",
        prompt="x",
        fit="pad",
        frames=[{"image": str(still), "role": "first"}],
        duration_s=4,
        resolution="180p",
        max_cost_usd=5,
    )


def test_the_data_folder_keeps_to_its_limit_and_no_open_jobs_input_leaves(station: Station, bucket: FakeServer) -> None:
    studio = station.studio()
    old = made(station, studio, "made and left alone")
    context = studio.context
    still = station.root / "photo.png"
    shutil.copyfile(samples.photo(), still)
    waits = station.place(context, _from_still(still))
    context.store.write(lambda tx: tx.run("UPDATE jobs SET state = 'uncertain' WHERE id = ?", (waits,)))
    needed = [path for path in (context.artifacts.root / "blobs").glob("*/*")]
    files = [*sharing.files_of(result_of(context, old)), *needed]
    assert cache.make_room(context.store, context.artifacts, 0) == 0, "all of it was used a moment ago"
    for path in files:
        os.utime(path, (1, 1))
    bucket.script("get", {"status": 503, "times": 99})
    assert cache.make_room(context.store, context.artifacts, 0) == 0, "who knows what the bucket holds"
    bucket.control("clear")
    for path in files:
        os.utime(path, (1, 1))
    poster = Path(result_of(context, old)["poster"])
    bucket.control("spoil", name=_sha256(poster), keep=9)
    os.utime(poster, (1, 1))
    assert cache.make_room(context.store, context.artifacts, 0) > 0
    assert {path for path in files if path.exists()} == {poster, *needed}, "one is not whole there, one is needed"
    assert cache._is_needed(context.store, needed[0], needed[0].name), "as it is seen just before it would go"
    os.utime(poster)
    assert cache._is_needed(context.store, poster, "0" * 64), "used meanwhile"
    row = context.store.row("SELECT * FROM jobs WHERE id = ?", (old,))
    assert row and fetching.bring_job(context, StoredJob.of(row)) == ""


def test_what_no_job_names_leaves_the_bucket_and_nothing_else(station: Station, bucket: FakeServer) -> None:
    studio = station.studio()
    store, artifacts = studio.context.store, studio.context.artifacts
    job = made(station, studio, "kept")
    stray = station.root / "stray"
    stray.write_bytes(b"nobody names it")
    sha256 = sharing.share(store, artifacts, {stray: _sha256(stray)}).hashes
    keys = len(bucket.control("keys"))
    assert not list(bucket_upkeep.unneeded(store, artifacts)) and bucket_upkeep.clean(store, artifacts) == 0, "young"
    bucket.control("set", knobs={"age_s": 2 * DAY_S, "page": 2})
    assert [one.path.name for one in bucket_upkeep.unneeded(store, artifacts)] == list(sha256)
    assert bucket_upkeep.clean(store, artifacts) == len(b"nobody names it")
    assert len(bucket.control("keys")) == keys - 1

    assert bucket_upkeep.verify(store, artifacts, read=True) == (keys - 1, ())
    clip = result_of(studio.context, job)["sha256"]
    bucket.control("spoil", name=clip, keep=9)
    _, damage = bucket_upkeep.verify(store, artifacts, read=True)
    assert [(one.fault, one.path) for one in damage] == [("changed in the bucket", clip)]
    assert bucket_upkeep.verify(store, artifacts)[1] == damage, "a list tells its size"
    assert bucket_upkeep.put(store, artifacts) == 1 and bucket_upkeep.verify(store, artifacts, read=True)[1] == ()
    artifacts.objects.delete([clip])
    _, damage = bucket_upkeep.verify(store, artifacts)
    assert [(one.fault, one.path) for one in damage] == [("not in the bucket", clip)]
    assert bucket_upkeep.put(store, artifacts) == 1 and bucket_upkeep.verify(store, artifacts)[1] == ()

    store.write(lambda tx: tx.run("UPDATE jobs SET ended_at = ended_at - ?", (9 * DAY_S,)))
    clearing.clear(store, artifacts, Wish(older_s=7 * DAY_S))
    assert bucket_upkeep.clean(store, artifacts) > 0 and bucket.control("keys") == []


def test_who_names_what_a_clean_up_may_have_taken_looks_once_more(station: Station, bucket: FakeServer) -> None:
    """A clean-up between the look into the bucket and the row, before or after its end, is seen in the row's own
    transaction."""
    with closing(Context.open(station.settings())) as context:
        store, artifacts = context.store, context.artifacts
        bucket.control("set", knobs={"age_s": 2 * DAY_S})
        stray = station.root / "stray"
        stray.write_bytes(b"old, and wanted again")
        shared = sharing.share(store, artifacts, {stray: _sha256(stray)})
        store.write(lambda tx: sharing.check(tx, shared))
        assert bucket_upkeep.clean(store, artifacts) > 0
        with pytest.raises(BlobGone):
            store.write(lambda tx: sharing.check(tx, shared))
        again = sharing.share(store, artifacts, {stray: _sha256(stray)})
        store.write(lambda tx: sharing.check(tx, again))
        assert artifacts.objects.has(_sha256(stray))

        first, _ = store.write(lambda tx: sharing._begin(tx, {"a" * 64}))
        store.write(lambda tx: sharing._put(tx, first + 1, {"b" * 64}))  # a later one took it for killed
        store.write(lambda tx: sharing._end(tx, first))
        assert sharing._state(store)["going"] == ["b" * 64], "the end of one clean-up is not another's"


def test_an_input_that_is_nowhere_keeps_no_other_one_away(station: Station, bucket: FakeServer) -> None:
    with closing(Context.open(station.settings())) as context:
        frame = station.root / "frame"
        frame.write_bytes(b"made on another machine")
        sharing.share(context.store, context.artifacts, {frame: _sha256(frame)})
        inputs = {"frames[0].image": {"sha256": "0" * 64}, "frames[1].image": {"sha256": _sha256(frame)}}
        fetching.bring_sources(context, {"inputs": json.dumps(inputs)})
        assert context.artifacts.blob(_sha256(frame)).read_bytes() == frame.read_bytes()


def test_the_bucket_is_told_of_by_doctor_and_a_wrong_one_is_refused_when_a_folder_is_opened(
    station: Station, bucket: FakeServer
) -> None:
    with closing(Context.open(station.settings())) as context:
        (fine,) = doctor._reported(doctor._bucket, context)
        bucket.script("put", {"status": 403, "times": 9})
        (refused,) = doctor._reported(doctor._bucket, context)
    assert (fine.verdict, fine.text) == (
        "ok",
        "s3://clips/team: listed, written to and read; at most 50 GB of it stay in the data folder",
    )
    assert (refused.about, refused.verdict) == ("bucket", "FAIL") and "refuses these keys" in refused.text
    with pytest.raises(VideoError, match="REELWRIGHT_ARTIFACTS is no URL of a bucket"):
        Context.open(station.settings(REELWRIGHT_ARTIFACTS="/mnt/clips"))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
