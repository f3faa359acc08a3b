from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page

from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import Station
from tests.notebook_ext.browser import Chromium, Look, Talk, snapshot
from tests.notebook_ext.lab import Lab, LabPage, SevenPage
from tests.notebook_ext.mount import Bare, Widget
from tests.notebook_ext.shelf import Shelf

ROOT = Path(__file__).resolve().parents[2]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failed test leaves a picture of its page, what the page said, and the Lab server's log."""
    report = yield
    if report.failed and call.when == "call" and "_opened" in item.funcargs:
        lab = item.funcargs.get("lab")
        texts = {"lab.log": lab.log()} if lab else {}
        where = snapshot(*item.funcargs["_opened"], item.funcargs["artifacts"], **texts)
        report.sections.append(("the page", f"picture, HTML and logs: {where}"))
    return report


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    browser = Chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def look() -> Look:
    """How the browser is set; a test that wants more than one gives them: parametrize("look", [...], ids=str)."""
    return Look()


@pytest.fixture
def artifacts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures and logs of this test go, made when the first is written: below $ARTIFACTS, else temporary."""
    name = re.sub(r"[^\w-]+", "_", request.node.name)
    return Path(os.environ.get("ARTIFACTS") or tmp_path_factory.getbasetemp() / "artifacts") / name


@pytest.fixture(scope="session")
def axe() -> str:
    """The script axe-core, as the package axe-playwright-python carries it."""
    found = find_spec("axe_playwright_python")
    assert found is not None and found.origin
    return (Path(found.origin).parent / "axe.min.js").read_text()


@pytest.fixture
def _opened(chromium: Chromium, look: Look, artifacts: Path) -> Iterator[tuple[Page, Talk]]:
    with chromium.page(look, artifacts) as opened:
        yield opened


@pytest.fixture
def page(_opened: tuple[Page, Talk]) -> Page:
    return _opened[0]


@pytest.fixture
def talk(_opened: tuple[Page, Talk]) -> Talk:
    """What the page said; talk.allow("pattern") for an error that the test means to cause."""
    return _opened[1]


@pytest.fixture
def picture(page: Page, artifacts: Path) -> Callable[[str], Path]:
    """picture("name"): a PNG of the page as it is now, for a person to look at."""

    def take(name: str, of: Locator | None = None) -> Path:
        path = artifacts / f"{name}.png"
        (of or page).screenshot(path=path)
        return path

    return take


@pytest.fixture(scope="session")
def shelf() -> Iterator[Shelf]:
    with Shelf() as server:
        yield server


@pytest.fixture
def modules() -> Path:
    """The folder of the front end's ES modules and its style sheet."""
    return ROOT / "notebook_ext" / "static"


@pytest.fixture
def bare(page: Page, look: Look, shelf: Shelf, modules: Path) -> Bare:
    """Views in a bare page, under a host that records what they ask."""
    return Bare(page, look, shelf, modules)


@pytest.fixture
def widget(page: Page, look: Look, shelf: Shelf) -> Widget:
    """Whole anywidget modules in a bare page, under a model that records what they send."""
    return Widget(page, look, shelf)


@pytest.fixture(scope="session")
def paid() -> Iterator[FakeServer]:
    """The paid service that the Lab's kernels know as `paid/quick`: a job is done at the second look."""
    with FakeServer("paid", clips={"": tiny_clip()}, life={"polls": 1}) as server:
        yield server


@pytest.fixture(scope="session")
def lab(paid: FakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    station = Station(tmp_path_factory.mktemp("lab"), paid.url, {"REELWRIGHT_WORKER_IDLE_S": "60"})
    with Lab(station) as server:
        yield server


@pytest.fixture
def notebook(lab: Lab, page: Page) -> Iterator[LabPage]:
    """A JupyterLab page; the kernels of what it opened end with the test."""
    with LabPage(lab, page) as opened:
        yield opened


@pytest.fixture
def seven(lab: Lab, page: Page, talk: Talk) -> Iterator[SevenPage]:
    """A Notebook 7 page on the same server."""
    for pattern in SevenPage.own_errors:
        talk.allow(pattern)
    with SevenPage(lab, page) as opened:
        yield opened
