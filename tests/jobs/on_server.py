"""`make postgres`: the tests of this folder, one file after the other, with their stores on a server; those that look
into the store's own file are left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.jobs.server import running

FOLDER = Path(__file__).parent
_NAMES = "archive clearing homes migration plans power private pulse recovery store twice"
OF_THE_FILE = frozenset(f"test_jobs_{name}.py" for name in _NAMES.split())
"""Tests of the file itself, of the archive beside it, and of data folders that are moved or lost."""


def main(names: list[str]) -> int:
    """How many files of tests failed. names: only these; [] = all."""
    files = [path for path in sorted(FOLDER.glob("test_*.py")) if path.name not in OF_THE_FILE]
    failed: list[str] = []
    with running() as url:
        env = {**os.environ, "REELWRIGHT_TEST_SERVER": url}
        for path in files if not names else [FOLDER / name for name in names]:
            print(path.name, flush=True)
            if subprocess.run([sys.executable, "-m", "pytest", "-q", str(path)], env=env, check=False).returncode:
                failed.append(path.name)
    print("failed: " + (", ".join(failed) or "none"))
    return len(failed)


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
