"""What a loaded model spares: reading a prompt again, and holding a whole clip as numbers of 32 bits on its way from
the VAE to the file. Each against the plain way of the same pipeline, on one thread of the processor.

`python -m tests.bench.again` prints a Markdown table. Memory is the most that a process of its own held.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

ROUNDS = 9
WIDTH, HEIGHT, FRAMES = 832, 480, 81
WAYS = ("plain", "ours")


def prompts() -> tuple[float, float]:
    """Seconds of processor time of reading a prompt and a negative one, and of finding them again."""
    import torch

    from backends.local.prompts import Prompts
    from tests.local.tiny import wan_t2v

    torch.set_num_threads(1)
    encode = wan_t2v().encode_prompt
    kept = Prompts(encode)

    def read(how: Callable[..., object]) -> float:
        began = time.process_time()
        with torch.inference_mode():
            how("a paper boat in the rain", max_sequence_length=512, device=torch.device("cpu"))
        return time.process_time() - began

    read(kept)
    pairs = [(read(encode), read(kept)) for _ in range(ROUNDS)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def written(way: str, clip: Path) -> tuple[float, float]:
    """(seconds of processor time, MB of memory beyond the decoded clip's) for a clip that the VAE has decoded."""
    import resource

    import numpy as np
    import torch
    from diffusers.video_processor import VideoProcessor

    from backends.local.decoded import Decoded
    from backends.media.encode import ClipWriter

    torch.set_num_threads(1)
    video = torch.empty((1, 3, FRAMES, HEIGHT, WIDTH), dtype=torch.bfloat16)
    for number in range(FRAMES):
        video[:, :, number] = number / FRAMES
    finish = VideoProcessor(vae_scale_factor=8).postprocess_video
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with ClipWriter(clip, WIDTH, HEIGHT, Fraction(16)) as writer:
        if way == "ours":
            for picture in Decoded(video, finish):
                writer.write(picture)
        else:
            whole = finish(video, output_type="np")[0]
            assert np.isfinite(whole).all()
            for frame in whole:
                writer.write(np.asarray(np.clip(frame * 255.0 + 0.5, 0, 255), np.uint8))
    took = time.process_time() - began
    return took, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def _apart(way: str) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        command = [sys.executable, "-m", "tests.bench.again", way, f"{folder}/clip.mp4"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes = json.loads(done.stdout)
    return seconds, megabytes


def main() -> None:
    """Print the table."""
    print("| what | plain | reelwright | ratio |")
    print("|---|---|---|---|")
    read, found = prompts()
    print(f"| a prompt of a tiny Wan, read and found again | {read * 1e3:.1f} ms | {found * 1e3:.2f} ms "
          f"| {found / read:.3f}x |")  # fmt: skip
    plain, ours = (_apart(way) for way in WAYS)
    size = f"{WIDTH}x{HEIGHT}, {FRAMES} frames, from the VAE to the file"
    print(f"| {size}: memory | {plain[1]:.0f} MB | {ours[1]:.0f} MB | {ours[1] / plain[1]:.2f}x |")
    print(f"| {size}: processor time | {plain[0]:.2f} s | {ours[0]:.2f} s | {ours[0] / plain[0]:.2f}x |")


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(written(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
