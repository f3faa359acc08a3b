"""What has arrived of a job and what of it is kept: decided once and written into the job's row, so that after a crash
the same files are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.provider.protocol import JsonObject

KEY = "arrived"
"""The key in a result that holds this until the job has ended."""


def kept_as(clip: Path, extras: Sequence[Path]) -> dict[str, Path]:
    """A job's files by their names in its folder."""
    return {f"clip{clip.suffix}": clip} | {f"extra{number}{path.suffix}": path for number, path in enumerate(extras, 1)}


@dataclass(frozen=True)
class Arrived:
    """clip: the file that becomes the clip. extras: kept beside it; the first `joined` of them are the parts of which
    the clip was joined, and `further_clips` of them are clips that came beside the requested one. notes: for the
    user."""

    clip: Path
    extras: tuple[Path, ...] = ()
    joined: int = 0
    further_clips: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, result: Mapping[str, Any], kept: Path) -> Arrived | None:
        """From a result (with paths); None where nothing was decided, or its files are not on this machine. kept: the
        job's folder."""
        written: JsonObject = result.get(KEY) or {}
        if "file" not in written:
            return None
        extras = tuple(map(Path, written["extras"]))
        counts = int(written["joined"]), int(written["further_clips"])
        found = cls(Path(written["file"]), extras, *counts, tuple(written["notes"]))
        return found if len(extras) == written["count"] and found._is_here(kept) else None

    def _is_here(self, kept: Path) -> bool:
        """Whether each file is in its place, or was moved into the job's folder."""
        moved = kept_as(self.clip, self.extras)
        return all(path.exists() or (kept / name).exists() for name, path in moved.items())

    def to_json(self) -> JsonObject:
        return {
            "file": str(self.clip),
            "extras": [str(path) for path in self.extras],
            "count": len(self.extras),
            "joined": self.joined,
            "further_clips": self.further_clips,
            "notes": list(self.notes),
        }
