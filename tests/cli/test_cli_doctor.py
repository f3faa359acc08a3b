"""`doctor` tells what is broken and what to do, makes a real clip, and never shows a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cli.shell import Shell
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import KEY

Make = Callable[..., Shell]


def told(findings: list[dict[str, Any]], about: str) -> list[tuple[str, str]]:
    return [(one["verdict"], one["text"]) for one in findings if one["about"] == about]


def told_by_models(used: Shell, *words: str) -> list[str]:
    return used.done(*words, "--json").json["left_out"]


def test_a_healthy_installation_makes_a_clip(shell: Make) -> None:
    used = shell(FAL_KEY="fal-0123456789")
    ended = used.done("doctor", "--json")
    assert "fal-0123456789" not in ended.out
    assert ended.json["ok"] is True
    findings = ended.json["findings"]
    ((verdict, text),) = told(findings, "engine")
    assert verdict == "ok" and text.startswith("a test clip of 1 s, 640x360, ")
    assert ("ok", "FAL_KEY: environment") in told(findings, "key")
    assert ("note", "OPENAI_API_KEY: not set") in told(findings, "key")
    assert ("ok", "animatic (local)") in told(findings, "back end")
    assert ("note", "paid (remote): no credential: set PAID_API_KEY or PAID_BASE_URL") in told(findings, "back end")
    assert told(findings, "locks") == [("ok", "file locks work")]
    assert used.station.rows("SELECT id FROM jobs") == []  # the check has a home of its own


def test_a_home_that_cannot_be_written_is_told_with_the_remedy(shell: Make) -> None:
    used = shell(REELWRIGHT_HOME="/proc/reelwright")  # where no folder can be made, not even by root
    ended = used.run("doctor", "--quick", "--json")
    assert ended.code == 1 and ended.json["ok"] is False
    ((verdict, text),) = told(ended.json["findings"], "data folder")
    assert verdict == "FAIL" and text.endswith("make it writable, or set REELWRIGHT_HOME to one that is")
    assert [verdict for verdict, _ in told(ended.json["findings"], "store")] == ["FAIL"]


def test_accounts_are_told_with_where_their_keys_are(shell: Make) -> None:
    used = shell(RUNWAYML_API_SECRET="key-0123456789")
    used.station.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, share in (("SECOND", 2), ("THIRD", 0)):
        entry = f'provider = "runway"\nname = "{name.lower()}"\nkey_variable = "RUNWAY_{name}"\nshare = {share}\n'
        with (used.station.home / "config.toml").open("a") as config:
            config.write(f"[[account]]\n{entry}")
    used.done("config", "keys", "set", "RUNWAY_SECOND", typed="key-second-0123456789")
    assert used.done("config", "accounts").lines[-2:] == [
        "runway\tdefault\tRUNWAYML_API_SECRET\t1.0\t0",
        "runway\tsecond\tRUNWAY_SECOND\t2.0\t0",
    ]
    lines = used.run("doctor", "--quick").lines
    keys = used.station.home / "keys.toml"
    assert f"ok\taccount\trunway, second: RUNWAY_SECOND: {keys}; share 2" in lines
    text = "runway, third: RUNWAY_THIRD: not set, so it gets no work; share 0, no new jobs"
    assert f"note\taccount\t{text}" in lines
    assert not any(line.startswith("note\tkey\tRUNWAY_SECOND") for line in lines), "something reads it"


def test_a_key_file_that_others_may_read_is_told(shell: Make) -> None:
    used = shell()
    used.done("config", "keys", "set", "FAL_KEY", typed="fal-0123456789")
    path = used.station.home / "keys.toml"
    path.chmod(0o644)
    ended = used.run("doctor", "--quick")
    assert ended.code == 1
    assert f"FAIL\tkeys\t{path} can be read by others: run chmod 600 on it" in ended.lines


def test_broken_files_are_told_one_by_one(shell: Make) -> None:
    used = shell()
    (used.station.home / "catalog").mkdir(parents=True)
    (used.station.home / "catalog" / "mine.toml").write_text("[[model]]\n")
    ended = used.run("doctor", "--quick")
    assert ended.code == 1
    file = used.station.home / "catalog" / "mine.toml"
    told = f"{file}: each [[model]] needs an id such as provider/model, and number 1 has none"
    assert f"FAIL\tcatalogue\tleft out: {told}" in ended.lines
    assert told_by_models(used, "models") == [told]
    assert used.run("models", "--check").code == 1
    assert any(line.startswith("ok\tlocks") for line in ended.lines)
    (used.station.home / "config.toml").write_text("worker = 'sideways'\n")
    looked = used.run("doctor")
    assert "FAIL\tsettings\tworker is 'sideways': set REELWRIGHT_WORKER to detached or inline" in looked.lines


def test_a_terminal_gets_a_table(shell: Make) -> None:
    with shell().terminal("doctor", "--quick") as terminal:
        assert terminal.end() == 0
        assert "finding" in terminal.shown and "──" in terminal.shown


def test_the_accounts_are_told_and_a_silent_service_breaks_nothing(shell: Make) -> None:
    with (
        FakeServer("runway", clips={"": tiny_clip()}) as runway,
        FakeServer("replicate", clips={"": tiny_clip()}) as replicate,
        FakeServer("kling", clips={"": tiny_clip()}) as kling,
    ):
        replicate.always("account", {"status": 401})
        kling.always("account", {"hang": True})
        used = shell(
            RUNWAYML_API_SECRET="key_runway_0123456789",
            REELWRIGHT_RUNWAY_BASE_URL=runway.url,
            REPLICATE_API_TOKEN="r8_0123456789abcdef",
            REELWRIGHT_REPLICATE_BASE_URL=replicate.url,
            KLING_API_KEY="kling-0123456789",
            REELWRIGHT_KLING_BASE_URL=kling.url,
            FAL_KEY="fal-0123456789",  # which has no such endpoint
            REELWRIGHT_ANSWER_S="1.5",
        )
        ended = used.done("doctor", "--json")
        assert used.done("doctor", "--quick", "--json").json["ok"] is True
        assert runway.counters()["organization"] == 1, "a quick look asks nobody"
        kling.release()
    found = dict(text.split(": ", 1) for _, text in told(ended.json["findings"], "account"))
    assert sorted(found) == ["kling", "replicate", "runway"]
    assert found["runway"].startswith("balance $12.34 (1234 credits), monthly limit $100.00")
    assert found["replicate"] == "auth: Replicate refused (401): scripted 401; check REPLICATE_API_TOKEN"
    assert found["kling"] == "no answer within 1.5 s"
    verdicts = [verdict for verdict, _ in told(ended.json["findings"], "account")]
    assert verdicts == ["note", "note", "ok"] and ended.json["ok"] is True


def test_another_home_on_the_same_account_is_named(shell: Make, serve: Callable[..., FakeServer]) -> None:
    used = shell(serve())
    asked = ("make", "--model", "paid/quick", "--duration", "4", "--resolution", "180p", "--yes")
    used.done(*asked, "a boat")
    assert told(used.done("doctor", "--quick", "--json").json["findings"], "limits") == []
    other = used.station.root / "other"
    used.station.env = {**used.station.env, "REELWRIGHT_HOME": str(other)}
    used.done(*asked, "a kite")
    found = told(used.done("doctor", "--quick", "--json").json["findings"], "limits")
    assert found == [
        (
            "note",
            f"{used.station.root / 'home'} also uses an account of this data folder, with its own "
            "spending limits: the limits add up",
        )
    ]
    records = [path.read_text("utf-8") for path in (used.station.root / "state" / "homes").iterdir()]
    assert len(records) == 2 and not any(KEY in text or "127.0.0.1" in text for text in records)


def test_the_network_that_the_environment_names_is_told(shell: Make) -> None:
    used = shell(HTTPS_PROXY="http://ann:s3cret@127.0.0.1:9", NO_PROXY="localhost,fd07:b51a:cc66:f0::/64,fd07:*")
    ended = used.run("doctor", "--quick")
    lines = [line for line in ended.lines if "\tnetwork\t" in line]
    assert lines[0].startswith("ok\tnetwork\thttps addresses are reached through HTTPS_PROXY=http://127.0.0.1:9, which")
    assert lines[1:] == [
        "note\tnetwork\tNO_PROXY holds 'fd07:*', which is no host and no range of addresses: it is left out"
    ]
    assert "s3cret" not in ended.out
    assert (
        "note\tnetwork\tSSL_CERT_FILE names /gone.pem, where"
        in shell(SSL_CERT_FILE="/gone.pem").run("doctor", "--quick").out
    )
