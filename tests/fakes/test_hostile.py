"""The hostile service is checked like any instrument: it lies as its log says, repeats by its seed, and never in its
ledger."""

from __future__ import annotations

import gzip
import json
import math
import random
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes import FakeServer, tiny_clip
from tests.fakes.hostile import BODIES, BOMB, TRICKS, VALUES, Hostile, bomb, mangled, placed

ORDER = {"model": "basic", "prompt": "a fox", "seconds": 4}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    clips = {"": tiny_clip(), "other": tiny_clip(64, 64, 1.0)}
    with FakeServer("paid", clips=clips, life={"polls": 1}) as running:
        yield running


def client_of(server: FakeServer) -> httpx.Client:
    return httpx.Client(
        base_url=server.url, headers={"authorization": "Bearer sk-test-alpha"}, trust_env=False, timeout=10
    )


def course(server: FakeServer, jobs: int) -> list[tuple[str, int]]:
    """Orders and questions; each answer's kind and status, as a client that believes nothing sees them."""
    seen: list[tuple[str, int]] = []
    with client_of(server) as client:
        for number in range(jobs):
            seen.append(("submit", client.post("/jobs", json={**ORDER, "job_key": f"k{number}"}).status_code))
        for job in server.jobs():
            seen += [("status", client.get(f"/jobs/{job['id']}").status_code) for _ in range(4)]
    return seen


def test_every_value_is_what_it_is_said_to_be() -> None:
    for text in VALUES:
        whole = placed({"id": "a", "cost": "@hostile@"}, text)
        assert whole.count(b'"id": "a"') == 1 and b"@hostile@" not in whole
    found = [json.loads(text) for text in VALUES if len(text) < 1000]
    numbers = [value for value in found if isinstance(value, int | float) and not isinstance(value, bool)]
    assert any(math.isnan(value) for value in numbers) and min(numbers) < -1 and max(numbers) > 2**63
    assert any(isinstance(value, str) and not value.isprintable() for value in found)
    with pytest.raises(UnicodeEncodeError):
        json.loads(r'"\ud800"').encode()


def test_a_mangled_answer_differs_in_one_place() -> None:
    answer = {"id": "pj_1", "files": [{"url": "http://x/1"}], "status": "running"}
    kinds: set[bytes] = set()
    for seed in range(200):
        spoilt = mangled(json.loads(json.dumps(answer)), random.Random(seed))
        assert spoilt != json.dumps(answer).encode()
        kinds.add(spoilt)
    assert len(kinds) > 30
    assert json.loads(mangled([], random.Random(3)) or b"null") != answer


def test_a_bomb_is_small_and_unpacks_to_a_lot() -> None:
    body = bomb().body
    assert len(body) < 200_000 and len(gzip.decompress(body)) == BOMB
    assert max(map(len, BODIES)) > 8 << 20


def test_what_ends_a_job_falsely_is_done_once() -> None:
    evil = Hostile(seed=5, one_in=1, tricks=("false end", "no file", "unknown yet"))
    tricks = sorted(filter(None, (evil.trick("status", "1")[0] for _ in range(20))))
    assert tricks in (["false end", "unknown yet"], ["no file", "unknown yet"])
    with pytest.raises(ValueError, match="no trick is called"):
        Hostile(tricks=("false ends",))


def test_a_seed_repeats_and_one_answer_in_three_lies() -> None:
    def run(seed: int) -> tuple[list[tuple[str, int]], list[tuple[str, str, str]]]:
        clips = {"": tiny_clip(), "other": tiny_clip(64, 64, 1.0)}
        with FakeServer("paid", clips=clips, life={"polls": 1}, hostile={"seed": seed, "one_in": 3}) as server:
            return course(server, 12), server.tricks()

    seen, tricks = run(4)
    assert (seen, tricks) == run(4)
    assert len(seen) == 60 and 8 <= len(tricks) <= 35
    assert {route for route, _, _ in tricks} == {"submit", "status", "clip"}
    assert tricks != run(5)[1]


