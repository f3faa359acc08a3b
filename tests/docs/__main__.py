"""`python -m tests.docs` writes the generated parts of README.md and docs/, and the schema of catalogue files."""

from __future__ import annotations

from tests.docs import PAGES, SCHEMA, schema, with_parts

for page in PAGES:
    page.write_text(with_parts(page.read_text("utf-8")), "utf-8")
SCHEMA.write_text(schema.text(), "utf-8")
