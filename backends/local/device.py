"""Which device the local pipelines run on, from the environment and the driver's files: cheap, and without torch."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from backends.errors import VideoError
from backends.local.plan import Machine

NVIDIA = Path("/proc/driver/nvidia/gpus")
SEEN_S = 5.0
"""For how long the driver's word on its cards is believed."""

INSTALL = "pip install 'reelwright[local]'"
"""What brings torch, diffusers and the rest."""
NEEDED = ("torch", "diffusers", "transformers", "accelerate", "safetensors")


@dataclass(frozen=True)
class Device:
    """lane: "gpu:UUID" or "cpu". torch: torch's name of it. uuid: the driver's name of the GPU, "" for a processor."""

    lane: str
    torch: str
    uuid: str = ""


def gpus(folder: Path = NVIDIA) -> tuple[str, ...]:
    """The UUIDs of NVIDIA's GPUs in the driver's order (of their PCI addresses), as torch numbers them under
    CUDA_DEVICE_ORDER=PCI_BUS_ID, which the engine sets."""
    return tuple(uuid for uuid, _ in models(folder))


def models(folder: Path = NVIDIA) -> tuple[tuple[str, str], ...]:
    """The same, each with the name of its model ("NVIDIA H100 PCIe"; "" where the driver does not say)."""
    return _seen(folder, int(time.monotonic() / SEEN_S))


@lru_cache(maxsize=4)
def _seen(folder: Path, _time: int) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    try:
        for entry in sorted(folder.iterdir()):
            text = (entry / "information").read_text()
            if shape := re.search(r"GPU UUID:\s*(GPU-[0-9a-fA-F-]+)", text):
                model = re.search(r"Model:[ \t]*(.*)", text)
                found.append((shape[1], model[1].strip() if model else ""))
    except OSError:
        return ()
    return tuple(found)


def device(env: Mapping[str, str], folder: Path = NVIDIA) -> Device:
    """The device that REELWRIGHT_LOCAL_DEVICE names (a GPU's number or UUID, or cpu), else the first GPU.

    VideoError("unsupported") when there is none: a processor takes hours for a clip, so it is used only when requested.
    """
    return devices(env, folder)[0]


def devices(env: Mapping[str, str], folder: Path = NVIDIA) -> tuple[Device, ...]:
    """Every device that jobs may run on: those that REELWRIGHT_LOCAL_DEVICE names, separated by commas, else the first
    GPU and all others of its model (a job that fits on one fits on each), of those that CUDA_VISIBLE_DEVICES leaves.

    VideoError("unsupported") as `device`.
    """
    asked = env.get("REELWRIGHT_LOCAL_DEVICE", "").strip()
    if asked == "cpu":
        return (Device("cpu", "cpu"),)
    seen = gpus(folder)
    if seen and asked in ("", "auto", "cuda"):
        model = dict(models(folder))
        usable = _visible(env, seen)
        return tuple(_card(uuid) for uuid in usable if model[uuid] == model[usable[0]])
    if seen:
        return tuple(dict.fromkeys(_card(_named(name.strip(), seen)) for name in asked.split(",")))
    raise VideoError(
        "unsupported",
        "no NVIDIA GPU on this machine: name a machine that has one (REELWRIGHT_OPENAI_BASE_URL of a server with "
        "/v1/videos), or set REELWRIGHT_LOCAL_DEVICE=cpu to compute on the processor (hours for a clip)",
    )


def _card(uuid: str) -> Device:
    return Device(f"gpu:{uuid}", "cuda:0", uuid)


def _named(name: str, seen: Sequence[str]) -> str:
    number = name.removeprefix("cuda").removeprefix(":")
    if number.isdecimal() and int(number) < len(seen):
        return seen[int(number)]
    if name not in seen:
        raise VideoError("unsupported", f"REELWRIGHT_LOCAL_DEVICE={name[:60]} is none of {', '.join(seen)} or cpu")
    return name


def _visible(env: Mapping[str, str], seen: Sequence[str]) -> Sequence[str]:
    """The GPUs that CUDA_VISIBLE_DEVICES names, by number or the beginning of a UUID; all where it names none of
    them."""
    names = [name.strip() for name in env.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    named = [
        uuid
        for number, uuid in enumerate(seen)
        if any(name == str(number) or (name.startswith("GPU-") and uuid.startswith(name)) for name in names)
    ]
    return named or seen


OWN_GIB = 0.5
"""What the driver keeps of a GPU's memory, and a process that does nothing with it."""

LOST = (
    "uncorrectable ECC error",
    "device(s) is/are busy or unavailable",
    "no CUDA-capable device is detected",
    "hardware stack error",
    "uncorrectable NVLink error",
    "GPU is lost",
    "fallen off the bus",
)
"""How CUDA and the driver say that a card is gone or broken (CUDA Runtime API, `cudaError_t`)."""


def is_lost(error: BaseException | None) -> bool:
    """Whether a failure says that the card is gone or broken, rather than anything of the job."""
    while error is not None:
        if isinstance(error, RuntimeError) and any(words in str(error) for words in LOST):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_gone(uuid: str) -> bool:
    """Whether nvidia-smi says that a GPU which was there does not answer any more."""
    try:
        told = subprocess.run(["nvidia-smi", f"--id={uuid}"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return False
    return any(words in told.stdout + told.stderr for words in ("GPU is lost", "Unable to determine the device handle"))


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
    """The processes that hold a GPU's memory, as nvidia-smi lists them: "pid 123 python (8.1 GiB)"."""
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


_TOTALS: dict[str, float] = {}


def total_gib(uuid: str) -> float:
    """A GPU's memory by nvidia-smi, less what its driver keeps; 0 where that cannot be had. Asked once."""
    if not _TOTALS.get(uuid):
        _TOTALS[uuid] = _total_gib(uuid)
    return _TOTALS[uuid]


def _total_gib(uuid: str) -> float:
    query = ["nvidia-smi", f"--id={uuid}", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return 0.0
    return int(told) / 1024 - OWN_GIB if told.isdecimal() else 0.0


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
