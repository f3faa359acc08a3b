"""One provider, one back end: a plug-in that takes a name of ours, or is no back end at all, harms nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.patience import patient

LIKE_OURS = """
from backends.provider.protocol import Access, Registration

def register():
    return Registration({provider!r}, "local", lambda env: Access("cpu"), lambda env, url: None)
"""

SEEN = (
    "import json\nfrom backends.provider.registry import broken, registry\n"
    "print(json.dumps([{name: one.access.__module__ for name, one in registry().items()}, broken]))"
)


def plug_in(folder: Path, name: str, code: str) -> None:
    """A package on the path whose entry point has that name; `name` is its module too."""
    module = f"plugin_{name}"
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[reelwright.backends]\n{name} = {module}:register\n")


def seen(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    env = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", SEEN], env=env, capture_output=True, text=True, timeout=patient(60), check=True
    )
    served, broken = json.loads(done.stdout)
    return served, broken


def test_the_built_in_back_end_keeps_its_provider(tmp_path: Path) -> None:
    for name in ("aaa", "animatic", "zzz"):
        plug_in(tmp_path, name, LIKE_OURS.format(provider="animatic"))
    served, broken = seen(tmp_path)
    assert served["animatic"] == "backends.animatic"
    told = "provider 'animatic' is served by animatic (reelwright), which is used"
    assert broken == {f"{name} (plugin_{name})": told for name in ("aaa", "animatic", "zzz")}


def test_of_two_plug_ins_the_first_by_name_keeps_the_provider(tmp_path: Path) -> None:
    for name in ("one", "two"):
        plug_in(tmp_path, name, LIKE_OURS.format(provider="new"))
    served, broken = seen(tmp_path)
    assert served["new"] == "plugin_one"
    assert broken == {"two (plugin_two)": "provider 'new' is served by one (plugin_one), which is used"}


def test_what_is_no_registration_is_told(tmp_path: Path) -> None:
    plug_in(tmp_path, "odd", "def register():\n    return None\n")
    plug_in(tmp_path, "worse", "raise SystemExit(3)\n")
    served, broken = seen(tmp_path)
    assert "fal" in served and "animatic" in served
    assert broken == {
        "odd (plugin_odd)": "TypeError: plugin_odd:register returned NoneType, not a Registration",
        "worse (plugin_worse)": "SystemExit: 3",
    }


WITH_A_KEY = """
from backends.provider.protocol import Access, Registration

def access(env):
    key = env.get("ACME_API_KEY", "")
    return Access("acme||" + key[:2], missing=() if key else ("ACME_API_KEY",))

def register():
    return Registration("acme", "remote", access, lambda env, url: None, keys=("ACME_API_KEY",), address="ACME_URL")
"""


def reelwright(folder: Path, *words: str, typed: str = "") -> list[str]:
    env = {**os.environ, "PYTHONPATH": str(folder), "REELWRIGHT_HOME": str(folder / "data")}
    command = [sys.executable, "-P", "-m", "mcp_server", *words]
    done = subprocess.run(command, env=env, input=typed, capture_output=True, text=True, timeout=60)
    return (done.stdout + done.stderr).splitlines()


def test_the_key_of_a_plug_in_can_be_kept_like_any_other(tmp_path: Path) -> None:
    plug_in(tmp_path, "acme", WITH_A_KEY)
    path = tmp_path / "data" / "keys.toml"
    assert reelwright(tmp_path, "config", "keys", "set", "ACME_API_KEY", typed="a-secret-0123") == [
        f"ACME_API_KEY is kept in {path}"
    ]
    assert f"ACME_API_KEY\t{path}" in reelwright(tmp_path, "config", "keys", "list")
    looked = reelwright(tmp_path, "doctor", "--quick")
    assert f"ok\tkey\tACME_API_KEY: {path}" in looked
    assert "ok\tback end\tacme (remote)" in looked
    assert "a-secret" not in "\n".join(looked)


def test_a_kept_key_that_no_back_end_reads_is_told(tmp_path: Path) -> None:
    plug_in(tmp_path, "acme", WITH_A_KEY)
    reelwright(tmp_path, "config", "keys", "set", "ACME_API_KEY", typed="a-secret-0123")
    (tmp_path / "plugin_acme-0.1.dist-info" / "entry_points.txt").unlink()
    path = tmp_path / "data" / "keys.toml"
    told = f"note\tkey\tACME_API_KEY is kept in {path}, and no installed back end reads it"
    assert told in reelwright(tmp_path, "doctor", "--quick")
    assert f"ACME_API_KEY is no longer in {path}" in reelwright(tmp_path, "config", "keys", "unset", "ACME_API_KEY")


def test_keys_that_are_no_names_are_told(tmp_path: Path) -> None:
    plug_in(
        tmp_path,
        "acme",
        WITH_A_KEY.replace('("ACME_API_KEY",)', '("ACME_API_KEY")', 1).replace(
            'keys=("ACME_API_KEY",)', 'keys="ACME_API_KEY"'
        ),
    )
    assert seen(tmp_path)[1] == {"acme (plugin_acme)": 'TypeError: keys is a tuple of names, such as ("ACME_API_KEY",)'}
