"""The test bench itself: each of its promises once, on a trial view."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from playwright.sync_api import Page, expect

from tests.fakes import tiny_clip
from tests.notebook_ext.browser import INSTALL, Look, Talk
from tests.notebook_ext.mount import Bare, Widget

TRIAL = Path(__file__).parent / "trial"


@pytest.fixture
def modules() -> Path:
    return TRIAL


def test_a_view_asks_is_answered_and_leaves_nothing(bare: Bare) -> None:
    view = bare.mount("tally", {"name": "takes", "count": 1})
    status = view.get_by_role("status")
    expect(status).to_have_text("takes: 1")
    bare.set("data", {"name": "takes", "count": 2})
    expect(status).to_have_text("takes: 2")
    view.get_by_role("button", name="Count").click()
    asked = bare.asked("count")
    assert (asked.body, asked.buffers) == ({"by": 1}, [b"\x01\x02\x03"])
    bare.answer({"count": 3}, [b"\x07\x08"])
    expect(status).to_have_text("answered 3, 8")
    view.get_by_role("button", name="Count").click()
    bare.refuse("not today")
    expect(status).to_have_text("not today")
    assert [act.open for act in bare.acts()] == [False, False]
    bare.unmount()


def test_what_a_view_leaves_behind_is_named(bare: Bare) -> None:
    clip = tiny_clip()
    bare.mount("tally", {"name": "takes", "count": 1})
    bare.lend("j1", clip)
    bare.set("data", {"name": "takes", "count": 1})
    bare.unmount()
    view = bare.mount("tally", {"name": "takes", "count": 1, "leaks": True, "job": "j1"})
    expect(view.locator("video")).to_have_js_property("readyState", 4)
    with pytest.raises(AssertionError, match=r"animation frame.*blob URL.*host.on: data|host.on: data") as error:
        bare.unmount()
    for thing in ("listener: window resize", "animation frame", "blob URL", "host.on: data"):
        assert thing in str(error.value)


@pytest.mark.parametrize("look", [Look(dark=True, still=True, width=280), Look(theme="plain", dark=True)], ids=str)
def test_the_look_is_what_the_page_sees(bare: Bare, look: Look, picture: Callable[[str], Path]) -> None:
    view = bare.mount("tally", {"name": "takes", "count": 1})
    assert view.get_attribute("data-width") == str(look.width)
    assert bare.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    if look.still:
        assert view.get_attribute("data-turning") is None
    else:
        expect(view).to_have_attribute("data-turning", "yes")
    red = int(re.findall(r"\d+", view.evaluate("el => getComputedStyle(el).backgroundColor"))[0])
    assert red < 64
    assert picture("look").stat().st_size > 1000
    bare.unmount()


def test_an_error_in_the_page_is_an_error_of_the_test(page: Page, talk: Talk) -> None:
    page.evaluate("console.error('one')")
    with page.expect_event("pageerror"):
        page.evaluate("setTimeout(() => { throw new Error('two'); })")
    with page.expect_event("pageerror"):
        page.evaluate("() => { Promise.reject(new Error('three')); }")
    said = [line.split(" (")[0].split("\n")[0] for line in talk.unexpected()]
    assert said == ["error: one", "thrown: Error: two", "thrown: Error: three"]
    talk.allow("one|two|three")
    assert talk.unexpected() == []


def test_a_loop_of_ones_own_runs_between_two_pages() -> None:
    anyio.run(anyio.lowlevel.checkpoint)


def joined(view: str) -> str:
    """The trial's modules as one text, under a trial adapter."""
    text = "".join((TRIAL / f"{name}.js").read_text() for name in ("core", view))
    text = re.sub(r"^import .*\n", "", text, flags=re.M).replace("export function", "function")
    return text + ADAPTER.replace("VIEW", view)


ADAPTER = """
let asked = 0;
export default { render({ model, el }) {
  const waiting = new Map();
  const hear = (message, buffers) => {
    if (message.kind !== "answer") return;
    const { resolve, reject } = waiting.get(message.rid);
    message.ok ? resolve({ body: message.body, buffers }) : reject(new Error(message.error));
  };
  model.on("msg:custom", hear);
  el.classList.add("rw", "rw-VIEW");
  const away = VIEW({
    el,
    get: (name) => model.get(name),
    on(name, fn) { model.on(`change:${name}`, fn); return () => model.off(`change:${name}`, fn); },
    act: (action, body, buffers = []) => new Promise((resolve, reject) => {
      const rid = ++asked;
      waiting.set(rid, { resolve, reject });
      model.send({ v: 1, kind: "act", rid, action, body }, undefined, buffers);
    }),
  });
  return () => { model.off("msg:custom", hear); away(); };
} };
"""


def test_a_whole_module_speaks_by_messages(widget: Widget) -> None:
    view = widget.mount(joined("tally"), (TRIAL / "tally.css").read_text(), data={"name": "takes", "count": 1})
    status = view.get_by_role("status")
    expect(status).to_have_text("takes: 1")
    widget.set("data", {"name": "takes", "count": 2})
    expect(status).to_have_text("takes: 2")
    view.get_by_role("button", name="Count").click()
    message = widget.asked("count")
    assert message.body == {"v": 1, "kind": "act", "rid": 1, "action": "count", "body": {"by": 1}}
    assert message.buffers == [b"\x01\x02\x03"]
    widget.answer({"count": 3}, [b"\x07\x08"])
    expect(status).to_have_text("answered 3, 8")
    assert widget.written() == []
    widget.unmount()


def test_without_a_browser_the_message_is_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tests.notebook_ext.browser import chromium_path

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    with pytest.raises(pytest.fail.Exception, match="apt-get install -y") as error:
        chromium_path()
    assert INSTALL in str(error.value)
    makefile = (Path(__file__).resolve().parents[2] / "Makefile").read_text()
    assert INSTALL.split("'")[1] in makefile
