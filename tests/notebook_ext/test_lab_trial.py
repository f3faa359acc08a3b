"""The Lab bench itself, on a trial widget: messages both ways, while a cell awaits and when the kernel is idle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.notebook_ext.browser import Talk
from tests.notebook_ext.lab import DARK, LabPage, SevenPage, kinds

WIDGET = '''
import asyncio, anywidget, traitlets

class Tally(anywidget.AnyWidget):
    _esm = """
    export default { render({ model, el }) {
      const button = document.createElement("button"), status = document.createElement("p");
      button.textContent = "Count";
      status.setAttribute("role", "status");
      const draw = () => { status.textContent = `count ${model.get("data").count}`; };
      button.addEventListener("click", () => model.send({ by: 1 }, undefined, [new Uint8Array([7, 8])]));
      model.on("change:data", draw);
      el.classList.add("trial");
      el.append(button, status);
      draw();
      return () => model.off("change:data", draw);
    } }
    """
    data = traitlets.Dict({"count": 0}).tag(sync=True)

    def __init__(self):
        super().__init__()
        self.heard = []
        self.on_msg(self._hear)

    def _hear(self, widget, content, buffers):
        self.heard.append([content["by"], bytes(buffers[0]).hex()])
        self.data = {"count": len(self.heard)}

tally = Tally()
tally
'''
AWAITS = """
print("waiting")
while len(tally.heard) < 2:
    await asyncio.sleep(0.02)
print("heard", len(tally.heard))
"""


def test_lab(notebook: LabPage, talk: Talk, picture: Callable[[str], Path]) -> None:
    notebook.open("trial.ipynb", WIDGET, AWAITS)
    notebook.run_all(wait=False)
    expect(notebook.printed(1)).to_have_text("waiting")
    button, status = (notebook.output(0).get_by_role(role) for role in ("button", "status"))
    button.click()
    expect(status).to_have_text("count 1")
    button.click()
    notebook.finished()
    expect(notebook.printed(1)).to_have_text("waiting\nheard 2")
    button.click()
    expect(status).to_have_text("count 3")
    notebook.wait_value("len(tally.heard) == 3")
    assert notebook.value("tally.heard") == [[1, "0708"]] * 3
    picture("light")
    notebook.theme(DARK)
    picture("dark")
    saved = notebook.save()
    assert kinds(saved.cells[0].outputs) == [{"application/vnd.jupyter.widget-view+json", "text/plain"}]
    notebook.shut_down()
    talk.allow("widget model not found")
    notebook.reopen()
    picture("reopened")
    expect(notebook.output(0)).to_contain_text("model not found")
    expect(notebook.printed(1)).to_have_text("waiting\nheard 2")


def test_notebook_7(seven: SevenPage, picture: Callable[[str], Path]) -> None:
    seven.open("seven.ipynb", WIDGET, "print(6 * 7)")
    seven.press_run(0)
    status = seven.output(0).get_by_role("status")
    expect(status).to_have_text("count 0")
    seven.output(0).get_by_role("button").click()
    expect(status).to_have_text("count 1")
    seven.press_run(1)
    expect(seven.printed(1)).to_have_text("42")
    picture("seven")
