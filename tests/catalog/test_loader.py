"""Reading TOML: the person's own rows, and words for every mistake in them."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from backends.catalog import load, loader
from backends.catalog.price import estimate
from backends.catalog.rules.check import check
from backends.catalog.schema.files import read_file
from backends.errors import VideoError
from backends.request import build_request
from tests.patience import patient

MINE = """
[[model]]
id = "openai/my-server"
title = "My own server"
[model.price]
unit = "free"
[[model.mode]]
tasks = ["text_to_video"]
durations = { min = 1, max = 10, step = 0.5 }
sizes = { "720p" = { "16:9" = "1280x720" } }
"""


def test_a_file_of_ones_own_adds_a_row(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE)
    catalog = load([tmp_path])
    row = catalog.get("my-server")
    assert (row.id, row.provider, row.file) == ("openai/my-server", "openai", "mine.toml")
    checked = check(build_request(task="text_to_video", prompt="x", duration_s=2.5), row, {})
    assert (checked.width, checked.height, checked.seconds) == (1280, 720, 2.5)
    assert "openai/my-server" not in {row.id for row in load().rows}


def test_a_file_of_ones_own_overrides_the_keys_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        '[[model]]\nid = "fal/kling-v2.5-turbo-pro"\ntier = 1\n'
        '[model.price]\nunit = "per_second"\nrates = [{ usd = 0.06 }]\ndate = 2026-12-01\nsource = "my contract"\n'
    )
    row = load([tmp_path]).get("fal/kling-v2.5-turbo-pro")
    assert row.tier == 1
    assert row.title == load().get(row.id).title
    for task in ("text_to_video", "image_to_video"):
        frames = [{"image": "x"}] if task == "image_to_video" else None
        checked = check(build_request(task=task, prompt="x", duration_s=5, frames=frames), row, {})
        assert estimate(checked, row).usd_high == Decimal("0.30"), "one price for every box of the model"


def test_a_retired_model_lives_again_on_ones_own_server(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[model]]\nid = "openai/sora-2"\nstate = "active"\n')
    row = load([tmp_path]).get("Sora 2")
    assert row.state == "active"
    assert row.modes


def test_like_takes_over_everything_but_names_and_life(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        '[[model]]\nid = "openai/wan"\nlike = "openai/sora-2"\ntitle = "Wan behind /v1/videos"\n'
        'wire = { model = "Wan-AI/Wan2.2-TI2V-5B" }\nprice = { unit = "free" }\n'
    )
    row = load([tmp_path]).get("openai/wan")
    assert (row.state, row.aliases, row.successor) == ("active", (), None)
    assert row.wire["model"] == "Wan-AI/Wan2.2-TI2V-5B"
    assert row.wire["fields"] == load().get("openai/sora-2", include_retired=True).wire["fields"]
    assert {mode.price.unit for mode in row.modes} == {"free"}


def test_a_changed_file_is_read_again_an_unchanged_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINE)
    first = load([tmp_path])
    assert load([tmp_path]) is first
    file.write_text(MINE.replace("My own server", "My new server"))
    os.utime(file, ns=(1, 1))
    assert load([tmp_path]).get("my-server").title == "My new server"


def test_files_of_registered_back_ends_come_before_ones_own(tmp_path: Path) -> None:
    plugin, own = tmp_path / "plugin.toml", tmp_path / "own"
    own.mkdir()
    plugin.write_text(MINE)
    (own / "mine.toml").write_text('[[model]]\nid = "openai/my-server"\ntitle = "Renamed"\n')
    assert load([own], [plugin]).get("my-server").title == "Renamed"
    assert load([tmp_path / "missing"]).rows == load().rows


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[model]\n", "mine.toml cannot be read as TOML"),
        ("[modle]\n", "mine.toml: modle: a catalogue file holds provider"),
        ("[[model]]\ntitle = 'x'\n", "mine.toml: each [[model]] needs an id such as provider/model"),
        (MINE.replace('title = "My own server"\n', ""), "title must be text (it is missing)"),
        (MINE.replace("title =", "titel ="), "title must be text (it is missing; did you write titel"),
        (MINE + "tiers = 3\n", "tiers is no key here; The keys are audio, audio_default"),
        (MINE.replace('["text_to_video"]', '["text2video"]'), "tasks must be made of text_to_video, image_to_video"),
        (MINE.replace("min = 1, max = 10", "min = 10, max = 1"), "durations must be a range whose min is above 0"),
        (MINE.replace("{ min = 1, max = 10, step = 0.5 }", "[]"), "durations must be a list of numbers above 0"),
        (MINE.replace('"1280x720"', '"1280"'), "must be a size such as \"1280x720\", not '1280'"),
        (MINE.replace('"16:9"', '"wide"'), 'must be keyed by a ratio such as "16:9"'),
        (MINE.replace('"16:9" = "1280x720"', 'input = "big"'), '"same", "short PIXELS" or "area SIDE"'),
        (
            MINE.replace('sizes = { "720p" = { "16:9" = "1280x720" } }', 'sizes = "wide"'),
            "sizes 'wide' must be one of none",
        ),
        (
            MINE.replace('unit = "free"', 'unit = "per_frame"'),
            "unit must be one of free, per_second, per_clip, unknown",
        ),
        (MINE.replace('unit = "free"', 'unit = "per_clip"'), "rates must be given together with date and source"),
        (
            MINE.replace(
                'unit = "free"', 'unit = "per_clip"\nrates = [{ usd = "cheap" }]\ndate = 2026-01-01\nsource = "x"'
            ),
            'usd must be an amount in US dollars: 0.05 or "0.02-0.03"',
        ),
        (
            MINE.replace(
                'unit = "free"', 'unit = "per_clip"\nrates = [{ usd = "3-2" }]\ndate = 2026-01-01\nsource = "x"'
            ),
            "usd must be an amount of at least 0, the smaller first",
        ),
        (MINE.replace('title = "', 'state = "alive"\ntitle = "'), "state must be one of active, preview, retiring"),
        (MINE.replace('title = "', 'retire_on = "soon"\ntitle = "'), "retire_on must be a date such as 2026-11-22"),
        (MINE.replace('title = "', 'tier = "best"\ntitle = "'), "tier must be a whole number, not 'best'"),
        (MINE.replace('title = "', 'aliases = ["Kling 2.5"]\ntitle = "'), "alias 'Kling 2.5' of"),
        (MINE.replace('title = "', 'like = "openai/nothing"\ntitle = "'), "like must be the id of another row"),
        (MINE.replace('title = "', 'sources = ["page"]\ntitle = "'), "sources 'page' must be one of none"),
        (MINE.replace('"openai/my-server"', '"Open AI/x"'), "id must be provider/model in letters"),
        ('[[model]]\nid = "openai/empty"\ntitle = "x"\n', "mode must be given at least once"),
        (MINE.replace("tasks =", "camera = 'wobbly'\ntasks ="), "camera must be one of native, words, none"),
        (
            MINE.replace("tasks =", "options = { a = { type = 'date' } }\ntasks ="),
            "type must be one of boolean, integer",
        ),
    ],
)
def test_a_bad_row_is_left_out_and_told_by_file_key_and_legal_values(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    catalog = load([tmp_path])
    assert [row.id for row in catalog.rows] == [row.id for row in load().rows], "every other row is there"
    assert {one.path for one in catalog.broken} == {file}
    assert all(told in one.why and str(file) in one.why for one in catalog.broken)


def test_whoever_names_a_row_that_was_left_out_is_told_why(tmp_path: Path) -> None:
    good = MINE.replace("openai/my-server", "openai/other")
    (tmp_path / "mine.toml").write_text(MINE.replace('"1280x720"', '"1280*720"') + good)
    catalog = load([tmp_path])
    assert catalog.get("openai/other").title == "My own server", "the other row of the same file works"
    for name in ("openai/my-server", "My-Server"):
        with pytest.raises(VideoError) as caught:
            catalog.get(name)
        assert caught.value.kind == "storage"
        assert caught.value.message == (
            f"model {name!r} is left out of the catalogue: {tmp_path}/mine.toml, row openai/my-server, mode 1, sizes, "
            "720p: 16:9 must be a size such as \"1280x720\", not '1280*720'. Fix the file or remove it."
        )


def test_a_row_of_ours_that_a_bad_row_was_to_change_is_left_out_with_it(tmp_path: Path) -> None:
    """Its price or limits may be just what the person meant to correct."""
    (tmp_path / "mine.toml").write_text('[[model]]\nid = "fal/wan-2.5"\n[model.price]\nunit = "per_frame"\n')
    catalog = load([tmp_path])
    assert len(catalog) == len(load()) - 1
    with pytest.raises(VideoError, match=r"'fal/wan-2\.5' is left out of the catalogue: .*unit must be one of free"):
        catalog.get("fal/wan-2.5")


def test_a_bad_override_leaves_the_rows_that_are_like_it_as_they_were(tmp_path: Path) -> None:
    like = next(row for row in load().rows if row.id == "vertex/veo-3.1-fast-generate-001")
    (tmp_path / "mine.toml").write_text('[[model]]\nid = "vertex/veo-3.1-generate-001"\nmode = "all"\n')
    catalog = load([tmp_path])
    assert catalog.find("vertex/veo-3.1-generate-001") is None
    assert catalog.get(like.id) == like


def test_what_an_unreadable_file_is_about_is_left_out_as_far_as_it_shows(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[model]]\nid = "fal/wan-2.5"\n[model.price\n')
    catalog = load([tmp_path])
    assert [one.row for one in catalog.broken] == ["", "fal/wan-2.5"]
    with pytest.raises(VideoError, match=r"left out of the catalogue: .*mine\.toml cannot be read as TOML"):
        catalog.get("fal/wan-2.5")
    assert len(catalog) == len(load()) - 1


@pytest.mark.parametrize("damage", [b"\xff\xfe\x00", b"a = " + b"[" * 100_000, b"a = 1e999999999999\n\x00", b"id = "])
def test_a_file_that_cannot_be_read_harms_nothing_else(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "mine.toml").write_bytes(damage)
    catalog = load([tmp_path])
    assert len(catalog) == len(load())
    assert [one.row for one in catalog.broken] == [""]
    assert "mine.toml" in catalog.broken[0].why
    (tmp_path / "mine.toml").unlink()
    (tmp_path / "mine.toml").mkdir()
    told = load([tmp_path]).broken
    assert [one.row for one in told] == [""]
    assert "mine.toml cannot be read as TOML" in told[0].why


def test_a_package_without_its_rows_is_told_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"acme\.toml is not there: a package must install it beside its module"):
        read_file(tmp_path / "acme.toml", "acme.toml")


def test_of_two_back_ends_that_bring_the_same_row_the_first_keeps_it(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(MINE.replace("My own server", name))
    ours = tmp_path / "ours.toml"
    ours.write_text('[[model]]\nid = "animatic"\ntitle = "Mine"\n')
    catalog = load([], [tmp_path / "a.toml", tmp_path / "b.toml", ours])
    assert catalog.get("openai/my-server").title == "a.toml"
    assert catalog.get("animatic") == load().get("animatic")
    assert [(one.path.name, one.row) for one in catalog.broken] == [
        ("b.toml", "openai/my-server"),
        ("ours.toml", "animatic"),
    ]
    assert catalog.broken[0].why.endswith(
        "row openai/my-server: the row is in the catalogue twice; the other one is used"
    )


def test_an_override_keeps_the_sources_that_it_does_not_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[model]]\nid = "fal/wan-2.5"\ntier = 1\n')
    assert load([tmp_path]).get("fal/wan-2.5").sources == load().get("fal/wan-2.5").sources


def test_a_mistake_in_the_files_of_this_package_stops_everything(tmp_path: Path) -> None:
    """They are tested: a wrong one must not be shipped."""
    file = tmp_path / "ours.toml"
    file.write_text(MINE.replace('"1280x720"', '"1280*720"'))
    with pytest.raises(VideoError, match=r"^ours\.toml, row openai/my-server, mode 1, sizes, 720p: 16:9 must"):
        loader._read([file], [], [])
    file.write_text(MINE + MINE)
    with pytest.raises(VideoError, match=r"^ours\.toml: row openai/my-server is in the catalogue twice$"):
        loader._read([file], [], [])
    file.write_text("".join(MINE.replace('title = "', 'aliases = ["x"]\ntitle = "').replace("my-", n) for n in "ab"))
    with pytest.raises(VideoError, match=r"alias 'x' of openai/bserver already names openai/aserver"):
        loader._read([file], [], [])
    assert load().broken == ()


def test_importing_the_catalogue_loads_nothing_heavy() -> None:
    code = (
        "import sys, time, backends.request; t = time.process_time(); import backends.catalog; "
        "print(time.process_time() - t); "
        "print([m for m in ('numpy', 'cv2', 'av', 'PIL', 'httpx', 'openai', 'google.genai') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, timeout=patient(60)
    )
    seconds, heavy = out.stdout.splitlines()
    assert heavy == "[]"
    assert float(seconds) < 0.2, "processor seconds beyond pydantic's own; about 0.02 on an idle machine"
