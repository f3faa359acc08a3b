"""Whole lives of jobs at a cloud provider's fake: a client, its detached worker, real processes and real files."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from backends.jobs.lanes.process import is_alive
from tests.jobs.station import Station, until

PRICE = 'price = { unit = "per_clip", rates = [{ usd = 0.5 }], date = 2026-11-23, source = "this test" }'


def quick_rows(folder: Path, models: Iterable[str], unpriced: Iterable[str] = ()) -> str:
    """A catalogue folder in which these models take no time, so that their jobs are soon asked for, and in which
    those without a known price have one, as a person would add it."""
    unpriced = set(unpriced)
    folder.mkdir()
    quick = "typical = { base_s = 0.2, per_second = 0 }"
    rows = [
        f'[[model]]\nid = "{model}"\n{quick}\n{PRICE if model in unpriced else ""}\n' for model in sorted(set(models))
    ]
    (folder / "quick.toml").write_text("\n".join(rows))
    return str(folder)


def kill_worker_while_running(station: Station, jobs: Sequence[str]) -> str:
    """SIGKILL the worker once all these jobs run at the provider; the command line that it had."""

    def all_run() -> bool:
        marks = ",".join("?" * len(jobs))
        rows = station.rows(f"SELECT state, phase FROM jobs WHERE id IN ({marks})", jobs)
        failed = [(row["state"], row["phase"]) for row in rows if row["state"] in ("failed", "cancelled", "uncertain")]
        assert not failed, (failed, [dict(row)["error"] for row in map(station.row, jobs)], station.log[-2000:])
        return all(row["state"] == "running" for row in rows)

    until(all_run, "all jobs run at the provider", 30)
    (worker,) = station.drivers()
    shown = " ".join(psutil.Process(worker.pid).cmdline())
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: not is_alive(worker), "the worker is dead")
    return shown


def files_with(root: Path, secret: str) -> list[str]:
    """Every file below root that holds the secret."""
    wanted = secret.encode()
    return [str(path) for path in root.rglob("*") if path.is_file() and wanted in path.read_bytes()]
