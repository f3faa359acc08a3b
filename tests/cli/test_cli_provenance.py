"""`provenance` and the preferences around it, as a person uses them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from backends.media.provenance.certificates import own
from tests.cli.shell import Ended, Shell
from tests.fakes import tiny_clip
from tests.samples import photo

Make = Callable[..., Shell]


def make(shell: Shell, *more: str) -> dict[str, object]:
    """A second of previs."""
    shutil.copy(photo("coffee"), shell.folder / "cup.png")
    options = ("--camera", "dolly-in:0.2", "--duration", "1", "--resolution", "360p", "--fps", "12", "--json")
    return shell.done("make", "--image", "cup.png", *options, *more).json


def test_a_clip_says_where_it_comes_from(shell: Make) -> None:
    used = shell()
    job = make(used, "--label", "harbour")
    for name in (str(job["job_id"]), str(job["file"])):
        ended = used.done("provenance", name)
        assert ended.lines[:3] == [
            "provenance: trusted: signed with a certificate that is known here, and unchanged since",
            f"made by animatic ({ended.lines[1].partition('(')[2].partition(')')[0]}), seed {job['seed']}, "
            "made by a program without a generative model",
            'signer: "Reelwright clip signing", "Reelwright (certificate of one machine)"',
        ]
        assert ended.lines[3] == 'from "keyframe 1": missing'
        assert ended.lines[4] == f"it is the clip of job {job['job_id']}"
    facts = used.done("provenance", str(job["job_id"]), "--json").json
    assert facts["state"] == "trusted" and facts["job"] == job["job_id"] and facts["sources"] == ["algorithmicMedia"]


def test_the_exit_code_tells_a_script_what_is_not_whole(shell: Make) -> None:
    used = shell()
    shutil.copy(tiny_clip(), used.folder / "bare.mp4")
    bare = used.run("provenance", "bare.mp4")
    assert bare.code == 1 and bare.lines[0].startswith("provenance: missing: it holds no manifest (C2PA)")
    job = make(used)
    data = bytearray(Path(str(job["file"])).read_bytes())
    data[-50] ^= 1
    (used.folder / "changed.mp4").write_bytes(bytes(data))
    changed = used.run("provenance", "changed.mp4")
    assert changed.code == 1
    assert changed.lines[0].startswith(
        "provenance: tampered: it was changed after it was signed (assertion.bmffHash.mismatch, file.changed)"
    )
    assert used.run("provenance", "changed.mp4", "--json").json["state"] == "tampered"
    assert "does not exist" in used.refused("provenance", "none.mp4")
    assert "there is no job" in used.refused("provenance", "job_" + "a" * 26)


def test_inspect_tells_it_in_a_line(shell: Make) -> None:
    used = shell()
    job = make(used)
    (told,) = [line for line in used.done("inspect", str(job["job_id"])).lines if line.startswith("provenance")]
    assert told.startswith("provenance: trusted; made by animatic (")
    shutil.copy(tiny_clip(), used.folder / "bare.mp4")
    assert "provenance: missing (no manifest)" in used.done("inspect", "bare.mp4").lines


def test_signing_is_turned_off_and_on_and_that_is_recorded(shell: Make) -> None:
    used = shell()
    assert used.done("config", "set", "sign", "off").lines == ["sign = off"]
    listed = used.done("config", "--json").json
    assert listed["sign"] == {"value": "off", "set": True} and listed["sign_prompt"] == {"value": "off", "set": False}
    off = make(used)
    assert "not signed: signing is turned off (reelwright config set sign on)" in off["notes"]
    assert used.done("config", "unset", "sign").lines == ["sign = on (default)"]
    events = [json.loads(row["data"]) for row in used.station.rows("SELECT data FROM events WHERE kind = 'preference'")]
    assert [(one["key"], one["from"], one["to"], one["how"]) for one in events] == [
        ("sign", "on", "off", "script"),
        ("sign", "off", "on", "script"),
    ]
    assert "sign is on or off, not 'maybe'" in used.refused("config", "set", "sign", "maybe")
    assert "keep_gb is a number of GB above 0" in used.refused("config", "set", "keep_gb", "lots")


def test_the_persons_certificate_is_tried_before_it_is_kept(shell: Make, tmp_path: Path) -> None:
    used = shell()
    mine, others = own(tmp_path / "mine"), own(tmp_path / "others")
    chain, key, wrong = used.folder / "chain.pem", used.folder / "key.pem", used.folder / "wrong.pem"
    chain.write_bytes(mine.chain)
    key.write_bytes(mine.key)
    wrong.write_bytes(others.key)
    for path in (chain, key, wrong):
        path.chmod(0o600)

    def refused(*words: str) -> str:
        return used.refused("config", "set", *words)

    assert "where its key lies is set first (sign_key)" in refused("sign_certificate", "chain.pem")
    assert "there is no file" in refused("sign_certificate", "none.pem")
    used.done("config", "set", "sign_key", "wrong.pem")
    assert "does not belong to the first certificate" in refused("sign_certificate", "chain.pem")
    assert _value(used.done("config", "--json"), "sign_certificate") == "own", "what cannot sign is not kept"
    used.done("config", "set", "sign_key", "key.pem")
    assert used.done("config", "set", "sign_certificate", "chain.pem").lines == [f"sign_certificate = {chain}"]
    assert "does not belong" in refused("sign_key", "wrong.pem")
    job = make(used)
    assert used.done("provenance", str(job["file"])).lines[0].startswith("provenance: trusted: ")
    assert not (used.station.home / "signing").exists(), "no certificate is made that nobody needs"
    used.done("config", "unset", "sign_certificate")
    assert used.done("provenance", str(job["file"])).lines[0].startswith("provenance: valid: ")


def _value(ended: Ended, key: str) -> object:
    return ended.json[key]["value"]
