"""`python -m tests.install`: the wheel in fresh environments, without this project's exact versions, must make clips.

An environment for the oldest and one for the newest Python that this machine has. In each, over MCP: a clip without a
model, a clip of a real one with its sound extended by a second, a look at it, and a paid clip of a loopback provider;
then one clip at the command line. Whatever a dependency changed since these versions were written down fails here, in
words, and not at a person's first clip.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import av

from tests.acceptance.outside import SMALL, Facts, Place, made
from tests.fakes import FakeServer
from tests.install.pythons import usable
from tests.rawclient import MODERN
from tests.samples import bunny
from tests.samples import made as sample

ROOT = Path(__file__).resolve().parents[2]
TOLD = ("av", "numpy", "opencv-python-headless", "pillow", "mcp", "pydantic", "openai", "google-genai", "runwayml")


class Failure(Exception):
    """What did not work, for a person."""


def main() -> int:
    pythons = usable()
    if not pythons:
        print("No Python of 3.11 or newer that can make an environment was found: install python3-venv")
        return 1
    versions = sorted({min(pythons), max(pythons)})
    print(f"Fresh installs of the wheel, on Python {' and '.join(map(_dotted, versions))}", flush=True)
    if len(versions) == 1:
        print(f"This machine has no other Python than {_dotted(versions[0])}: only that one is tried.", flush=True)
    with tempfile.TemporaryDirectory(prefix="fresh-", ignore_cleanup_errors=True) as folder:
        try:
            wheel = build(Path(folder))
            with ThreadPoolExecutor(len(versions)) as pool:  # both at once: each mostly waits for its own processes
                list(pool.map(lambda version: tried(version, pythons[version], wheel, Path(folder)), versions))
        except (Failure, AssertionError, TimeoutError) as error:
            print(f"A fresh install does not work: {error}", flush=True)
            return 1
    return 0


def tried(version: tuple[int, int], python: str, wheel: Path, folder: Path) -> None:
    """Install the wheel on one Python, and make clips there."""
    started = time.monotonic()
    told = install(python, wheel, folder / _dotted(version))
    print(f"Python {_dotted(version)}: {told}", flush=True)
    use(folder / _dotted(version))
    print(f"Python {_dotted(version)}: clips made, {time.monotonic() - started:.0f} s", flush=True)


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def command(*words: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """What the command printed; Failure with its words when it fails."""
    run = subprocess.run(list(map(str, words)), cwd=cwd, env=env, capture_output=True, text=True)
    if run.returncode:
        raise Failure(f"{' '.join(map(str, words))} ended with {run.returncode}:\n{(run.stdout + run.stderr)[-3000:]}")
    return run.stdout


def build(folder: Path) -> Path:
    """The wheel, built once."""
    command(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder / "wheel", ROOT)
    (wheel,) = (folder / "wheel").glob("reelwright-*.whl")
    return wheel


def install(python: str, wheel: Path, folder: Path) -> str:
    """Make the environment; the versions that the resolver chose."""
    command(python, "-m", "venv", "--without-pip", folder / "env")
    inside = folder / "env" / "bin" / "python"
    free = {name: value for name, value in os.environ.items() if name not in ("PIP_CONSTRAINT", "PYTHONPATH")}
    # This environment's pip, on that one's behalf: it resolves for that Python. What is imported is compiled then.
    pip = (sys.executable, "-m", "pip", "--python", inside)
    command(*pip, "install", "--quiet", "--disable-pip-version-check", "--no-compile", wheel, env=free)
    code = (
        "import sys, backends, importlib.metadata as m\n"
        "assert backends.__file__.startswith(sys.prefix), backends.__file__\n"
        f"print(', '.join(name + ' ' + m.version(name) for name in {TOLD!r}))"
    )
    return command(inside, "-P", "-c", code, cwd=folder, env=free).strip()


def use(folder: Path) -> None:
    """Clips by the environment's own program alone; what they are is looked at from here."""
    place = Place.make(folder / "person")
    place.work.joinpath("opus.mkv").write_bytes(sample("opus.mkv").read_bytes())
    program = folder / "env" / "bin" / "reelwright"
    quick = place.env | {"REELWRIGHT_WORKER_IDLE_S": "0.5"}  # no process outlives the folder for long
    with FakeServer("runway", clips={"": bunny()}, life={"polls": 1}) as service:
        env = quick | {"RUNWAYML_API_SECRET": "key_for_loopback", "REELWRIGHT_RUNWAY_BASE_URL": service.url}
        with place.client(MODERN, env=env, command=(str(program), "serve")) as client:
            still = made(client, "image_to_video", image="coffee.png", model="animatic", camera=["dolly-in"], **SMALL)
            _is_clip(still["file"], 12, sound=False)
            for clip in ("bunny.mp4", "opus.mkv"):  # sound that is copied, and sound that is encoded anew
                longer = made(client, "extend_clip", clip=clip, add_s=1, model="animatic")
                _is_clip(longer["file"], 157 if clip == "bunny.mp4" else 24, sound=True)
            looked = client.call("inspect_clip", clip=f"video://jobs/{still['job_id']}")
            assert any(part.get("type") == "image" for part in looked["content"]), looked
            paid = made(client, "generate_video", prompt="a kite", model="runway/gen4.5", duration_s=4, max_cost_usd=2)
            _is_clip(paid["file"], 132, sound=True)
            assert Decimal(str(paid["cost_usd"])) > 0, paid
        assert service.counters()["submit"] == 1, service.counters()
    words = ("make", "a kite", "--model", "animatic", "--duration", "1", "--yes")
    command(program, *words, cwd=place.work, env=quick)


def _is_clip(path: str, frames: int, *, sound: bool) -> None:
    facts = Facts.of(path)
    assert (facts.codec, facts.frames) == ("h264", frames), f"{path}: {facts.codec}, {facts.frames} frames"
    with av.open(path) as clip:
        heard = sum(frame.samples for frame in clip.decode(audio=0)) if clip.streams.audio else 0
    assert bool(heard) is sound, f"{path}: {heard} samples of sound"


if __name__ == "__main__":
    raise SystemExit(main())
