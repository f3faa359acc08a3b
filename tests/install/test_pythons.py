"""Which Pythons a fresh install is tried on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.install.pythons import usable


def python(path: Path, says: str, code: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)


def test_released_pythons_from_3_11_up_are_found_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyenv, path = tmp_path / "pyenv", tmp_path / "bin"
    python(pyenv / "versions" / "3.13.0" / "bin" / "python3.13", "3 13 final")
    python(path / "python3.13", "3 13 final")
    python(path / "python3.11", "3 11 final")
    python(path / "python3.12", "the command exists in another version", 127)  # as a version manager's shim says
    python(path / "python3.15", "3 15 candidate")
    python(path / "python3", "3 10 final")
    monkeypatch.setenv("PYENV_ROOT", str(pyenv))
    monkeypatch.setenv("PATH", str(path))
    assert usable() == {
        (3, 11): str(path / "python3.11"),
        (3, 13): str(pyenv / "versions" / "3.13.0" / "bin" / "python3.13"),
    }
