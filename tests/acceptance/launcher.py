"""launcher.py [--plain] [--files-up-to BYTES] COMMAND...: run a command that may do less than we may.

--plain: as a user whom permissions bind. Root loses, for good, the capabilities that let it pass them (its own files
stay its own, so an interpreter in its home folder still runs). --files-up-to: no file may grow beyond so many bytes,
as on a full disk.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

PR_CAPBSET_DROP = 24
PASSING_PERMISSIONS = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def main(words: list[str]) -> None:
    while words[0].startswith("--"):
        match words.pop(0):
            case "--plain":
                be_plain()
            case "--files-up-to":
                most = int(words.pop(0))
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            case other:
                sys.exit(f"launcher: {other} is unknown")
    os.execvp(words[0], words)


def be_plain() -> None:
    """What is dropped from the bounding set, the next exec and every child of it lack."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in PASSING_PERMISSIONS:
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            sys.exit(f"launcher: cannot drop a capability: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main(sys.argv[1:])
