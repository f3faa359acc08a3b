"""What a batch costs an agent to read: each end once in full, all else in rows, each note once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp import Client

from backends.jobs.views import Job
from backends.provider.registry import registry
from mcp_server import waits
from mcp_server.session_memory import MOST_JOBS, Sessions, Shown, session_of
from tests.fakes import PLUGIN, FakeServer, tiny_clip
from tests.jobs.station import Station, until
from tests.mcp_server.test_mcp_http import serving
from tests.rawclient import ERAS, RawClient, text_of

ASKED = {"model": "paid/basic", "duration_s": 4, "max_cost_usd": 1, "audio": False}
PROMPT = "a red kite over the dunes, the sky turning from gold to a deep cold violet while the sand drifts, shot "
BYTES_A_TOKEN = 4
"""No tokenizer is installed; English and JSON have about four bytes a token."""


@pytest.fixture(scope="module")
def service() -> Iterator[FakeServer]:
    with FakeServer("paid", clips={"": tiny_clip()}, life={"until_told": True}) as server:
        yield server


@pytest.fixture
def station(service: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    monkeypatch.syspath_prepend(str(PLUGIN))
    registry.cache_clear()
    station = Station(tmp_path, service.url, {"REELWRIGHT_WORKER": "inline"})
    yield station
    station.close()
    service.tell()
    registry.cache_clear()


class Reader:
    """An agent, and what its host shows it: the text and the structured content of every answer."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.read = 0

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = self.client.call(tool, **arguments)
        self.read += len(text_of(result).encode())
        self.read += len(json.dumps(result["structuredContent"], ensure_ascii=False).encode())
        return result

    def start(self, shot: int) -> str:
        started = self.call("generate_video", prompt=f"{PROMPT}{shot}", label=f"shot{shot:02}", **ASKED)
        return started["structuredContent"]["job_id"]

    def wait(self, ids: list[str], **more: Any) -> tuple[dict[str, Any], str]:
        result = self.call("wait_for_job", job_ids=ids, **more)
        return result["structuredContent"], text_of(result)

    @property
    def tokens(self) -> float:
        return self.read / BYTES_A_TOKEN


def in_full(answer: dict[str, Any]) -> list[str]:
    return [job["job_id"] for job in answer["jobs"] if "cost_basis" in job]


def test_twelve_jobs_cost_less_than_twelve_thousand_tokens(station: Station, service: FakeServer) -> None:
    with RawClient(station.environ()) as client:
        schema = next(t for t in client.request("tools/list")["tools"] if t["name"] == "wait_for_job")["outputSchema"]
        agent = Reader(client)
        ids = [agent.start(shot) for shot in range(12)]
        told: list[str] = []
        waited = 0
        for _ in range(3):  # as a host that looks in now and then while nothing ends
            answer, words = agent.wait(ids, timeout_s=1)
            assert in_full(answer) == [] and "12 go on: wait_for_job again with the same job_ids" in words
            waited += 1
        while len(told) < 12:
            for one in until(lambda: working(service)[:2], "the service works on some"):
                service.tell(one)
            until(partial(ended, station, len(told) + 2), "two more have ended")
            answer, words = agent.wait(ids, until="any", timeout_s=20)
            jsonschema.validate(answer, schema)
            news = in_full(answer)
            assert news or any(job.get("timed_out") for job in answer["jobs"]), "it ends with news only"
            assert not set(news) & set(told), "each end is told in full once"
            assert [job["job_id"] for job in answer["jobs"]] == ids, "every job is in every answer"
            for job in answer["jobs"]:
                assert job["job_id"] in words and job["state"] in words
                assert job.get("told", False) == (job["job_id"] in told)
                assert "file" not in job or (Path(job["file"]).is_file() and job["file"] in words)
            told += news
            waited += 1
        assert agent.tokens < 12_000, (agent.tokens, waited)
        print(f"{agent.tokens:.0f} tokens in 12 starts and {waited} waits")
        again, words = agent.wait(ids, until="any", timeout_s=50)
        assert in_full(again) == [] and words.endswith("next: get_job shows one of them again in full")
        (alone,) = agent.wait(ids[:1])[0]["jobs"]
        assert alone == agent.call("get_job", job_id=ids[0])["structuredContent"], "one job is told in full each time"

        page = client.call("list_jobs", limit=12)
        rows = [line for line in text_of(page).splitlines() if line.startswith("job_")]
        assert len(rows) == 12 and all(len(row.encode()) <= 60 * BYTES_A_TOKEN for row in rows), rows
        assert "text_to_video by paid/basic" in rows[0] and 'prompt "a red kite over the dunes, the sky' in rows[0]
        assert page["structuredContent"]["folder"] == str(station.output)
        assert "today (UTC) $4.80 of $20.00: $4.80 spent, $0 reserved; all days: $4.80 spent" in text_of(page)