def test_the_ledger_stays_the_truth(server: FakeServer) -> None:
    """What is billed above the list price is told; what is told beyond all measure is not billed."""
    server.set(hostile={"seed": 1, "one_in": 1, "tricks": ["dear"]})
    with client_of(server) as client:
        told = client.post("/jobs", json={**ORDER, "job_key": "dear"}).json()
        assert told["est_cost_usd"] == "1.20" and server.counters()["charged_usd"] == "1.20"
        server.set(hostile={"seed": 1, "one_in": 1, "tricks": ["odd cost", "odd estimate"]})
        plain = client.post("/jobs", json={**ORDER, "job_key": "plain"})
        assert server.counters()["charged_usd"] == "1.60"
        assert '"est_cost_usd": "0.40"' not in plain.text


def test_one_id_for_two_jobs_is_one_that_the_client_knows(server: FakeServer) -> None:
    server.set(hostile={"seed": 1, "one_in": 1, "tricks": ["id again"]})
    with client_of(server) as client:
        first = client.post("/jobs", json={**ORDER, "job_key": "a"}).json()["id"]
        assert client.post("/jobs", json={**ORDER, "job_key": "b"}).json()["id"] != first, "nobody has asked for it yet"
        client.get(f"/jobs/{first}")
        assert client.post("/jobs", json={**ORDER, "job_key": "c"}).json()["id"] == first
    assert server.counters()["charges"] == 3


def test_a_job_is_late_to_be_known(server: FakeServer) -> None:
    server.set(read_lag_s=0.3)
    with client_of(server) as client:
        job = client.post("/jobs", json=ORDER).json()["id"]
        assert client.get(f"/jobs/{job}").status_code == 404
        server.set(read_lag_s=0.0)
        assert client.get(f"/jobs/{job}").status_code == 200


@pytest.mark.parametrize("trick", TRICKS["media"])
def test_a_spoilt_download_is_whole_at_the_second_try(server: FakeServer, trick: str) -> None:
    whole = tiny_clip().read_bytes()
    with client_of(server) as client:
        job = client.post("/jobs", json=ORDER).json()["id"]
        (file,) = client.get(f"/jobs/{job}").json()["files"]
        server.set(hostile={"seed": 2, "one_in": 1, "tricks": [trick]})
        try:
            assert client.get(file["url"]).content != whole
        except httpx.RemoteProtocolError:
            assert trick in ("cut", "endless")
        assert client.get(file["url"]).content == whole


def test_another_clip_stays_another(server: FakeServer) -> None:
    server.set(hostile={"seed": 2, "one_in": 1, "tricks": ["other clip"]})
    with client_of(server) as client:
        job = client.post("/jobs", json=ORDER).json()["id"]
        for _ in range(2):
            (file,) = client.get(f"/jobs/{job}").json()["files"]
            assert client.get(file["url"]).content == tiny_clip(64, 64, 1.0).read_bytes()
    assert [trick for _, _, trick in server.tricks()] == ["other clip"]


def test_a_list_hides_what_it_is_told_to(server: FakeServer) -> None:
    server.set(mode="lookup")
    with client_of(server) as client:
        for number in range(8):
            client.post("/jobs", json={**ORDER, "job_key": f"k{number}"})
        counts = {"": 8}
        for trick in ("empty", "holes", "late"):
            server.set(hostile={"seed": 2, "one_in": 1, "tricks": [trick]})
            counts[trick] = len(client.get("/jobs?since=0").json()["jobs"])
    assert counts["empty"] == counts["late"] == 0 and 0 < counts["holes"] < 8


@pytest.mark.parametrize("service", ["runway", "openai_videos"])
def test_other_services_can_be_hostile_too(service: str) -> None:
    with FakeServer(service, clips={"": tiny_clip()}, hostile={"seed": 1, "one_in": 1, "tricks": ["body"]}) as server:
        path = "/v1/videos" if service == "openai_videos" else "/v1/organization"
        with httpx.Client(base_url=server.url, headers={"authorization": "Bearer k"}, trust_env=False) as client:
            headers = {"x-runway-version": "2024-11-06"}
            answers = [client.get(path, headers=headers) for _ in range(6)]
        spoilt = [answer.text for answer in answers if answer.status_code < 400]
        assert spoilt and all(text in BODIES for text in spoilt)
        assert len(server.tricks()) == len(spoilt)
