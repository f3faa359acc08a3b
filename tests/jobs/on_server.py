"""`make postgres`: the tests of this folder, one file after the other, with their stores on a server.

Those of the store's own file are left out, and named with the reason: whole files here, single tests by the marker
`of_the_file`. `python -m tests.jobs.on_server test_jobs_post.py ...` runs these alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.jobs.server import running
from tests.jobs.stores import VARIABLE

FOLDER = Path(__file__).parent
OF_THE_FILE = {
    "archive": "the archive is a file beside the store's; a server's store keeps all jobs",
    "homes": "where a file may lie",
    "migration": "files of older versions",
    "plans": "how SQLite runs each statement",
    "power": "what a disk holds after a power cut, written by this process",
    "private": "who may read the file",
    "pulse": "signs of life while the file is locked",
    "recovery": "a lost file is made anew from the journal beside it",
    "store": "commits, locks and damage of the file",
    "twice": "writing functions run twice: the file's store is made to",
}
"""The tests of `test_jobs_NAME.py` that are left out, and why."""


def main(names: list[str]) -> int:
    """How many files of tests failed. names: only these; [] = all."""
    apart = {f"test_jobs_{name}.py": why for name, why in OF_THE_FILE.items()}
    files = [path for path in sorted(FOLDER.glob("test_*.py")) if path.name not in apart]
    if not names:
        print("".join(f"left out: {name}: {why}\n" for name, why in apart.items()), flush=True)
    failed: list[str] = []
    with running() as url:
        env = {**os.environ, VARIABLE: url}
        for path in files if not names else [FOLDER / name for name in names]:
            print(path.name, flush=True)
            if subprocess.run([sys.executable, "-m", "pytest", "-q", str(path)], env=env, check=False).returncode:
                failed.append(path.name)
    print("failed: " + (", ".join(failed) or "none"))
    return len(failed)


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
