"""The process that keeps the time: it starts the one that measures, again where that one ended, and ends it in time."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Callable
from typing import Any

from tests.gpu.clock import Clock
from tests.gpu.results import Outcome, Results, Row

START_S = 180.0
"""The longest that importing torch and waking the card may take."""

TIME = "the time was up"


def supervise(command: Callable[[int], list[str]], clock: Clock, results: Results) -> None:
    """command: of the child that begins at a number; the first line of each names all measurements. Every measurement
    has its row afterwards. RuntimeError when a child ends before its first line: nothing can be measured then."""
    child = _Child(command(0), clock, results, 0)
    child.watched()
    while child.number < len(child.names):
        if clock.left_s:
            child = _Child(command(child.number), clock, results, child.number)
            child.watched()
        else:
            child.missed("left out", TIME)


class _Child:
    """One process that measures. number: of the measurement that it is at."""

    def __init__(self, command: list[str], clock: Clock, results: Results, number: int) -> None:
        self.clock = clock
        self.results = results
        self.number = number
        self.names: list[tuple[str, str, float]] = []
        self.begun = False
        self.lines: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.lines.put(line)
        self.lines.put(None)

    def watched(self) -> None:
        """Its rows into the results, until it is done or has been ended."""
        try:
            why = self._watched()
        finally:
            self.process.kill()
            self.process.wait()
        if not self.names:
            raise RuntimeError(f"nothing could be measured: {why} before it had named anything")
        if why:
            self.missed("failed" if self.begun else "left out", why)

    def _watched(self) -> str:
        """Why it did not come to its end; "" when it did."""
        while not self.names or self.number < len(self.names):
            limit = self.names[self.number][2] if self.begun else START_S
            try:
                line = self.lines.get(timeout=min(limit, self.clock.left_s) + 0.01)
            except queue.Empty:
                return f"ended after {limit:.0f} s" if self.clock.left_s else TIME
            if line is None:
                return f"its process ended with {self.process.wait()}"
            self._told(json.loads(line))
        return ""

    def _told(self, line: dict[str, Any]) -> None:
        if "names" in line:
            self.names = [tuple(one) for one in line["names"]]
            self.results.device, self.results.versions = line["device"], line["versions"]
            self.results.write()
        elif "begin" in line:
            self.begun = True
        else:
            self.results.add(Row(**line["row"]))
            self.number, self.begun = self.number + 1, False

    def missed(self, outcome: Outcome, why: str) -> None:
        what, case, _ = self.names[self.number]
        self.results.add(Row(what, case, outcome, why))
        self.number, self.begun = self.number + 1, False
