"""The catalogue files that docs/self-hosted.md shows, as a person would save them."""

from __future__ import annotations

import re
from pathlib import Path

from backends.catalog.loader import Catalog, load

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "self-hosted.md"


def examples() -> dict[str, str]:
    """Section heading -> its TOML file."""
    found: dict[str, str] = {}
    for section in re.split(r"^## ", GUIDE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        heading = section.splitlines()[0]
        for number, block in enumerate(re.findall(r"^```toml\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)):
            assert number == 0, f"{heading}: one complete file a section"
            found[heading] = block
    return found


def save(folder: Path) -> Path:
    """Every example in a catalogue folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for heading, text in examples().items():
        (folder / f"{re.sub(r'[^a-z]+', '-', heading.lower())}.toml").write_text(text)
    return folder


def save_quick(folder: Path) -> Path:
    """The same, of models that take no time, so that their jobs are soon asked for."""
    for file in save(folder).glob("*.toml"):
        quick = "typical = { base_s = 0.2, per_second = 0 }"
        file.write_text(re.sub(r"^typical = .*$", quick, file.read_text(), flags=re.MULTILINE))
    return folder


def catalog(folder: Path) -> Catalog:
    return load([save(folder)])
