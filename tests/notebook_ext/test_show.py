"""show(), the magics and the static figure: what they put into a notebook, looked at without one."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backends import vocabulary
from backends.errors import VideoError
from backends.jobs.views import Job as JobView
from backends.media.probe import probe_clip
from notebook_ext import client, kernel, magic_options, magics
from notebook_ext.client import NotebookStudio
from notebook_ext.figure import job_figure
from notebook_ext.job import Job
from notebook_ext.media_names import pictures
from notebook_ext.prices import Prices
from notebook_ext.showing import _html, show
from notebook_ext.view import STATIC, inside, module_text, plain
from tests.fakes import tiny_clip
from tests.notebook_ext.desk import notebook_studio

FRAMES = np.random.default_rng(0).integers(0, 255, (6, 45, 63, 3), np.uint8)


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NotebookStudio]:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    kernel.folder.cache_clear()
    with notebook_studio(tmp_path) as opened:
        monkeypatch.setattr(client, "studio", opened)
        yield opened
    kernel.folder.cache_clear()


def test_frames_in_memory_become_a_clip(studio: NotebookStudio, capsys: pytest.CaptureFixture[str]) -> None:
    pipe_output = SimpleNamespace(frames=[[Image.fromarray(frame) for frame in FRAMES]])
    floats = SimpleNamespace(frames=FRAMES[None].astype(np.float32) / 255)
    for what in (FRAMES, [Image.fromarray(frame) for frame in FRAMES], pipe_output, floats):
        show(what, fps=12, client=studio)
    (path,) = {Path(line) for line in capsys.readouterr().out.split()}
    facts = probe_clip(path)
    assert (facts.width, facts.height, facts.frames, facts.fps) == (64, 46, 6, 12)
    assert path.parent == studio.home.folder


def test_what_cannot_be_shown_says_what_can(studio: NotebookStudio) -> None:
    for wrong, words in (
        ("nowhere.png", "there is no file"),
        (object(), "names no picture or clip"),
        (np.zeros((2, 2, 2, 2, 2, 2)), "height x width x 3"),
        ([FRAMES[0], FRAMES[0][:10]], "the pictures differ in size"),
    ):
        with pytest.raises(VideoError, match=words):
            show(wrong, client=studio)


def test_a_tensor_is_turned_with_its_channels_last() -> None:
    class Tensor:
        def detach(self) -> Tensor:
            return self

        to = float = lambda self, *_: self

        def numpy(self) -> Any:
            return FRAMES.transpose(0, 3, 1, 2) / 255

        ndim = 4

    found = pictures(Tensor())
    assert found is not None and np.array_equal(np.stack(found), FRAMES)


def test_a_file_below_the_notebook_is_linked_and_another_embedded(
    studio: NotebookStudio, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    near, far = tmp_path / 'a "b".png', tmp_path_factory.mktemp("far") / "c.png"
    for path in (near, far):
        Image.fromarray(FRAMES[0]).save(path)
    linked, embedded = (_html(path, "<script>", studio) for path in (near, far))
    assert 'src="a &quot;b&quot;.png"' in linked
    assert 'src="data:image/jpeg;base64,' in embedded
    assert "<script>" not in linked + embedded


def test_a_clip_can_be_written_into_the_notebook_whole(studio: NotebookStudio, tmp_path: Path) -> None:
    clip = Path(shutil.copy(tiny_clip(), tmp_path / "near.mp4"))
    assert 'src="near.mp4"' in _html(clip, "a clip", studio)
    whole = _html(clip, "a clip", studio, embed=True)
    assert f'src="data:video/mp4;base64,{base64.b64encode(clip.read_bytes()).decode()}"' in whole


def test_a_figure_escapes_what_people_write() -> None:
    view = JobView(
        job_id="job_x",
        uri="video://jobs/job_x",
        state="succeeded",
        task="text_to_video",
        engine="previs",
        model="animatic",
        cost_usd=0,
        created_at="",
    )
    html = job_figure(view, '"><script>alert(1)</script>', None, "reelwright_outputs/a b.mp4")
    assert "<script" not in html and "&quot;&gt;&lt;script&gt;" in html
    assert "PREVIS (no generative model) job_x succeeded, animatic, free" in html
    assert "data:video" in job_figure(view, "", None, None, b"clip")
    failed = view.model_copy(update={"state": "failed"})
    assert "<video" not in job_figure(failed, "", None, None)


# ------------------------------------------------------------------ magics


def test_the_cell_magic_is_a_starting_call(studio: NotebookStudio, capsys: pytest.CaptureFixture[str]) -> None:
    job = magics.video("--model animatic --seconds 2 --resolution 360p --label boat", "a paper boat\n")
    assert isinstance(job, Job) and capsys.readouterr().out == "animatic: free\n"
    job.result()
    assert (job.label, job.duration_s, job.height) == ("boat", 2, 360)
    again = magics.video("--model animatic --seconds 2 --resolution 360p --label boat", "a paper boat")
    assert again is job
    assert "nothing more is paid" in capsys.readouterr().out
    longer = magics.video(f"--clip {job.job_id} --add 1 --model animatic", "")
    assert longer.task == "extend"
    longer.result()


def test_every_argument_of_a_starting_call_is_an_option_of_the_magic() -> None:
    options = magic_options.video_options()
    assert set(options.values()) - {"name", "dry_run"} == vocabulary.known() - {"prompt"}
    line = '--duration 4 --focus 0.5,0.3 --motion {"static":true} --option cfg=7 --option mode=pro --no-audio --loop'
    assert magic_options.given(line.split()) == {
        "duration_s": 4.0,
        "focus": [0.5, 0.3],
        "motion": [{"static": True}],
        "provider_options": {"cfg": 7, "mode": "pro"},
        "audio": False,
        "loop": True,
        "dry_run": False,
    }
    assert options["--seconds"] == options["--duration"] == "duration_s"


def test_a_dry_run_only_tells_prices(studio: NotebookStudio) -> None:
    prices = magics.video("--seconds 5 --max-cost 2 --take 2 --dry-run", "a paper boat")
    assert isinstance(prices, Prices) and len(prices) > 10
    assert not studio.list_jobs().jobs


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--second 5", "no such option --second; did you mean --seconds?"),
        ("--seconds five", "invalid float value"),
        ("--camera 'pan", "No closing quotation"),
        ("--camera wobble", "camera move 'wobble' is unknown"),
        ("--model runway/gen4.5 --seconds 5", "set RUNWAYML_API_SECRET"),
    ],
)
def test_a_magic_that_is_written_wrong_says_so(studio: NotebookStudio, line: str, words: str) -> None:
    with pytest.raises(VideoError) as caught:
        magics.video(line, "a boat")
    assert words in caught.value.message


def test_without_the_extra_the_install_command_is_told() -> None:
    code = (
        "import sys\n"
        "sys.modules['anywidget'] = None\n"
        "import notebook_ext\n"
        "print(notebook_ext.studio.list_models(limit=1)['models'][0]['model'] != '')\n"
        "try:\n    notebook_ext.board\nexcept ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\nanywidget is missing: pip install 'reelwright[notebook]'\n", done.stderr


# ------------------------------------------------------------------ the modules of the page


def test_every_view_is_one_module_without_imports_and_with_names_of_its_own() -> None:
    files = [path.stem for path in STATIC.glob("*.js")]
    names: dict[str, str] = {}
    for file in files:
        text = (STATIC / f"{file}.js").read_text()
        for name in re.findall(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", text, re.MULTILINE):
            assert names.setdefault(name, file) == file, f"{name} is in {names[name]}.js and in {file}.js"
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), file
    for file in set(files) - {"core", "media", "afm"}:
        text = module_text(file)
        assert not re.search(r"^(import|export (?!default))", text, re.MULTILINE), file
        assert text.endswith(f'export default adapter({file}, "{file}");\n')
    assert inside("board") == ("card",)
    assert plain('import { a } from "./core.js";\nexport const b = a;\n') == "const b = a;\n"


def test_the_front_end_is_small() -> None:
    assert sum(path.stat().st_size for path in STATIC.iterdir()) <= 60_000
