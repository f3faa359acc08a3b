"""Signing a clip of 64 MB (C2PA): what each step takes of a real MP4, in processor time, so that a busy machine counts
little. `python -m tests.bench.signing` prints a Markdown table in about ten seconds."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from backends.media.encode import ClipWriter
from backends.media.hashing import sha256_now
from backends.media.provenance.reading import read
from backends.media.provenance.signing import sign
from tests.media.signing import MADE

SIZE = 64_000_000
ROUNDS = 5
SIGN_S = 0.5
FRAMES = 400


def clip(path: Path) -> Path:
    """Noise that moves on, until there are SIZE bytes."""
    noise = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), np.uint8)
    with ClipWriter(path, 1280, 720, 24, crf=12, preset="ultrafast") as writer:
        for number in range(FRAMES):
            writer.write(np.roll(noise, 37 * number, 1))
            if path.stat().st_size > SIZE:
                break
    return path


def taken(work: Callable[[], object]) -> float:
    """Seconds of processor time, the median."""
    times: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def measure(folder: Path) -> dict[str, float]:
    source, dest, keys = clip(folder / "clip.mp4"), folder / "signed.mp4", {"folder": str(folder / "signing")}
    sign(source, dest, MADE, [], keys)  # makes the certificate
    anchors = [folder / "signing" / "root.pem"]
    assert read(dest, None, anchors)["state"] == "trusted"
    return {
        "bytes": source.stat().st_size,
        "sign": taken(lambda: sign(source, dest, MADE, [], keys)),
        "hash": taken(lambda: sha256_now(dest)),
        "read": taken(lambda: read(dest, None, anchors)),
    }


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-signing-") as folder:
        found = measure(Path(folder))
    size = f"{found['bytes'] / 1e6:.0f} MB"
    held = "yes" if found["sign"] <= SIGN_S * found["bytes"] / SIZE else "no"
    print("| what | measured | bound | held |\n|---|---|---|---|")
    print(f"| the signed copy of {size}, processor time | {found['sign']:.2f} s | {SIGN_S} s for 64 MB | {held} |")
    print(f"| its sha256, once | {found['hash']:.2f} s | | |")
    print(f"| it is read and held against its manifest | {found['read']:.2f} s | | |")


if __name__ == "__main__":
    main()
