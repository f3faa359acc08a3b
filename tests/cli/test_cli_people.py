"""People at the terminal: a token is shown once, a limit is raised by the user alone, the audit tells of both."""

from __future__ import annotations

from collections.abc import Callable

from mcp_server.tokens import People
from tests.cli.shell import Shell

Make = Callable[..., Shell]


def test_a_person_gets_a_token_a_limit_and_loses_it(shell: Make) -> None:
    used = shell()
    assert used.done("people").lines == ["nobody has a token of their own: reelwright people add NAME"]
    added = used.done("people", "add", "alice", "--per-day", "5")
    (token,) = added.lines
    people = People(used.station.home)
    assert people.named(token) == "alice" and token not in added.err
    assert added.err.splitlines() == [
        "the token of alice, shown only once: send it as 'Authorization: Bearer TOKEN'",
        "from its next start, reelwright serve --http requires a token from everyone",
    ]
    again = used.done("people", "add", "alice", "--json").json
    assert people.named(token) is None and people.named(again["token"]) == "alice"
    (row,) = used.done("people", "list", "--json").json
    assert row == {"name": "alice", "token_added": row["token_added"], "per_day_usd": "5", "today_usd": 0}
    assert used.done("people").lines[1].split("\t")[2:] == ["$5", "$0"]
    assert used.done("people", "remove", "alice").lines == ["alice has no token any more"]
    (row,) = used.done("people", "--json").json
    assert (row["token_added"], row["per_day_usd"]) == ("none", "5")
    assert "a person's name is 1 to 40" in used.refused("people", "add", "Alice")
    told = [(one["what"], one["who"], one["detail"]) for one in used.done("audit", "--json").json]
    assert told == [
        ("limit", "local", "per_day_usd@alice from none to $5"),
        ("people", "local", "alice got a token"),
        ("people", "local", "alice got a new token"),
        ("people", "local", "alice has lost their token"),
    ]
    shown = used.done("audit", "--what", "limit").lines
    assert shown[0].split("\t") == ["at (UTC)", "who", "what", "job", "amount", "from", "detail"]
    assert shown[1].split("\t")[4] == "$5.00" and shown[1].split("\t")[5].startswith("script")


def test_a_pipe_raises_no_limit_of_a_person(shell: Make) -> None:
    used = shell()
    used.done("config", "set", "per_day_usd@*", "1")
    used.done("people", "add", "bob", "--per-day", "0.50")
    for words in (
        ("people", "add", "bob", "--per-day", "2"),
        ("people", "add", "carol", "--per-day", "2"),
        ("config", "set", "per_day_usd@bob", "2"),
        ("config", "unset", "per_day_usd@bob"),
        ("config", "set", "per_day_usd@*", "none"),
    ):
        assert "only the user can confirm this" in used.refused(*words, typed="2\n"), words
    assert "names nobody" in used.refused("config", "set", "per_day_usd@A", "2")
    found = used.done("config", "--json").json
    assert {key: one["value"] for key, one in found.items() if "@" in key} == {
        "per_day_usd@*": "1",
        "per_day_usd@bob": "0.5",
    }
    assert [row["name"] for row in used.done("people", "--json").json] == ["bob"], "carol got no token"
