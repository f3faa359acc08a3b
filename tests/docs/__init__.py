"""The generated parts of the documentation: `make docs` writes them, a test holds them to the code.

A part stands between `<!-- NAME: made by ... -->` and `<!-- /NAME -->` in a Markdown file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from backends.catalog.loader import load
from backends.local.presets import CARDS
from mcp_server.cli.shot_columns import columns
from mcp_server.surface import tools
from tests.docs import api, commands, keys, layout, peaks, plan, settings
from tests.docs.models import markdown_table

ROOT = Path(__file__).parents[2]


def tool_table() -> str:
    """The tools, their arguments (required ones in bold) and the description of each."""
    rows = ["| tool | what it does | arguments |", "|---|---|---|"]
    for tool in tools():
        required = set(tool.input_schema.get("required", ()))
        names = [f"**{name}**" if name in required else name for name in tool.input_schema["properties"]]
        rows.append(f"| `{tool.name}` | {tool.description} | {', '.join(names)} |")
    return "\n".join(rows)


def column_table() -> str:
    """The columns of a list of shots."""
    rows = ["| column | also | what it holds |", "|---|---|---|"]
    for one in columns().values():
        rows.append(f"| `{one.name}` | {', '.join(f'`{name}`' for name in one.also)} | {one.what} |")
    return "\n".join(rows)


PARTS: dict[str, Callable[[], str]] = {
    "tools": tool_table,
    "models": lambda: markdown_table(load()),
    "plan": lambda: plan.markdown(CARDS),
    "peaks": peaks.markdown,
    "columns": column_table,
    "settings": settings.everyday,
    "config-file": settings.config_file,
    "providers": settings.providers,
    "limits": settings.limits,
    "tuning": settings.tuning,
    "commands": commands.page,
    "request": api.request,
    "film": api.film,
    "terms": api.terms,
    "studio": api.studio,
    "layers": layout.layers,
    "rooms": layout.rooms,
    "targets": layout.targets,
    **{f"keys-{section.name}": partial(keys.table_of, section) for section in keys.SECTIONS},
}


def with_parts(text: str) -> str:
    """The document with its generated parts made again."""
    for name, make in PARTS.items():
        if f"<!-- {name}: " not in text:
            continue
        pattern = re.compile(rf"(<!-- {name}: [^>]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = pattern.sub(lambda found, make=make: f"{found[1]}{make()}\n{found[2]}", text)
    return text


SCHEMA = ROOT / "docs" / "catalogue.schema.json"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md")))
"""Every document that a user or contributor reads."""
