"""Which device the local pipelines run on, told by the environment and the driver's files: cheap, and without torch."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from backends.errors import VideoError
from backends.local.plan import Machine

NVIDIA = Path("/proc/driver/nvidia/gpus")
INSTALL = "pip install 'reelwright[local]'"
"""What brings torch, diffusers and the rest."""
NEEDED = ("torch", "diffusers", "transformers", "accelerate", "safetensors")


@dataclass(frozen=True)
class Device:
    """lane: "gpu:UUID" or "cpu". torch: torch's name of it. uuid: the driver's name of the GPU, "" for a processor."""

    lane: str
    torch: str
    uuid: str = ""


@cache
def gpus(folder: Path = NVIDIA) -> tuple[str, ...]:
    """The UUIDs of NVIDIA's GPUs in the driver's order (of their PCI addresses), as torch numbers them under
    CUDA_DEVICE_ORDER=PCI_BUS_ID, which the engine sets."""
    found: list[str] = []
    try:
        for entry in sorted(folder.iterdir()):
            shape = re.search(r"GPU UUID:\s*(GPU-[0-9a-fA-F-]+)", (entry / "information").read_text())
            if shape:
                found.append(shape[1])
    except OSError:
        return ()
    return tuple(found)


def device(env: Mapping[str, str]) -> Device:
    """The device that REELWRIGHT_LOCAL_DEVICE names (a GPU's number or UUID, or cpu), else the first GPU.

    VideoError("unsupported") when there is none: a processor takes hours for a clip, so it serves only when asked for.
    """
    asked = env.get("REELWRIGHT_LOCAL_DEVICE", "").strip()
    if asked == "cpu":
        return Device("cpu", "cpu")
    seen = gpus()
    number = asked.removeprefix("cuda").removeprefix(":") if asked not in ("", "auto", "cuda") else "0"
    if number.isdecimal() and int(number) < len(seen):
        return Device(f"gpu:{seen[int(number)]}", "cuda:0", seen[int(number)])
    if asked in seen:
        return Device(f"gpu:{asked}", "cuda:0", asked)
    if asked and seen:
        raise VideoError("unsupported", f"REELWRIGHT_LOCAL_DEVICE={asked[:60]} is none of {', '.join(seen)} or cpu")
    raise VideoError(
        "unsupported",
        "no NVIDIA GPU on this machine: name a machine that has one (REELWRIGHT_OPENAI_BASE_URL of a server with "
        "/v1/videos), or set REELWRIGHT_LOCAL_DEVICE=cpu to compute on the processor (hours for a clip)",
    )


def why_not(env: Mapping[str, str]) -> str:
    """Why nothing can be generated on this machine, "" when it can."""
    try:
        device(env)
    except VideoError as error:
        return error.message
    missing = [name for name in NEEDED if not _installed(name)]
    return f"{', '.join(missing)} not installed: {INSTALL}" if missing else ""


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # a broken installation, or an import hook that hides it
        return False


def holders(uuid: str) -> tuple[str, ...]:
    """The processes that hold a GPU's memory, as nvidia-smi tells them: "pid 123 python (8.1 GiB)"."""
    query = ["nvidia-smi", f"--id={uuid}", "--query-compute-apps=pid,process_name,used_memory"]
    try:
        listed = subprocess.run([*query, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return ()
    found: list[str] = []
    for line in listed.stdout.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 3 and parts[0] != str(os.getpid()) and parts[2].isdecimal():
            found.append(f"pid {parts[0]} {Path(parts[1]).name} ({int(parts[2]) / 1024:.1f} GiB)")
    return tuple(found[:5])


def available_ram_gib() -> float:
    """Host memory that could be had without swapping; 8 where the system does not say."""
    try:
        shape = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        shape = None
    return int(shape[1]) / 2**20 if shape else 8.0


def own_gpu(folder: Path = NVIDIA) -> Machine | None:
    """This machine's first GPU by nvidia-smi: what is free on it and who holds the rest. None when there is none."""
    seen = gpus(folder)
    if not seen:
        return None
    query = ["nvidia-smi", f"--id={seen[0]}", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    if not told.isdecimal():
        return None
    return Machine("cuda", int(told) / 1024, available_ram_gib(), holders=holders(seen[0]))
