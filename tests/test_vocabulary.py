"""One list of names: every front end's own list is the fields of the models, and a new field is in all of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from backends import vocabulary
from backends.edit import vocabulary as film
from backends.edit.request import FinishRequest
from backends.request import VideoRequest, build_request
from backends.terms import CHOOSING, Named, Terms
from backends.written import VERBS
from mcp_server import arguments
from mcp_server.cli import app, show
from mcp_server.cli.shot_columns import columns
from notebook_ext.calls import FilmOptions, Options
from tests.patience import patient

ROOT = Path(__file__).parents[1]
POSITIONAL = {"prompt", "image", "frames", "clip", "add_s"}
"""What the notebook's calls name in their own signatures."""


def properties(schema: dict[str, Any]) -> set[str]:
    return set(schema["properties"])


def options(command: str) -> set[str]:
    """Every option and argument of a command, without dashes."""
    group: Any = typer.main.get_command(app)
    return {name.lstrip("-") for one in group.commands[command].params for name in (*one.opts, one.name)}


def test_the_names_are_the_fields_of_the_models() -> None:
    fields = set(VideoRequest.model_fields) - set(vocabulary.OWN_NAMES)
    assert set(vocabulary.asked()) == fields | {one.name for one in vocabulary.SOURCES}
    assert set(vocabulary.terms()) == set(Terms.model_fields) == set(Named.__annotations__)


def test_the_starting_tools_take_every_name_together() -> None:
    taken = [properties(arguments.starting(verb)) for verb in VERBS]
    assert set().union(*taken) == vocabulary.known()
    assert all(set(vocabulary.terms()) <= names for names in taken)
    assert properties(arguments.estimate_cost()) == {*vocabulary.asked(), *CHOOSING, "count", "limit"}


def test_the_commands_take_every_name_as_an_option() -> None:
    asked = {one.option for one in vocabulary.asked().values() if one.name != "prompt"} | {"prompt", "task"}
    assert asked | {one.option for one in vocabulary.terms().values()} <= options("make")
    assert asked | set(CHOOSING) <= options("estimate")
    assert not {"take", "label", "request-key"} & options("estimate"), "a price has no name"
    assert vocabulary.known() <= set(show.OPTIONS)


def test_a_table_of_shots_has_a_column_for_every_name() -> None:
    assert set(columns()) == vocabulary.known() | {"task", "continue"}
    spellings = [name for one in columns().values() for name in (one.name, *one.also)]
    assert len(set(spellings)) == len(spellings)


def test_a_notebooks_keywords_are_the_same_names() -> None:
    assert set(Options.__annotations__) | POSITIONAL == vocabulary.known()


def test_a_film_has_one_list_of_names_too() -> None:
    assert set(film.asked()) == set(FinishRequest.model_fields)
    assert set(film.terms()) == set(vocabulary.terms()) - set(CHOOSING)
    assert properties(arguments.finish_clip()) == film.known() - set(arguments.NOT_OFFERED)
    assert set(FilmOptions.__annotations__) == film.known() - {"clips"}
    written = {one.name: one.option for one in (*film.asked().values(), *film.terms().values())}
    assert set(written.values()) <= options("finish")
    assert all(show.OPTIONS[name] == f"--{option}" for name, option in written.items()), "one option for one name"


def test_what_is_asked_for_is_told_in_a_phrase() -> None:
    film_too = film.asked().values()
    for one in (*vocabulary.asked().values(), vocabulary.task(), *vocabulary.terms().values(), *film_too):
        assert one.about and not one.about.endswith("."), one.name


NEW = """    haze: Annotated[
        Annotated[Number, Field(ge=0, le=1)] | None, Field(description="mist in the air, 0 to 1")
    ] = None
"""
NEW_OF_A_FILM = """    grain: Annotated[
        Annotated[Number, Field(ge=0, le=1)], Field(description="film grain, 0 to 1")
    ] = 0.0
"""
LOOK = """
import json, pathlib, typer
from backends.verbs import request_of
from mcp_server import arguments
from mcp_server.problems import every_problem
from mcp_server.cli import app, show
from mcp_server.cli.shot_columns import columns, value
from mcp_server.strict import StrictArguments
from notebook_ext.calls import as_code, asked, film_asked
from tests.docs import api

commands = typer.main.get_command(app).commands
make = commands["make"]
of_film = StrictArguments("finish_clip", arguments.finish_clip(), {})
schema = arguments.starting("generate_video", "prompt")
check = StrictArguments("generate_video", schema, {})
asks = {"prompt": "a fox", "haze": 0.5}
notebook, _ = asked("generate_video", asks, pathlib.Path("."), cap=None)
print(json.dumps({
    "tool": schema["properties"]["haze"],
    "option": [one.help for one in make.params if "--haze" in one.opts],
    "remedy": show.as_options({"haze": 0.3}),
    "column": [columns()["haze"].what, value("haze", "0,5")],
    "notebook": [notebook.haze, as_code(notebook)],
    "page": "| `haze` | number | `None` | mist in the air, 0 to 1 |" in api.request(),
    "film": [
        arguments.finish_clip()["properties"]["grain"],
        [one.help for one in commands["finish"].params if "--grain" in one.opts],
        film_asked("a.mp4", {"grain": 0.5}, pathlib.Path("."), cap=0)[0].grain,
        [one.text for one in every_problem(of_film, {"clips": ["a.mp4"], "grain": 7})],
    ],
    "legal": [one.text for one in every_problem(check, asks | {"haze": 7})],
    "digests": [request_of("generate_video", one).digest() for one in ({"prompt": "a fox"}, asks)],
}))
"""


def test_a_new_field_is_one_place_of_one_file_for_every_front_end(tmp_path: Path) -> None:
    """What a model makes of it is a rule of the catalogue; `Options` names it for type checkers."""
    for name in ("backends", "mcp_server", "notebook_ext", "tests"):
        left_out = shutil.ignore_patterns("__pycache__", "*.js", "*.ipynb", "*.png", "*.jpg", "*.mp4")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
    place = "    max_cost_usd: Annotated["
    for name, field in (("request.py", NEW), ("edit/request.py", NEW_OF_A_FILM)):
        model = tmp_path / "backends" / name
        text = model.read_text("utf-8")
        assert text.count(place) == 1
        model.write_text(text.replace(place, field + place), "utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=tmp_path, capture_output=True, text=True, timeout=patient(60), check=False
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["tool"] == {"type": "number"}
    assert found["option"] == ["Mist in the air, 0 to 1."]
    assert found["remedy"] == "--haze 0.3"
    assert found["column"] == ["mist in the air, 0 to 1", 0.5]
    assert found["notebook"] == [0.5, "studio.generate_video('a fox', haze=0.5)"]
    assert found["page"] is True
    assert found["legal"] == ["haze: input should be less than or equal to 1, not 7"]
    schema, option, given, problems = found["film"]
    assert (schema, option, given) == ({"type": "number"}, ["Film grain, 0 to 1."], 0.5)
    assert problems == ["grain: input should be less than or equal to 1, not 7"]
    plain, hazy = found["digests"]
    assert plain == build_request(task="text_to_video", prompt="a fox").digest(), "a paid job is still found"
    assert hazy != plain


@pytest.mark.parametrize("verb", VERBS)
def test_what_a_tool_needs_stands_first(verb: Any) -> None:
    schema: Any = arguments.starting(verb, "prompt")
    assert next(iter(schema["properties"])) == "prompt" and schema["required"] == ["prompt"]
