"""The Pythons of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

OLDEST = (3, 11)
ASKED = "import sys, venv, ensurepip; print(*sys.version_info[:2], sys.version_info.releaselevel)"


def usable() -> dict[tuple[int, int], str]:
    """Each released Python from 3.11 up that can make an environment, by its version: on PATH, or kept by pyenv."""
    found: dict[tuple[int, int], str] = {}
    for command in _commands():
        run = subprocess.run([command, "-c", ASKED], capture_output=True, text=True)
        words = run.stdout.split()
        if run.returncode == 0 and len(words) == 3 and words[2] == "final":
            version = (int(words[0]), int(words[1]))
            if version >= OLDEST:
                found.setdefault(version, command)
    return dict(sorted(found.items()))


def _commands() -> list[str]:
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    names = [f"python3.{minor}" for minor in range(OLDEST[1], 20)]
    return [
        *(str(path) for name in names for path in sorted(kept.glob(f"*/bin/{name}"), reverse=True)),
        *(path for name in [*names, "python3"] if (path := shutil.which(name))),
    ]
