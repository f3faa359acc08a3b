"""A host's server on loopback, for as long as it is needed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.hosts import environment
from tests.jobs.station import Station, until

START_S, END_S = 90.0, 10.0


@contextmanager
def served(station: Station, words: Sequence[str], folder: Path, **env: str) -> Iterator[str]:
    """`python -m WORDS` in `folder`, where PORT stands for a free one; its address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    station.root.mkdir(parents=True, exist_ok=True)
    log = station.root / f"{words[0]}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *(word.replace("PORT", port) for word in words)],
            cwd=folder,
            env=environment(station, **env),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"

    def up() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/favicon.ico", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    try:
        until(up, f"{words[0]} answers", START_S)
        yield url
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
