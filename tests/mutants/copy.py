"""A copy of the tree with an environment of its own, so that every process of a test runs the broken program.

The environment's `python` finds the copy's packages first, then the installed ones; detached workers start with it too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.mutants.mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("backends", "mcp_server", "notebook_ext", "tests", "docs", "pyproject.toml", "README.md", "CHANGELOG.md")
LIMIT_S = 600.0


class Copy:
    """folder: empty; the copy is made there."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        self.root.mkdir()
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, self.root / part, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
            elif source.exists():
                shutil.copy2(source, self.root / part)
        venv.create(folder / "env", symlinks=True, with_pip=False)
        self.python = folder / "env" / "bin" / "python"
        here = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "env")}))
        installed = [path for path in sys.path if path.endswith("site-packages")]
        (here / "copy.pth").write_text("\n".join([str(self.root), *installed]) + "\n")
        self._stamp = 0

    @contextmanager
    def broken_by(self, mutant: Mutant) -> Iterator[None]:
        path = self.root / mutant.file
        text = path.read_text("utf-8")
        self._write(path, mutant.applied(text))
        try:
            yield
        finally:
            self._write(path, text)

    def _write(self, path: Path, text: str) -> None:
        """With a time of its own each time: compiled files of another version must not be taken for this one's."""
        path.write_text(text, "utf-8")
        self._stamp += 10
        os.utime(path, (1_000_000_000 + self._stamp,) * 2)

    def test(self, tests: tuple[str, ...]) -> tuple[bool, str]:
        """Whether all of them pass, and the last lines of what they say. A run that takes too long has failed."""
        command = [self.python, "-m", "pytest", "-x", "-q", "--torch", "auto", *tests]
        env = {name: value for name, value in os.environ.items() if not name.startswith("REELWRIGHT_")}
        try:
            run = subprocess.run(
                command, cwd=self.root, env=env, capture_output=True, text=True, timeout=LIMIT_S, errors="replace"
            )
        except subprocess.TimeoutExpired:
            return False, f"not done after {LIMIT_S:g} s"
        if run.returncode not in (0, 1):
            raise RuntimeError(f"pytest could not run {tests}: {run.stdout[-2000:]}{run.stderr[-2000:]}")
        lines = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR", "E  "))]
        return run.returncode == 0, "\n".join(lines[-3:])
