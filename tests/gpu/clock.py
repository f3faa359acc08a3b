"""The time that a run may take, on the system's steady clock, which all processes of it read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

ENDING_S = 10.0
"""Kept for writing the report, and for ending a child that hangs."""


@dataclass(frozen=True)
class Clock:
    """until: of time.monotonic(), which is one clock for all processes of a machine."""

    until: float

    @classmethod
    def of(cls, minutes: float) -> Self:
        return cls(time.monotonic() + minutes * 60 - ENDING_S)

    @property
    def left_s(self) -> float:
        return max(0.0, self.until - time.monotonic())

    def has(self, seconds: float) -> bool:
        return self.left_s >= seconds
