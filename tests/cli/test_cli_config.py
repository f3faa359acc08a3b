"""`config`: limits with checked values, keys that are never shown, snippets that really start the server."""

from __future__ import annotations

import json
import shlex
import stat
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backends.provider.keys import load_keys
from mcp_server.cli import snippets
from tests.cli.shell import Shell
from tests.rawclient import RawClient

Make = Callable[..., Shell]

SECRET = "key_0123456789abcdef-secret"


def test_a_fresh_install_has_spending_limits(shell: Make) -> None:
    rows = {line.split("\t")[0]: line.split("\t")[1:3] for line in shell().done("config").lines[1:]}
    assert rows == {
        "per_job_usd": ["5", "default"],
        "per_day_usd": ["20", "default"],
        "allow_providers": ["all", "default"],
        "confirm_above_usd": ["none", "default"],
        "allow_unknown_price": ["false", "default"],
        "sign": ["on", "default"],
        "sign_prompt": ["off", "default"],
        "sign_certificate": ["own", "default"],
        "sign_key": ["same", "default"],
        "keep_gb": ["none", "default"],
    }


def test_limits_are_set_shown_and_unset(shell: Make) -> None:
    used = shell(REELWRIGHT_YES="raise-limits")
    assert used.done("config", "set", "per_job_usd", "$2.50").lines == ["per_job_usd = 2.5"]
    used.done("config", "set", "per_day_usd.paid", "none")
    used.done("config", "set", "allow_providers", "paid, animatic")
    listed = used.done("config", "list", "--json").json
    assert listed["per_job_usd"] == {"value": "2.5", "set": True}
    assert listed["per_day_usd.paid"] == {"value": "none", "set": True}
    assert listed["allow_providers"] == {"value": "paid,animatic", "set": True}
    assert listed["per_day_usd"] == {"value": "20", "set": False}
    assert used.done("config", "unset", "per_job_usd").lines == ["per_job_usd = 5 (default)"]
    assert used.done("config", "list", "--json").json["per_job_usd"] == {"value": "5", "set": False}


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("per_job", "3", "there is no setting 'per_job'; the settings are per_job_usd, per_day_usd, "),
        ("per_job_usd", "-1", "per_job_usd is an amount in US dollars of 0 or more, such as 2.50, or none, not '-1'"),
        ("per_day_usd", "lots", "per_day_usd is an amount in US dollars"),
        ("per_day_usd", "nan", "per_day_usd is an amount in US dollars"),
        ("confirm_above_usd", "", "confirm_above_usd is an amount in US dollars"),
        ("per_day_usd.runwy", "3", "per_day_usd.runwy: no provider is called 'runwy'; there are "),
        ("allow_providers", "paid,runwy", "separated by commas, not 'runwy'"),
        ("allow_providers", "", "allow_providers is all, or some of "),
        ("allow_unknown_price", "yes", "allow_unknown_price is true or false, not 'yes'"),
    ],
)
def test_a_wall_is_checked(shell: Make, key: str, value: str, told: str) -> None:
    used = shell()
    assert told in used.refused("config", "set", "--", key, value)
    assert used.station.rows("SELECT key FROM settings") == []


def test_a_key_from_a_pipe_is_kept_for_its_owner_alone(shell: Make) -> None:
    used = shell()
    ended = used.done("config", "keys", "set", "RUNWAYML_API_SECRET", typed=SECRET + "\n")
    used.done("config", "keys", "set", "FAL_KEY", typed='with "quotes" and \\')
    path = used.station.home / "keys.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    env, found = load_keys(used.station.settings())
    assert (env["RUNWAYML_API_SECRET"], env["FAL_KEY"]) == (SECRET, 'with "quotes" and \\')
    assert found == {"RUNWAYML_API_SECRET": str(path), "FAL_KEY": str(path)}
    listed, looked = used.done("config", "keys", "list"), used.run("doctor", "--quick")
    assert f"RUNWAYML_API_SECRET\t{path}" in listed.lines
    assert f"ok\tkey\tRUNWAYML_API_SECRET: {path}" in looked.lines
    assert "secret" not in (ended.out + ended.err + listed.out + looked.out + looked.err)
    used.done("config", "keys", "unset", "FAL_KEY")
    assert "FAL_KEY" not in load_keys(used.station.settings())[0]


def test_a_key_is_typed_unseen_at_a_terminal(shell: Make) -> None:
    used = shell()
    with used.terminal("config", "keys", "set", "MINIMAX_API_KEY") as terminal:
        terminal.expect("MINIMAX_API_KEY (not shown): ")
        terminal.send(SECRET + "\n")
        assert terminal.end() == 0
        assert SECRET not in terminal.shown
    assert load_keys(used.station.settings())[0]["MINIMAX_API_KEY"] == SECRET


