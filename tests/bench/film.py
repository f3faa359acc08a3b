"""Finishing a film on this machine, in one run on the same files: joined without encoding, signed, joined and encoded
anew beside FFmpeg's concat filter with the same encoder settings, and what a film of ten minutes holds in memory.

`python -m tests.bench.film` prints a Markdown table in about four minutes. Every film is made by a process of its own,
which measures its work without the imports and without the look at each clip that an order has taken. Encoding is
measured in pairs, the median of each. Ours also measures the loudness and brings the sound to it, which the filter does
not.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from backends.edit.engine import finish
from backends.edit.request import FinishRequest, build_finish
from backends.media.encode import KEYFRAME_EVERY, X264_PARAMS, X264_THREADS, ClipWriter
from backends.media.probe import probe_clip
from backends.media.provenance.signing import sign
from backends.media.sound import AAC_OPTIONS, BIT_RATE, Samples
from backends.media_name import MediaName
from backends.provider.protocol import Asset
from tests.bench.signing import SIGN_S, SIZE, taken
from tests.edit.making import facts_of
from tests.media.signing import MADE
from tests.samples import photo

CLIPS, SECONDS, FPS = 4, 5, 24
WIDTH, HEIGHT = 1280, 720
HISS = 0.002
PAIRS = 3
COPY_SPEED = 20.0
SHORT_S, LONG_S, LONG_PARTS = 10, 600, 30
FLAT = 1.1
INSTALL = "apt-get install ffmpeg"


@dataclass(frozen=True)
class Made:
    """A film that was made. clock, processor: seconds. memory: MB that its process held at most (ours)."""

    frames: int
    copied: bool
    clock: float
    processor: float
    memory: float


@dataclass(frozen=True)
class Row:
    what: str
    measured: str
    bound: str = ""
    held: bool | None = None

    def __str__(self) -> str:
        held = "" if self.held is None else "yes" if self.held else "no"
        return f"| {self.what} | {self.measured} | {self.bound} | {held} |"


def clip(path: Path, seconds: int, width: int, height: int, seed: int = 0) -> Path:
    """A slow move over a photo with grain, about 27 Mbit/s at 720p, and a tone with a little hiss, as recorded sound
    has: of a tone alone an encoder can use a small part of its bits, for which it then searches in vain."""
    rng = np.random.default_rng(seed)
    with Image.open(photo()) as opened:
        still = np.asarray(opened.convert("RGB").resize((width * 5 // 4, height * 5 // 4), Image.Resampling.BICUBIC))
    grain = [rng.integers(-4, 5, (height, width, 3), np.int16) for _ in range(8)]
    at = np.arange(48_000 * seconds) / 48_000
    hiss = rng.normal(0, HISS, (2, at.size))
    sound = Samples(0.2 * np.sin(2 * np.pi * (220 + 40 * seed) * at) + hiss, 48_000)
    with ClipWriter(path, width, height, FPS, crf=14, preset="superfast", audio_from=sound) as writer:
        for number in range(seconds * FPS):
            part = (number * (width // 4)) // (seconds * FPS)
            view = still[part * height // width : part * height // width + height, part : part + width]
            writer.write(np.clip(view + grain[number % 8], 0, 255).astype(np.uint8))
    return path


def apart(dest: Path, clips: Sequence[str | Path]) -> Made:
    """The film, made by a process of its own."""
    command = [sys.executable, "-m", "tests.bench.film", str(dest), *map(str, clips)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Made(**json.loads(done.stdout))


def here(dest: Path, clips: Sequence[str]) -> Made:
    """The film, made by this process."""
    request = build_finish(clips=clips)
    assets = {place: Asset(place, "", path, facts_of(path)) for place, path in files_of(request).items()}
    folder = Path(tempfile.mkdtemp(prefix="film", dir=dest))
    began, busy = time.perf_counter(), time.process_time()
    made = finish(request, assets, folder, os.environ, lambda done, phase: None)
    clock, processor = time.perf_counter() - began, time.process_time() - busy
    memory = peak_mb()
    frames = probe_clip(made.path, count_frames=True).frames or 0
    return Made(frames, bool(made.facts["copied"]), clock, processor, memory)


def peak_mb() -> float:
    """What this process has held at most. (Its resource usage begins with what its parent held.)"""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def files_of(request: FinishRequest) -> dict[str, Path]:
    return {place: Path(MediaName.parse(name).value) for place, name in request.media().items()}


def by_filter(ffmpeg: str, dest: Path, clips: Sequence[Path]) -> Made:
    """The same film by FFmpeg's concat filter."""
    inputs = [word for path in clips for word in ("-i", str(path))]
    pads = "".join(f"[{number}:v][{number}:a]" for number in range(len(clips)))
    graph = f"{pads}concat=n={len(clips)}:v=1:a=1[v][a]"
    video = ["-c:v", "libx264", "-crf", "18", "-preset", "veryfast", "-g", str(KEYFRAME_EVERY), "-pix_fmt", "yuv420p"]
    video += ["-threads", str(X264_THREADS), "-x264-params", X264_PARAMS]
    command = [ffmpeg, "-nostdin", "-v", "error", "-y", *inputs, "-filter_complex", graph, "-map", "[v]", "-map", "[a]"]
    sound = ["-c:a", "aac", "-b:a", str(BIT_RATE), "-aac_coder", AAC_OPTIONS["aac_coder"]]
    command += [*video, *sound, "-movflags", "+faststart", str(dest)]
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    clock = time.perf_counter() - began
    frames = probe_clip(dest, count_frames=True).frames or 0
    return Made(frames, False, clock, used.ru_utime + used.ru_stime, 0.0)