@pytest.mark.parametrize("era", ERAS)
def test_any_ends_with_news_alone(station: Station, service: FakeServer, era: str) -> None:
    with RawClient(station.environ(), era=era) as client:
        agent = Reader(client)
        first, second = agent.start(20), agent.start(21)
        service.tell(open_jobs(service, 2)[0])
        answer, _ = agent.wait([first, second], until="any", timeout_s=20)
        (one,) = in_full(answer)
        answer, words = agent.wait([first, second], until="any", timeout_s=1)
        late = {job["job_id"]: job.get("timed_out", False) for job in answer["jobs"]}
        assert late == {one: False, ({first, second} - {one}).pop(): True}, "what was told doesn't end the wait"
        assert "1 go on: wait_for_job again with the same job_ids; leave out those that have ended" in words
        service.tell()
        answer, _ = agent.wait([first, second], until="any", timeout_s=20)
        assert in_full(answer) == [job for job in (first, second) if job != one]


@pytest.mark.anyio
async def test_over_http_each_session_has_a_memory_of_its_own(station: Station, service: FakeServer) -> None:
    async def told(client: Client) -> list[str]:
        answer = (await client.call_tool("wait_for_job", {"job_ids": ids, "timeout_s": 20})).structured_content
        assert answer is not None
        return in_full(answer)

    with serving(station.environ()) as served:
        async with Client(served.url, mode="legacy") as one, Client(served.url, mode="legacy") as two:
            started = [
                await one.call_tool("generate_video", {"prompt": f"{PROMPT}{shot}", **ASKED}) for shot in (31, 32)
            ]
            ids = [ticket.structured_content["job_id"] for ticket in started if ticket.structured_content]
            open_jobs(service, 2)
            service.tell()
            assert [await told(client) for client in (one, one, two, two)] == [ids, [], ids, []]
        async with Client(served.url) as stateless:
            assert [await told(stateless) for _ in range(2)] == [ids, ids], "without a session nothing is remembered"


def open_jobs(service: FakeServer, count: int) -> list[str]:
    """The service's ids of the jobs that it works on, once it has so many."""

    def found() -> list[str]:
        return open_ones if len(open_ones := working(service)) == count else []

    return until(found, f"{count} jobs at the service")


def working(service: FakeServer) -> list[str]:
    return [job["id"] for job in service.jobs() if job["ended_at"] is None]


def ended(station: Station, count: int) -> bool:
    return len(station.rows("SELECT 1 FROM jobs WHERE state = 'succeeded'")) >= count


def job(name: str, **fields: Any) -> Job:
    given = {"job_id": name, "uri": f"video://jobs/{name}", "state": "succeeded", "task": "extend", "engine": "edit"}
    return Job.model_validate({**given, "model": "m", "created_at": "now", **fields})


def test_a_note_is_told_once() -> None:
    told = Shown()
    told.tell_notes("job_a", ["put into the prompt"])  # by its ticket
    jobs = [job("job_a", notes=["put into the prompt", "no sound"]), job("job_b", notes=["no sound", "cut"])]
    running = job("job_c", state="running", progress=0.5, notes=["slow today"])
    words, answer = waits.report([*jobs, running], told)
    assert [entry.get("notes") for entry in answer["jobs"]] == [None, ["cut"], ["slow today"]]
    assert answer["notes"] == ["no sound"]
    assert words.count("no sound") == 1 and "note of all 2 jobs reported above: no sound" in words
    assert words.count("note: ") == 2 and "put into the prompt" not in words
    words, answer = waits.report([*jobs, running], told)
    assert "note" not in words and "notes" not in json.dumps(answer)
    assert waits.report([jobs[0]], told)[1]["jobs"][0]["notes"] == ["put into the prompt", "no sound"]


def test_an_uncertain_job_that_was_decided_is_news_again() -> None:
    told = Shown()
    others = [job("job_b")]
    assert "cost" in waits.report([job("job_a", state="uncertain"), *others], told)[0]
    assert not told.knows(job("job_a", state="running"))
    assert not told.knows(job("job_a", state="failed"))
    assert told.knows(job("job_a", state="uncertain"))


def test_a_previs_row_says_so_first() -> None:
    told = Shown()
    jobs = [job("job_a", engine="previs"), job("job_b", engine="previs", state="running", phase="finding the way")]
    waits.report(jobs, told)
    words, answer = waits.report(jobs, told)
    assert words.splitlines()[:2] == [
        'PREVIS (no generative model) job_b: running, "finding the way"',
        "PREVIS (no generative model) succeeded, reported before: job_a",
    ]
    assert [row["engine"] for row in answer["jobs"]] == ["previs", "previs"]


def test_memory_is_bounded_and_its_own() -> None:
    sessions = Sessions()
    assert sessions.memory("a") is sessions.memory("a") is not sessions.memory("b")
    assert sessions.memory(None) is not sessions.memory(None), "nobody keeps what a call without a session was told"
    told = Shown()
    for number in range(MOST_JOBS + 1):
        told.tell(job(f"job_{number}"), in_full=True)
    assert not told.knows(job("job_0")) and told.knows(job("job_1"))
    assert session_of(None) == ""
