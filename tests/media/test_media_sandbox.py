"""Decoding at arm's length: what crosses the pipe, and what a crash, a hang or an idle child costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from backends.errors import VideoError
from backends.media.frames import decode
from backends.media.sandbox import Sandbox
from tests.patience import patient
from tests.samples import REFUSED, TAKEN_CLIPS, TAKEN_IMAGES, bunny, made, photo


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def until(fact: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a fact, at most so long."""
    end = time.monotonic() + patient(seconds)
    while not fact():
        assert time.monotonic() < end, "it did not come true"
        threading.Event().wait(0.01)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def opened_by_a_reader(pipe: Path, held: list[int]) -> bool:
    """Whether somebody reads this pipe; it is then held open for writing, so that the reader waits."""
    try:
        held.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("name", [*TAKEN_IMAGES, *TAKEN_CLIPS])
def test_images_and_clips_are_told_by_content(shared: Sandbox, name: str) -> None:
    facts = shared.check(made(name))
    assert facts.kind == ("image" if name in TAKEN_IMAGES else "clip")
    assert facts.bytes == made(name).stat().st_size


@pytest.mark.parametrize("name", REFUSED)
def test_every_bad_input_is_one_error_that_says_what_to_do(shared: Sandbox, name: str) -> None:
    pid = shared.pid
    with pytest.raises(VideoError) as caught:
        shared.check(made(name))
    assert caught.value.kind == "asset"
    assert caught.value.charged == "no"
    assert any(word in caught.value.message for word in ("give", "scale", "crop it", "copy", "save", "export"))
    assert shared.pid == pid or pid is None  # none of them costs a child


def test_missing_files_are_told(shared: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="the file is gone: give it again"):
        shared.check(tmp_path / "nothing.png")


def test_stills_of_a_clip_are_exact(shared: Sandbox, tmp_path: Path) -> None:
    frames = list(decode(made("h264.mov")))
    facts, note = shared.still(made("h264.mov"), "last_frame", 0, tmp_path / "last.png")
    assert note == ""
    assert (facts.kind, facts.mime, facts.width, facts.height) == ("image", "image/png", 64, 48)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "last.png")), frames[-1])
    shared.still(made("h264.mov"), "frame", 0.5, tmp_path / "frame.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "frame.png")), frames[6])
    with pytest.raises(VideoError, match=r"ends at 1\.000 s"):
        shared.still(made("h264.mov"), "frame", 2.0, tmp_path / "none.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frame.png", "last.png"]


def test_inspection_of_clips_and_stills(shared: Sandbox, tmp_path: Path) -> None:
    result = shared.inspect(bunny(), 8, tmp_path / "sheet.jpg")
    assert result["facts"].codec == "h264"
    assert result["measures"]["frames"] == 132
    assert len(result["times"]) == 8
    assert result["sheet"] == str(tmp_path / "sheet.jpg")
    still = shared.inspect(photo("rocket"), 8, tmp_path / "grid.jpg")
    assert set(still) == {"facts", "sheet"}
    assert still["facts"].kind == "image"
    shared.poster(bunny(), tmp_path / "poster.jpg")
    shared.poster(bunny(), tmp_path / "late.jpg", 3.0)
    assert (tmp_path / "late.jpg").read_bytes() != (tmp_path / "poster.jpg").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"sheet.jpg", "grid.jpg", "poster.jpg", "late.jpg"}
    with pytest.raises(VideoError, match="cannot be written") as caught:
        shared.poster(bunny(), tmp_path / "no" / "poster.jpg")
    assert caught.value.kind == "storage"


