"""Settings: environment over file over defaults; keys by name, never by value."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.settings import load_keys, load_settings


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
    with pytest.raises(VideoError, match=r"config\.toml in the home folder cannot be read"):
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
