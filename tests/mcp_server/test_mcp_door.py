"""What cannot work is told at the door, in a sentence: a system without workers, a package that hides ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WINDOWS = "Reelwright does not run on Windows yet (no job could start there): install and start it inside WSL, "
PRETEND = """\
import anyio, asyncio, mcp_server.cli, mcp_server.transports, notebook_ext.client, notebook_ext.kernel, sys
import anyio._backends._asyncio
sys.platform = "win32"
"""
"""Run by Python at its start: what the system's own libraries need of the platform is loaded before it is renamed."""


def run(env: dict[str, str], *command: str, cwd: Path, path: tuple[Path, ...] = ()) -> subprocess.CompletedProcess[str]:
    found = os.pathsep.join(str(folder) for folder in (*path, ROOT))
    return subprocess.run(
        [sys.executable, *command],
        env=env | {"PYTHONPATH": found},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("command", "before"),
    [
        (("-m", "mcp_server", "serve"), "reelwright serve: "),
        (("-m", "mcp_server", "serve", "--http", "127.0.0.1:0"), "reelwright serve: "),
        (("-m", "mcp_server", "make", "kite", "--model", "animatic", "--yes"), ""),
        (("-c", "from notebook_ext import studio; studio.generate_video('kite', model='animatic')"), "VideoError: "),
    ],
    ids=["serve", "http", "make", "notebook"],
)
def test_windows_is_refused_before_anything_is_queued(
    env: dict[str, str], tmp_path: Path, command: tuple[str, ...], before: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(PRETEND)
    ended = run(env, *command, cwd=tmp_path, path=(tmp_path,))
    assert ended.returncode in (1, 2) and ended.stdout == "", ended
    assert f"{before}{WINDOWS}" in " ".join(ended.stderr.split()), ended.stderr
    if before != "VideoError: ":
        assert len(ended.stderr.strip().splitlines()) <= 3, "a sentence, not a stack trace"


def foreign(folder: Path, name: str, form: str) -> Path:
    """A package or module of somebody else's in a folder."""
    place = folder / name / "__init__.py" if form == "package" else folder / f"{name}.py"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("")
    return place


@pytest.mark.parametrize("form", ["package", "module"])
@pytest.mark.parametrize("where", ["cwd", "PYTHONPATH"])
def test_a_foreign_backends_is_named(env: dict[str, str], tmp_path: Path, form: str, where: str) -> None:
    project = tmp_path / "project"
    place = foreign(project, "backends", form)
    cwd, path = (project, ()) if where == "cwd" else (tmp_path, (project,))
    served = run(env, "-m", "mcp_server", "serve", cwd=cwd, path=path)
    assert served.returncode == 1 and served.stdout == ""
    assert served.stderr == (
        f"reelwright: another package named backends ({place}) hides Reelwright's own: start it from another folder "
        "and without PYTHONPATH, or isolated with `uvx reelwright serve`, or with python -P -m mcp_server serve\n"
    )
    cell = run(env, "-c", "import notebook_ext", cwd=cwd, path=path)
    assert cell.stderr.splitlines()[-1] == (
        f"ImportError: another package named backends ({place}) hides Reelwright's own: rename it, or start the kernel "
        "in another folder and without PYTHONPATH"
    )


def test_a_foreign_mcp_server_is_named(env: dict[str, str], tmp_path: Path) -> None:
    """As when ours is started by its file's path while the person's project has a package of that name."""
    place = foreign(tmp_path, "mcp_server", "package")
    started = run(env, str(ROOT / "mcp_server" / "__main__.py"), "serve", cwd=tmp_path, path=(tmp_path,))
    assert started.returncode == 1 and started.stderr.startswith(
        f"reelwright: another package named mcp_server ({place}) hides Reelwright's own: "
    )


def test_a_folder_that_hides_nothing_is_let_be(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "backends").mkdir()
    (tmp_path / "backends" / "notes.txt").write_text("no package: ours wins")
    ended = run(env, "-m", "mcp_server", "serve", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert run(env, "-c", "import notebook_ext", cwd=tmp_path).returncode == 0
