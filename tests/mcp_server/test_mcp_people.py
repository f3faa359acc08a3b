"""Over HTTP each person sees their own jobs alone, whatever a call says; the owner at the machine sees all."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from backends.errors import VideoError
from backends.jobs import audit
from backends.jobs.principals import OWNER, Who
from backends.settings import Settings, load_settings
from backends.studio import Studio
from mcp_server.caller import STDIO, caller
from mcp_server.server import build_server
from mcp_server.serving import serve
from mcp_server.tokens import People
from mcp_server.transports import http_security, keeper_from
from tests.mcp_server.house import House, house
from tests.mcp_server.test_mcp_http import HELLO
from tests.rawclient import home_env

SHARED = "s" * 40
CARD = {"prompt": "a red kite", "model": "animatic", "duration_s": 1, "resolution": "360p", "fps": 12}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("house")
    return replace(load_settings(home_env(root), cwd=root), worker="inline")


@pytest.fixture(scope="module")
def served(settings: Settings) -> Iterator[House]:
    with house(settings, "alice", "bob", shared=SHARED) as made:
        yield made


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def said(client: Client, tool: str, **arguments: object) -> str:
    """What a call that must be refused says."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result
    return result.content[0].text  # type: ignore[union-attr]


async def told(client: Client, tool: str, **arguments: object) -> dict:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    assert result.structured_content is not None
    return result.structured_content


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_job_is_its_own_persons_alone(served: House, settings: Settings, mode: str) -> None:
    async with served.client(served.tokens["alice"], mode) as alice:
        job = (await told(alice, "generate_video", **CARD, label=mode))["job_id"]
        (done,) = (await told(alice, "wait_for_job", job_ids=[job], timeout_s=30))["jobs"]
        assert done["state"] == "succeeded"
        again = await told(alice, "generate_video", **CARD, label=mode)
        assert again["replayed"] and again["job_id"] == job
    async with served.client(served.tokens["bob"], mode) as bob:
        for tool, arguments in (
            ("get_job", {"job_id": job}),
            ("wait_for_job", {"job_ids": [job]}),
            ("cancel_job", {"job_id": job}),
            ("inspect_clip", {"clip": job}),
            ("finish_clip", {"clips": [job]}),
            ("extend_clip", {"clip": f"video://jobs/{job}", "add_s": 1}),
            ("image_to_video", {"image": f"video://jobs/{job}/last_frame", "model": "animatic"}),
        ):
            assert "there is no job" in await said(bob, tool, **arguments), tool
        for uri in ("", "/clip", "/poster"):
            with pytest.raises(MCPError, match="there is no job"):
                await bob.read_resource(f"video://jobs/{job}{uri}")
        for path in (done["file"], str(settings.home / "artifacts"), str(settings.home / "people.toml")):
            assert "is not in an allowed folder" in await said(bob, "inspect_clip", clip=path)
        assert (await told(bob, "list_jobs"))["jobs"] == []
        assert "principal" in await said(bob, "list_jobs", principal="alice"), "no argument names one"


@pytest.mark.anyio
async def test_the_owner_sees_all_and_the_shared_token_the_owners_own(served: House, settings: Settings) -> None:
    async with served.client(served.tokens["bob"]) as bob:
        job = (await told(bob, "generate_video", **CARD, label="bobs"))["job_id"]
        await told(bob, "wait_for_job", job_ids=[job], timeout_s=30)
        assert [row["label"] for row in (await told(bob, "list_jobs"))["jobs"]] == ["bobs"]
    async with served.client(SHARED) as shared:
        assert "there is no job" in await said(shared, "get_job", job_id=job)
    async with Client(build_server(settings)) as owner:
        assert (await told(owner, "get_job", job_id=job))["label"] == "bobs"
        assert job in [row["job_id"] for row in (await told(owner, "list_jobs"))["jobs"]]
    with Studio.open(settings, client="cli") as studio:
        assert studio.get(job).label == "bobs"
        (line,) = audit.lines(studio.context.store, job=job)
        assert (line.who, line.what, line.amount, line.place) == ("bob", "start", 0, "http 127.0.0.1 mcp")


