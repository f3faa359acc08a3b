"""The schema of catalogue files: as the reader has it, so that an editor refuses what Reelwright refuses."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.docs import ROOT, SCHEMA, schema

FILES = sorted(
    file
    for name in ("animatic", "cloud", "comfyui", "local")
    for file in (ROOT / "backends" / name).rglob("*.toml")
    if "[[model]]" in file.read_text("utf-8")
)


def plain(value: Any) -> Any:
    """TOML's dates as an editor hands them to a schema."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def test_the_file_is_as_the_code_makes_it() -> None:
    assert SCHEMA.read_text("utf-8") == schema.text(), "make docs writes it anew"
    Draft202012Validator.check_schema(schema.catalogue())


def test_every_shipped_file_is_legal(validator: Draft202012Validator) -> None:
    assert len(FILES) > 20
    for file in FILES:
        found = [error.message for error in validator.iter_errors(plain(tomllib.loads(file.read_text("utf-8"))))]
        assert not found, (file.name, found[:3])


ROW = '[[model]]\nid = "a/b"\ntitle = "B"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[model]]\ntitle = "x"\n', "'id' is a required property"),
        (f"{ROW}teir = 3\n", "'teir' was unexpected"),
        (f'{ROW}state = "gone"\n', "'gone' is not one of ['active', 'preview', 'retiring', 'retired']"),
        (f'{ROW}[[model.mode]]\nseed = "yes"\n', "'yes' is not of type 'boolean'"),
        (f'{ROW}[model.price]\nunit = "per_second"\nrates = [{{}}]\n', "'usd' is a required property"),
        ('colour = "red"\n', "'colour' was unexpected"),
    ],
)
def test_a_slip_is_told(validator: Draft202012Validator, text: str, told: str) -> None:
    assert any(told in error.message for error in validator.iter_errors(plain(tomllib.loads(text))))


def test_the_schema_is_on_the_page_of_catalogue_files() -> None:
    assert SCHEMA.name in Path(ROOT / "docs" / "catalogue-files.md").read_text("utf-8")
