"""Results of live tests: `live-tests.json` in the data folder, written by `doctor --live`, shown by `doctor`."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from backends.errors import VideoError
from backends.settings import Settings
from mcp_server.cli import show

FORMAT = 1


@dataclass(frozen=True)
class LiveTest:
    """One real clip. day: UTC, ISO 8601. cost_usd: None = not known. seconds: from order to file. version: of this
    program. outcome: "ok", or the job's state and what went wrong."""

    provider: str
    model: str
    job: str
    day: str
    cost_usd: float | None
    seconds: float
    version: str
    outcome: str
    settled: bool = True

    @property
    def text(self) -> str:
        """For example: live-tested 2026-11-23: ok, $0.25, 41 s"""
        return f"live-tested {self.day}: {self.outcome}, {show.usd(self.cost_usd)}, {self.seconds:.0f} s"


def path_of(settings: Settings) -> Path:
    return settings.home / "live-tests.json"


def live_tests(settings: Settings) -> list[LiveTest]:
    """Every recorded test, oldest first. VideoError("storage") when the file is not such a record."""
    path = path_of(settings)
    try:
        record = cast("dict[str, Any]", json.loads(path.read_text("utf-8")))
        return [LiveTest(**test) for test in record["tests"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        why = f"{type(error).__name__}: {error}"[:200]
        raise VideoError("storage", f"{path} cannot be read ({why}): fix or remove it") from None


def latest(tests: Sequence[LiveTest], provider: str) -> LiveTest | None:
    """A provider's last test."""
    return next((test for test in reversed(tests) if test.provider == provider), None)


def add(settings: Settings, test: LiveTest) -> None:
    """Record a test, replacing an earlier record of the same job. The file is replaced as a whole."""
    tests = [*(known for known in live_tests(settings) if known.job != test.job), test]
    text = json.dumps({"format": FORMAT, "tests": [asdict(one) for one in tests]}, indent=2, ensure_ascii=False)
    path = path_of(settings)
    try:
        number, name = tempfile.mkstemp(prefix=".live-tests-", dir=path.parent)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except OSError:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise VideoError("storage", f"{path} cannot be written ({error.strerror or error}): free some space") from None
