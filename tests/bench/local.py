"""A local clip through the whole program (MCP server, store, worker, engine, MP4) against a bare loop of the same
pipeline: `pipe(...)`, then its frames into an encoder. Ratios of one run.

`python -m tests.bench.local` prints a Markdown table in about three minutes. A tiny pipeline of random weights on one
thread of the processor; both sides keep it loaded, and take turns. By the clock: the fastest clip of either, since all
that a busy machine does is to add to it; on one that is busy all the time this says little. The second row says more
there: the processor time of the engine, and by the clock all that goes before and after it, against the loop's
processor time; medians. The third: the processor time of all our processes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.jobs.nursery import ROOT
from tests.jobs.station import Station
from tests.rawclient import RawClient

ROUNDS = 9
SIDE, FRAMES, FPS, STEPS = 128, 33, 8, 400
BOUND = 1.05
PROMPT = "a paper boat in the rain"

ROW = """
[[model]]
id = "local/bench"
like = "local/wan2.1-t2v-1.3b"
title = "Tiny Wan"
family = "bench"
aliases = []
wire = {{ repo = "path:{folder}", call = {{ max_sequence_length = 16 }} }}

[model.box]
durations = {{ min = 0.5, max = 10, step = 0.5, default = {seconds} }}
sizes = {{ "{side}p" = {{ "1:1" = "{side}x{side}" }} }}
fps = [{fps}]
options = {{ steps = {{ type = "integer", min = 2, max = 1000 }} }}

[[model.mode]]
tasks = ["text_to_video"]
wire = {{ variant = "wan2.1-t2v-1.3b" }}
"""

BUILD = "import sys; from pathlib import Path; from tests.local.tiny import save; save('wan_t2v', Path(sys.argv[1]))"

BARE = """
import sys
import av, diffusers, numpy as np, torch
folder, clip, side, frames, fps, steps = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
torch.set_num_threads(1)
pipe = diffusers.WanPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
pipe.set_progress_bar_config(disable=True)
print("ready", flush=True)
for seed in map(int, sys.stdin):
    generator = torch.Generator("cpu").manual_seed(seed)
    with torch.inference_mode():
        made = pipe(
            prompt=PROMPT, width=side, height=side, num_frames=frames, num_inference_steps=steps, guidance_scale=5.0,
            max_sequence_length=16, generator=generator, output_type="np",
        ).frames[0]
    with av.open(clip, "w") as output:
        video = output.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "veryfast", "threads": "4"})
        video.width = video.height = side
        video.pix_fmt = "yuv420p"
        for frame in made:
            picture = av.VideoFrame.from_ndarray((frame * 255).round().astype(np.uint8), format="rgb24")
            output.mux(video.encode(picture))
        output.mux(video.encode(None))
    print(len(made), flush=True)
