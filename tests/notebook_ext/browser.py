"""Chromium driven by Playwright: one for the whole run, a profile of its own for every page.

Which one: what CHROMIUM names, else `chromium` or `google-chrome` on PATH; `make browser` brings Debian's.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Response, expect, sync_playwright

INSTALL = "sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core'"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 30_000  # for one fact, on a machine that does other work too


@dataclass(frozen=True)
class Look:
    """What a person set in their browser and how wide the view may be, in CSS pixels; still = less motion, please.

    theme: "jupyter" = JupyterLab's own colours, "plain" = a host that names none.
    """

    dark: bool = False
    still: bool = False
    width: int = 800
    height: int = 900
    theme: str = "jupyter"

    def __str__(self) -> str:
        words = ["dark" if self.dark else "light", "still" * self.still, "plain" * (self.theme == "plain")]
        return "-".join([*filter(None, words), f"{self.width}px"])


@dataclass
class Talk:
    """What a page said: `lines` is all of it, `errors` what no page may say (unless `allow` was told of it)."""

    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _allowed: list[re.Pattern[str]] = field(default_factory=list)

    def allow(self, pattern: str) -> None:
        """Errors that match, said before or after this, are expected."""
        self._allowed.append(re.compile(pattern))

    def unexpected(self) -> list[str]:
        return [error for error in self.errors if not any(pattern.search(error) for pattern in self._allowed)]

    def listen(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", self._thrown)
        page.on("crash", lambda _: self._error("the page crashed"))
        page.on("response", self._response)

    def _error(self, line: str) -> None:
        self.lines.append(line)
        self.errors.append(line)

    def _console(self, message: ConsoleMessage) -> None:
        line = f"{message.type}: {message.text} ({message.location['url']}:{message.location['lineNumber']})"
        (self._error if message.type == "error" else self.lines.append)(line)

    def _thrown(self, error: Error) -> None:
        self._error(f"thrown: {error.stack or error}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.lines.append(f"{response.status} {response.request.method} {response.url}")


class Chromium:
    """The browser. Its pages can be used inside `awake` only.

    Playwright's sync API leaves its event loop marked as the running one between two calls, and while it is, no other
    test of this process can run a loop of its own. `awake` sets that mark for the time in which pages are used.
    """

    def __init__(self, folder: Path) -> None:
        """folder: for what the browser writes beside its profiles, which are temporary anyway."""
        self._driver = sync_playwright().start()
        self._loop = asyncio.get_running_loop()
        try:
            self._browser = self._driver.chromium.launch(
                executable_path=chromium_path(),
                args=FLAGS,
                env={**os.environ, "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)},
            )
        except BaseException:
            self._driver.stop()
            raise
        expect.set_options(timeout=PATIENCE_MS)
        asyncio._set_running_loop(None)

    @contextmanager
    def awake(self) -> Iterator[Browser]:
        asyncio._set_running_loop(self._loop)
        try:
            yield self._browser
        finally:
            asyncio._set_running_loop(None)

    @contextmanager
    def page(self, look: Look, artifacts: Path) -> Iterator[tuple[Page, Talk]]:
        """A page of a new profile; AssertionError at the end when it said an error that was not allowed."""
        with self.awake() as browser:
            context = browser.new_context(
                viewport={"width": look.width, "height": look.height},
                color_scheme="dark" if look.dark else "light",
                reduced_motion="reduce" if look.still else "no-preference",
                locale="en-GB",
            )
            context.set_default_timeout(PATIENCE_MS)
            talk = Talk()
            try:
                page = context.new_page()
                talk.listen(page)
                yield page, talk
                if errors := talk.unexpected():
                    where = snapshot(page, talk, artifacts)
                    raise AssertionError("\n".join(["the page said errors:", *errors, f"all it said: {where}"]))
            finally:
                context.close()

    def close(self) -> None:
        with self.awake():
            self._browser.close()
            self._driver.stop()


def chromium_path() -> str:
    """The path of the browser; where there is none the test fails with the command that brings one."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.fail(f"no Chromium on this machine. To bring Debian's: {INSTALL}", pytrace=False)
    return found


def snapshot(page: Page, talk: Talk, artifacts: Path, **texts: str) -> Path:
    """Save how the page looks, its HTML and what it said (and further texts); returns the folder."""
    artifacts.mkdir(parents=True, exist_ok=True)
    said: dict[str, Any] = {"page.log": "\n".join(talk.lines), **texts}
    try:
        said["page.html"] = page.content()
        page.screenshot(path=artifacts / "page.png")
    except Error as error:  # the page may be what broke
        said["snapshot.log"] = str(error)
    for name, text in said.items():
        (artifacts / name).write_text(text)
    return artifacts
