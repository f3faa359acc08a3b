"""The catalogue as Markdown: the comparison table of the README and the page docs/models.md."""

from __future__ import annotations

from collections.abc import Iterable

from backends.catalog.loader import Catalog
from backends.catalog.schema.row import Row
from backends.catalog.schema.span import lines_of
from backends.catalog.schema.tariff import Price
from backends.catalog.views import longest_text, range_text

HEAD = (
    "| model | price | length | sound | largest | keyframes | references | extend | licence | state |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)
PAGE_HEAD = """# The models

Made by `make docs` from the TOML file of each back end; a test fails when it is stale. Prices are US dollars of the
date given with each; "unverified" means that they were read at a price map or a reseller, not at the provider.
"contract-tested" means tried against a local server that speaks the provider's protocol, never live.

A file of your own in the catalog folder (`<REELWRIGHT_HOME>/catalog/*.toml`) adds rows or overrides any of these.
"""


def markdown_table(catalog: Catalog) -> str:
    """The models side by side: those with a name of their own, one route each, best tier first."""
    rows = [row for row in catalog.rows if row.aliases and row.engine != "edit" and row.state in ("active", "retiring")]
    rows.sort(key=lambda row: (row.where == "local", row.tier, row.title.lower()))
    return "\n".join([HEAD, *(_line(row) for row in rows)])


def _line(row: Row) -> str:
    cells = [
        f"`{row.id}`",
        range_text(row),
        longest_text(row),
        sound_text(row),
        largest_text(row),
        keyframes_text(row),
        references_text(row),
        "yes" if "extend" in row.tasks else "",
        row.licence + (f"; {row.territory}" if row.territory else ""),
        state_text(row),
    ]
    return "| " + " | ".join(cell.replace("|", "or") for cell in cells) + " |"


def sound_text(row: Row) -> str:
    """yes, no, a choice, or not said."""
    made = {mode.audio for mode in row.modes if "extend" not in mode.tasks and "edit" not in mode.tasks}
    if "switch" in made:
        return "a choice"
    if "always" in made:
        return "yes"
    return "not said" if "unknown" in made else ""


def largest_text(row: Row) -> str:
    """The largest resolution that a box names."""
    names = {name for mode in row.modes for name in mode.resolutions if lines_of(name) is not None}
    return max(names, key=lambda name: lines_of(name) or 0) if names else ""


def keyframes_text(row: Row) -> str:
    """How many stills a clip may pass through: "first", "first and last", "16"."""
    most = max((mode.frames.high for mode in row.modes if "edit" not in mode.tasks), default=0)
    return {0: "", 1: "first", 2: "first and last"}.get(most, f"up to {most}")


def references_text(row: Row) -> str:
    """How many references: "3 images, 1 clip"."""
    images = max((mode.references.images for mode in row.modes), default=0)
    clips = max((mode.references.clips for mode in row.modes), default=0)
    said = [f"{images} image{'s' * (images > 1)}"] if images else []
    said += [f"{clips} clip{'s' * (clips > 1)}"] if clips else []
    return ", ".join(said)


def state_text(row: Row) -> str:
    if row.state == "active":
        return ""
    on = f" {row.retire_on.isoformat()}" if row.retire_on else ""
    return row.state + on + ("" if row.retire_checked else " (unverified)")


def models_page(catalog: Catalog) -> str:
    """docs/models.md: every row by provider, what was retired and by what it is followed, and every source."""
    providers = dict.fromkeys(row.provider for row in catalog.rows)
    parts = [PAGE_HEAD]
    for provider in providers:
        rows = [row for row in catalog.rows if row.provider == provider]
        parts.append(f"## {provider}\n")
        usable = [row for row in rows if row.state != "retired"]
        if usable:
            parts.append("\n".join([HEAD, *(_line(row) for row in usable)]) + "\n")
            parts.append(_prices(usable))
            parts.append(_told(usable))
        if gone := [row for row in rows if row.state == "retired"]:
            parts.append(_retired(gone, catalog))
        parts.append(_sources(rows))
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def _prices(rows: Iterable[Row]) -> str:
    """Where prices come from, the rows of one origin together."""
    origins: dict[str, list[str]] = {}
    for row in rows:
        for mode in row.modes:
            if mode.price.unit not in ("free", "unknown"):
                names = origins.setdefault(_origin(mode.price), [])
                names += [f"`{row.name}`"] if f"`{row.name}`" not in names else []
    lines = [f"- {', '.join(names)}: {origin}" for origin, names in origins.items()]
    return "Prices:\n" + "\n".join(lines) + "\n" if lines else ""


def _origin(price: Price) -> str:
    day = price.day.isoformat() if price.day else "no date"
    return f"{price.source}, {day}{'' if price.verified else ', unverified'}"


def _told(rows: Iterable[Row]) -> str:
    """What else a person should know: watermark, compliance, strengths, notes, contract tests."""
    lines: list[str] = []
    for row in rows:
        said = [f"quality tier {row.tier}"]
        said += [f"for {', '.join(row.strengths)}"] if row.strengths else []
        said += [f"watermark: {row.watermark}"] if row.watermark not in ("", "none") else []
        said += [f"compliance: {', '.join(row.compliance)}"] if row.compliance else []
        said += [*row.notes, *([row.tested] if row.tested else [])]
        lines.append(f"- `{row.name}`: {'; '.join(said)}")
    return "\n".join(lines) + "\n"


def _retired(rows: Iterable[Row], catalog: Catalog) -> str:
    lines = ["| no longer usable | since | why | instead |", "|---|---|---|---|"]
    for row in rows:
        since = row.retire_on.isoformat() if row.retire_on else ""
        instead = [name for name in (row.successor, *row.alternatives) if name and catalog.find(name)]
        why = row.why_retired or "shut down by the provider"
        lines.append(f"| {row.title} (`{row.id}`) | {since} | {why} | {', '.join(f'`{name}`' for name in instead)} |")
    return "\n".join(lines) + "\n"


def _sources(rows: Iterable[Row]) -> str:
    lines: dict[str, None] = {}
    for row in rows:
        for source in row.sources:
            sure = "" if source.verified else " (unverified)"
            lines[f"- {source.about}: {source.text}, {source.day.isoformat()}{sure}"] = None
    return "Sources:\n" + "\n".join(lines) + "\n" if lines else ""
