"""Crash points: named places at which a test may have this process killed, to prove that nothing is lost there.

Off unless REELWRIGHT_CRASH is set, as `POINT` (always) or `POINT:N` (the N-th time); then one string comparison.
`POINT:N:stop` has it stand still there instead, as a machine that was suspended, until it is let go on.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_plan = os.environ.get("REELWRIGHT_CRASH", "")
_seen: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Die here by SIGKILL, as a power cut would, when the environment asks for it."""
    if not _plan:
        return
    wanted, nth, how = (*_plan.split(":"), "", "")[:3]
    _seen[name] += 1
    if wanted == name and _seen[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGSTOP if how == "stop" else signal.SIGKILL)
