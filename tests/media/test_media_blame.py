"""Whose fault it is: a call of ours that fails is never told as a damaged file, and a damaged file never as ours."""

from __future__ import annotations

import errno
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import av
import PIL
import pytest

from backends.errors import OwnFault, VideoError
from backends.jobs.context import Context
from backends.media.container import decoding
from backends.media.images import check_image
from backends.media.probe import probe_clip
from backends.media.sandbox import Sandbox
from backends.request import VideoRequest
from backends.settings import load_settings
from tests.samples import made, write_clip

REAL_AV = Path(av.__file__).parent
REAL_PIL = Path(PIL.__file__).parent
UPDATE = "that is no fault of the {}; update Reelwright (pip install -U reelwright), see reelwright doctor"

# The real package under another __init__, which runs the real one first.
STAND_IN = (
    f"__path__ = [{str(REAL_AV)!r}]\nexec(compile(open({str(REAL_AV / '__init__.py')!r}).read(), 'av', 'exec'))\n"
)
LACKS_A_KEYWORD = STAND_IN + (
    "_open = open\n"
    "def open(file, mode=None, format=None, container_options=None):\n"
    "    return _open(file, mode, format)\n"
)
LACKS_A_NAME = STAND_IN + "del open\n"
LACKS_A_DECODER = STAND_IN + (
    "from av.error import DecoderNotFoundError\n"
    "def open(*_, **__):\n    raise DecoderNotFoundError(1, 'Decoder not found')\n"
)
CANNOT_LOAD = "raise ImportError('libavcodec.so.63: cannot open shared object file')\n"


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, package: str, code: str) -> None:
    """Put a package of that name before the real one, for every process that is started from now on."""
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            LACKS_A_KEYWORD,
            "this program could not read the clip (TypeError: open() got an unexpected keyword argument ",
        ),
        (LACKS_A_NAME, "this program could not read the clip (AttributeError: module 'av' has no attribute 'open'"),
        (LACKS_A_DECODER, "this program could not read the clip (DecoderNotFoundError: "),
        (CANNOT_LOAD, "this program could not read the file (ImportError: libavcodec.so.63: cannot open shared "),
    ],
    ids=["a dropped keyword", "a dropped name", "a missing decoder", "a library that does not load"],
)
def test_a_library_that_changed_is_not_a_damaged_clip(
    code: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "av", code)
    with Sandbox() as sandbox, pytest.raises(OwnFault) as caught:
        sandbox.check(made("h264.mov"))
    assert caught.value.message.startswith(text)
    assert caught.value.message.endswith(UPDATE.format("file" if code is CANNOT_LOAD else "clip"))
    assert (caught.value.kind, caught.value.retryable, caught.value.charged) == ("provider", False, "no")


def test_an_image_library_that_changed_is_not_a_damaged_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "PIL", "raise ImportError('libjpeg.so.8: cannot open shared object file')\n")
    with Sandbox() as sandbox, pytest.raises(OwnFault, match=r"could not read the file \(ImportError: libjpeg"):
        sandbox.check(made("oriented.jpg"))


def test_a_child_that_ends_before_it_answers_is_our_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "backends", "")  # the child finds no backends.media
    with Sandbox() as sandbox, pytest.raises(OwnFault) as caught:
        sandbox.check(made("grey.png"))
    assert caught.value.message.startswith("the process for decoding ended by itself (code 1) before it answered")
    assert "update Reelwright (pip install -U reelwright)" in caught.value.message


def test_a_child_that_cannot_be_started_is_our_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with Sandbox() as sandbox, pytest.raises(OwnFault) as caught:
        sandbox.check(made("grey.png"))
    assert caught.value.message == (
        "no process for decoding can be started (No such file or directory), which is no fault of the file: close "
        "other programs and try again"
    )


