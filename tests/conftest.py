"""For every test: Ctrl-C, which tests a run takes, and in which order.

A process that is started in the background ignores Ctrl-C, and so would all that it starts.

Torch is an extra. Where it is missing, the tests that need it are left out and the last lines of the run say so; what
decides is not a list but the test itself: its module imports torch or one of its kin, or it uses the `models` fixture.
`--torch needed` makes its absence an error instead, `--torch absent` its presence. `--torch apart` (make unit) leaves
those tests to `--torch only` (make local): importing torch takes longer than most files of tests.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from backends.local.device import INSTALL, NEEDED
from backends.media import sandbox
from backends.media.sandbox import Sandbox

if TYPE_CHECKING:
    from tests.jobs.nursery import Nursery

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
"""Absent for jsonschema, whose import would build its grammar for two seconds, in every process of the run."""

hypothesis.settings.register_profile("reelwright", deadline=None)  # a busy machine is no fault of the program
hypothesis.settings.load_profile("reelwright")

SECONDS = Path(__file__).with_name("seconds.json")
"""What each file takes on two quiet cores; `python -m tests.seconds RUN.xml` writes it from a run's JUnit report."""
NEW_S = 10.0
MODELS = Path(__file__).with_name("local")
MISSING = [name for name in NEEDED if find_spec(name) is None]
KIN = re.compile(r"^(?:import|from) (?:torch|diffusers|transformers|tokenizers|peft|gguf|tests\.local\.tiny)\b", re.M)


def pytest_addoption(parser: pytest.Parser) -> None:
    words = (
        "auto: leave out the tests that need torch where it is missing; needed: fail then; absent: fail where it is; "
        "apart: leave them out; only: leave out all others"
    )
    parser.addoption("--quick", type=float, metavar="SECONDS", help="the files that take least, so many seconds in all")
    parser.addoption("--torch", choices=("auto", "needed", "absent", "apart", "only"), default="auto", help=words)


def pytest_configure(config: pytest.Config) -> None:
    asked = config.getoption("--torch")
    if asked in ("needed", "only") and MISSING:
        text = f"{', '.join(MISSING)} not installed, and many tests would be left out: run make local, or {INSTALL}"
        raise pytest.UsageError(text)
    if asked == "absent" and not MISSING:
        raise pytest.UsageError("torch is installed here, so this would prove nothing: run make unit-without-torch")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Modules that could not even be imported, or need not be."""
    asked = config.getoption("--torch")
    if not collection_path.name.startswith("test_") or collection_path.suffix != ".py":
        return None
    most_s = config.getoption("--quick")
    if most_s is not None and collection_path.name not in quickest(most_s):
        return True
    imports = bool(KIN.search(collection_path.read_text("utf-8")))
    if asked == "only":  # the fixtures that need torch without an import are those of one folder
        return None if imports or collection_path.parent == MODELS else True
    return True if imports and (MISSING or asked == "apart") else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs torch and what needs a browser; leave out what cannot run; the files that take longest first.

    What `-m` deselects is left out after this, and workers take files whole, so that no long one begins last.
    """
    texts = {path: path.read_text("utf-8") for path in {item.path for item in items}}
    imports = {path for path, text in texts.items() if KIN.search(text)}
    for item in items:
        used = getattr(item, "fixturenames", ())
        if "models" in used or item.path in imports:
            item.add_marker("torch")
        if "chromium" in used:
            item.add_marker("browser")
    asked = config.getoption("--torch")
    if MISSING or asked in ("apart", "only"):
        _leave(config, items, lambda item: (item.get_closest_marker("torch") is not None) is (asked == "only"))
    seconds = json.loads(SECONDS.read_text("utf-8"))
    items.sort(key=lambda item: -seconds.get(item.path.relative_to(config.rootpath).as_posix(), NEW_S))


def _leave(config: pytest.Config, items: list[pytest.Item], kept: Callable[[pytest.Item], bool]) -> None:
    """Deselect all but these."""
    config.hook.pytest_deselected(items=[item for item in items if not kept(item)])
    items[:] = [item for item in items if kept(item)]


def quickest(most_s: float) -> set[str]:
    """The names of the files that take least, so many that they take `most_s` seconds together."""
    seconds: dict[str, float] = json.loads(SECONDS.read_text("utf-8"))
    order = sorted(seconds, key=lambda name: seconds[name])
    wholes = accumulate(seconds[name] for name in order)
    return {Path(name).name for name, whole in zip(order, wholes, strict=True) if whole <= most_s}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if MISSING and config.getoption("--torch") != "apart":
        text = f"The tests of local pipelines were left out (not installed: {', '.join(MISSING)}): {INSTALL}"
        terminalreporter.write_line(text, yellow=True)


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """One process that forks the workers of every test of this session."""
    from tests.jobs.nursery import Nursery

    with Nursery(tmp_path_factory.mktemp("nursery") / "log") as running:
        yield running


@pytest.fixture
def forked_workers(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients in this process start their workers by the nursery: for tests that are not about how one starts."""
    from tests.jobs.nursery import Started

    monkeypatch.setattr("backends.jobs.run.launch._Detached", lambda _, *, env, **pipes: Started(nursery, env))


class _Kept(Sandbox):
    """Stays open when a data folder is closed, but not in another environment than it was started in. (Many a test
    has a home folder of its own, which no decoder looks into.)"""

    _started_in: Mapping[str, str] | None = None

    def close(self) -> None:
        pass

    def _call(self, name: str, timeout_s: float, **arguments: object) -> dict[str, Any]:
        now = {name: os.environ.get(name, "") for name in sandbox._ENVIRONMENT if name != "HOME"}
        if self._started_in != now:
            self._started_in = now
            super().close()
        return super()._call(name, timeout_s, **arguments)


@pytest.fixture(scope="session", autouse=True)
def _one_decoder() -> Iterator[None]:
    """All data folders that tests open in this process have one child that decodes: a start costs more than most
    tests. Each process that a test starts has its own, and tests/media tries the real thing."""
    kept = _Kept()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backends.jobs.context.Sandbox", lambda: kept)
        yield
    Sandbox.close(kept)
