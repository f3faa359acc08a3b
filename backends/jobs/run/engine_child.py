"""A local engine's own process: takes one job after another as JSON lines, answers with JSON lines.

    in:  {"provider", "base_url", "prepared", "dest"}; {"stop"} = the current job was cancelled
    out: {"progress", "phase"} ... then {"output"}, {"error"}, {"stopped"}, or {"again", "wire"} or {"lost"} (its device
         is gone) and the end of the process; {"error"} or {"stopped"} with "over": the process ends too

It ends when its standard input ends, so it never outlives its worker. Whatever the engine prints goes to the log, never
into the protocol.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO, cast

import anyio

from backends.errors import VideoError
from backends.jobs.store import codec
from backends.provider.protocol import DeviceLost, LocalBackend, Output, ProcessOver, RunAgain, Stopped
from backends.provider.registry import registered

_REPORT_EVERY_S = 0.2


class _Reporter:
    """Progress lines, at most a few a second."""

    def __init__(self, out: TextIO, stop: threading.Event) -> None:
        self._out = out
        self._stop = stop
        self._last = 0.0

    def send(self, message: dict[str, Any]) -> None:
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def progress(self, done: float, phase: str) -> None:
        if self._stop.is_set():
            raise Stopped
        now = time.monotonic()
        if now - self._last >= _REPORT_EVERY_S:
            self._last = now
            self.send({"progress": min(1.0, max(0.0, done)), "phase": phase[:80]})


def _run(order: dict[str, Any], reporter: _Reporter) -> Output:
    engine = cast(LocalBackend, registered(order["provider"]).open(os.environ, order["base_url"]))
    prepared = codec.prepared_from_json(order["prepared"])
    return anyio.run(engine.run, prepared, Path(order["dest"]), reporter.progress)


def serve(orders: TextIO, out: TextIO, stop: threading.Event) -> None:
    """Run orders until there are no more. stop: set when the current order was cancelled."""
    reporter = _Reporter(out, stop)
    for line in orders:
        order = json.loads(line)
        if "stop" in order:  # it came when its job had just ended, or was answered meanwhile
            stop.clear()
            continue
        try:
            output = _run(order, reporter)
        except Stopped:
            reporter.send({"stopped": True})
        except RunAgain as again:
            reporter.send({"again": str(again), "wire": again.wire})
            return
        except DeviceLost as lost:
            reporter.send({"lost": str(lost)[:300]})
            return
        except ProcessOver as end:
            reporter.send({"over": True, **({"error": end.error.to_json()} if end.error else {"stopped": True})})
            return
        except VideoError as error:
            reporter.send({"error": error.to_json()})
        except MemoryError:
            error = VideoError("provider", "not enough memory for this clip: ask for a smaller or shorter one")
            reporter.send({"error": error.to_json()})
        except Exception as error:  # an engine may raise anything; the job must end with a reason
            text = f"the engine failed: {type(error).__name__}: {error}"
            reporter.send({"error": VideoError("provider", text[:500]).to_json()})
        else:
            reporter.send({"output": codec.output_to_json(output)})


def _end_with_parent(orders: TextIO, stop: threading.Event) -> TextIO:
    """Read orders on a thread, so that a cancel and the parent's end are noticed during work; the latter ends this
    process too."""
    read, write = os.pipe()

    def forward() -> None:
        for line in orders:
            if line.startswith('{"stop"'):
                stop.set()
            os.write(write, line.encode())
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=forward, daemon=True).start()
    return os.fdopen(read, "r", encoding="utf-8")


def main() -> None:
    """Keep the real stdout for the protocol, and let libraries print to the log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    stop = threading.Event()
    serve(_end_with_parent(sys.stdin, stop), out, stop)


if __name__ == "__main__":
    main()
