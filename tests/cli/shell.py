"""The command line as a person uses it: in this process for speed, as a process of its own, or at a terminal."""

from __future__ import annotations

import codecs
import json
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from typer.testing import CliRunner

from mcp_server.cli import app
from tests.jobs.station import Station
from tests.patience import patient

COMMAND = (sys.executable, "-P", "-m", "mcp_server")


@dataclass(frozen=True)
class Ended:
    """How a command has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass
class Shell:
    """A home with its environment and working folder."""

    station: Station
    monkeypatch: pytest.MonkeyPatch

    @property
    def folder(self) -> Path:
        """The working folder: input files may come from it (it is not the person's home)."""
        folder = self.station.root / "work"
        folder.mkdir(exist_ok=True)
        return folder

    def run(self, *words: str | Path, typed: str = "") -> Ended:
        """In this process, with pipes on all three sides."""
        with self.monkeypatch.context() as patch:
            for name in os.environ:
                patch.delenv(name)
            for name, value in self.station.environ().items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            ended = CliRunner().invoke(app, [str(word) for word in words], input=typed, catch_exceptions=False)
        return Ended(ended.exit_code, ended.stdout, ended.stderr)

    def done(self, *words: str | Path, typed: str = "") -> Ended:
        """The same; AssertionError with its words unless the exit code is 0."""
        ended = self.run(*words, typed=typed)
        assert ended.code == 0, f"{words} ended with {ended.code}: {ended.out}{ended.err}"
        return ended

    def refused(self, *words: str | Path, typed: str = "") -> str:
        """What a refused command says; its exit code must be 1."""
        ended = self.run(*words, typed=typed)
        assert ended.code == 1, f"{words} ended with {ended.code}: {ended.out}{ended.err}"
        return ended.err

    def process(self, *words: str | Path, **more: Any) -> subprocess.Popen[str]:
        """A process of its own, with pipes on all three sides."""
        return subprocess.Popen(
            [*COMMAND, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.station.environ(),
            cwd=self.folder,
            text=True,
            **more,
        )

    def terminal(self, *words: str | Path) -> Terminal:
        return Terminal([*COMMAND, *map(str, words)], self.station.environ(TERM="xterm"), self.folder)


class Terminal:
    """A command on a pseudo-terminal. Every wait has a deadline."""

    def __init__(self, command: list[str], env: dict[str, str], cwd: Path) -> None:
        self._master, slave = pty.openpty()
        self.shown = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end inside a letter
        # A session of its own: a hidden prompt must not reach for the terminal of the person who runs the tests.
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=cwd, start_new_session=True
        )
        os.close(slave)

    def expect(self, text: str, timeout_s: float = 20.0) -> str:
        """Read until the text is shown; everything shown so far."""
        deadline = time.monotonic() + patient(timeout_s)
        while text not in self.shown:
            assert self._read(deadline), f"{text!r} was not shown: {self.shown!r}"
        return self.shown

    def send(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self, timeout_s: float = 20.0) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + patient(timeout_s)
        while self._read(deadline):
            continue
        return self.process.wait(patient(5))

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        try:
            read = os.read(self._master, 65536) if ready else b""
        except OSError:  # Linux: the other side is closed
            read = b""
        self.shown += self._decoder.decode(read)
        return bool(read)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(patient(5))
        os.close(self._master)
