"""Settings: environment over file over defaults; keys by name, never by value."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.provider.keys import load_keys
from backends.settings import load_settings


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('output_dir = "/from/file"\nworker = "inline"\ninput_roots = ["/a", "/b"]\n')
    env = {"REELWRIGHT_HOME": str(tmp_path), "REELWRIGHT_WORKER": "detached"}
    settings = load_settings(env, cwd=tmp_path)
    assert settings.worker == "detached"
    assert settings.output == Path("/from/file")
    assert {Path("/a"), Path("/b")} <= set(settings.roots)


def test_the_working_folder_is_a_root_unless_it_is_home_or_the_top(tmp_path: Path) -> None:
    env = {"REELWRIGHT_HOME": str(tmp_path / "home")}
    assert tmp_path.resolve() in load_settings(env, cwd=tmp_path).roots
    assert Path("/") not in load_settings(env, cwd=Path("/")).roots
    assert Path.home() not in load_settings(env, cwd=Path.home()).roots


def test_bad_settings_say_what_to_set(tmp_path: Path) -> None:
    env = {"REELWRIGHT_HOME": str(tmp_path)}
    with pytest.raises(VideoError, match="detached or inline"):
        load_settings({**env, "REELWRIGHT_WORKER": "magic"}, cwd=tmp_path)
    (tmp_path / "config.toml").write_text("not = [toml")
    with pytest.raises(VideoError, match=r"config\.toml in the data folder cannot be read"):
        load_settings(env, cwd=tmp_path)


def test_keys_come_from_the_environment_then_the_private_file(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text('FAL_KEY = "from-file"\nRUNWAYML_API_SECRET = "file-too"\nPATH = "not a key"\n')
    keys.chmod(0o600)
    settings = load_settings({"REELWRIGHT_HOME": str(tmp_path), "FAL_KEY": "from-env"}, cwd=tmp_path)
    env, found = load_keys(settings)
    assert (env["FAL_KEY"], env["RUNWAYML_API_SECRET"]) == ("from-env", "file-too")
    assert found == {"FAL_KEY": "environment", "RUNWAYML_API_SECRET": str(keys)}
    assert "PATH" not in env


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text('FAL_KEY = "x"\n')
    keys.chmod(0o644)
    with pytest.raises(VideoError, match="chmod 600"):
        load_keys(load_settings({"REELWRIGHT_HOME": str(tmp_path)}, cwd=tmp_path))


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("$DATA/rw", "/data/rw"),
        ("${DATA}/rw", "/data/rw"),
        ("%DATA%/rw", "/data/rw"),
        ("~/rw", "/people/me/rw"),
        ("$HOME/rw", "/people/me/rw"),
        ("'/data/rw'", "/data/rw"),
        ('"/data/my clips"', "/data/my clips"),
        ("/data/100%/a$", "/data/100%/a$"),
    ],
)
def test_folders_are_read_as_a_shell_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, folder: str
) -> None:
    """A client's configuration hands variables over as they stand, and docker's --env-file the quotes too."""
    monkeypatch.setenv("HOME", "/people/me")
    env = {"DATA": "/data", "HOME": "/people/me", "REELWRIGHT_HOME": text}
    assert load_settings(env, cwd=tmp_path).home == Path(folder)
    env |= {"REELWRIGHT_HOME": str(tmp_path), "REELWRIGHT_OUTPUT_DIR": text, "REELWRIGHT_INPUT_ROOTS": f"/first:{text}"}
    settings = load_settings(env, cwd=tmp_path)
    assert settings.output == Path(folder)
    assert {Path("/first"), Path(folder)} <= set(settings.roots)


@pytest.mark.parametrize("name", ["REELWRIGHT_HOME", "REELWRIGHT_OUTPUT_DIR", "REELWRIGHT_INPUT_ROOTS"])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$NOWHERE/rw", "names the variable NOWHERE, which is not set: set it, or write the path out"),
        ("${NOWHERE}/rw", "names the variable NOWHERE, which is not set: set it, or write the path out"),
        ("/a/%NOWHERE%/rw", "names the variable NOWHERE, which is not set: set it, or write the path out"),
        ("~nosuchuser/rw", "names the home folder of a user unknown to this machine: write the path out"),
    ],
)
def test_a_folder_that_cannot_be_meant_is_refused(tmp_path: Path, name: str, text: str, why: str) -> None:
    with pytest.raises(VideoError) as caught:
        load_settings({"REELWRIGHT_HOME": str(tmp_path), name: text}, cwd=tmp_path)
    assert caught.value.message == f"{name} is {text!r} and {why}" and caught.value.kind == "storage"


def test_a_relative_home_is_refused(tmp_path: Path) -> None:
    """Two working folders would have two stores: two spending limits, and the same clip paid twice."""
    with pytest.raises(VideoError) as caught:
        load_settings({"REELWRIGHT_HOME": "data/rw"}, cwd=tmp_path)
    assert caught.value.message == (
        "REELWRIGHT_HOME is 'data/rw', which is another folder for every working folder: give its whole path, such as "
        f"{tmp_path / 'data' / 'rw'}"
    )
    env = {"REELWRIGHT_HOME": str(tmp_path), "REELWRIGHT_OUTPUT_DIR": "clips", "REELWRIGHT_INPUT_ROOTS": "shots"}
    settings = load_settings(env, cwd=tmp_path)
    assert settings.output == tmp_path / "clips" and tmp_path / "shots" in settings.roots


def test_quotes_around_an_address_or_a_key_are_left_out(tmp_path: Path) -> None:
    env = {
        "REELWRIGHT_HOME": str(tmp_path),
        "REELWRIGHT_OPENAI_BASE_URL": '"http://127.0.0.1:9/v1"',
        "COMFYUI_URL": "'http://127.0.0.1:8188'",
        "FAL_KEY": '"key"',
        "OTHER": '"as it is"',
        "REELWRIGHT_FAL_BASE_URL": '"',
    }
    read, found = load_keys(load_settings(env, cwd=tmp_path))
    assert (
        read["REELWRIGHT_OPENAI_BASE_URL"] == "http://127.0.0.1:9/v1" and read["COMFYUI_URL"] == "http://127.0.0.1:8188"
    )
    assert read["FAL_KEY"] == "key" and found == {"FAL_KEY": "environment"}
    assert read["OTHER"] == '"as it is"' and read["REELWRIGHT_FAL_BASE_URL"] == '"'


def test_a_working_folder_that_is_gone(tmp_path: Path) -> None:
    """In a process of its own, which stands in a folder that was deleted under it."""
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        "import os, sys\n"
        "from backends.settings import load_settings\n"
        "os.chdir(sys.argv[1])\n"
        "os.rmdir(sys.argv[1])\n"
        "settings = load_settings()\n"
        "print(settings.trouble)\n"
        "print(settings.cwd in settings.roots)\n"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "REELWRIGHT_HOME": str(tmp_path / "home")}
    run = subprocess.run([sys.executable, "-c", code, gone], capture_output=True, text=True, check=True, env=env)
    assert run.stdout.splitlines() == [
        "the folder that this was started in is gone: name files by their whole path, or start it in another folder",
        "False",
    ], run.stderr
