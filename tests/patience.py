"""How long a test waits for a fact before it calls it missing: seconds on a quiet machine, times this machine's pace.

A wait ends as soon as its fact is there, so a long patience costs nothing where all is well. The pace is measured once
a process, when something is first waited for: how long a Python takes that imports what a worker imports.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from pathlib import Path

QUIET_S = 0.45
"""What that takes on a quiet machine of 2024."""
LEAST, MOST = 3.0, 10.0
"""At least so many times what a quiet machine needs, since load comes after the measurement too; never more."""
IMPORT = "import sys; sys.path.insert(0, sys.argv[1]); import backends.jobs.run.worker_loop"


@functools.cache
def pace() -> float:
    """How many times the quiet machine's seconds a test waits here."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORT, str(Path(__file__).resolve().parents[1])], check=True)
    return max(LEAST, min(2 * (time.monotonic() - begun) / QUIET_S, MOST))


def patient(quiet_s: float) -> float:
    """How long to wait here for what takes at most so many seconds on a quiet machine."""
    return quiet_s * pace()