def test_nobody_comes_in_without_a_token_of_this_server(served: House) -> None:
    for bearer in ("", "Bearer", "Bearer ", f"Bearer {'x' * 40}", f"Basic {SHARED}", SHARED, "Bearer rw_alice"):
        answer = served.ask({"Authorization": bearer} if bearer else {}, body=HELLO)
        assert answer.status == 401 and answer.headers["www-authenticate"].startswith("Bearer "), bearer
    right = {"Authorization": f"Bearer {served.tokens['alice']}"}
    assert served.ask(right, body=HELLO).status == 200
    assert served.ask(right | {"Origin": "https://evil.example"}, body=HELLO).status == 403
    assert served.ask(right | {"Host": "evil.example"}, body=HELLO).status == 421
    assert served.ask(right, "/elsewhere", HELLO).status == 404


def test_a_session_is_not_another_persons(served: House) -> None:
    alice, bob = ({"Authorization": f"Bearer {served.tokens[name]}"} for name in ("alice", "bob"))
    session = {"Mcp-Session-Id": served.ask(alice, body=HELLO).headers["mcp-session-id"]}
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    assert served.ask(bob | session, body=ping).status == 404
    assert served.ask(alice | session, body=ping).status == 200


def test_a_token_that_is_taken_away_is_no_token_at_once(served: House) -> None:
    first = {"Authorization": f"Bearer {served.people.add('carol')}"}
    assert served.ask(first, body=HELLO).status == 200
    second = {"Authorization": f"Bearer {served.people.add('carol')}"}
    assert served.ask(first, body=HELLO).status == 401 and served.ask(second, body=HELLO).status == 200
    served.people.remove("carol")
    assert served.ask(second, body=HELLO).status == 401
    with pytest.raises(VideoError, match="'carol' has no token here; these people have one: alice, bob"):
        served.people.remove("carol")


def test_a_file_of_tokens_holds_no_token_and_is_its_owners_alone(tmp_path: Path) -> None:
    people = People(tmp_path / "home")
    assert not people.exist() and people.all() == {} and people.named("x") is None
    token = people.add("alice")
    assert people.named(token) == "alice" and token not in people.path.read_text("utf-8")
    assert stat.S_IMODE(people.path.stat().st_mode) == 0o600
    people.path.chmod(0o644)
    for look in (people.all, lambda: people.named(token)):
        with pytest.raises(VideoError, match="can be read by others: run chmod 600 on it"):
            look()
    people.path.chmod(0o600)
    people.path.write_text("[alice]\ntoken = 1\n", "utf-8")
    with pytest.raises(VideoError, match="cannot be read: put it back from a copy"):
        people.all()
    people.path.unlink()
    people.add("alice")
    people.remove("alice")
    assert people.exist() and people.all() == {}, "a server that had people is not open to all again"


def test_a_server_with_people_needs_no_shared_token(tmp_path: Path) -> None:
    assert keeper_from({}, tmp_path, None) is None
    People(tmp_path).add("alice")
    assert keeper_from({}, tmp_path, None) is not None
    assert http_security("0.0.0.0", None, guarded=True).enable_dns_rebinding_protection is False


def test_who_calls_is_read_from_nothing_but_the_checked_token() -> None:
    class Request:
        def __init__(self, **scope: object) -> None:
            self.scope = scope

    class User:
        access_token = type("Token", (), {"principal": "alice"})

    assert caller(None) is STDIO and STDIO.sees_all
    assert caller(Request(client=("10.0.0.7", 1))) == Who(OWNER, sees_all=False, place="http 10.0.0.7")
    assert caller(Request(client=None, user=User())) == Who("alice", sees_all=False, place="http")
    for user in (object(), None):
        with pytest.raises(VideoError, match="that token belongs to no one here"):
            caller(Request(client=None, user=user))


def test_the_command_starts_no_server_whose_people_it_cannot_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REELWRIGHT_HOME", str(tmp_path))
    people = People(tmp_path)
    people.add("alice")
    people.path.chmod(0o644)
    assert serve(["--http", "--host", "0.0.0.0", "--port", "0"]) == 2
    assert "people.toml can be read by others: run chmod 600 on it" in capsys.readouterr().err
    people.path.chmod(0o600)
    monkeypatch.setenv("REELWRIGHT_HTTP_ISSUER", "issuer.example.org")
    assert serve(["--http", "--port", "0"]) == 2
    assert "REELWRIGHT_HTTP_ISSUER is the https address of the token issuer" in capsys.readouterr().err
