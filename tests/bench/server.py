"""The server against a bare one-tool MCP server: start, estimate_cost, idle CPU and memory. Ratios of one run.

`python -m tests.bench.server` prints a Markdown table. Measurements alternate between the two servers, so that a
busy machine slows both; figures are medians. Takes about a minute, touches a temporary home only.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import skimage

from tests.rawclient import LEGACY, SERVE, RawClient, home_env, text_of

STARTS = 11
CALLS = 300
IDLE_S = 10.0

BARE = """
import json, os
from mcp.server import MCPServer
from mcp_types import CallToolResult, TextContent
server = MCPServer("bare")
with open(os.environ["PAYLOAD"], encoding="utf-8") as file:
    payload = json.load(file)
@server.tool()
def estimate_cost(prompt: str, duration_s: float) -> CallToolResult:
    "What a clip costs."
    return CallToolResult(content=[TextContent(text=payload["text"])], structured_content=payload["structured"])
server.run()
"""


@dataclass(frozen=True)
class Figure:
    """One comparison with the bare server. bound: the most that the ratio may be."""

    what: str
    ours: float
    bare: float
    unit: str
    bound: float

    @property
    def ratio(self) -> float:
        return self.ours / self.bare

    def row(self) -> str:
        held = "yes" if self.ratio <= self.bound else "no"
        return (
            f"| {self.what} | {self.ours:.3g} {self.unit} | {self.bare:.3g} {self.unit} | {self.ratio:.2f}x "
            f"| {self.bound:g}x | {held} |"
        )


@dataclass(frozen=True)
class Absolute:
    """One figure with a bound of its own."""

    what: str
    ours: float
    unit: str
    bound: float

    def row(self) -> str:
        held = "yes" if self.ours <= self.bound else "no"
        return f"| {self.what} | {self.ours:.3g} {self.unit} | | | {self.bound:g} {self.unit} | {held} |"


def measure() -> list[Figure | Absolute]:
    """Every row of the table, measured now."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        env = home_env(home, PAYLOAD=str(home / "payload.json"))
        (home / "payload.json").write_text(json.dumps({"text": "", "structured": {}}))
        bare = (sys.executable, "-c", BARE)
        start = _alternating(lambda: _start(env, SERVE), lambda: _start(env, bare), STARTS)
        asked = {"prompt": "a cat", "duration_s": 5}
        with RawClient(env, command=SERVE) as ours:
            ours.request("tools/list")
            memory = _megabytes(ours)
            result = ours.call("estimate_cost", **asked)
            payload = {"text": text_of(result), "structured": result["structuredContent"]}
            (home / "payload.json").write_text(json.dumps(payload))
            with RawClient(env, command=bare) as plain:
                plain.request("tools/list")
                bare_memory = _megabytes(plain)
                assert plain.call("estimate_cost", **asked)["structuredContent"] == payload["structured"]
                call = _alternating(lambda: _call(ours, asked), lambda: _call(plain, asked), CALLS)
                opened = _megabytes(ours)
                return [
                    Figure("start to the first tools/list", *start, "ms", 1.3),
                    Figure("estimate_cost, a call", *call, "ms", 1.5),
                    Figure("memory after tools/list", memory, bare_memory, "MB", 1.2),
                    Figure(f"memory after {CALLS} estimates", opened, _megabytes(plain), "MB", 1.2),
                    Absolute(f"idle CPU, {IDLE_S:g} s", _idle_percent(ours), "%", 0.5),
                    Absolute("a new server's first image_to_video, to its Ticket", _first_ticket(home), "ms", 1000),
                ]


def _alternating(ours: Callable[[], float], bare: Callable[[], float], times: int) -> tuple[float, float]:
    """Medians in milliseconds of two measurements taken in turns; the first pair is a warm-up."""
    pairs = [(ours(), bare()) for _ in range(times + 1)][1:]
    return statistics.median(a for a, _ in pairs) * 1000, statistics.median(b for _, b in pairs) * 1000


def _start(env: dict[str, str], command: tuple[str, ...]) -> float:
    started = time.perf_counter()
    with RawClient(env, era=LEGACY, command=command) as client:
        client.request("tools/list")
        return time.perf_counter() - started


def _call(client: RawClient, asked: dict[str, object]) -> float:
    started = time.perf_counter()
    client.call("estimate_cost", **asked)
    return time.perf_counter() - started


def _megabytes(client: RawClient) -> float:
    return psutil.Process(client.process.pid).memory_info().rss / 1e6


def _idle_percent(client: RawClient) -> float:
    """CPU time of an idle server, percent of one core. The one place that has to let time pass."""
    process = psutil.Process(client.process.pid)
    before = process.cpu_times()
    time.sleep(IDLE_S)
    after = process.cpu_times()
    return max(0.0, after.user + after.system - before.user - before.system) / IDLE_S * 100


def _first_ticket(home: Path) -> float:
    """Median milliseconds from the call to the Ticket, each in a new server; the jobs are cancelled at once."""
    work = home / "work"
    work.mkdir()
    shutil.copy(Path(skimage.__file__).parent / "data" / "coffee.png", work)
    taken: list[float] = []
    for seed in range(STARTS // 2):
        with RawClient(home_env(home), cwd=work) as client:
            client.request("tools/list")
            started = time.perf_counter()
            ticket = client.structured("image_to_video", image="coffee.png", duration_s=1, seed=seed)
            taken.append(time.perf_counter() - started)
            client.structured("cancel_job", job_id=ticket["job_id"])
    return statistics.median(taken) * 1000


def main() -> None:
    """Print the table."""
    print("| server | reelwright | bare one-tool server | ratio | bound | held |")
    print("|---|---|---|---|---|---|")
    for figure in measure():
        print(figure.row())


if __name__ == "__main__":
    main()
