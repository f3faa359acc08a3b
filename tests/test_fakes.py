"""The fake is checked like any instrument: an outside client (plain httpx) sees what its words promise."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from tests.fakes import FakeServer, tiny_clip
from tests.fakes.life import Life
from tests.patience import patient

KEY = "sk-test-alpha"
ACCOUNT = hashlib.sha256(KEY.encode()).hexdigest()[:12]

CLIENT = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("POST", "/jobs", sys.argv[2], {"authorization": "Bearer sk-test-alpha"})
connection.getresponse().read()
"""


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer("paid", clips={"": tiny_clip()}) as running:
        yield running


def client_of(server: FakeServer, key: str = KEY) -> httpx.Client:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=10)


@pytest.fixture
def client(server: FakeServer) -> Iterator[httpx.Client]:
    with client_of(server) as opened:
        yield opened


def order(job_key: str = "k1", **changes: Any) -> dict[str, Any]:
    return {"model": "basic", "prompt": "a fox", "seconds": 4, "size": "320x180", "job_key": job_key, **changes}


def finished_url(client: httpx.Client) -> str:
    """Run a job to its end; its media URL."""
    job = client.post("/jobs", json=order(seconds=4)).json()["id"]
    while not (files := client.get(f"/jobs/{job}").json()["files"]):
        pass
    return files[0]["url"]


