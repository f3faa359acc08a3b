"""A view's Python side at work without a kernel, and beside a page in a browser."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator

from backends.settings import load_settings
from notebook_ext.client import NotebookStudio
from notebook_ext.home import Home
from notebook_ext.view import View, module_text, style_text
from tests.notebook_ext.mount import Widget
from tests.patience import patient

PATIENCE_S = 30
RIDS = count(1)
"""A view remembers the messages that it has heard, whoever sent them."""


class Refused(Exception):
    """A view refused an action, in these words."""


@dataclass
class Answered:
    body: dict[str, Any]
    buffers: list[bytes]


class Desk:
    """Plays the kernel's part for one view: messages in as ipywidgets hands them over, answers out."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._sent: queue.SimpleQueue[tuple[dict[str, Any], list[bytes]]] = queue.SimpleQueue()
        view.send = lambda content, buffers=None: self._sent.put((content, [bytes(b) for b in buffers or ()]))

    def ask(self, action: str, body: Mapping[str, Any] = {}, buffers: Sequence[bytes] = ()) -> Answered:
        """One action, its buffers as memoryviews as they come from a socket. Refused when it is."""
        rid = f"r{next(RIDS)}"
        message = {"v": 1, "kind": "act", "rid": rid, "action": action, "body": dict(body)}
        self.view._handle_custom_msg(message, [memoryview(buffer) for buffer in buffers])
        content: dict[str, Any] = {}
        sent: list[bytes] = []
        while content.get("kind") != "answer":
            content, sent = self._sent.get(timeout=patient(PATIENCE_S))
        assert (content["v"], content["kind"], content["rid"]) == (1, "answer", rid)
        if not content["ok"]:
            raise Refused(content["error"])
        return Answered(content["body"], sent)


class Shown:
    """A view with its page: what the page asks is answered by the view, what the view publishes is set in the page."""

    def __init__(self, widget: Widget, desk: Desk) -> None:
        self.widget, self.desk, self.page = widget, desk, widget.page
        name = desk.view.NAME
        self._new = False
        desk.view.observe(self._published, "data")
        self.el: Locator = widget.mount(module_text(name), style_text(name), data=desk.view.data).locator(".rw")
        self.settle()

    def _published(self, _: object) -> None:
        self._new = True

    def settle(self) -> None:
        """Answer until the page asks nothing more and is not busy."""
        while True:
            if self._new:
                self._new = False
                self.widget.set("data", self.desk.view.data)
            self.page.wait_for_function(
                """m => m.acts.some((a) => a.settle) ||
                [...document.querySelectorAll(".rw")].every((el) => el.ariaBusy !== "true" && el.innerText)""",
                arg=self.widget._module,
            )
            waiting = [act for act in self.widget.acts() if act.open]
            if not waiting and not self._new:
                return
            for act in waiting[:1]:
                assert act.action
                try:
                    found = self.desk.ask(act.action, act.body["body"], act.buffers)
                except Refused as refused:
                    self.widget.refuse(str(refused), action=act.action)
                else:
                    self.widget.answer(found.body, found.buffers, action=act.action)


@contextmanager
def notebook_studio(folder: Path) -> Iterator[NotebookStudio]:
    """A notebook's studio with a store of its own and no key, which reads what lies in `folder`."""
    env = {"REELWRIGHT_HOME": str(folder / "home"), "REELWRIGHT_OUTPUT_DIR": str(folder / "out")}
    settings = load_settings(env | {"REELWRIGHT_WORKER": "inline", "REELWRIGHT_INPUT_ROOTS": str(folder)}, cwd=folder)
    studio = NotebookStudio(settings)
    studio.__dict__["home"] = Home(settings, folder / "reelwright_outputs")  # not beside whatever runs the tests
    try:
        yield studio
    finally:
        studio.close()
