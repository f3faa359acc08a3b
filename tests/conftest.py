"""For every test: Ctrl-C, and what happens where torch is not installed.

A process that is started in the background ignores Ctrl-C, and so would all that it starts.

Torch is an extra. Where it is missing, the tests that need it are left out and the last lines of the run say so; what
decides is not a list but the test itself: its module imports torch or one of its kin, or it uses the `models` fixture.
`--torch needed` (make unit, and so CI) makes its absence an error instead; `--torch absent` its presence.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backends.local.device import INSTALL, NEEDED

if TYPE_CHECKING:
    from tests.jobs.nursery import Nursery

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MISSING = [name for name in NEEDED if find_spec(name) is None]
KIN = re.compile(r"^(?:import|from) (?:torch|diffusers|transformers|tokenizers|peft|gguf|tests\.local\.tiny)\b", re.M)


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "auto: leave out the tests that need torch where it is missing; needed: fail then; absent: fail where it is"
    parser.addoption("--torch", choices=("auto", "needed", "absent"), default="auto", help=words)


def pytest_configure(config: pytest.Config) -> None:
    asked = config.getoption("--torch")
    if asked == "needed" and MISSING:
        text = f"{', '.join(MISSING)} not installed, and many tests would be left out: run make unit, or {INSTALL}"
        raise pytest.UsageError(text)
    if asked == "absent" and not MISSING:
        raise pytest.UsageError("torch is installed here, so this would prove nothing: run make unit-without-torch")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Modules that could not even be imported."""
    if not MISSING or not collection_path.name.startswith("test_") or collection_path.suffix != ".py":
        return None
    return True if KIN.search(collection_path.read_text("utf-8")) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of pipelines, which build tiny ones first."""
    if not MISSING:
        return
    out = [item for item in items if "models" in getattr(item, "fixturenames", ())]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MISSING:
        text = f"The tests of local pipelines were left out (not installed: {', '.join(MISSING)}): {INSTALL}"
        terminalreporter.write_line(text, yellow=True)


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """One process that forks the workers of every test of this session."""
    from tests.jobs.nursery import Nursery

    with Nursery(tmp_path_factory.mktemp("nursery") / "log") as running:
        yield running
