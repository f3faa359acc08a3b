"""What was measured, as a file: it is whole after every row, whatever ends the run."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["measured", "failed", "left out"]
NAME = "measured.json"


@dataclass
class Row:
    """One measurement. what: its kind; case: of what. why: of a failure, or of its being left out. figures: GiB,
    seconds and ratios by name, as `docs/local.md` tells them."""

    what: str
    case: str
    outcome: Outcome = "measured"
    why: str = ""
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict[str, Any])


class Results:
    """device: what the child told of the card, once it has."""

    def __init__(self, folder: Path, minutes: float, tiny: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        self.rows: list[Row] = []
        self.device: dict[str, Any] = {}
        self.versions: dict[str, str] = {}
        self._minutes = minutes
        self._tiny = tiny
        self._made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.write()

    def write(self) -> None:
        text = json.dumps(self.as_json(), indent=1)
        near = self.path.with_suffix(".new")
        near.write_text(text, "utf-8")
        os.replace(near, self.path)

    def as_json(self) -> dict[str, Any]:
        return {
            "format": 1,
            "made": self._made,
            "minutes": self._minutes,
            "tiny": self._tiny,
            "device": self.device,
            "versions": self.versions,
            "rows": [asdict(row) for row in self.rows],
        }
