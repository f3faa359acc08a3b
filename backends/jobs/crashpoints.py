"""Crash points: named places where a test can kill this process, to prove that nothing is lost there.

Off unless REELWRIGHT_CRASH is set, as `POINT` (always) or `POINT:N` (the N-th time); when off, one string comparison.
`POINT:N:stop` stops the process there instead, like a suspended machine, until it is continued.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_plan = os.environ.get("REELWRIGHT_CRASH", "")
_seen: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Die here by SIGKILL, as in a power cut, when the environment asks for it."""
    if not _plan:
        return
    wanted, nth, how = (*_plan.split(":"), "", "")[:3]
    _seen[name] += 1
    if wanted == name and _seen[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGSTOP if how == "stop" else signal.SIGKILL)
