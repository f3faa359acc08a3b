"""The results as a page: what a person reads, and what docs/local.md shows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "peak": (
        "formula_gib", "used_gib", "denoising_gib", "decoding_gib", "step_s", "decode_s", "place_s",
        "video_s_per_s_at_8",
    ),
    "ours against bare": ("ours_s", "bare_s", "ratio"),
    "cold against warm": ("cold_s", "warm_s", "ratio", "load_s"),
    "encoder": ("billions", "formula_gib", "allocated_gib", "move_s", "first_s", "later_s"),
    "image": ("allocated_gib", "encode_s"),
    "cancel": ("latency_s", "step_s", "same_clip_after"),
    "out of memory": ("recover_s", "lost_gib", "same_clip_after"),
    "killed child": ("held_gib", "back_s"),
    "two models": ("alone_s", "at_once_s", "ratio", "reserved_gib"),
    "sdpa": ("plain_step_s", "step_s", "ratio", "difference"),
    "attention": ("plain_step_s", "step_s", "ratio", "difference"),
    "cache": ("plain_step_s", "mean_step_ratio", "difference"),
    "compile": ("plain_step_s", "step_s", "ratio", "difference", "first_clip_s", "later_clip_s"),
}  # fmt: skip
"""The figures that the page shows, by kind of measurement; the file has all."""


def report(told: Mapping[str, Any]) -> str:
    """Markdown of a results file."""
    device = told["device"]
    lines = [
        "# Measured",
        "",
        f"{device.get('name', 'no device')}, driver {device.get('driver', '-')}, {told['made']} UTC, "
        f"{told['minutes']:g} minutes; random weights"
        f"{', tiny models: no figure says anything of a card' * told['tiny']}.",
        "",
        ", ".join(f"{name} {version}" for name, version in told["versions"].items()),
    ]
    for what, group in groupby(sorted(told["rows"], key=_place), key=lambda row: row["what"]):
        lines += ["", f"## {what}", "", *_table(COLUMNS[what], list(group))]
    return "\n".join(lines) + "\n"


def _place(row: Mapping[str, Any]) -> int:
    return list(COLUMNS).index(row["what"])


def _table(columns: tuple[str, ...], rows: list[Mapping[str, Any]]) -> list[str]:
    lines = [f"| case | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for row in rows:
        if row["outcome"] == "measured":
            cells = [_cell(row["figures"].get(name)) for name in columns]
        else:
            why = row["why"].replace("|", "/").replace("\n", " ")
            cells = [f"{row['outcome']}: {why}", *[""] * (len(columns) - 1)]
        lines.append(f"| {row['case']} | {' | '.join(cells)} |")
    return lines


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(_cell(one) for one in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)
