"""What an outsider has: a folder with real pictures, a server started as a host starts it, and independent eyes.

The eyes (`Facts`, `boxes`) read the MP4 with PyAV and by hand, never with the program's own probe.
"""

from __future__ import annotations

import os
import shutil
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil

from tests import samples
from tests.patience import patient
from tests.rawclient import LEGACY, SERVE, RawClient, home_env

LAUNCHER = Path(__file__).with_name("launcher.py")
SMALL = {"duration_s": 1, "resolution": "360p", "fps": 12}
LONG = {"duration_s": 6, "resolution": "360p", "fps": 30}


@dataclass
class Place:
    """A person's machine, made anew: home folder, working folder with inputs, and where our program keeps things."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Place:
        place = cls(root)
        place.work.mkdir(parents=True)
        shutil.copy(samples.photo("coffee"), place.work / "coffee.png")
        shutil.copy(samples.photo("rocket"), place.work / "rocket.jpg")
        shutil.copy(samples.photo("astronaut"), place.work / "astronaut.png")
        shutil.copy(samples.bunny(), place.work / "bunny.mp4")
        return place

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def home(self) -> Path:
        return self.root / "reelwright"

    @property
    def videos(self) -> Path:
        return self.root / "videos"

    @property
    def env(self) -> dict[str, str]:
        return home_env(self.root)

    def client(self, era: str = LEGACY, *, limits: Sequence[str] = (), **more: Any) -> RawClient:
        """A host with its server. limits: the launcher's, for a server that may do less than this process."""
        command = (sys.executable, str(LAUNCHER), *limits, *SERVE) if limits else SERVE
        return RawClient(**({"env": self.env, "era": era, "command": command, "cwd": self.work} | more))


def finished(client: RawClient, *job_ids: str, timeout_s: float = 90) -> list[dict[str, Any]]:
    """The jobs once all are settled, by as many bounded waits as that takes."""
    deadline = time.monotonic() + patient(timeout_s)
    while time.monotonic() < deadline:
        jobs = client.structured("wait_for_job", job_ids=list(job_ids), timeout_s=20)["jobs"]
        if not any(job.get("timed_out") for job in jobs):  # what an earlier wait told in full is now a row
            return [client.structured("get_job", job_id=job["job_id"]) if job.get("told") else job for job in jobs]
    raise TimeoutError(f"{job_ids} did not end in {patient(timeout_s):g} s: {jobs}")


def made(client: RawClient, tool: str, /, **arguments: Any) -> dict[str, Any]:
    """The job of a starting call, succeeded."""
    (job,) = finished(client, client.structured(tool, **arguments)["job_id"])
    assert job["state"] == "succeeded", job
    return job


def until(fact: Callable[[], bool], timeout_s: float = 40) -> None:
    """Return when the fact is true; AssertionError when it isn't in time."""
    deadline = time.monotonic() + patient(timeout_s)
    while not fact():
        assert time.monotonic() < deadline, f"not within {patient(timeout_s):g} s"
        time.sleep(0.05)


def rendering(client: RawClient, job_id: str) -> None:
    """Return when the engine is in the middle of the job."""
    arguments = {"job_ids": [job_id], "timeout_s": 50}
    number = client.ask("tools/call", {"name": "wait_for_job", "arguments": arguments}, progress=True)
    client.progressed(number, beyond=0.001)
    assert client.structured("get_job", job_id=job_id)["state"] == "running"
    client.cancel(number)


@dataclass(frozen=True)
class Facts:
    """A clip as a decoder sees it; every frame was decoded."""

    codec: str
    pix_fmt: str
    width: int
    height: int
    frames: int
    seconds: float
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def of(cls, path: str) -> Facts:
        with av.open(path) as clip:
            video = clip.streams.video[0]
            pictures = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video)]
            assert video.duration is not None and video.time_base is not None
            return cls(
                video.codec_context.name,
                str(video.codec_context.pix_fmt),
                video.width,
                video.height,
                len(pictures),
                float(video.duration * video.time_base),
                pictures[0],
                pictures[-1],
            )


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference of two pictures, 0..255."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def boxes(path: str) -> list[str]:
    """The top-level boxes of an MP4, in order."""
    data, at, names = Path(path).read_bytes(), 0, []
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        names.append(name.decode("ascii"))
        at += size or len(data)
    return names


def workers(place: Place) -> list[psutil.Process]:
    """The detached workers of this place, found as the system's process list shows them."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            ours = "backends.jobs.run.worker" in words and process.environ().get("REELWRIGHT_HOME") == str(place.home)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if ours and process.pid != os.getpid():
            found.append(process)
    return found
