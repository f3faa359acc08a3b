"""A clip that is paid for comes home, whatever the network and the disk do; so does the provider's id."""

from __future__ import annotations

import hashlib
import json
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from backends.errors import VideoError
from backends.jobs.run.download import deliver
from backends.provider.protocol import RemoteFile
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station, text_request, until


def test_a_download_that_breaks_off_goes_on(serve: Callable[..., FakeServer], stand: Callable[..., Station]) -> None:
    server = serve(mode="none")
    server.script("media", {"truncate": 900}, {"status": 503}, {"reset": "before"})
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")
    studio = station.studio()
    (done,) = station.settled(studio, [studio.submit(text_request("in pieces")).job_id], 30)
    assert done.state == "succeeded" and server.counters()["charges"] == 1
    ranges = [entry["headers"].get("range") for entry in server.log("media")]
    assert ranges == [None, "bytes=900-", "bytes=900-", "bytes=900-"]


@pytest.mark.parametrize("gone", [403, 404, 410])
def test_a_url_that_has_expired_is_asked_for_anew(
    gone: int, serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    server = serve(mode="none", gone=gone)
    server.script("media", {"status": gone})
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")
    studio = station.studio()
    (done,) = station.settled(studio, [studio.submit(text_request("expired")).job_id])
    assert done.state == "succeeded" and server.counters()["media"] == 2
    paths = {entry["path"] for entry in server.log("media")}
    assert len(paths) == 2, "another address"


def test_bytes_that_are_not_the_services_are_not_kept(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], tmp_path: Path
) -> None:
    """Where a service tells the checksum of its clip."""
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")
    station.settled(studio := station.studio(), [studio.submit(text_request("whole")).job_id])
    (url,) = {server.url + entry["path"] for entry in server.log("media")}

    def fetched(sha256: str) -> Path:
        files = [RemoteFile(url, sha256=sha256)]
        return anyio.run(partial(deliver, files, tmp_path, tmp_path / "kept", server.url, {}, 30.0))

    with pytest.raises(VideoError, match="checksum is not the provider's: fetching it again") as caught:
        fetched("0" * 64)
    assert caught.value.retryable and not any(tmp_path.glob("output*"))
    digest = hashlib.sha256(httpx.get(url).content).hexdigest()
    assert hashlib.sha256(fetched(digest).read_bytes()).hexdigest() == digest


def test_what_is_no_video_is_fetched_again_and_then_kept_for_a_look(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    """Again and again bytes that begin like a clip and are none: failed, charged, and nothing thrown away."""
    server = serve(mode="none")
    server.always("media", {"truncate": 200, "no_length": True})
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")
    studio = station.studio()
    (done,) = station.settled(studio, [studio.submit(text_request("rubbish")).job_id], 30)
    assert done.state == "failed" and done.error is not None and done.error.charged == "yes", done
    kept = station.home / "artifacts" / "spool" / done.job_id
    assert str(kept) in done.error.message and [path.stat().st_size for path in kept.glob("output*")] == [200]
    assert server.counters()["media"] >= 3 and done.cost_usd == 0.4
    assert f"reelwright jobs fetch {done.job_id} requests it again" in done.error.message
    assert "read the error before anything is paid again" in done.next


@pytest.mark.of_the_file("its disk is full")
def test_a_disk_that_is_full_when_the_id_comes(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    """The service cannot be asked again, so the id is held on to until it can be written."""
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER_IDLE_S="0")
    job = station.placed("the disk fills up")
    server.script("submit", {"delay_after_s": 0.6})
    worker = nursery.worker(station.environ())
    server.wait("charges", 1)
    limit(worker.pid, station.settings().store.with_name("reelwright.db-wal").stat().st_size)
    until(lambda: "cannot be saved yet" in station.log, "the worker tells that it cannot write")
    limit(worker.pid, None)
    assert nursery.ended(worker) == 0
    assert station.row(job)["state"] == "succeeded" and server.counters()["submit"] == 1


def limit(pid: int, size: int | None) -> None:
    """What a process may write: files up to `size` bytes, which stands for a full disk."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def test_the_id_log_is_believed_when_the_row_is_not_written(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER_IDLE_S="0")
    job = station.placed("the id is in the log")
    assert nursery.ended(nursery.worker(station.environ(), "after-id-log:1")) == -9
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in (station.home / "accepted.jsonl").read_text().splitlines() if line
    ]
    assert [line["job"] for line in lines] == [job, job] and station.row(job)["remote_id"] is None
    assert nursery.ended(nursery.worker(station.environ())) == 0
    assert station.row(job)["remote_id"] == lines[1]["handle"]["remote_id"]