def test_calls_from_many_threads_are_served_in_turn(shared: Sandbox) -> None:
    names = ["grey.png", "h264.mov", "still.webp", "tone.mp4"] * 4
    found: dict[int, tuple[str, int]] = {}

    def check(index: int, name: str) -> None:
        facts = shared.check(made(name))
        found[index] = (facts.mime, facts.bytes)

    for name in set(names):
        made(name)
    threads = [threading.Thread(target=check, args=item) for item in enumerate(names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {index: size for index, (_, size) in found.items()} == {
        index: made(name).stat().st_size for index, name in enumerate(names)
    }


def test_a_killed_child_is_one_error_and_the_next_call_gets_a_new_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")  # a file that never answers: the child is surely busy
    with Sandbox() as sandbox:
        sandbox.check(made("grey.png"))
        first = sandbox.pid
        assert first is not None
        caught: list[VideoError] = []
        held: list[int] = []

        def check() -> None:
            try:
                sandbox.check(tmp_path / "pipe.png")
            except VideoError as error:
                caught.append(error)

        thread = threading.Thread(target=check)
        thread.start()
        until(lambda: opened_by_a_reader(tmp_path / "pipe.png", held))
        os.kill(first, signal.SIGKILL)
        thread.join(20)
        os.close(held[0])
        assert [error.kind for error in caught] == ["asset"]
        assert "ended its process (code -9), so it is damaged or hostile: export it again" in caught[0].message
        assert sandbox.check(made("grey.png")).kind == "image"
        assert sandbox.pid not in (None, first)


def test_a_hanging_call_is_given_up_and_its_child_killed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with Sandbox() as sandbox:
        sandbox.check(made("grey.png"))
        first = sandbox.pid
        assert first is not None
        sandbox._check_s = 0.3
        with pytest.raises(VideoError, match=r"took longer than 0\.3 s and was stopped: give a shorter or smaller one"):
            sandbox.check(tmp_path / "pipe.png")
        assert gone(first)
        sandbox._check_s = 60
        assert sandbox.check(made("grey.png")).kind == "image"


def test_an_idle_child_ends_by_itself_and_is_reaped() -> None:
    with Sandbox(idle_s=0.2) as sandbox:
        sandbox.check(made("grey.png"))
        child = sandbox._child
        assert child is not None
        until(lambda: child.process.returncode is not None)
        assert child.process.returncode == 0
        assert not psutil.pid_exists(child.process.pid)  # no zombie either
        assert sandbox.pid is None
        assert sandbox.check(made("grey.png")).kind == "image"


def test_close_ends_the_child_at_once() -> None:
    sandbox = Sandbox()
    sandbox.check(made("grey.png"))
    pid = sandbox.pid
    assert pid is not None
    sandbox.close()
    assert not psutil.pid_exists(pid)
    sandbox.close()


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    """Even with the parent's kill -9; and it works from any folder, without a terminal, and loads no decoder there."""
    code = (
        "import sys, os, signal\n"
        "from pathlib import Path\n"
        "import backends.media.magic, backends.media.paths, backends.media.rates\n"
        "from backends.media.sandbox import Sandbox\n"
        "sandbox = Sandbox()\n"
        "facts = sandbox.check(Path(sys.argv[1]))\n"
        "heavy = [name for name in ('av', 'numpy', 'cv2', 'PIL', 'httpx', 'c2pa') if name in sys.modules]\n"
        "import backends.media.fetch\n"
        "heavy += [name for name in ('av', 'numpy', 'cv2', 'PIL') if name in sys.modules]\n"
        "print(sandbox.pid, facts.width, heavy, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", code, made("grey.png")]
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, start_new_session=True, timeout=patient(60)
    )
    pid, width, heavy = run.stdout.strip().split(" ", 2)
    assert (width, heavy) == ("64", "[]")
    until(lambda: gone(int(pid)))


def test_the_child_sees_no_keys_and_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with Sandbox() as sandbox:
        sandbox.check(made("grey.png"))
        child = psutil.Process(sandbox.pid)
        assert "OPENAI_API_KEY" not in child.environ()
        assert "sk-secret" not in str(child.environ())
        assert child.rlimit(psutil.RLIMIT_AS)[0] == 3 * 1024**3
        assert child.rlimit(psutil.RLIMIT_CPU)[0] <= 300
        assert child.rlimit(psutil.RLIMIT_CORE)[0] == 0


def test_what_decoders_print_goes_to_the_log_not_the_pipe(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "sandbox.log") as sandbox:
        assert sandbox.check(made("h264.mov")).kind == "clip"
    assert (tmp_path / "sandbox.log").exists()
