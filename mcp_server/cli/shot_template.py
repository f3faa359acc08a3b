"""`make --from FILE --template`: a table to fill in, with a line that explains every column and three sample shots."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from backends.errors import VideoError
from mcp_server.cli import shot_columns, show

SHOTS: tuple[dict[str, str], ...] = (
    {
        "label": "opening",
        "prompt": "a red kite over dunes",
        "model": "animatic",
        "duration_s": "4",
        "aspect_ratio": "16:9",
        "resolution": "720p",
    },
    {
        "label": "portrait",
        "prompt": "the sea behind her moves slowly",
        "model": "animatic",
        "duration_s": "3.5",
        "resolution": "720p",
        "image": "photo.jpg",
        "camera": "dolly-in:0.4@0-2; pan-left@2-3.5",
    },
    {
        "label": "journey",
        "model": "animatic",
        "duration_s": "6",
        "resolution": "720p",
        "frames": "a.jpg; b.jpg@2.5; c.jpg",
    },
)
"""The cells of the template's rows."""


def write(path: Path) -> None:
    """Write the table to a new file (JSONL where its name says so, else CSV), or with - to standard output, and explain
    the columns. VideoError("invalid_request") for an existing file, "storage" where it cannot be written."""
    columns = list(shot_columns.columns().values())
    if str(path) == "-":
        show.block(_csv(columns).rstrip("\n"))
        return
    jsonl = path.suffix.lower() in (".jsonl", ".ndjson")
    try:
        # Excel reads a CSV file as UTF-8 only when it begins with this mark.
        with path.open("x", encoding="utf-8" if jsonl else "utf-8-sig", newline="") as file:
            file.write(_jsonl() if jsonl else _csv(columns, "\t" if path.suffix.lower() == ".tsv" else ","))
    except FileExistsError:
        raise VideoError("invalid_request", f"{path} exists: name a new file for --template") from None
    except OSError as error:
        raise VideoError("storage", f"{path} cannot be written ({error.strerror}): choose another folder") from None
    show.table(("column", "also", "what it holds"), [(one.name, ", ".join(one.also), one.what) for one in columns])
    show.line(f"{path} has these columns and three shots to try: reelwright make --from {path}")


def _csv(columns: list[shot_columns.Column], separator: str = ",") -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    writer.writerow(one.name for one in columns)
    writer.writerow(f"{'# ' if number == 0 else ''}{one.what}" for number, one in enumerate(columns))
    for shot in SHOTS:
        writer.writerow(shot.get(one.name, "") for one in columns)
    return out.getvalue()


def _jsonl() -> str:
    rows = [{name: shot_columns.value(name, cell) for name, cell in shot.items()} for shot in SHOTS]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
