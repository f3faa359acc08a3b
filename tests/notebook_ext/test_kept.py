"""What is set in a view is there again when its cell is run again, in a new kernel too, and nothing is paid twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbclient import NotebookClient
from nbformat import v4

from backends.errors import VideoError
from notebook_ext.calls import asked
from notebook_ext.client import NotebookStudio
from notebook_ext.views.brush import Brush, brush
from notebook_ext.views.camera import Camera
from notebook_ext.views.camera import opened as camera
from notebook_ext.views.compare import opened as compare
from notebook_ext.views.keyframes import Keyframes, keyframes
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import CATALOG, Station
from tests.notebook_ext.desk import Desk, notebook_studio
from tests.notebook_ext.lab import jupyter_folders
from tests.notebook_ext.test_brush import png, region, said
from tests.patience import patient
from tests.samples import photo


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookStudio]:
    folder = tmp_path_factory.mktemp("kept")
    shutil.copy(photo("coffee"), folder / "coffee.png")
    shutil.copy(photo("astronaut"), folder / "astronaut.png")
    shutil.copy(tiny_clip(), folder / "clip.mp4")
    shutil.copy(tiny_clip(), folder / "other.mp4")
    with notebook_studio(folder) as opened:
        yield opened


@pytest.fixture(autouse=True)
def nothing_kept(studio: NotebookStudio) -> None:
    shutil.rmtree(studio.home.folder / "views", ignore_errors=True)


def painting(studio: NotebookStudio, name: str | None = "hair", **more: Any) -> Brush:
    return brush("coffee.png", client=studio, name=name, **{"model": "animatic", **more})


def filming(studio: NotebookStudio, **more: Any) -> Camera:
    return camera(studio, "coffee.png", **{"model": "animatic", "name": "shot", **more})


def picking(studio: NotebookStudio, *more: str) -> Keyframes:
    return keyframes("clip.mp4", *more, name="picks", model="animatic", client=studio)


def slid(view: Camera, **places: float) -> dict[str, Any]:
    rows = [(places.get(row.axis, 0.0), None, None) for row in view._rows]
    return {"rows": rows}


def test_what_was_painted_is_there_again_pixel_for_pixel(studio: NotebookStudio) -> None:
    mask = png()
    desk = Desk(painting(studio))
    desk.ask(
        "regions", said(region(mask=0, direction=[0, -1]), region(2, polygon=[[0.1, 0.1], [0.2, 0.1], [0, 0]])), [mask]
    )
    again = painting(studio)
    assert again.data["kept"] == "Restored your last settings (2 regions). Clear starts again."
    assert again.motion == desk.view.motion and Path(again.motion[0].mask or "").read_bytes() == mask  # pyright: ignore
    shown = Desk(again).ask("open")
    assert [one["id"] for one in shown.body["regions"]] == [1, 2] and len(shown.buffers) == 2
    again.clear()
    assert again.data["kept"] == "" and painting(studio).data["kept"] == "" and painting(studio).motion == ()


def test_another_still_name_or_start_in_the_code_is_another_view(studio: NotebookStudio) -> None:
    Desk(painting(studio)).ask("regions", said(region(polygon=[[0.1, 0.1], [0.2, 0.1], [0, 0]])))
    assert len(painting(studio).motion) == 1
    assert painting(studio, "sky").motion == ()
    assert brush("astronaut.png", client=studio, name="hair", model="animatic").motion == ()
    box = {"box": [0.1, 0.1, 0.5, 0.5], "direction": "up"}
    assert [str(one.direction) for one in painting(studio, motion=[box]).motion] == ["up"]
    assert painting(studio, None).motion == ()  # in a script, without a name: nothing is kept
    assert len(painting(studio, width=300, model=None).motion) == 1  # how it is shown, and for whom, may change


def test_moves_picks_and_frames_are_there_again(studio: NotebookStudio) -> None:
    shot = filming(studio)
    Desk(shot).ask("moves", slid(shot, dolly=0.6, roll=-0.2))
    again = filming(studio, duration_s=3)
    assert [str(move) for move in again.moves] == ["dolly-in:0.6", "roll-ccw:0.2"]
    assert "(dolly-in:0.6, roll-ccw:0.2)" in again.data["kept"]
    again.clear()
    assert filming(studio).moves == ()

    picker = picking(studio)
    desk = Desk(picker)
    desk.ask("pick", {"source": 0, "t": 0.0})
    desk.ask("pick", {"source": 0, "t": 0.0, "last": True})
    desk.ask("set", {"key": 2, "at_s": 3.0, "prompt": "turn"})
    found = picking(studio)
    assert found.frames == picker.frames and "2 frames" in found.data["kept"]
    assert Desk(found).ask("thumb", {"key": 2}).buffers == desk.ask("thumb", {"key": 2}).buffers
    Desk(found).ask("clear")
    assert picking(studio).frames == ()

    pair = ("clip.mp4", "other.mp4")
    Desk(compare(studio, *pair, name="best")).ask("pick", {"index": 1})
    best = compare(studio, *pair, name="best")
    assert best.picked == "other.mp4" and "(B is picked)" in best.data["kept"]


def test_an_empty_view_is_not_taken_for_nothing_asked(studio: NotebookStudio) -> None:
    folder = studio.home.folder
    for given, words in (
        ({"motion": painting(studio)}, "motion: nothing is painted in the view"),
        ({"camera": filming(studio)}, "camera: no move is set in the view"),
    ):
        with pytest.raises(VideoError, match=words):
            asked("image_to_video", {"image": "coffee.png", "prompt": "x", **given}, folder, cap=None)
    with pytest.raises(VideoError, match="frames: nothing is picked in the view"):
        asked("interpolate_keyframes", {"frames": picking(studio)}, folder, cap=None)
    request, _ = asked("image_to_video", {"image": "coffee.png", "motion": (), "camera": ()}, folder, cap=None)
    assert request.motion == () and request.camera == ()


def test_what_cannot_be_used_any_more_is_told_and_refused(studio: NotebookStudio) -> None:
    shot = filming(studio, moves=["pan-left:0.1"])
    rows = [(0.5, 1.0, 4.0) if row.axis == "dolly" else (0.0, None, None) for row in shot._rows]
    Desk(shot).ask("moves", {"rows": rows})
    short = filming(studio, moves=["pan-left:0.1"], duration_s=2)
    assert "cannot be used (dolly-in ends at 4 s, the clip at 2 s)" in short.data["kept"]
    with pytest.raises(VideoError, match="camera: the last settings of this view cannot be used"):
        asked("image_to_video", {"image": "coffee.png", "camera": short}, studio.home.folder, cap=None)
    Desk(short).ask("moves", slid(short, dolly=0.5))
    assert short.nothing_set == "" and short.data["kept"] == ""
    for file in (studio.home.folder / "views").iterdir():
        file.write_text(json.dumps({"v": 1, "code": "", "state": {"rows": "many"}}))
    assert "its file is damaged" in filming(studio, moves=["pan-left:0.1"]).data["kept"]


def test_a_folder_that_cannot_be_written_is_told(studio: NotebookStudio) -> None:
    studio.home.folder.mkdir(exist_ok=True)
    (studio.home.folder / "views").write_text("a file where the folder would be")
    try:
        shot = filming(studio)
        Desk(shot).ask("moves", slid(shot, dolly=0.6))
        assert shot.moves and "This is lost when the kernel ends" in shot.data["kept"]
    finally:
        (studio.home.folder / "views").unlink()


def test_each_view_copies_itself_as_literal_arguments(studio: NotebookStudio) -> None:
    folder = studio.home.folder
    painted = painting(studio)
    Desk(painted).ask("regions", said(region(mask=0), region(2, polygon=[[0.1, 0.1], [0.2, 0.1], [0, 0]])), [png()])
    shot, picker = filming(studio), picking(studio)
    Desk(shot).ask("moves", slid(shot, dolly=0.6))
    Desk(picker).ask("pick", {"source": 0, "t": 0.0})
    Desk(picker).ask("pick", {"source": 0, "t": 0.0, "last": True})
    for view, name, verb, more in (
        (painted, "motion", "image_to_video", {"image": "coffee.png"}),
        (shot, "camera", "image_to_video", {"image": "coffee.png"}),
        (picker, "frames", "interpolate_keyframes", {}),
    ):
        code = Desk(view).ask("code").body["code"]
        literal = eval(f"dict({code})")
        assert set(literal) == {name}
        assert asked(verb, more | literal, folder, cap=None) == asked(verb, more | {name: view}, folder, cap=None)
    best = compare(studio, "clip.mp4", "other.mp4", name="code")
    Desk(best).ask("pick", {"index": 0})
    assert Desk(best).ask("code").body["code"] == "'clip.mp4'"


# ------------------------------------------------------------------ a real kernel

MOVING = """
provider = "paid"

