"""Rows that show themselves as a table in a notebook, as text at a terminal, and as a pandas frame on request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib import import_module
from typing import Any

from backends.plain import one_line

RULES = (
    "<style>.rw-sheet{max-height:480px;overflow:auto}"
    ".rw-above,.rw-table{border-collapse:collapse;font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif)}"
    ".rw-table th,.rw-table td{padding:2px 10px;text-align:left;vertical-align:top;border-bottom:1px solid "
    "var(--jp-border-color1,#8884)}.rw-table th{position:sticky;top:0;vertical-align:bottom;min-width:5em;"
    "background:var(--jp-layout-color0,Canvas)}.rw-above{padding:4px 10px}"
    ".rw-table td.w{min-width:30em}.rw-table td:not(.w){white-space:nowrap}"
    ".rw-table .n{text-align:right;font-variant-numeric:tabular-nums}</style>"
)
WIDE = 40
"""Characters of a cell that stay on one line."""


class Listing:
    """rows: plain mappings. Subclasses give their `columns` (key -> heading) and the line above the table (`title`)."""

    columns: dict[str, str]

    def __init__(self, rows: Sequence[dict[str, Any]], title: str = "") -> None:
        self.rows = list(rows)
        self.title = title

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]

    def shown(self, key: str, value: Any) -> str:
        """One value in words."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if "usd" in key:
            whole, _, cents = f"{value:,.{2 if value >= 1 else 4}f}".rstrip("0").partition(".")
            return "free" if value == 0 else f"${whole}.{cents.ljust(2, '0')}"
        if isinstance(value, float):
            return f"{value:.4g}"
        return one_line(", ".join(map(str, value)) if isinstance(value, list) else str(value))

    def _shown_columns(self) -> list[str]:
        """Columns in which any row has a value."""
        return [key for key in self.columns if any(row.get(key) not in (None, "", [], {}) for row in self.rows)]

    def _repr_html_(self) -> str:
        keys = self._shown_columns()
        head = "".join(f"<th scope='col'{self._kind(key)}>{escape(self.columns[key])}</th>" for key in keys)
        lines = "".join(f"<tr>{''.join(self._cell(key, row) for key in keys)}</tr>" for row in self.rows)
        title = escape(one_line(self.title))
        table = f"<table class='rw-table'><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
        name = escape(one_line(self.title) or "Table", quote=True)
        above = f"<div class='rw-above'>{title}</div>" if title else ""
        return f"{RULES}{above}<div class='rw-sheet' tabindex='0' role='region' aria-label=\"{name}\">{table}</div>"

    def _cell(self, key: str, row: dict[str, Any]) -> str:
        words = self.shown(key, row.get(key))
        kind = " class=w" if len(words) > WIDE else self._kind(key)
        return f"<td{kind}>{escape(words)}</td>"

    def _kind(self, key: str) -> str:
        """Columns of numbers are aligned to the right."""
        some = [row[key] for row in self.rows if row.get(key) is not None]
        numbers = bool(some) and all(isinstance(one, int | float) and not isinstance(one, bool) for one in some)
        return " class=n" if numbers else ""

    def __repr__(self) -> str:
        keys = self._shown_columns()
        table = [[self.columns[key] for key in keys]]
        table += [[self.shown(key, row.get(key)) for key in keys] for row in self.rows]
        widths = [max(len(line[number]) for line in table) for number in range(len(keys))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in table
        ]
        return "\n".join([one_line(self.title), *lines] if self.title else lines)

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame. ImportError with the command where pandas is not installed."""
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise ImportError("to_frame() needs pandas: pip install pandas") from None
        return pandas.DataFrame(self.rows)


class Drawing:
    """A matplotlib figure that shows itself without pyplot's global state."""

    def __init__(self, figure: Any) -> None:
        self.figure = figure

    def __repr__(self) -> str:
        return "a plot"

    def _repr_png_(self) -> bytes:
        import io

        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
        return buffer.getvalue()


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib figure, inches. ImportError with the command where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plots need matplotlib: pip install 'reelwright[notebook]'") from None
    return Figure(figsize=(width, height))