@pytest.mark.parametrize(
    ("name", "typed", "told"),
    [
        (
            "NO_SUCH_KEY",
            SECRET,
            "no key is called 'NO_SUCH_KEY': the variables are ARK_API_KEY, COMFYUI_AUTHORIZATION, FAL_KEY, ",
        ),
        ("FAL_KEY", "  \n", "no value for FAL_KEY: type it, or pipe it to standard input"),
        ("FAL_KEY", f"{SECRET}\n{SECRET}\n", "the value for FAL_KEY holds line breaks or control characters"),
    ],
)
def test_a_key_that_cannot_be_kept(shell: Make, name: str, typed: str, told: str) -> None:
    used = shell()
    refusal = used.refused("config", "keys", "set", name, typed=typed)
    assert told in refusal and SECRET not in refusal
    assert not (used.station.home / "keys.toml").exists()


def test_a_damaged_key_file_is_told_and_not_repeated(shell: Make) -> None:
    used = shell()
    used.station.home.mkdir()
    (used.station.home / "keys.toml").write_text(f"FAL_KEY = {SECRET}\n")
    refusal = used.refused("config", "keys", "set", "MINIMAX_API_KEY", typed="x")
    assert "cannot be read as TOML: fix or remove it" in refusal and SECRET not in refusal


PLACES = {"vscode": "servers", "zed": "context_servers", "codex": "mcp_servers"}


def server_of(client: str, text: str) -> dict[str, Any]:
    content = tomllib.loads(text) if client == "codex" else json.loads(text)
    return content[PLACES.get(client, "mcpServers")]["reelwright"]


@pytest.mark.parametrize("client", sorted(snippets.CLIENTS))
def test_a_snippet_names_this_installation_and_no_key(shell: Make, client: str) -> None:
    used = shell(RUNWAYML_API_SECRET=SECRET)
    ended = used.done("config", "snippet", client)
    assert SECRET not in ended.out + ended.err
    assert "keep keys with reelwright config keys set NAME" in ended.err
    command = [sys.executable, "-P", "-m", "mcp_server", "serve"]
    home = f"REELWRIGHT_HOME={used.station.home}"
    if client == "claude-code":
        words = shlex.split(ended.out)
        assert words[:3] == ["claude", "mcp", "add"] and home in words
        assert words[words.index("reelwright") :] == ["reelwright", "--", *command]
        return
    server = server_of(client, ended.out)
    assert [server["command"], *server["args"]] == command
    assert server["env"]["REELWRIGHT_HOME"] == str(used.station.home)
    more = {"vscode": {"type": "stdio"}, "zed": {"source": "custom"}, "cline": {"disabled": False}}
    more["codex"] = {"startup_timeout_sec": 60, "tool_timeout_sec": 120}
    assert {name: value for name, value in server.items() if name not in ("command", "args", "env")} == more.get(
        client, {}
    )


def test_toml_takes_every_path(shell: Make) -> None:
    odd = 'C:\\clips\\"böse"\t\x7f'
    ended = shell(REELWRIGHT_CATALOG=odd).done("config", "snippet", "codex")
    assert server_of("codex", ended.out)["env"]["REELWRIGHT_CATALOG"] == odd


@pytest.mark.parametrize(
    ("prefix", "cache", "for_now"),
    [
        ("/home/ann/.cache/uv/archive-v0/a1B2c3", None, True),
        ("/home/ann/.cache/uv/environments-v2/reelwright-1f", None, True),
        ("/data/packages/x/y", "/data/packages", True),
        ("/home/ann/.local/pipx/.cache/0f1e2d", None, True),
        ("/home/ann/.cache/pipx/0f1e2d", None, True),
        ("/home/ann/.local/share/pipx/venvs/reelwright", None, False),
        ("/home/ann/.local/share/uv/tools/reelwright", None, False),
        ("/home/ann/film/.venv", "/home/ann/.cache/uv", False),
    ],
)
def test_an_installation_for_now_is_not_named(
    shell: Make, monkeypatch: pytest.MonkeyPatch, prefix: str, cache: str | None, for_now: bool
) -> None:
    """Its path is cleaned away one day: the text then names what makes it again."""
    monkeypatch.setattr(sys, "prefix", prefix)
    settings = shell(**({"UV_CACHE_DIR": cache} if cache else {})).station.settings()
    if cache:
        settings = replace(settings, env={**settings.env, "UV_CACHE_DIR": cache})
    server = server_of("cursor", snippets.cursor(settings)[1])
    uvx = ["uvx", "reelwright", "serve"]
    assert ([server["command"], *server["args"]] == uvx) is for_now
    assert (snippets.claude_code(settings)[1].endswith("reelwright -- uvx reelwright serve")) is for_now
    assert any("names uvx" in hint for hint in snippets.hints(settings)) is for_now


def test_a_snippets_command_serves(shell: Make, tmp_path: Path) -> None:
    used = shell()
    server = server_of("cursor", used.done("config", "snippet", "cursor").out)
    with RawClient(server["env"], command=[server["command"], *server["args"]], cwd=tmp_path) as client:
        assert "estimate_cost" in {tool["name"] for tool in client.request("tools/list")["tools"]}


def test_an_unknown_client_is_told_the_known_ones(shell: Make) -> None:
    told = shell().refused("config", "snippet", "emacs")
    assert (
        "there is one for claude-desktop, claude-code, cursor, vscode, gemini, codex, windsurf, zed, cline, jetbrains"
        in told
    )
