"""What the documents say is what the code has: tables are made from it, and nothing is missing from them."""

from __future__ import annotations

import re
import tomllib
import typing
from pathlib import Path

import pytest

from backends.errors import ErrorKind
from backends.jobs.views import STATES
from backends.provider.keys import address_variables, key_variables
from backends.request import VideoRequest
from backends.terms import Terms
from tests.docs import PAGES, PARTS, ROOT, api, commands, keys, layout, settings, with_parts

LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
"""Pages that are linked to and have an author of their own."""


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def headings(text: str, above: str, level: str = "###") -> list[str]:
    """The headings of a level in the section of that name."""
    section = re.split(r"^## ", text.partition(f"\n## {above}\n")[2], maxsplit=1, flags=re.M)[0]
    return re.findall(rf"^{level} (.+)$", section, re.M)


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_a_page_is_up_to_date(file: Path) -> None:
    text = file.read_text("utf-8")
    assert text == with_parts(text), f"run make docs ({file.name})"


def test_every_made_part_stands_on_one_page() -> None:
    whole = "".join(file.read_text("utf-8") for file in PAGES)
    for name in PARTS:
        assert whole.count(f"<!-- {name}: made by") == 1, name
        assert whole.count(f"<!-- /{name} -->") == 1, name
    assert "| `image_to_video` |" in page("README.md")
    assert "| HunyuanVideo 720p, 1280x720, 129 frames | 60 |" in page("docs/local.md")


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_a_link_leads_to_a_file(file: Path) -> None:
    for target, _ in LINK.findall(file.read_text("utf-8")):
        if not re.match(r"https?:|mailto:", target):
            there = (file.parent / target).resolve()
            assert there.exists(), target


def test_the_index_names_every_page() -> None:
    linked = {(ROOT / "docs" / target).resolve() for target, _ in LINK.findall(page("docs/index.md"))}
    assert {file for file in PAGES if file.name != "index.md"} <= linked
    assert "(docs/index.md)" in page("README.md")


def test_every_variable_is_on_the_page_of_settings_and_none_is_made_up() -> None:
    addresses = {name.removeprefix("REELWRIGHT_") for name in address_variables()}
    told = {*settings.EVERYDAY, *settings.TUNING, *addresses}
    assert told == settings.variables()
    assert set(settings.FILE_KEYS) == settings.file_keys()
    assert {name for name in settings.TUNING if name not in settings.TUNING_DEFAULTS} == set(settings.numbers())
    for variable in key_variables():
        assert f"`{variable}`" in settings.providers()


def test_every_key_of_a_catalogue_file_is_explained_and_none_is_made_up() -> None:
    read = keys.read_keys()
    assert {reader for section in keys.SECTIONS for reader in section.readers} == set(read)
    for section in keys.SECTIONS:
        known = {name for reader in section.readers for name in read[reader]}
        assert known == set(section.meanings), section.name


def test_every_command_has_its_section() -> None:
    names = [name for name, _, _ in commands.commands() if " " in name]
    assert {"reelwright make", "reelwright jobs resolve", "reelwright config keys set"} <= set(names)
    assert re.findall(r"^## (.+)$", page("docs/cli.md"), re.M) == names


def test_every_method_and_field_of_the_python_interface_is_on_its_page() -> None:
    text = page("docs/python-api.md")
    for name in (*VideoRequest.model_fields, *Terms.model_fields):
        assert f"| `{name}` |" in text
    assert {"open", "submit", "wait", "inspect"} <= set(api.methods())
    assert headings(text, "Studio") == [f"`{name}`" for name in api.methods()]


def test_every_error_kind_and_job_state_says_what_to_do() -> None:
    text = page("docs/troubleshooting.md")
    assert headings(text, "Error kinds") == list(typing.get_args(ErrorKind))
    assert headings(text, "Job states") == list(STATES)
    for part in re.split(r"^### .+$", text, flags=re.M)[1:]:
        assert len(part.split()) > 5, "a heading without words"


def test_every_trouble_that_a_phase_names_has_its_heading() -> None:
    """They are told as `driver_stuck: why`."""
    sources = [file.read_text("utf-8") for file in sorted((ROOT / "backends" / "jobs").rglob("*.py"))]
    named = {word for text in sources for word in re.findall(r"""f?"([a-z]+_[a-z]+|paused): """, text)}
    told = headings(page("docs/troubleshooting.md"), "Why a job does not move")
    assert {"driver_stuck", "no_credentials"} <= named
    assert named == set(told)


def test_every_package_is_on_the_page_of_the_architecture() -> None:
    text = page("docs/architecture.md")
    for folder, said in layout.packages().items():
        assert f"| `{folder}` |" in text
        assert said, f"{folder}/__init__.py does not say what is in it"


def test_the_changelog_begins_with_what_is_not_released_and_then_this_version() -> None:
    heads = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", page("CHANGELOG.md"), re.M)
    version = tomllib.loads(page("pyproject.toml"))["project"]["version"]
    assert heads[0] == ("Unreleased", "")
    assert heads[1][0] == version and heads[1][1], "a release has its day"
