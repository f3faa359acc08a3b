"""What every view does: an action of a page is answered, once, or its end is told, whatever gets lost on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest
from playwright.sync_api import expect

from notebook_ext.view import Answer, Ask, Buffers, View, module_text, style_text
from tests.notebook_ext.mount import Widget
from tests.patience import patient

STRIP = {"takes": [], "picked": None, "kept": ""}


class Counting(View):
    """Counts what it is asked to do, and does it when it may."""

    NAME: ClassVar[str] = "board"
    ACTIONS: ClassVar[Mapping[str, type[Ask]]] = {"buy": Ask, "look": Ask}

    def __init__(self) -> None:
        self.bought = 0
        self.may = threading.Event()
        super().__init__(data={})

    def do_buy(self, _: Ask, __: Buffers) -> Answer:
        assert self.may.wait(patient(30))
        self.bought += 1
        return {"bought": self.bought}

    def do_look(self, _: Ask, __: Buffers) -> Answer:
        return {}, [b"picture"]


class Line:
    """What goes to the page, as it goes."""

    def __init__(self, view: Counting) -> None:
        self.view = view
        self.said: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        view.send = self._send

    def _send(self, content: dict[str, Any], buffers: Any = None) -> None:
        with self._changed:
            self.said.append(content | {"buffers": len(buffers or ())})
            self._changed.notify_all()

    def hear(self, action: str, rid: str) -> None:
        self.view._handle_custom_msg({"v": 1, "kind": "act", "rid": rid, "action": action, "body": {}}, [])

    def until(self, count: int, kind: str = "answer") -> list[dict[str, Any]]:
        """The first so many of a kind; signs that work goes on may come between."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._of(kind)) >= count, patient(30))
            return self._of(kind)

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.said if one["kind"] == kind]


@pytest.fixture
def line() -> Iterator[Line]:
    view = Counting()
    yield Line(view)
    view.may.set()
    view.close()


def test_a_message_that_comes_twice_is_done_once_and_answered_twice(line: Line) -> None:
    line.hear("buy", "one")
    line.hear("buy", "one")
    line.until(2, "heard")
    assert line.view.bought == 0, "at once, while it is at work"
    line.view.may.set()
    line.until(1)
    line.hear("buy", "one")
    first, second = line.until(2)
    assert first == second and line.view.bought == 1
    line.hear("buy", "two")
    line.until(3)
    assert line.view.bought == 2


def test_a_look_may_be_had_again_with_its_pictures(line: Line) -> None:
    for number in (1, 2):
        line.hear("look", "one")
        assert line.until(number)[-1]["buffers"] == 1


def test_a_page_sends_a_lost_message_again_and_then_says_why_nothing_comes(widget: Widget) -> None:
    page = widget.page
    page.clock.install()
    takes = [{"key": f"path:{n}", "name": name, "title": name, "facts": "", "prompt": [], "fps": 24, "done": False}
             for n, name in enumerate("AB")]  # fmt: skip
    view = widget.mount(module_text("compare"), style_text("compare"), data=STRIP | {"takes": takes})
    pick, status = view.get_by_role("button", name="Pick A"), view.get_by_role("status")
    widget.listen(False)  # the first message gets lost, as after an interrupt
    pick.click()
    expect(pick).to_have_attribute("aria-busy", "true")
    widget.listen(True)
    page.clock.run_for(3_100)
    (lost,) = widget.acts()
    widget.answer({}, action="pick")
    expect(pick).not_to_have_attribute("aria-busy", "true")
    widget.listen(False)
    pick.click()
    page.clock.run_for(9_000)
    expect(pick).to_have_attribute("aria-busy", "true")
    page.clock.run_for(1_500)
    expect(status).to_contain_text("No answer yet. A busy kernel answers when its cell ends")
    expect(pick).not_to_have_attribute("aria-busy", "true")
    widget.die()
    pick.click()
    expect(status).to_have_text("The kernel was restarted or has ended: run this cell again.")
    assert lost.body["rid"] not in [act.body["rid"] for act in widget.acts()[1:]]
    widget.unmount()
