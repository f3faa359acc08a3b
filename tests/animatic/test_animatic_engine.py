"""The engine as a back end: registered, cheap to import, deterministic, streaming, cancellable."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from backends.animatic import register
from backends.animatic.engine import Animatic
from backends.errors import VideoError
from backends.media.frames import decode
from backends.provider.registry import registered
from backends.regions import MotionRegion
from tests.animatic.filming import film, prepared
from tests.patience import patient
from tests.samples import photo


def child(code: str, *arguments: str) -> str:
    """The output of a Python process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=patient(120)
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_it_is_found_by_its_entry_point_and_needs_nothing() -> None:
    registration = registered("animatic")
    assert (registration.provider, registration.kind) == ("animatic", "local")
    assert registration.catalog is not None and registration.catalog.name == "models.toml"
    access = registration.access({})
    assert (access.lane, access.available) == ("cpu", True)
    assert isinstance(register().open({}, ""), Animatic)


def test_registering_loads_no_heavy_library() -> None:
    loaded = child(
        "import sys; from backends.animatic import register; register().access({});"
        "print([name for name in ('numpy', 'cv2', 'av', 'PIL', 'httpx') if name in sys.modules])"
    )
    assert loaded == "[]"


FILM = """
import sys, hashlib
from pathlib import Path
from backends.media.frames import decode
from tests.animatic.filming import film, prepared
from tests.samples import photo
from backends.request import MotionRegion
region = MotionRegion(box=[0.2, 0.2, 0.8, 0.8], direction="left")
camera = ["dolly-in:0.5", "handheld:0.5"]
one = prepared("image_to_video", images=[photo("coffee")], camera=camera, seed=9, motion=[region])
two = prepared("interpolate", images=[photo("astronaut"), photo("coffee")], fit="pad")
digest = hashlib.sha256()
for number, request in enumerate((one, two)):
    for frame in decode(film(request, Path(sys.argv[1]) / str(number)).path):
        digest.update(frame.tobytes())
print(digest.hexdigest())
"""


def test_the_same_request_gives_the_same_decoded_frames_in_every_process(tmp_path: Path) -> None:
    assert child(FILM, str(tmp_path / "a")) == child(FILM, str(tmp_path / "b"))


def test_another_seed_gives_other_frames(tmp_path: Path) -> None:
    def digest(seed: int) -> str:
        request = prepared("image_to_video", images=[photo("coffee")], camera=["handheld:0.5"], seed=seed)
        made = film(request, tmp_path / str(seed))
        assert made.output.seed == seed == made.sidecar["seed"]
        return hashlib.sha256(b"".join(frame.tobytes() for frame in decode(made.path))).hexdigest()

    assert digest(1) != digest(2)


MEMORY = """
import resource, sys
from pathlib import Path
from tests.animatic.filming import film, prepared
from tests.samples import photo
film(prepared("image_to_video", (160, 90), images=[photo("coffee")], duration_s=float(sys.argv[2])), Path(sys.argv[1]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_duration(tmp_path: Path) -> None:
    short, long = (int(child(MEMORY, str(tmp_path / name), name)) for name in ("5", "30"))
    unit = 1 if sys.platform == "linux" else 1024
    # 600 more frames are 26 MB of pixels; held, they would show
    assert (long - short) / unit < 12_000


def test_progress_rises_to_one_and_says_what_is_done(tmp_path: Path) -> None:
    made = film(prepared("image_to_video", images=[photo("coffee")], camera=["dolly-in"]), tmp_path)
    shares = [share for share, _ in made.steps]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert len(shares) >= 24
    assert {phase for _, phase in made.steps} == {"reading the inputs", "moving the camera over the image", "done"}


def test_what_it_leaves_is_json_with_versions(tmp_path: Path) -> None:
    made = film(prepared("image_to_video", images=[photo("coffee")]), tmp_path)
    assert json.loads(json.dumps(made.sidecar)) == made.sidecar
    assert json.loads(json.dumps(made.facts)) == made.facts
    assert set(made.facts["versions"]) == {"av", "cv2", "numpy"}
    assert made.sidecar["engine"] == "animatic" and made.sidecar["size"] == [320, 180]
    assert made.path.name == "clip.mp4"


def test_cancelling_stops_at_once_and_leaves_no_partial_file(tmp_path: Path) -> None:
    steps: list[float] = []

    async def run() -> None:
        with anyio.CancelScope() as scope:

            def progress(share: float, phase: str) -> None:
                del phase
                steps.append(share)
                if share > 0.2:
                    scope.cancel()

            request = prepared("image_to_video", images=[photo("coffee")], duration_s=10.0)
            await Animatic().run(request, tmp_path, progress)
        assert scope.cancelled_caught

    anyio.run(run)
    assert steps[-1] < 0.3
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_it_does_not_do_is_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError) as caught:
        film(prepared("edit"), tmp_path)
    assert caught.value.kind == "unsupported"
    assert caught.value.message == (
        "the animatic doesn't do edit; it does text_to_video, image_to_video, interpolate, extend"
    )


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("image_to_video", "image_to_video needs an image: give frames[0].image"),
        ("extend", "extend needs the clip to extend: give source_clip"),
    ],
)
def test_a_missing_input_is_named(task: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(VideoError) as caught:
        film(prepared(task), tmp_path)
    assert caught.value.message == words


def test_a_minute_at_sixty_frames_is_planned_in_no_time() -> None:
    """3600 frames' poses, overscan and fields are ready before the first frame is requested."""
    from backends.animatic.still import still_take

    region = MotionRegion(box=[0.1, 0.1, 0.9, 0.9], direction="up")
    take = still_take(
        prepared(
            "image_to_video", images=[photo("coffee")], duration_s=60, fps=60, camera=["handheld"], motion=[region]
        )
    )
    assert take.count == 3600
    assert next(take.frames).shape == (180, 320, 3)
