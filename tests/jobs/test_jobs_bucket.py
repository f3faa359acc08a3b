"""Bytes in a bucket: put by their hash, checked when they are read, told in one sentence when that is not possible.

The client is obstore itself, against a loopback server.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs.files import bucket_url
from backends.jobs.files.bucket import PIECE, Bucket
from backends.jobs.files.bucket_url import BucketUrl
from backends.jobs.files.objects import AGAIN_MOST_S, Away, again_s
from tests.fakes import FakeServer

SECRET = "s3cr3t-of-the-bucket"


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with FakeServer("bucket") as server:
        yield server


@pytest.fixture
def server(running: FakeServer) -> FakeServer:
    running.control("clear")
    running.control("set", knobs={"key_id": "AKIDTEST", "conditional": True, "age_s": 0, "page": 1000})
    return running


def opened(server: FakeServer, name: str = "clips", timeout_s: float = 20.0, **over: str) -> Bucket:
    env = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": server.url, **over}
    return Bucket(BucketUrl(name, "team"), "store0", env, timeout_s)


def kept(folder: Path, content: bytes) -> tuple[Path, str]:
    path = folder / "file"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def test_what_was_put_is_there_once_and_comes_back_whole(server: FakeServer, tmp_path: Path) -> None:
    bucket = opened(server)
    path, sha256 = kept(tmp_path, b"a clip")
    assert not bucket.has(sha256) and not bucket.fetch(sha256, tmp_path / "back")
    before = server.counters().get("put", 0)
    bucket.put(path, sha256)
    bucket.put(path, sha256)
    assert server.counters()["put"] == before + 1, "the second time it is there"
    assert bucket.has(sha256, 6) and not bucket.has(sha256, 7)
    assert bucket.has(sha256) and bucket.fetch(sha256, tmp_path / "deep" / "back") and bucket.is_whole(sha256)
    assert (tmp_path / "deep" / "back").read_bytes() == b"a clip"
    assert f"team/store0/{sha256[:2]}/{sha256}" in server.control("keys")
    assert [(one.sha256, one.bytes) for one in bucket.listed() if one.sha256 == sha256] == [(sha256, 6)]
    bucket.delete([sha256])
    assert not bucket.has(sha256)


def test_a_large_file_goes_in_parts_and_comes_back_in_pieces(server: FakeServer, tmp_path: Path) -> None:
    bucket = opened(server)
    path, sha256 = kept(tmp_path, bytes(PIECE) + b"and the rest")
    bucket.put(path, sha256)
    assert bucket.fetch(sha256, tmp_path / "back") and (tmp_path / "back").stat().st_size == PIECE + 12
    bucket.delete([sha256])


@pytest.mark.parametrize("size", [6, PIECE + 6])
def test_a_line_that_is_too_slow_for_a_piece_gets_more_time(size: int, server: FakeServer, tmp_path: Path) -> None:
    bucket = opened(server, timeout_s=0.3)
    server.script("put", {"delay_s": 0.8, "times": 9})
    path, sha256 = kept(tmp_path, b"slow  " + bytes(size - 6))
    bucket.put(path, sha256)
    assert bucket.has(sha256, size)
    bucket.delete([sha256])


def test_a_server_that_knows_no_conditions_takes_files_too(server: FakeServer, tmp_path: Path) -> None:
    server.control("set", knobs={"conditional": False})
    path, sha256 = kept(tmp_path, b"unconditional")
    bucket = opened(server)
    bucket.put(path, sha256)
    assert bucket.is_whole(sha256)


def test_a_file_that_is_not_what_its_hash_says_is_not_put(server: FakeServer, tmp_path: Path) -> None:
    path, _ = kept(tmp_path, b"one")
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(VideoError, match="changed on disk"):
        opened(server).put(path, other)
    assert not opened(server).has(other)


@pytest.mark.parametrize("keep", [3, 9])
def test_what_the_bucket_has_spoilt_or_cut_is_never_used_and_put_anew_by_who_has_it(
    server: FakeServer, tmp_path: Path, keep: int
) -> None:
    bucket = opened(server)
    path, sha256 = kept(tmp_path, b"spoilt %d" % keep)
    bucket.put(path, sha256)
    server.control("spoil", name=sha256, keep=keep)
    with pytest.raises(VideoError, match="other bytes than were put there") as refused:
        bucket.fetch(sha256, tmp_path / "back")
    assert refused.value.kind == "asset" and sorted(one.name for one in tmp_path.iterdir()) == ["file"]
    assert not bucket.is_whole(sha256)
    if keep == 3:
        bucket.put(path, sha256)
        assert bucket.is_whole(sha256)


FAULTS = {
    "refuses these keys": [{"status": 403, "times": 9}],
    "does not answer": [{"hang": 30, "times": 9}],
    "has failed (HTTP 503)": [{"status": 503, "times": 9}],
    "check AWS_REGION": [{"status": 301, "times": 9}],
}


@pytest.mark.parametrize("words", FAULTS)
def test_a_bucket_in_trouble_is_told_in_one_sentence_without_keys(
    server: FakeServer, tmp_path: Path, words: str
) -> None:
    server.control("script", route="get", outcomes=FAULTS[words])
    with pytest.raises(Away) as away:
        opened(server, timeout_s=0.5).fetch("0" * 64, tmp_path / "back")
    server.control("release")
    told = away.value.message
    assert words in told and "s3://clips/team" in told and "\n" not in told and len(told) < 220
    assert SECRET not in told and "AKIDTEST" not in told and "127.0.0.1" not in told
    assert away.value.kind == "storage" and away.value.retryable


def test_a_bucket_that_stays_away_is_asked_less_and_less() -> None:
    assert [again_s(30, times) for times in (1, 2, 3, 4, 5, 999)] == [30, 60, 120, 240, AGAIN_MOST_S, AGAIN_MOST_S]


LOCAL = [FileNotFoundError(2, "No such file"), PermissionError(13, "Permission denied"), OSError(5, "I/O error")]


@pytest.mark.parametrize("error", LOCAL, ids=lambda error: type(error).__name__)
def test_a_failure_of_this_disk_is_not_told_as_the_buckets(server: FakeServer, error: OSError) -> None:
    with pytest.raises(VideoError, match="while reading a file to upload") as told, opened(server)._reporting("x"):
        raise error
    assert told.value.kind == "storage" and not isinstance(told.value, Away)


@pytest.mark.parametrize("error", [RuntimeError("poisoned"), OSError("cut off"), FileNotFoundError("no such key")])
def test_every_failure_of_the_client_is_told_in_words(server: FakeServer, error: Exception) -> None:
    with pytest.raises(Away, match="s3://clips/team"), opened(server)._reporting("x"):
        raise error


def test_half_an_answer_is_asked_for_again(server: FakeServer, tmp_path: Path) -> None:
    bucket = opened(server)
    path, sha256 = kept(tmp_path, b"cut in the middle")
    bucket.put(path, sha256)
    server.control("script", route="get", outcomes=[{}, {"truncate": 4}])
    assert bucket.fetch(sha256, tmp_path / "back") and (tmp_path / "back").read_bytes() == b"cut in the middle"
    server.control("script", route="get", outcomes=[{}, {"truncate": 0, "times": 9}])
    with pytest.raises(Away):
        opened(server, timeout_s=0.5).fetch(sha256, tmp_path / "none")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["back", "file"]


def test_wrong_keys_a_bucket_that_is_not_there_and_no_server_are_told_apart(server: FakeServer, tmp_path: Path) -> None:
    path, sha256 = kept(tmp_path, b"x")
    with pytest.raises(Away, match="refuses these keys"):
        opened(server, AWS_ACCESS_KEY_ID="AKIDOTHER").check()
    server.control("script", route="get", outcomes=[{"status": 403, "times": 9}])
    with pytest.raises(Away, match="needs keys: set AWS_ACCESS_KEY_ID"):
        opened(server, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_SKIP_SIGNATURE="true").has(sha256)
    server.control("clear")
    with pytest.raises(Away, match="does not exist: create it"):
        opened(server, "other").put(path, sha256)
    for look in (Bucket.has, Bucket.is_whole, lambda one, name: one.fetch(name, tmp_path / "none")):
        with pytest.raises(Away, match="does not exist: create it"):
            look(opened(server, "other"), sha256)
    with pytest.raises(Away, match="does not answer"):
        opened(server, timeout_s=0.5, AWS_ENDPOINT_URL="http://127.0.0.1:9").has(sha256)
    opened(server).check()
    assert not [key for key in server.control("keys") if "trial" in key]


@pytest.mark.parametrize(
    "text",
    [
        "clips",
        "http://host/clips",
        "s3://",
        "s3://A_B/x",
        "s3://AKID:sec@clips/x",
        "s3://clips/a/../b",
        "s3://clips?x=1",
    ],
)
def test_what_is_no_url_of_a_bucket_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(VideoError, match=r"write s3://BUCKET/PREFIX") as refused:
        bucket_url.check(text, {})
    assert text not in refused.value.message.replace("s3://BUCKET/PREFIX", "") or text == "s3://"


def test_without_its_client_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)  # as where it is not installed
    with pytest.raises(VideoError, match=r"pip install 'reelwright\[s3\]'"):
        bucket_url.check("s3://clips/team", {})


def test_plain_http_is_for_this_machine_alone() -> None:
    for address in ("", "https://minio.example.org", "http://127.0.0.1:9000", "http://localhost:1"):
        assert bucket_url.may_be_reached(address, {}), address
    assert not bucket_url.may_be_reached("http://minio.example.org", {})
    assert bucket_url.may_be_reached("http://minio.example.org", {"AWS_ALLOW_HTTP": "true"})
    with pytest.raises(VideoError, match="neither https nor on this machine"):
        bucket_url.check("s3://clips/team", {"AWS_ENDPOINT_URL": "http://minio.example.org"})
