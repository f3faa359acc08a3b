"""Identifying a process by pid, start time, boot and PID namespace, so that a reused pid, or one of another container,
is never taken for a living driver."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class ProcessId:
    """A pid is reused over time; with its start time (by the system's own clock) and the boot id it identifies one
    process.

    pid_ns: the PID namespace of the pid, "" where it is not known.
    """

    pid: int
    started: float
    boot_id: str
    pid_ns: str = field(default="", compare=False)

    @property
    def is_near(self) -> bool:
        """Whether its pid means anything here: same boot and same PID namespace (each container has its own)."""
        return self.boot_id == boot_id() and self.pid_ns in ("", pid_namespace())


@cache
def boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@cache
def pid_namespace() -> str:
    """The kernel's name for this process's PID namespace; "" where there are none."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def start_time(pid: int) -> float | None:
    """The process's start in clock ticks since boot (Linux); 0.0 where it cannot be known; None when it is gone.

    A zombie counts as gone: it holds no locks and does no work.
    """
    if not sys.platform.startswith("linux"):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except OSError:
            return 0.0
        return 0.0
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else float(fields[19])


def this_process() -> ProcessId:
    return ProcessId(os.getpid(), start_time(os.getpid()) or 0.0, boot_id(), pid_namespace())


def is_alive(process: ProcessId) -> bool:
    """Whether exactly that process still runs here. False after a reboot, when the pid belongs to another process, and
    for a process of another container, of which nothing can be seen."""
    return process.is_near and start_time(process.pid) == process.started
