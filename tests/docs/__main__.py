"""`python -m tests.docs` writes the generated parts of README.md and docs/."""

from __future__ import annotations

from tests.docs import PAGES, with_parts

for page in PAGES:
    page.write_text(with_parts(page.read_text("utf-8")), "utf-8")
