"""`pytest -p tests.forks --forks N`: collect once, then fork N processes that take the files of tests one by one.

Each file's tests run in one process, in the order in which they were collected. A worker of pytest-xdist imports every
file of tests for itself, which with five of them costs more than any file's tests. Nothing collected may keep threads
of its own: they would be missing after the fork.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import selectors
import signal
import struct
import sys
import traceback
from contextlib import suppress
from itertools import groupby
from typing import Any, cast

import pytest

INDEX = struct.Struct("<H")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forks", type=int, default=0, metavar="N", help="run in so many processes, each taking files")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    count = session.config.getoption("--forks")
    if not count or session.config.option.collectonly or session.testsfailed:
        return None  # errors of the collection are told as ever
    _Run(session, count).whole()
    return True


class _Run:
    """The run, as its parent sees it."""

    def __init__(self, session: pytest.Session, count: int) -> None:
        self.session = session
        self.files = [list(items) for _, items in groupby(session.items, key=lambda item: item.path)]
        self.count = min(count, len(self.files))
        self.ended = 0
        self.broken: list[str] = []
        self.numbers, filled = os.pipe()
        os.write(filled, b"".join(INDEX.pack(number) for number in range(len(self.files))))
        os.close(filled)

    def whole(self) -> None:
        """Fork, report what comes, and reap. Session.Interrupted where a process did not end as it should."""
        told = selectors.DefaultSelector()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        gc.freeze()
        children = [_Child(self, number, told) for number in range(self.count)]
        try:
            while told.get_map():
                for key, _ in told.select():
                    cast("_Child", key.data).read()
                if self.session.shouldfail or self.session.shouldstop:
                    self.drain()
        finally:
            self.drain()
            for child in children:
                child.reap()
            os.close(self.numbers)
        if self.session.shouldfail:
            raise self.session.Failed(self.session.shouldfail)
        if self.ended < len(self.session.items):
            self.broken.append(f"only {self.ended} of {len(self.session.items)} tests ran to their end")
        if self.broken:
            raise self.session.Interrupted("; ".join(self.broken))

    def next_file(self) -> list[pytest.Item] | None:
        number = os.read(self.numbers, INDEX.size)
        return self.files[INDEX.unpack(number)[0]] if number else None

    def drain(self) -> None:
        """No process takes another file."""
        while os.read(self.numbers, 65536):
            pass


class _Child:
    """One forked process: its end of the pipe, and what it is at."""

    def __init__(self, run: _Run, number: int, told: selectors.BaseSelector) -> None:
        self.run, self.number, self.told = run, number, told
        self.at = "its start"
        self.rest = b""
        self.pipe, writing = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self.pipe)
            _live(run, number, writing)  # never returns
        os.close(writing)
        told.register(self.pipe, selectors.EVENT_READ, self)

    def read(self) -> None:
        if not (data := os.read(self.pipe, 1 << 20)):
            self.told.unregister(self.pipe)
            return
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.take(json.loads(line))

    def take(self, word: dict[str, Any]) -> None:
        config = self.run.session.config
        if "broken" in word:
            self.run.broken.append(word["broken"])
        elif "start" in word:
            self.at = word["start"][0]
            config.hook.pytest_runtest_logstart(nodeid=word["start"][0], location=tuple(word["start"][1]))
        elif "end" in word:
            self.run.ended += 1
            self.at = f"the end of {self.at}"
            config.hook.pytest_runtest_logfinish(nodeid=word["end"][0], location=tuple(word["end"][1]))
        else:
            report = config.hook.pytest_report_from_serializable(config=config, data=word["report"])
            config.hook.pytest_runtest_logreport(report=report)

    def reap(self) -> None:
        os.close(self.pipe)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if code:
            self.run.broken.append(f"the process at {self.at} ended with {code}")


class _Telling:
    """In a forked process, the plugin that passes on what pytest reports."""

    def __init__(self, config: pytest.Config, pipe: int) -> None:
        self.config, self.pipe = config, os.fdopen(pipe, "wb")

    def tell(self, **word: Any) -> None:
        self.pipe.write(json.dumps(word).encode() + b"\n")
        self.pipe.flush()

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self.tell(start=[nodeid, location])

    def pytest_runtest_logfinish(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self.tell(end=[nodeid, location])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.tell(report=data)


def _live(run: _Run, number: int, pipe: int) -> None:
    """In the forked process: take files until none is left, and end."""
    code = 1
    try:
        atexit._clear()  # what the parent has to do at its end
        session, config = run.session, run.session.config
        telling = _Telling(config, pipe)
        _own(config, number)
        config.pluginmanager.register(telling, "telling")
        try:
            while items := run.next_file():
                for item, following in zip(items, [*items[1:], session], strict=True):
                    # after a file's last test nothing stays open but what is the session's
                    config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            session._setupstate.teardown_exact(None)
            atexit._run_exitfuncs()
            config._ensure_unconfigure()
            code = 0
        except BaseException:
            telling.tell(broken=traceback.format_exc())
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)


def _own(config: pytest.Config, number: int) -> None:
    """What forked processes must not share: the screen, the files that hold captured output, temporary folders."""
    signal.set_wakeup_fd(-1)
    config.pluginmanager.unregister(name="terminalreporter")
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    factory: Any = config._tmp_path_factory  # type: ignore[attr-defined]
    base = factory.getbasetemp() / f"fork{number}"
    base.mkdir()
    factory._basetemp = base