def encoded_anew(clip: Path) -> str:
    """A name of the clip that has every frame of it, and that is not all of it to the last thousandth: a film of such
    clips is never a copy."""
    return f"{clip}#t=0,{SECONDS - 0.01}"


def joining(folder: Path) -> list[Row]:
    clips = [clip(folder / f"clip{number}.mp4", SECONDS, WIDTH, HEIGHT, number) for number in range(CLIPS)]
    film_s = CLIPS * SECONDS
    copied = [apart(folder, clips) for _ in range(PAIRS)]
    assert all(one.copied and one.frames == film_s * FPS for one in copied)
    speed = film_s / statistics.median(one.clock for one in copied)
    rows = [Row("joined without encoding", f"{speed:.0f}x real time", f"{COPY_SPEED:g}x", speed >= COPY_SPEED)]
    rows.append(signed(folder, next(folder.glob("film*/clip.mp4"))))
    return rows + beside_the_filter(folder, clips)


def signed(folder: Path, source: Path) -> Row:
    keys = {"folder": str(folder / "signing")}
    sign(source, folder / "signed.mp4", MADE, [], keys)  # makes the certificate
    seconds, size = taken(lambda: sign(source, folder / "signed.mp4", MADE, [], keys)), source.stat().st_size
    what, bound = f"that film signed, {size / 1e6:.0f} MB, processor time", f"{SIGN_S} s for {SIZE / 1e6:.0f} MB"
    return Row(what, f"{seconds:.2f} s", bound, seconds <= SIGN_S * size / SIZE)


def beside_the_filter(folder: Path, clips: Sequence[Path]) -> list[Row]:
    names = [encoded_anew(one) for one in clips]
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        ours = apart(folder, names)
        told = Row(f"FFmpeg's concat filter: not measured, ffmpeg is not installed ({INSTALL})", "")
        return [Row("joined and encoded anew", f"{ours.clock:.1f} s, {ours.processor:.1f} s of processor time"), told]
    pairs = [(apart(folder, names), by_filter(ffmpeg, folder / "filtered.mp4", clips)) for _ in range(PAIRS)]
    # FFmpeg 5.1 plays each sound's last packet to its end, so that its four clips come out a frame longer.
    assert all(0 <= theirs.frames - ours.frames <= 1 and not ours.copied for ours, theirs in pairs)
    rows: list[Row] = []
    for what, figure in (("by the clock", "clock"), ("processor time", "processor")):
        ours, theirs = (statistics.median(getattr(pair[one], figure) for pair in pairs) for one in (0, 1))
        rows.append(Row(f"joined and encoded anew, {what}: ours", f"{ours:.1f} s"))
        rows.append(Row(f"the same by FFmpeg's concat filter, {what}", f"{theirs:.1f} s"))
        rows.append(Row("ours / the filter's", f"{ours / theirs:.2f}x", "1x", ours <= theirs))
    return rows


def growing(folder: Path) -> list[Row]:
    part = clip(folder / "part.mp4", LONG_S // LONG_PARTS, 320, 180)
    rows: list[Row] = []
    for what, tail in (("encoded anew", f"#t=0,{LONG_S // LONG_PARTS - 0.01}"), ("without encoding", "")):
        short = apart(folder, [f"{part}#t=0,{SHORT_S}" if tail else clip(folder / "short.mp4", SHORT_S, 320, 180)])
        long = apart(folder, [f"{part}{tail}"] * LONG_PARTS)
        assert long.frames == LONG_S * FPS and long.copied is short.copied is (not tail)
        ratio = long.memory / short.memory
        rows.append(Row(f"a film of {SHORT_S} s {what}: memory", f"{short.memory:.0f} MB"))
        rows.append(Row(f"a film of {LONG_S // 60} min {what}: memory", f"{long.memory:.0f} MB"))
        rows.append(Row("ten minutes / ten seconds", f"{ratio:.2f}x", f"{FLAT:g}x", ratio <= FLAT))
    return rows


def main() -> None:
    """Print the table."""
    print("| what | measured | bound | held |\n|---|---|---|---|")
    for part in (joining, growing):
        with tempfile.TemporaryDirectory(prefix="bench-film-") as folder:
            for row in part(Path(folder)):
                print(row, flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(asdict(here(Path(sys.argv[1]), sys.argv[2:]))))
    else:
        main()
