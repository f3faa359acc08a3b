"""What the README says of tools and models is what the code has."""

from __future__ import annotations

from tests.docs import PAGES, ROOT, with_parts


def test_the_readme_is_up_to_date() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert text == with_parts(text), "run make docs"
    assert "| `image_to_video` |" in text


def test_the_other_pages_are_up_to_date() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        assert text == with_parts(text), f"run make docs ({page.name})"
    assert "| HunyuanVideo 720p, 1280x720, 129 frames | 60 |" in (ROOT / "docs" / "local.md").read_text("utf-8")
