"""What the README says of tools and models is what the code has."""

from __future__ import annotations

from tests.docs import ROOT, with_parts


def test_the_readme_is_up_to_date() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert text == with_parts(text), "run make docs"
    assert "| `image_to_video` |" in text