[[model]]
id = "paid/moving"
like = "paid/basic"
title = "Paid Moving (loopback test service)"
tier = 4
typical = { base_s = 0.2, per_second = 0 }

[model.wire]
model = "basic"
endpoint = "/jobs"
fields = { model = "model", prompt = "prompt", duration_s = "seconds", size = "size", seed = "seed", first = "image" }

[model.price]
unit = "per_second"
rates = [{ usd = 0.10 }]
date = 2026-11-23
source = "invented for tests"

[[model.mode]]
tasks = ["image_to_video"]
frames = { min = 1, max = 1 }
camera = "words"
"""

CELLS = (
    "import numpy as np\nfrom notebook_ext import brush, camera, keyframes, studio\n"
    "still = np.full((180, 320, 3), 90, np.uint8)",
    "shot = camera(still, model='paid/moving', duration_s=4)\nshot",
    "painted = brush(still, model='animatic')\npainted",
    "film = await studio.image_to_video(still, 'walk on', camera=shot, model='paid/moving', duration_s=4, "
    "resolution='180p', max_cost_usd=1)\nprint(film.job_id, film.replayed, film.cost_usd)",
    "print([str(move) for move in shot.moves], len(painted.motion))",
)

TAB = """\
%load_ext notebook_ext
lines = ["studio.generate_video('x', dur", "camera(x, model='anim", "camera(x, moves=['pan-", "%%video --se"]
print([get_ipython().complete(None, line, len(line))[1] for line in lines])
"""
"""What Tab offers, asked of the same kernel."""


def press(client: NotebookClient, cell: Any, action: str, body: dict[str, Any], buffers: list[bytes]) -> None:
    """What a page sends to the view that a cell has shown."""
    (model,) = (
        output.data["application/vnd.jupyter.widget-view+json"]["model_id"]
        for output in cell.outputs
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    )
    act = {"v": 1, "kind": "act", "rid": action, "action": action, "body": body}
    content = {"comm_id": model, "data": {"method": "custom", "content": act}}
    assert client.kc is not None
    message = client.kc.session.msg("comm_msg", content)
    client.kc.session.send(client.kc.shell_channel.socket, message, buffers=buffers)


def printed(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")


def test_restart_and_run_all_pays_nothing_and_finds_what_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real kernel, a real paid service: the page sets a move and paints, then everything is run again."""
    catalog = Path(shutil.copytree(CATALOG, tmp_path / "catalog"))
    (catalog / "moving.toml").write_text(MOVING)
    with FakeServer("paid", clips={"": tiny_clip()}, life={"polls": 1}) as server:
        station = Station(tmp_path, server.url, {"REELWRIGHT_CATALOG": str(catalog)})
        env = station.environ(**jupyter_folders(tmp_path))

        def run(*by_hand: str) -> list[str]:
            """Every cell in a kernel of its own, and the page's part after the cells that show a view; what the last
            two cells printed, and the last view's output."""
            cells = [v4.new_code_cell(cell) for cell in (*CELLS[:3], *by_hand, *CELLS[3:])]
            made = v4.new_notebook(cells=cells)
            client = NotebookClient(made, timeout=int(patient(20)), resources={"metadata": {"path": str(tmp_path)}})
            with client.setup_kernel(env=env, cwd=str(tmp_path)):
                for number, cell in enumerate(made.cells):
                    client.execute_cell(cell, number)
                    if by_hand and number == 2:
                        rows = [[0.6 if row == 2 else 0, None, None] for row in range(9)]
                        press(client, made.cells[1], "moves", {"rows": rows}, [])
                        press(client, cell, "regions", said(region(mask=0)), [png(320, 180)])
            return [
                printed(made.cells[-2]),
                printed(made.cells[-1]),
                str(made.cells[2].outputs),
                printed(made.cells[4]),
            ]

        try:
            first = run("import asyncio\nwhile not (shot.moves and painted.motion): await asyncio.sleep(0.02)", TAB)
            second = run()
        finally:
            station.close()
        charges = server.counters()["charges"]
    told, again = first[0].split(), second[0].split()
    assert told[0] == again[0] and (told[1], again[1]) == ("False", "True"), (told, again)
    assert charges == 1
    assert first[1] == second[1] == "['dolly-in:0.6'] 1\n"
    assert "Restored your last settings (1 region)" in second[2], "what stays in the notebook says so too"
    assert "Restored" not in first[2]
    assert first[3] == "[['duration_s='], ['animatic'], ['pan-left', 'pan-right'], ['--seconds', '--seed']]\n"