"""


@dataclass(frozen=True)
class Figure:
    """Seconds of a clip by either, and the worst ratio that may be."""

    what: str
    ours: float
    bare: float
    bound: float = BOUND

    def row(self) -> str:
        ratio = self.ours / self.bare
        held = "yes" if ratio <= self.bound else "no"
        return f"| {self.what} | {self.ours:.2f} s | {self.bare:.2f} s | {ratio:.3f}x | {self.bound:g}x | {held} |"


@dataclass(frozen=True)
class Clip:
    """What one clip took in seconds: by the clock; of processor time, all processes and the one that computes; by the
    clock, what went before and after the computing process had it."""

    clock_s: float
    processor_s: float
    computing_s: float
    around_s: float = 0.0


class Bare:
    """The loop in a process of its own, with the pipeline loaded."""

    def __init__(self, folder: Path, clip: Path) -> None:
        words = [str(word) for word in (folder, clip, SIDE, FRAMES, FPS, STEPS)]
        code = BARE.replace("PROMPT", repr(PROMPT))
        env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-c", code, *words]
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._answer()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the bare loop has ended with {self.process.wait(10)}"
        return line.strip()

    def clip(self, seed: int) -> Clip:
        assert self.process.stdin is not None
        used = used_by([psutil.Process(self.process.pid)])
        began = time.perf_counter()
        self.process.stdin.write(f"{seed}\n")
        self.process.stdin.flush()
        frames = self._answer()
        took = time.perf_counter() - began
        assert int(frames) == FRAMES
        spent = used_by([psutil.Process(self.process.pid)]) - used
        return Clip(took, spent, spent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.process.kill()
        self.process.communicate()


def used_by(processes: list[psutil.Process]) -> float:
    """Seconds of processor time of these and of all that they have started and waited for."""
    return sum(sum(process.cpu_times()[:4]) for process in processes)


class Ours:
    """A home with its server and, from the first clip on, its worker and engine."""

    def __init__(self, station: Station, client: RawClient) -> None:
        self.station = station
        self.client = client

    def _processes(self) -> list[psutil.Process]:
        tops = [self.client.process.pid, *(driver.pid for driver in self.station.drivers())]
        every = [one for top in tops for one in (psutil.Process(top), *psutil.Process(top).children(recursive=True))]
        return list({one.pid: one for one in every}.values())

    def _engine(self) -> list[psutil.Process]:
        return [one for one in self._processes() if "backends.jobs.run.engine_child" in one.cmdline()]

    def clip(self, seed: int) -> Clip:
        """From the tool call to the answer that names its file."""
        asked: dict[str, Any] = {"model": "local/bench", "prompt": PROMPT, "provider_options": {"steps": STEPS}}
        used, computed = used_by(self._processes()), used_by(self._engine())
        began = time.perf_counter()
        ticket = self.client.structured("generate_video", seed=seed, **asked)
        (job,) = self.client.structured("wait_for_job", job_ids=[ticket["job_id"]], timeout_s=50)["jobs"]
        took = time.perf_counter() - began
        assert job["state"] == "succeeded" and Path(job["file"]).exists(), job
        engine_s = json.loads(self.station.row(job["job_id"])["result"])["facts"]["seconds"]
        spent, computing = used_by(self._processes()) - used, used_by(self._engine()) - computed
        return Clip(took, spent, computing, took - engine_s)


@contextmanager
def both() -> Generator[tuple[Ours, Bare]]:
    """The same weights, loaded by either."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        subprocess.run([sys.executable, "-c", BUILD, folder], cwd=ROOT, env=env, check=True, capture_output=True)
        (home / "rows").mkdir()
        row = ROW.format(folder=home / "wan_t2v", seconds=(FRAMES - 1) / FPS, side=SIDE, fps=FPS)
        (home / "rows" / "bench.toml").write_text(row, "utf-8")
        device = {"REELWRIGHT_LOCAL_DEVICE": "cpu", "REELWRIGHT_TORCH_THREADS": "1", "OMP_NUM_THREADS": "1"}
        station = Station(home, env={"REELWRIGHT_CATALOG": str(home / "rows"), **device})
        try:
            with Bare(home / "wan_t2v", home / "bare.mp4") as bare, RawClient(station.environ(), cwd=home) as client:
                yield Ours(station, client), bare
        finally:
            station.close()


def measure() -> list[Figure]:
    with both() as (ours, bare):
        pairs = [(ours.clip(seed), bare.clip(seed)) for seed in range(ROUNDS + 1)][1:]
    what = f"{FRAMES} frames, {SIDE}x{SIDE}, {STEPS} steps, warm"
    clock = [min(pair[side].clock_s for pair in pairs) for side in (0, 1)]
    whole = [statistics.median(pair[side].computing_s + pair[side].around_s for pair in pairs) for side in (0, 1)]
    processor = [statistics.median(pair[side].processor_s for pair in pairs) for side in (0, 1)]
    return [
        Figure(f"{what}: by the clock, the fastest of {ROUNDS}", *clock),
        Figure("processor time of the engine, and the clock around it", *whole),
        Figure("processor time of all processes", *processor),
    ]


def main() -> None:
    """Print the table."""
    print("| a local clip | reelwright | bare loop | ratio | bound | held |")
    print("|---|---|---|---|---|---|")
    for figure in measure():
        print(figure.row())


if __name__ == "__main__":
    main()