def test_too_little_memory_for_an_image_within_the_caps_is_our_fault(tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from PIL import Image\n"
        "from backends.errors import VideoError\n"
        "from backends.media.images import check_image\n"
        "path = Path(sys.argv[1])\n"
        "Image.new('RGB', (6000, 6000)).save(path, compress_level=1)\n"
        "pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
        "most = pages * resource.getpagesize() + (20 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "try:\n"
        "    print(check_image(path))\n"
        "except VideoError as error:\n"
        "    print(type(error).__name__, error.message)\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "large.png"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("OwnFault this program could not read the image: decoding it took more memory"), run
    assert "give a smaller copy" in run.stdout


def test_an_input_that_we_cannot_read_is_told_as_it_is_and_leaves_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip.mp4").write_bytes(made("tone.mp4").read_bytes())
    (tmp_path / "broken.mp4").write_bytes(made("tone.mp4").read_bytes()[:-1000])
    stand_in(tmp_path, monkeypatch, "av", LACKS_A_KEYWORD)
    home = {"HOME": str(tmp_path), "REELWRIGHT_HOME": str(tmp_path / "home"), "REELWRIGHT_INPUT_ROOTS": str(tmp_path)}
    context = Context.open(load_settings(home, cwd=tmp_path))
    try:
        for name, kind in (("clip.mp4", OwnFault), ("broken.mp4", VideoError)):
            request = VideoRequest(task="extend", prompt="", duration_s=1, source_clip=str(tmp_path / name))
            with pytest.raises(VideoError) as caught:
                context.inputs.resolve(request, "person")
            assert type(caught.value) is kind, caught.value
            assert caught.value.message.startswith("source_clip: ")
            blobs = [path for path in (context.artifacts.root / "blobs").rglob("*") if path.is_file()]
            assert blobs == [], "a refused call keeps nothing: the file is the person's"
        assert caught.value.kind == "asset"
    finally:
        context.sandbox.close()
        context.store.close()


@pytest.mark.parametrize(
    "error",
    [
        TypeError("f() got an unexpected keyword argument 'x'"),
        AttributeError("module 'av' has no attribute 'x'"),
        NameError("name 'x' is not defined"),
        ImportError("no x"),
        KeyError("x"),
        AssertionError("x"),
        OSError(errno.EMFILE, "Too many open files"),
        PermissionError(errno.EACCES, "Permission denied"),
        MemoryError(),
        av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory"),
        av.error.DecoderNotFoundError(1, "Decoder not found"),
        av.error.OptionNotFoundError(1, "Option not found"),
    ],
    ids=lambda error: type(error).__module__ + "." + type(error).__name__,
)
def test_what_the_bytes_cannot_cause_is_our_fault(error: Exception) -> None:
    with pytest.raises(OwnFault, match="no fault of the clip"), decoding():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        av.error.InvalidDataError(1, "Invalid data found when processing input"),
        av.error.EOFError(1, "End of file"),
        av.error.PermissionError(errno.EPERM, "Operation not permitted"),  # FFmpeg's word for some damaged headers
        av.error.PatchWelcomeError(1, "Not yet implemented in FFmpeg, patches welcome"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        ValueError("x"),
        OverflowError("x"),
        OSError("image file is truncated"),
        OSError(errno.EINVAL, "Invalid argument"),  # a seek to where a header leads
    ],
    ids=lambda error: type(error).__module__ + "." + type(error).__name__,
)
def test_what_decoders_raise_for_bytes_is_the_files_fault(error: Exception) -> None:
    with pytest.raises(VideoError, match=r"cannot be decoded .*: it is damaged") as caught, decoding():
        raise error
    assert caught.value.kind == "asset"


def test_a_page_without_a_size_is_the_files_fault(tmp_path: Path) -> None:
    """Pillow's TIFF reader says so by a TypeError, the class of a wrong call as well."""
    path = tmp_path / "pages.tiff"
    data = bytearray(made("pages.tiff").read_bytes())
    second = data.rindex(struct.pack("<HHII", 256, 4, 1, 64))  # ImageWidth of the second page
    data[second : second + 2] = struct.pack("<H", 65000)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"cannot be decoded \(TypeError\): it is truncated or damaged") as caught:
        check_image(path)
    assert caught.value.kind == "asset"


def test_a_call_that_pillow_does_not_take_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        f"__path__ = [{str(REAL_PIL)!r}]\n"
        f"exec(compile(open({str(REAL_PIL / '__init__.py')!r}).read(), 'PIL', 'exec'))\n"
        "from PIL import Image\n"
        "_open = Image.open\n"
        "def lacking(file, mode='r'):\n"
        "    return _open(file, mode)\n"
        "Image.open = lacking\n"
    )
    stand_in(tmp_path, monkeypatch, "PIL", code)
    with Sandbox() as sandbox, pytest.raises(OwnFault) as caught:
        sandbox.check(made("grey.png"))
    assert caught.value.message.startswith("this program could not read the image (TypeError: lacking() got an unexp")


def test_an_own_fault_survives_a_process_border() -> None:
    again = pickle.loads(pickle.dumps(OwnFault("this program could not read it")))
    assert (type(again), again.message, again.kind) == (OwnFault, "this program could not read it", "provider")


def test_tags_that_are_not_utf_8_are_no_damage(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", metadata={"title": "marker-title"})
    data = path.read_bytes()
    assert data.count(b"marker-title") == 1
    path.write_bytes(data.replace(b"marker-title", b"\xe9\xff\xe8ker-title"))
    assert probe_clip(path).codec == "h264"
