"""The process that measures. It tells its parent of each measurement by a line of JSON, before it and after it, so that
one that ends the process costs no other: the parent starts the next where this one stood."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backends.errors import VideoError
from tests.gpu.clock import Clock
from tests.gpu.results import Row
from tests.gpu.stage import LeftOut, Measurement, Stage

Tell = Callable[[dict[str, Any]], None]


def measured(one: Measurement, stage: Stage) -> Row:
    """Its row, whatever happens: a full card and a missing kernel are results too."""
    if not stage.clock.has(one.need_s if not stage.tiny else 0.001):
        return Row(one.what, one.case, "left out", "the time was up")
    began = time.monotonic()
    try:
        row = Row(one.what, one.case, figures=rounded(one.run(stage)))
    except LeftOut as why:
        row = Row(one.what, one.case, "left out", str(why))
    except VideoError as error:
        row = Row(one.what, one.case, "left out" if error.kind == "unsupported" else "failed", error.message)
    except Exception as error:
        row = Row(one.what, one.case, "failed", f"{type(error).__name__}: {error}"[:600])
    row.seconds = round(time.monotonic() - began, 2)
    return row


def rounded(value: Any) -> Any:
    """Figures as they are told: to five digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return value


def run(every: Sequence[Measurement], stage: Stage, tell: Tell, start: int = 0) -> None:
    """All from number `start` on."""
    from tests.gpu.meter import clear

    for number, one in enumerate(every[start:], start):
        tell({"begin": number})
        tell({"row": asdict(measured(one, stage))})
        clear(stage.device)


def device_facts(device: str) -> dict[str, Any]:
    """What the card is, and what of it is free before anything is loaded."""
    import torch

    from backends.local.device import available_ram_gib
    from tests.gpu.meter import context_gib, free_gib

    facts: dict[str, Any] = {"torch": device, "ram_gib": available_ram_gib(), "system": platform.platform()}
    if device == "cpu":
        return {**facts, "name": "processor"}
    torch.zeros(1, device=device)
    own = torch.cuda.get_device_properties(device)
    return {
        **facts,
        "name": own.name,
        "total_gib": own.total_memory / 2**30,
        "free_gib": free_gib(device),
        "context_gib": context_gib(device),
        "capability": list(torch.cuda.get_device_capability()),
        "multiprocessors": own.multi_processor_count,
        "cuda": torch.version.cuda,
        "driver": _driver(),
    }


def _driver() -> str:
    try:
        return Path("/sys/module/nvidia/version").read_text().strip()
    except OSError:
        return _asked_driver()


def _asked_driver() -> str:
    import subprocess

    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, timeout=10).stdout.splitlines()[0].strip()
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown"


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    for name, kind in (("--folder", Path), ("--until", float), ("--start", int), ("--device", str)):
        parser.add_argument(name, type=kind, required=True)
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args(words)
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is not ours

    def tell(line: dict[str, Any]) -> None:
        print(json.dumps(line), file=lines, flush=True)

    from backends.local.loading import versions
    from tests.gpu.order import measurements
    from tests.gpu.shapes import FULL
    from tests.gpu.tiny import TINY

    if asked.device == "cpu":
        import torch

        torch.set_num_threads(1)
    every = measurements()
    names = [[one.what, one.case, one.limit_s] for one in every]
    tell({"device": rounded(device_facts(asked.device)), "versions": dict(versions()), "names": names})
    shapes = TINY if asked.tiny else FULL
    stage = Stage(asked.device, shapes, asked.folder, Clock(asked.until), asked.tiny)
    run(every, stage, tell, asked.start)


if __name__ == "__main__":
    main(sys.argv[1:])
