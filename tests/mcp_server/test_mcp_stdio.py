"""The process that a host starts: quick, quiet on stdout, gone when stdin closes; and what it imports."""

from __future__ import annotations

import queue
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_server.surface import INSTRUCTIONS
from mcp_server.unreadable import id_in
from tests.jobs.station import until
from tests.patience import patient
from tests.rawclient import ERAS, LEGACY, MODERN, SERVE, RawClient, RawError

HEAVY = (
    "numpy",
    "cv2",
    "av",
    "PIL",
    "httpx",
    "openai",
    "google.genai",
    "runwayml",
    "torch",
    "typer",
    "rich",
    "apsw",
    "c2pa",
)


@pytest.mark.parametrize("era", ERAS)
def test_it_greets_keeps_its_era_and_ends_with_its_stdin(env: dict[str, str], era: str) -> None:
    command = SERVE if era == LEGACY else SERVE[:-1]  # without a word it serves too, since its stdin is no terminal
    with RawClient(env, era=era, command=command) as client:
        assert client.server["instructions"] == INSTRUCTIONS
        extensions = {"extensions"} if era == MODERN else set()  # the older era has no word for them
        assert set(client.server["capabilities"]) == {"tools", "resources", "prompts"} | extensions
        other = MODERN if era == LEGACY else LEGACY
        client.era = other
        with pytest.raises(RawError, match="handshake"):
            client.request("tools/list") if other == MODERN else client.greet()
        client.era = era
        assert client.close() < patient(1)
    assert client.stderr == ""


def test_a_wait_under_way_does_not_hold_the_end_back(env: dict[str, str]) -> None:
    """Closing stdin ends the server even while it answers."""
    with RawClient(env) as client:
        client.ask("tools/call", {"name": "list_models", "arguments": {}})
        assert client.close() < patient(1)


def test_nothing_heavy_is_imported_before_the_first_call(env: dict[str, str]) -> None:
    code = (
        "import sys, anyio, mcp_server.transports as t; from mcp_server.server import build_server; build_server()\n"
        "print([name for name in sys.argv[1:] if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *HEAVY], env=env, capture_output=True, text=True, timeout=patient(30)
    )
    assert ended.stdout.strip() == "[]", ended.stdout + ended.stderr


def test_a_broken_config_is_told_by_a_call_not_by_a_dead_server(env: dict[str, str]) -> None:
    home = Path(env["REELWRIGHT_HOME"])
    home.mkdir(parents=True)
    (home / "config.toml").write_text("worker = [")
    with RawClient(env) as client:
        assert len(client.request("tools/list")["tools"]) == 12
        words = client.refused("list_jobs")
    assert words.startswith("storage: config.toml in the data folder cannot be read")
    assert "next: ask the user to run `reelwright doctor` in a terminal" in words


@pytest.mark.parametrize("era", ERAS)
def test_resources_are_listed_and_unknown_ones_refused(env: dict[str, str], era: str) -> None:
    missing = "job_" + "a" * 26
    with RawClient(env, era=era) as client:
        assert [r["uri"] for r in client.request("resources/list")["resources"]] == ["video://models"]
        templates = client.request("resources/templates/list")["resourceTemplates"]
        assert [t["uriTemplate"] for t in templates] == [
            "video://jobs/{job_id}",
            "video://jobs/{job_id}/poster",
            "video://jobs/{job_id}/clip",
        ]
        for uri in (
            "file:///etc/passwd",
            "video://jobs/../../etc/passwd",
            "video://jobs/job_short",
            f"video://jobs/{missing}/../poster",
            f"video://jobs/{missing}",
            f"video://jobs/{missing}/clip",
        ):
            with pytest.raises(RawError) as failed:
                client.request("resources/read", {"uri": uri})
            assert failed.value.code == -32602, uri
            assert failed.value.data == {"uri": uri}
        models = client.request("resources/read", {"uri": "video://models"})["contents"][0]
        assert models["mimeType"] == "application/json" and '"animatic"' in models["text"]


UNREADABLE = [
    (
        r'{"jsonrpc":"2.0","id":901,"method":"tools/call","params":{"name":"list_jobs","arguments":{"label":"\ud800"}}}',
        -32700,
    ),
    ('{"jsonrpc":"2.0","id":901,"method":"tools/call","params":{"a":' + "[" * 100_000 + "]" * 100_000 + "}}", -32700),
    ('{"jsonrpc":"2.0","params":{"id":5,"b":[' + "[" * 3000 + "]" * 3000 + '],"id":6},"method":"x","id":901}', -32700),
    ('{"jsonrpc":"2.0","id":901,"method":"tools/call"', -32700),
    ('{"jsonrpc":"2.0","id":901,"method":5}', -32600),
]


@pytest.mark.parametrize("era", ERAS)
def test_what_cannot_be_read_is_answered_all_the_same(env: dict[str, str], era: str) -> None:
    with RawClient(env, era=era) as client:
        for line, code in UNREADABLE:
            client._answers[901] = queue.Queue()
            client.send(line)
            with pytest.raises(RawError) as failed:
                client.answer(901, timeout_s=5)
            assert failed.value.code == code
        for line in ("garbage", "[1]", r'{"jsonrpc":"2.0","id":"\ud800","method":"x"}'):
            before = len(client.lines)
            client.send(line)
            until(lambda before=before: len(client.lines) > before, "an answer to what has no id", 5)
            assert client.lines[-1]["id"] is None and client.lines[-1]["error"]["code"] in (-32700, -32600)
        assert len(client.request("tools/list")["tools"]) == 12


def test_the_id_is_the_requests_own() -> None:
    assert id_in(r'{"id":"a\"b","method":"m","x":"\ud800"}') == 'a"b'
    assert id_in('{"params":{"id":1},"method":"m"') is None
    assert id_in('{"id":7,"result":[[[') is None, "an answer to us is no request"
    assert id_in('{"method":"id","id":true}') is None
