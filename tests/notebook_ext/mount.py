"""Views in a bare page: no Jupyter, no kernel; a test plays Python's part.

    def test_brush(bare):
        view = bare.mount("brush", {"width": 640, "height": 360})   # a module of the front end, host.get("data")
        view.get_by_role("button", name="Save").click()
        act = bare.asked("save")                                    # waits for it
        bare.answer({"px": 12})                                     # the view's promise resolves
        bare.unmount()                                              # AssertionError when anything is left behind

`Widget` does the same for a whole anywidget module text, adapter and all.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import JSHandle, Locator, Page

from tests.notebook_ext.browser import Look
from tests.notebook_ext.shelf import Shelf

STAGE = Path(__file__).parent / "stage"
THEMES = Path(sys.prefix) / "share" / "jupyter" / "lab" / "themes" / "@jupyterlab"
PAGE = """<!doctype html><html lang="en" style="color-scheme: {scheme}"><meta charset="utf-8"><title>stage</title>
{sheets}<style>body {{ margin: 8px; background: var(--jp-layout-color0, Canvas);
color: var(--jp-content-font-color1, CanvasText); font-family: var(--jp-ui-font-family, sans-serif);
font-size: var(--jp-ui-font-size1, 13px) }}</style>
<body data-jp-theme-light="{light}"><div id="stage" class="jp-OutputArea-output"></div></body></html>"""


@dataclass(frozen=True)
class Act:
    """What the browser asked: in a bare page the action and its body, of a widget the whole message as its body."""

    action: str | None
    body: Any
    buffers: list[bytes]
    open: bool  # not answered yet


class _Stage:
    script = ""

    def __init__(self, page: Page, look: Look, shelf: Shelf) -> None:
        self.page = page
        self._look = look
        self._shelf = shelf
        self._module: JSHandle | None = None
        self._before: list[str] = []

    def _start(self, sheets: Sequence[str], url: str, name: str, state: Mapping[str, Any]) -> Locator:
        if self._module is None:
            self.page.add_init_script(path=STAGE / "watch.js")
            self.page.goto(self._shelf.text(self._html(sheets), ".html"))
            self._module = self.page.evaluate_handle("url => import(url)", self._shelf.folder(STAGE) + self.script)
        self._before = self._left()
        self._call("mount", url, name, dict(state))
        return self.page.locator("#stage > div")

    def _html(self, sheets: Sequence[str]) -> str:
        tone = "dark" if self._look.dark else "light"
        if self._look.theme == "jupyter":
            sheets = [self._shelf.folder(THEMES / f"theme-{tone}-extension") + "index.css", *sheets]
        links = "\n".join(f'<link rel="stylesheet" href="{sheet}">' for sheet in sheets)
        return PAGE.format(scheme=tone, light=json.dumps(not self._look.dark), sheets=links)

    def _call(self, function: str, *arguments: Any) -> Any:
        assert self._module is not None, "mount a view first"
        return self._module.evaluate("(module, [name, args]) => module[name](...args)", [function, list(arguments)])

    def acts(self) -> list[Act]:
        """All that was asked since the page opened, oldest first."""
        return [
            Act(act["action"], act["body"], [base64.b64decode(b) for b in act["buffers"]], act["open"])
            for act in self._call("listed")
        ]

    def asked(self, action: str) -> Act:
        """Wait until an act of this name is open; the oldest such."""
        index = self._waiting(action)
        return self.acts()[index]

    def _waiting(self, action: str | None) -> int:
        assert self._module is not None, "mount a view first"
        found = "([m, name]) => m.acts.findIndex((a) => a.settle && (name === null || a.action === name))"
        self.page.wait_for_function(f"(given) => ({found})(given) >= 0", arg=[self._module, action])
        return self.page.evaluate(found, [self._module, action])

    def answer(self, body: Any = None, buffers: Sequence[bytes] = (), *, action: str | None = None) -> None:
        """Answer the oldest open act (of that name), waiting for it."""
        encoded = [base64.b64encode(buffer).decode() for buffer in buffers]
        self._call("settle", self._waiting(action), True, body, encoded)

    def refuse(self, words: str, *, action: str | None = None) -> None:
        """Refuse it, in words for the person."""
        self._call("settle", self._waiting(action), False, words, [])

    def set(self, name: str, value: Any) -> None:
        """Python sets a trait; whoever listens is told."""
        self._call("set", name, value)

    def unmount(self) -> None:
        """Take the view away; AssertionError when it leaves something running or held."""
        self._call("unmount")
        left = [*self._call("kept"), *self._left()]
        for line in self._before:
            if line in left:
                left.remove(line)
        assert not left, f"the view left behind: {left}"

    def _left(self) -> list[str]:
        return self.page.evaluate("watching()")


class Bare(_Stage):
    """Views of the front end's modules, each under a host of its own making."""

    script = "host.js"

    def __init__(self, page: Page, look: Look, shelf: Shelf, modules: Path) -> None:
        super().__init__(page, look, shelf)
        self._modules = modules

    def mount(self, view: str, data: Any, **state: Any) -> Locator:
        """Draw `export function VIEW(host)` of VIEW.js; data and state are what host.get gives. Returns host.el."""
        url = self._shelf.folder(self._modules)
        sheets = [url + sheet.name for sheet in sorted(self._modules.glob("*.css"))]
        return self._start(sheets, f"{url}{view}.js", view, {"data": data, **state})

    def lend(self, job_id: str, clip: Path) -> None:
        """Let host.media(job_id) give a blob URL of this file."""
        self._call("lend", job_id, self._shelf.folder(clip.parent) + clip.name)


class Widget(_Stage):
    """Whole anywidget modules, each under a model of its own making."""

    script = "model.js"

    def mount(self, esm: str, css: str = "", **traits: Any) -> Locator:
        """Load a module's text and render it; returns the element that it drew into."""
        sheets = [self._shelf.text(css, ".css")] if css else []
        return self._start(sheets, self._shelf.text(esm, ".js"), "", traits)

    def receive(self, content: Any, buffers: Sequence[bytes] = ()) -> None:
        """A custom message from Python, its buffers as DataViews."""
        self._call("receive", content, [base64.b64encode(buffer).decode() for buffer in buffers])

    def listen(self, on: bool) -> None:
        """Whether what the browser sends arrives; a lost message is neither recorded nor heard."""
        self._call("listen", on)

    def die(self) -> None:
        """The kernel is gone: nothing can be sent any more."""
        self._call("die")

    def written(self) -> list[str]:
        """The traits that the browser set, which should be none."""
        return self._call("wrote")