def started_client(server: FakeServer, **changes: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-S", "-c", CLIENT, str(server.port), json.dumps(order(**changes))])


def ledger(server: FakeServer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (server.state / "ledger.jsonl").read_text().splitlines()]


def test_a_job_is_charged_once_and_its_clip_is_a_real_mp4(server: FakeServer, client: httpx.Client) -> None:
    posted = client.post("/jobs", json=order())
    assert (posted.status_code, posted.json()["status"]) == (201, "queued")
    job = posted.json()["id"]
    states = [client.get(f"/jobs/{job}").json() for _ in range(2)]
    assert [state["status"] for state in states] == ["running", "succeeded"]
    assert states[1]["cost_usd"] == "0.40" and states[1]["charged"] is True
    clip = client.get(states[1]["files"][0]["url"])
    with av.open(io.BytesIO(clip.content)) as movie:
        assert sum(1 for _ in movie.decode(video=0)) == 96
    counters = server.counters()
    assert (counters["charges"], counters["charges_by_key"]) == (1, {"k1": 1})
    assert counters["usd_by_account"] == {ACCOUNT: "0.40"}


def test_the_charge_falls_in_the_middle_of_the_post_and_outlives_a_killed_client(server: FakeServer) -> None:
    server.script("submit", {"hang": True, "after_charge": True})
    caller = started_client(server)
    server.wait("hanging")
    assert caller.poll() is None, "the client still waits for its answer"
    assert [line["key"] for line in ledger(server)] == ["k1"]
    caller.kill()
    caller.wait(patient(10))
    server.release()
    server.wait("answered.submit")
    assert server.counters()["charges_by_key"] == {"k1": 1}


def test_a_client_killed_before_the_charge_is_charged_all_the_same(server: FakeServer) -> None:
    server.script("submit", {"delay_s": 0.3})
    caller = started_client(server)
    server.wait("submit")
    assert server.counters()["charges"] == 0
    caller.kill()
    caller.wait(patient(10))
    server.wait("charges")


def test_charges_and_jobs_outlive_a_killed_service(server: FakeServer, client: httpx.Client) -> None:
    job = client.post("/jobs", json=order()).json()["id"]
    port = server.port
    server.kill()
    with pytest.raises(httpx.ConnectError):
        client.get(f"/jobs/{job}")
    assert server.start().port == port
    assert client.get("/jobs/by-key/k1").json()["id"] == job
    assert client.post("/jobs", json=order()).json()["id"] == job
    assert server.counters()["charges"] == 1


def test_the_fake_ends_with_the_process_that_started_it() -> None:
    program = (
        "from tests.fakes import FakeServer; import sys; s = FakeServer('paid').start(); print(s.port, flush=True); "
        "sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        parent.kill()
        parent.communicate(timeout=patient(10))  # the fake holds the other end of stderr as long as it lives
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/jobs", trust_env=False)


def test_a_fake_that_cannot_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="did not start"):
        FakeServer("paid", state=tmp_path, no_such_knob=1).start()


def test_key_mode_gives_the_same_job_and_refuses_another_request(server: FakeServer, client: httpx.Client) -> None:
    first, second = client.post("/jobs", json=order()), client.post("/jobs", json=order())
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert client.post("/jobs", json=order(prompt="a cat")).status_code == 409
    assert client.get("/jobs/by-key/none-such").status_code == 404
    assert client.get("/jobs?since=0").status_code == 404, "this mode has no list"
    assert server.counters()["charges_by_key"] == {"k1": 1}


def test_lookup_mode_lists_an_accounts_jobs_since_then_and_charges_twice(
    server: FakeServer, client: httpx.Client
) -> None:
    server.set(mode="lookup")
    first, second = (client.post("/jobs", json=order()).json() for _ in range(2))
    assert first["id"] != second["id"]
    assert server.counters()["charges_by_key"] == {"k1": 2}
    listed = client.get("/jobs", params={"since": "0"}).json()["jobs"]
    assert [job["id"] for job in listed] == [first["id"], second["id"]]
    assert "job_key" not in json.dumps(listed), "the service keeps no key in this mode"
    later = client.get("/jobs", params={"since": repr(second["created_at"])}).json()["jobs"]
    assert [job["id"] for job in later] == [second["id"]]
    with client_of(server, "sk-test-beta") as other:
        assert other.get("/jobs?since=0").json() == {"jobs": []}
    server.set(list_lag_s=60)
    assert client.get("/jobs?since=0").json() == {"jobs": []}


def test_mode_none_has_no_way_to_ask(server: FakeServer, client: httpx.Client) -> None:
    server.set(mode="none")
    for _ in range(2):
        client.post("/jobs", json=order())
    assert server.counters()["charges_by_key"] == {"k1": 2}
    assert client.get("/jobs?since=0").status_code == 404
    assert client.get("/jobs/by-key/k1").status_code == 404


@pytest.mark.parametrize(
    ("outcome", "error", "charges"),
    [
        ({"status": 500}, 500, 0),
        ({"status": 500, "after_charge": True}, 500, 1),
        ({"status": 429, "headers": {"retry-after": "7"}}, 429, 0),
        ({"status": 422, "code": "moderation"}, 422, 0),
        ({"reset": "before"}, httpx.ReadError, 0),
        ({"reset": "after"}, httpx.ReadError, 1),
        ({"lose": True}, httpx.RemoteProtocolError, 1),
        ({"hang": 0.05}, httpx.RemoteProtocolError, 0),
        ({"hang": 0.05, "after_charge": True}, httpx.RemoteProtocolError, 1),
    ],
)
def test_each_fault_spoils_one_answer_and_charges_as_it_says(
    server: FakeServer, client: httpx.Client, outcome: dict[str, Any], error: int | type[Exception], charges: int
) -> None:
    server.script("submit", outcome)
    if isinstance(error, int):
        response = client.post("/jobs", json=order())
        assert response.status_code == error
        assert response.headers.get("retry-after") == outcome.get("headers", {}).get("retry-after")
        code = outcome.get("code", {500: "internal", 429: "rate_limited"}.get(error))
        assert response.json()["error"]["code"] == code
    else:
        with pytest.raises(error):
            client.post("/jobs", json=order())
    assert server.counters()["charges"] == charges
    assert server.left() == {}
    assert client.post("/jobs", json=order("k2")).status_code == 201, "only one answer was spoilt"


def test_a_slow_service_outlasts_the_clients_patience_and_still_charges(
    server: FakeServer, client: httpx.Client
) -> None:
    server.script("submit", {"delay_s": 0.4})
    with pytest.raises(httpx.ReadTimeout):
        client.post("/jobs", json=order(), timeout=0.2)
    server.wait("charges")


def test_outcomes_queue_match_repeat_and_are_checked(server: FakeServer, client: httpx.Client) -> None:
    server.script("submit", {"status": 503, "times": 2, "match": "fox"}, {"status": 401, "match": "cat"})
    prompts = ["a cat", "a fox", "a dog", "a fox", "a fox"]
    codes = [client.post("/jobs", json=order(f"k{i}", prompt=text)).status_code for i, text in enumerate(prompts)]
    assert codes == [401, 503, 201, 503, 201]
    with pytest.raises(ValueError, match="unknown keys"):
        server.script("submit", {"statuss": 500})
    with pytest.raises(ValueError, match="no route 'sumbit'; routes: submit, list"):
        server.script("sumbit", {})
    server.always("status", {"patch": {"status": "dreaming"}})
    job = client.post("/jobs", json=order("k9")).json()["id"]
    assert [client.get(f"/jobs/{job}").json()["status"] for _ in range(3)] == ["dreaming"] * 3
    server.clear("status")
    assert client.get(f"/jobs/{job}").json()["status"] == "succeeded"


def test_standing_faults_are_drawn_by_a_seed(server: FakeServer, client: httpx.Client) -> None:
    def run() -> list[int]:
        server.always("status", {"status": 500, "chance": 0.5}, seed=7)
        return [client.get("/jobs/none").status_code for _ in range(20)]

    first = run()
    assert set(first) == {404, 500}
    assert run() == first


def test_lives_end_by_polls_time_or_word(server: FakeServer, client: httpx.Client) -> None:
    server.script("submit", {"job": {"polls": 3, "queued_polls": 1}}, {"job": {"until_told": True}})
    first, second = (client.post("/jobs", json=order(key)).json()["id"] for key in ("k1", "k2"))
    states = [client.get(f"/jobs/{first}").json() for _ in range(3)]
    assert [(state["status"], state["progress"]) for state in states] == [
        ("queued", 0.0),
        ("running", 0.667),
        ("succeeded", 1.0),
    ]
    assert client.get(f"/jobs/{second}").json()["status"] == "running"
    assert server.counters()["open"] == {"basic": 1}
    assert server.tell(second, "failed", {"code": "moderation_output", "message": "seen"}) == 1
    assert client.get(f"/jobs/{second}").json()["error"]["code"] == "moderation_output"
    assert server.counters()["open"] == {"basic": 0} and server.counters()["peak_open"] == {"basic": 2}


def test_log_normal_lives_repeat_by_their_seed() -> None:
    spec = {"median_s": 60, "sigma": 0.2, "seed": 3}
    lengths = [Life.of(spec, 0.0, number).after_s or 0.0 for number in range(400)]
    assert lengths == [Life.of(spec, 0.0, number).after_s for number in range(400)]
    assert 57 < sorted(lengths)[200] < 63
    inside = sum(60 / 1.2214 < length < 60 * 1.2214 for length in lengths) / 400
    assert 0.61 < inside < 0.75, "one sigma of a log-normal holds 68 %"
    assert Life.of({"after_s": 10, "queued_s": 5}, 100.0, 0).state(104.0) == ("queued", 0.0)
    assert Life.of({"after_s": 10, "queued_s": 5}, 100.0, 0).state(110.0) == ("running", 0.5)
    assert Life.of({"after_s": 10, "queued_s": 5}, 100.0, 0).state(115.0) == ("succeeded", 1.0)
    with pytest.raises(ValueError, match="exactly one"):
        Life.of({"after_s": 1, "polls": 2}, 0.0, 0)


def test_cancel_bills_what_had_begun(server: FakeServer, client: httpx.Client) -> None:
    server.script("submit", {"job": {"after_s": 60, "queued_s": 60}}, {"job": {"after_s": 60}})
    queued, running = (client.post("/jobs", json=order(key)).json()["id"] for key in ("k1", "k2"))
    assert client.post(f"/jobs/{queued}/cancel").json() == {"outcome": "stopped", "billed": "no"}
    assert client.post(f"/jobs/{running}/cancel").json() == {"outcome": "stopped", "billed": "yes"}
    assert client.get(f"/jobs/{queued}").json()["cost_usd"] == "0"
    assert client.post(f"/jobs/{running}/cancel").json()["error"]["code"] == "already_ended"
    counters = server.counters()
    assert (counters["charges"], counters["refunds"], counters["charged_usd"]) == (2, 1, "0.40")


def test_a_refunded_failure_and_a_surprising_cost_are_in_the_books(server: FakeServer, client: httpx.Client) -> None:
    server.set(cost_factor="3")
    server.script("submit", {"job": {"outcome": "failed", "refund": True, "after_s": 0}}, {"job": {"after_s": 0}})
    failed, dear = (client.post("/jobs", json=order(key)).json()["id"] for key in ("k1", "k2"))
    assert client.get(f"/jobs/{failed}").json()["charged"] is False
    assert client.get(f"/jobs/{dear}").json()["cost_usd"] == "1.20"
    assert server.counters()["charged_usd"] == "1.20"


def test_keys_decide_who_is_let_in_and_sees_what(server: FakeServer, client: httpx.Client) -> None:
    job = client.post("/jobs", json=order()).json()["id"]
    with client_of(server, "sk-test-beta") as other:
        assert other.get(f"/jobs/{job}").status_code == 404
        beta = hashlib.sha256(b"sk-test-beta").hexdigest()[:12]
        server.set(accounts={beta: ACCOUNT})
        assert other.get(f"/jobs/{job}").status_code == 200, "a second key of the same account"
        server.set(keys=[ACCOUNT])
        assert other.get(f"/jobs/{job}").status_code == 401
    assert httpx.post(f"{server.url}/jobs", json=order("k2"), trust_env=False).status_code == 401
    assert server.counters()["charges"] == 1


def test_open_jobs_above_the_limit_are_refused_uncharged(server: FakeServer, client: httpx.Client) -> None:
    server.set(max_open=1, life={"until_told": True})
    assert client.post("/jobs", json=order("k1")).status_code == 201
    refused = client.post("/jobs", json=order("k2"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "concurrency")
    assert refused.headers["retry-after"] == "1"
    server.tell()
    assert client.post("/jobs", json=order("k2")).status_code == 201


def test_uploads_are_free_belong_to_their_account_and_expire(server: FakeServer, client: httpx.Client) -> None:
    ref = client.post("/uploads", content=b"png").json()["ref"]
    assert client.post("/uploads", content=iter([b"p", b"ng"])).json()["ref"] == ref, "a chunked body is the same file"
    assert client.post("/jobs", json=order(image=ref)).status_code == 201
    with client_of(server, "sk-test-beta") as other:
        assert other.post("/jobs", json=order(image=ref)).json()["error"]["code"] == "asset"
    server.set(upload_life_s=-1)
    client.post("/uploads", content=b"png")
    assert client.post("/jobs", json=order("k2", image=ref)).json()["error"]["code"] == "asset"
    assert server.counters()["charges"] == 1


def test_media_answers_ranges(client: httpx.Client) -> None:
    url, whole = finished_url(client), tiny_clip().read_bytes()
    full = client.get(url)
    assert full.content == whole and full.headers["content-type"] == "video/mp4"
    for asked, start, stop in [("bytes=10-19", 10, 20), ("bytes=100-", 100, None), ("bytes=-7", -7, None)]:
        part = client.get(url, headers={"range": asked})
        assert (part.status_code, part.content) == (206, whole[start:stop])
        first = start if start >= 0 else len(whole) + start
        assert part.headers["content-range"] == f"bytes {first}-{first + len(part.content) - 1}/{len(whole)}"
    beyond = client.get(url, headers={"range": f"bytes={len(whole)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole)}")
    changed = client.get(url, headers={"range": "bytes=10-19", "if-range": '"another"'})
    assert (changed.status_code, changed.content) == (200, whole)
    head = client.head(url)
    assert (head.headers["content-length"], head.content) == (str(len(whole)), b"")


def test_media_urls_die_and_a_new_status_gives_a_live_one(server: FakeServer, client: httpx.Client) -> None:
    url = finished_url(client)
    job = server.jobs()[0]["id"]
    for gone in (403, 404, 410):
        server.set(gone=gone)
        assert server.expire() >= 1
        assert client.get(url).status_code == gone
        url = client.get(f"/jobs/{job}").json()["files"][0]["url"]
        assert client.get(url).status_code == 200
    server.set(expire_s=0)
    assert client.get(url).status_code == 410
    with pytest.raises(ValueError, match="gone is one of"):
        server.set(gone=200)


def test_media_can_be_cut_short_mistyped_or_without_a_length(server: FakeServer, client: httpx.Client) -> None:
    url, whole = finished_url(client), tiny_clip().read_bytes()
    server.script("media", {"truncate": 1000}, {"content_type": "text/html"}, {"no_length": True, "truncate": 1000})
    received = bytearray()
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"), client.stream("GET", url) as reply:
        for piece in reply.iter_bytes():
            received += piece
    assert bytes(received) == whole[:1000]
    assert client.get(url).headers["content-type"] == "text/html"
    silent = client.get(url)
    assert silent.content == whole[:1000] and "content-length" not in silent.headers, "a cut that nothing tells of"
    server.script("media", {"truncate": 500, "hang": True})
    with client.stream("GET", url) as reply:
        assert len(next(reply.iter_raw())) == 500
        server.wait("hanging")


def test_the_log_holds_every_request_without_a_secret(server: FakeServer, client: httpx.Client) -> None:
    body = order()
    sent = client.post("/jobs", json=body, params={"key": "query-secret"})
    entry = server.log("submit")[0]
    assert (entry["method"], entry["path"], entry["sent"], entry["json"]) == ("POST", "/jobs", 201, body)
    assert entry["headers"]["authorization"] == f"fp:{ACCOUNT}"
    assert entry["body_sha256"] == hashlib.sha256(sent.request.content).hexdigest()
    told = json.dumps(server.log())
    assert KEY not in told and "query-secret" not in told
    client.get("/jobs/none")
    assert [line["route"] for line in server.log()] == ["submit", "status"]
    counters = server.counters()
    assert (counters["connections"], counters["peak_connections"]) == (1, 1), "kept alive; control calls don't count"


def test_waiting_for_what_does_not_come_says_what_came(server: FakeServer, client: httpx.Client) -> None:
    client.get("/jobs/none")
    with pytest.raises(ValueError, match=r"TimeoutError: charges is not 1 after [\d.]+ s; .*'status': 1"):
        server.wait("charges", timeout_s=0.05)


def test_a_broken_fake_fails_the_test_that_used_it() -> None:
    with (
        pytest.raises(AssertionError, match="failed 1 times"),
        FakeServer("paid") as server,
        client_of(server) as client,
    ):
        finished = client.post("/jobs", json=order()).json()["id"]
        client.get(f"/jobs/{finished}")
        client.get(client.get(f"/jobs/{finished}").json()["files"][0]["url"])
