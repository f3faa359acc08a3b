"""The motion brush without a page: what it takes, what it gives, what it refuses. The page's side is
test_brush_page.py."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backends.animatic import brush as engine
from backends.errors import VideoError
from backends.media.images import load_mask
from backends.regions import MotionRegion
from notebook_ext.client import NotebookStudio
from notebook_ext.views.brush import FULL, Brush, brush
from tests.notebook_ext.desk import Desk, Refused, notebook_studio
from tests.samples import bunny, made, photo

WIDE, HIGH = 600, 400
SQUARE = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.4], [0.1, 0.4]]
"""In widths of the picture."""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookStudio]:
    folder = tmp_path_factory.mktemp("brush")
    shutil.copy(photo("coffee"), folder / "coffee.png")
    with notebook_studio(folder) as opened:
        yield opened


@pytest.fixture
def painted(studio: NotebookStudio) -> Brush:
    return brush("coffee.png", model="animatic", client=studio)


def png(width: int = WIDE, height: int = HIGH, *, white: bool = True) -> bytes:
    picture = Image.new("RGBA", (width, height), "black")
    if white:
        picture.paste("white", (width // 4, height // 4, width // 2, height // 2))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def region(id: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": id, "direction": [1, 0], "intensity": 0.5, "static": False, **more}


def said(*regions: dict[str, Any]) -> dict[str, Any]:
    return {"by": "a page", "regions": list(regions)}


def test_an_outline_is_a_polygon_in_shares_of_the_picture(painted: Brush) -> None:
    told = Desk(painted).ask("regions", said(region(polygon=SQUARE, direction=[0, -2], intensity=1))).body["told"]
    assert painted.motion == (
        MotionRegion(polygon=[[0.1, 0.15], [0.5, 0.15], [0.5, 0.6], [0.1, 0.6]], direction=[0.0, -2.0], intensity=1.0),
    )
    assert told == {"1": "up 10.0 %"} and FULL == engine.FULL


def test_a_painted_mask_is_a_png_of_the_same_pixels_in_the_notebooks_folder(
    painted: Brush, studio: NotebookStudio
) -> None:
    mask = png()
    shutil.rmtree(studio.home.folder / "masks", ignore_errors=True)
    assert Desk(painted).ask("regions", said(region(mask=0)), [mask]).body["told"] == {"1": "right 5.0 %"}
    assert not (studio.home.folder / "masks").exists()  # nobody has asked for it yet
    (found,) = painted.motion
    assert found.direction == [1.0, 0.0] and found.mask
    path = Path(found.mask)
    assert path.parent == studio.home.folder / "masks" and path.read_bytes() == mask
    share = load_mask(path)
    assert share.shape == (HIGH, WIDE) and share[100:200, 150:300].min() == 1 and share.sum() == 150 * 100
    assert painted.motion == (found,) and len(list(path.parent.iterdir())) == 1
    assert studio.inner.context.inputs.files.checked_path(found.mask) == path.resolve()  # and a request may use it


def test_a_shape_that_has_not_changed_is_not_sent_again(painted: Brush) -> None:
    desk = Desk(painted)
    desk.ask("regions", said(region(mask=0), region(2, polygon=SQUARE)), [png()])
    before = painted.motion
    told = desk.ask("regions", said(region(static=True), region(2, polygon=SQUARE, direction=[0, 1]))).body["told"]
    assert told == {"1": "frozen", "2": "down 5.0 %"}
    assert painted.motion[0] == MotionRegion(mask=before[0].mask, static=True)
    assert painted.motion[1].polygon == before[1].polygon
    desk.ask("regions", said(region(2, polygon=SQUARE)))
    assert len(painted.motion) == 1


def test_what_has_been_erased_is_no_region(painted: Brush) -> None:
    desk = Desk(painted)
    told = desk.ask("regions", said(region(mask=0), region(2, polygon=SQUARE)), [png(white=False)]).body["told"]
    assert told["1"] == "empty" and [one.polygon is None for one in painted.motion] == [False]
    assert desk.ask("regions", said(region(direction=[0, 1]))).body["told"] == {"1": "empty"}
    assert painted.motion == ()


def test_a_smaller_mask_of_the_same_shape_is_taken_and_told(painted: Brush) -> None:
    told = Desk(painted).ask("regions", said(region(mask=0)), [png(300, 200)]).body["told"]
    assert told == {"1": "right 5.0 % (the mask is sent at 50% of the image's size)"}
    assert load_mask(Path(str(painted.motion[0].mask))).shape == (200, 300)


@pytest.mark.parametrize(
    ("body", "buffers", "words"),
    [
        (region(), [], "region 1 has no shape: give its polygon or its mask"),
        (region(mask=1), [png()], "region 1 has no shape"),
        (region(mask=0), [png(601, 401)], "the mask is 601x401 pixels, the image 600x400"),
        (region(mask=0), [png(300, 300)], "the mask is 300x300 pixels, the image 600x400"),
        (region(mask=0), [b"GIF89a"], "the mask is not a complete PNG"),
        (region(mask=0), [png()[:-40]], "the mask is not a complete PNG"),
        (region(mask=0), [bytes(9 << 20)], "more than 6 MiB at once"),
        (region(polygon=SQUARE[:2]), [], "regions[0].polygon"),
        (region(polygon=[[0, 0, 0]] * 3), [], "regions[0].polygon[0]"),
        (region(polygon=SQUARE, direction=[0, 0]), [], "direction [0, 0] points nowhere"),
        (region(polygon=SQUARE, direction=["a", 0]), [], "regions[0].direction[0]"),
        (region(polygon=SQUARE, intensity=1.5), [], "regions[0].intensity"),
        (region(0, polygon=SQUARE), [], "regions[0].id"),
        (region(polygon=SQUARE, path="/etc/passwd"), [], "regions[0].path: no such argument"),
    ],
)
def test_what_makes_no_region_is_refused_and_changes_nothing(
    painted: Brush, body: dict[str, Any], buffers: list[bytes], words: str
) -> None:
    desk = Desk(painted)
    desk.ask("regions", said(region(5, polygon=SQUARE)))
    before = painted.motion
    with pytest.raises(Refused) as caught:
        desk.ask("regions", said(region(5, polygon=SQUARE, intensity=0.1), body), buffers)
    assert words.replace("regions[0]", "regions[1]") in str(caught.value)
    assert painted.motion == before


def test_other_bodies_and_actions_are_refused(painted: Brush) -> None:
    desk = Desk(painted)
    for action, body in (("regions", {}), ("regions", said(*[region(n, polygon=SQUARE) for n in range(1, 22)]))):
        with pytest.raises(Refused, match="regions"):
            desk.ask(action, body)
    with pytest.raises(Refused, match="this view has no action motion"):
        desk.ask("motion")
    with pytest.raises(Refused, match="no such argument"):
        desk.ask("open", {"path": "/etc/passwd"})


def test_clear_is_told_to_every_page(painted: Brush) -> None:
    desk = Desk(painted)
    desk.ask("regions", said(region(polygon=SQUARE)))
    assert painted.data["by"] == "a page"
    painted.clear()
    assert painted.motion == () and painted.data["by"] == ""
    assert desk.ask("open").body == {"regions": [], "told": {}}


def test_regions_to_begin_with_stay_what_they_are_until_they_are_touched(studio: NotebookStudio) -> None:
    (studio.home.folder.parent / "mask.png").write_bytes(png(150, 100))
    given = [
        {"box": [0.1, 0.2, 0.3, 0.5], "direction": "up", "intensity": 0.3},
        MotionRegion(polygon=[[0, 0], [1, 0], [0.5, 1]], static=True),
        {"mask": "mask.png", "direction": [1, 1]},
    ]
    view = brush("coffee.png", motion=given, client=studio)
    assert view.motion == tuple(MotionRegion.model_validate(one) for one in given)
    desk = Desk(view)
    opened = desk.ask("open")
    box, outline, mask = opened.body["regions"]
    assert opened.body["told"] == {"1": "up 3.0 %", "2": "frozen", "3": "down-right 5.0 %"}
    assert box["direction"] == [0.0, -1.0]
    assert box["points"] == [pytest.approx(p) for p in ([0.1, 2 / 15], [0.3, 2 / 15], [0.3, 1 / 3], [0.1, 1 / 3])]
    assert outline["static"] and outline["points"][2] == [0.5, pytest.approx(2 / 3)]
    assert len(opened.buffers) == 2 and mask["mask"] == 1
    assert mask["points"] == [[pytest.approx(0.372, abs=0.01), pytest.approx(0.247, abs=0.01)]]
    assert opened.buffers[0] == photo("coffee").read_bytes()  # nothing is decoded or scaled on the way
    with Image.open(io.BytesIO(opened.buffers[1])) as shown:
        assert shown.getpixel((50, 40)) == (255, 255) and shown.getpixel((10, 10)) == (255, 0)
    # sent back as it came, only the box's direction changed
    back = [{**one, "mask": None} for one in opened.body["regions"]]
    back = [{key: value for key, value in one.items() if key != "points"} for one in back]
    back[0] |= {"polygon": box["points"], "direction": [1, 0]}
    back[1]["polygon"] = outline["points"]
    desk.ask("regions", said(*back))
    assert view.motion[0] == MotionRegion(box=[0.1, 0.2, 0.3, 0.5], direction=[1.0, 0.0], intensity=0.3)
    assert view.motion[1] == given[1] and view.motion[2].mask == "mask.png"


def test_stills_of_every_kind(studio: NotebookStudio) -> None:
    folder = studio.home.folder
    pixels = np.zeros((60, 80, 3), np.uint8)
    for value in (pixels, Image.fromarray(pixels)):
        view = brush(value, client=studio)
        assert Path(view.image).parent == folder / "stills"
        assert (view.data["columns"], view.data["tall"]) == (80, 0.75)
    shutil.copy(made("oriented.jpg"), folder / "oriented.jpg")
    assert brush(folder / "oriented.jpg", client=studio).data["tall"] > 1  # upright, as a browser shows it
    shutil.copy(made("still.tiff"), folder / "still.tiff")
    shown = Desk(brush(folder / "still.tiff", client=studio)).ask("open").buffers[0]
    assert shown[:3] == b"\xff\xd8\xff"  # browsers show no TIFF


def test_a_photo_of_48_megapixels_is_painted_on(studio: NotebookStudio) -> None:
    path = studio.home.folder.parent / "phone.jpg"
    Image.new("RGB", (8000, 6000), "teal").save(path)
    view = brush(path, client=studio)
    assert (view.data["columns"], view.data["tall"]) == (4096, 0.75)
    mask = png(2048, 1536)
    told = Desk(view).ask("regions", said(region(mask=0)), [mask]).body["told"]
    assert told == {"1": "right 5.0 % (the mask is sent at 26% of the image's size)"}


def test_a_mask_from_a_file_has_the_pictures_shape_whatever_its_size(studio: NotebookStudio, painted: Brush) -> None:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png(1200, 800))).convert("L").save(buffer, "BMP")
    (drawn,) = Desk(painted).ask("mask", {}, [buffer.getvalue()]).buffers
    alpha = np.asarray(Image.open(io.BytesIO(drawn)).getchannel("A"))
    assert alpha.shape == (400, 600) and alpha[125, 200] == 255 and alpha[50, 50] == 0
    for data, words in ((png(400, 400), "the mask is 400x400 pixels, the image 600x400"), (b"no mask", "give a PNG")):
        with pytest.raises(Refused, match=words):
            Desk(painted).ask("mask", {}, [data])


def test_where_nothing_stands_out_there_is_no_outline(studio: NotebookStudio) -> None:
    plain = brush(np.full((60, 80, 3), 90, np.uint8), client=studio)
    with pytest.raises(Refused, match="nothing stands out there"):
        Desk(plain).ask("outline", {"at": [0.5, 0.5]})


def test_a_job_means_its_last_frame(studio: NotebookStudio) -> None:
    job = studio.image_to_video("coffee.png", model="animatic", duration_s=1, resolution="360p")
    job.result()
    for value in (job, job.job_id, job.last_frame):
        assert brush(value, client=studio).image == f"{job.uri}/last_frame"
    at_half = brush(job.frame(0.5), client=studio)
    assert at_half.image == f"{job.uri}/frame/0.5" and at_half.data["columns"] == 640


def test_what_is_no_still_is_refused_with_what_to_do(studio: NotebookStudio) -> None:
    shutil.copy(bunny(), studio.home.folder.parent / "clip.mp4")
    for value, words in (
        ("clip.mp4", "clip.mp4 is a clip, and an image is painted on: keyframes(clip) picks a frame"),
        ("gone.png", "'gone.png' does not exist"),
        ("/etc/hostname", "is not in an allowed folder"),
        ("https://example.org/a.png", "save it to a file and give its path"),
        ("job_" + "a" * 26, "there is no job"),
        (object(), "object names no picture or clip"),
    ):
        with pytest.raises(VideoError) as caught:
            brush(value, client=studio)
        assert caught.value.kind == "asset" and words in caught.value.message


def test_wrong_arguments_are_told_before_anything_is_shown(studio: NotebookStudio) -> None:
    (studio.home.folder.parent / "black.png").write_bytes(png(white=False))
    for arguments, kind, words in (
        ({"width": 100}, "invalid_request", "width is 200 to 1600 CSS pixels, not 100"),
        ({"model": "gen-99"}, "not_found", "gen-99"),
        ({"motion": [{"box": [0, 0, 1, 1]}]}, "invalid_request", "a motion region needs a direction"),
        ({"motion": [{"mask": "black.png", "direction": "up"}]}, "asset", "the mask is wholly black"),
    ):
        with pytest.raises(VideoError) as caught:
            brush("coffee.png", client=studio, **arguments)
        assert caught.value.kind == kind and words in caught.value.message


def test_a_model_without_a_brush_is_told_first(studio: NotebookStudio) -> None:
    lacks = brush("coffee.png", model="runway/gen4_turbo", client=studio).data
    assert lacks["note"] == "error" and "runway/gen4_turbo has no motion brush" in lacks["text"]
    assert "Models that have one: animatic (free)" in lacks["text"]
    has = brush("coffee.png", model="animatic", client=studio).data
    assert (has["note"], has["most"]) == ("dim", 8)
