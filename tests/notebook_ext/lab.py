"""A real JupyterLab on loopback, its folders all temporary, and a page of it as a person would use it.

    def test_cell(notebook):
        notebook.open("a.ipynb", "x = 1", "x + 1")      # written, opened, kernel idle
        notebook.run_all()
        expect(notebook.output(1)).to_have_text("2")
        assert notebook.value("x") == 1

Every wait is for a fact, with time enough for a slow machine.
"""

from __future__ import annotations

import ast
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self

import nbformat
from nbformat import v4
from playwright.sync_api import Locator, Page, expect

from tests.jobs.station import Station, until
from tests.notebook_ext import browser
from tests.patience import patient

START_S = 90.0
PATIENCE_MS = 90_000
DARK, LIGHT = "JupyterLab Dark", "JupyterLab Light"
QUIET = {"fetchNews": "false", "checkForUpdates": False}  # else a question about news lies over the page


class Lab:
    """The server: starts on a free port with a random token; its kernels, and the workers they start, end with it.

    station: the kernels' home, output folder and whole environment, without a key of the person who runs the tests.
    root: what the browser sees as its top folder.
    """

    def __init__(self, station: Station) -> None:
        self.station = station
        self.root = station.root / "notebooks"
        self.root.mkdir(parents=True)
        self._settings = station.root / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
        self._settings.mkdir(parents=True)
        (self._settings / "notification.jupyterlab-settings").write_text(json.dumps(QUIET))
        self._token = secrets.token_hex(16)
        self._log = station.root / "lab.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def environment(self) -> dict[str, str]:
        """What the server and so its kernels run with; a test gives the same to another client of their home."""
        return self.station.environ(**jupyter_folders(self.station.root))

    def __enter__(self) -> Self:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ServerApp.ip=127.0.0.1"]
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.root}"]
        command += [f"--IdentityProvider.token={self._token}"]
        command += ["--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"]
        command += ["--allow-root"] if os.geteuid() == 0 else []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            until(self._up, "JupyterLab answers", START_S)
        except BaseException:
            self.close()
            raise
        return self

    def _up(self) -> bool:
        assert self._process is not None and self._process.poll() is None, f"JupyterLab ended:\n{self.log()}"
        try:
            self.call("GET", "api/status")
        except (OSError, HTTPException):
            return False
        return True

    def address(self, path: str) -> str:
        """A URL of this server that needs no login."""
        return f"{self.url}/{path}{'&' if '?' in path else '?'}token={self._token}"

    def log(self) -> str:
        return self._log.read_text(errors="replace").replace(self._token, "TOKEN")

    def write(self, name: str, *cells: str | nbformat.NotebookNode) -> Path:
        """Write a notebook of code cells (or whole cell nodes) below the root; returns its path."""
        nodes = [v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(v4.new_notebook(cells=nodes, metadata={"kernelspec": kernel}), path)
        return path

    def read(self, name: str) -> nbformat.NotebookNode:
        """A notebook as it lies on disk."""
        return nbformat.read(self.root / name, as_version=4)

    def call(self, method: str, path: str) -> Any:
        """One call of the server's own API; returns its JSON, None where it has none."""
        request = urllib.request.Request(f"{self.url}/{path}", method=method)
        request.add_header("Authorization", f"token {self._token}")
        with urllib.request.urlopen(request, timeout=patient(60)) as reply:
            return json.loads(reply.read() or b"null")

    def forget(self) -> None:
        """End every kernel, and take back what a page set for all pages: the theme."""
        for session in self.call("GET", "api/sessions"):
            self.call("DELETE", f"api/sessions/{session['id']}")
        (self._settings / "themes.jupyterlab-settings").unlink(missing_ok=True)

    def close(self) -> None:
        """SIGTERM, which ends the kernels first; SIGKILL for what is still there ten seconds later."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patient(10))
                break
        self._process = None
        self.station.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def jupyter_folders(root: Path) -> dict[str, str]:
    """The environment that keeps Jupyter, IPython and matplotlib to folders below root."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR")
    names += ("JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR", "MPLCONFIGDIR")
    return {name: str(root / name.lower()) for name in names}


class _Opened:
    """What JupyterLab and Notebook 7 share: one page, one notebook in it."""

    _panel = "window.jupyterapp.shell.currentWidget"

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab = lab
        self.page = page
        self.name = ""
        page.set_default_timeout(PATIENCE_MS)
        page.set_viewport_size({"width": 1280, "height": 1000})

    def __enter__(self) -> Self:
        expect.set_options(timeout=PATIENCE_MS)
        return self

    def __exit__(self, *_: object) -> None:
        expect.set_options(timeout=browser.PATIENCE_MS)
        self.page.goto("about:blank")  # the page lets go of its kernel before that ends
        self.lab.forget()

    def open(self, name: str, *cells: str | nbformat.NotebookNode) -> Self:
        """Write the notebook (when cells are given) and open it; returns when its kernel is idle."""
        if cells:
            self.lab.write(name, *cells)
        self.name = name
        self.page.goto(self.lab.address(self._path()))
        self.ready()
        return self

    def _path(self) -> str:
        raise NotImplementedError

    def ready(self) -> None:
        """Wait until the notebook is drawn and its kernel is idle."""
        self.page.wait_for_function(
            f"""() => {{
              const panel = window.jupyterapp && {self._panel};
              const session = panel?.context?.sessionContext;
              return panel?.context?.isReady && session?.isReady && session.session?.kernel?.status === "idle"
                && panel.content.widgets.length > 0;
            }}"""
        )

    def _with_panel(self, body: str, argument: Any = None) -> Any:
        """Run the body of an async function with `app`, `panel` and `arg`; returns what it returns."""
        return self.page.evaluate(
            f"async (arg) => {{ const app = window.jupyterapp, panel = {self._panel}; {body} }}", argument
        )

    def run_all(self, *, wait: bool = True) -> None:
        """Run all cells; without wait, return while they run."""
        start = "const run = app.commands.execute('notebook:run-all-cells');"
        self._with_panel(start + ("await run;" if wait else "window.running = run;"))

    def run(self, index: int, *, wait: bool = True) -> None:
        """Run one cell."""
        start = """panel.content.deselectAll(); panel.content.activeCellIndex = arg;
            const run = app.commands.execute('notebook:run-cell');"""
        self._with_panel(start + ("await run;" if wait else "window.running = run;"), index)

    def finished(self) -> None:
        """Wait until what `run_all` or `run` started has ended."""
        self.page.evaluate("async () => { await window.running; }")

    def cell(self, index: int) -> Locator:
        return self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{index}']")

    def output(self, index: int) -> Locator:
        """All that a cell put out."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    def printed(self, index: int) -> Locator:
        """What a cell printed (not what its widgets say)."""
        return self.cell(index).locator("[data-mime-type='application/vnd.jupyter.stdout']")

    def value(self, expression: str) -> Any:
        """What a Python expression is in the kernel, by way of JSON; waits for its turn behind a running cell."""
        reply = self._with_panel(_ASK + "return await ask(arg);", _as_json(expression))
        return _decoded(reply, expression)

    def wait_value(self, expression: str) -> None:
        """Wait until a Python expression is true in the kernel."""
        self.page.wait_for_function(
            f"""async (arg) => {{ const panel = {self._panel}; {_ASK}
              const reply = await ask(arg);
              return reply.status === "error" || reply.data["text/plain"] === "'true'" ? reply : null; }}""",
            arg=_as_json(f"bool({expression})"),
            polling=100,
        ).evaluate("reply => { if (reply.status === 'error') throw new Error(`${reply.ename}: ${reply.evalue}`); }")

    def save(self) -> nbformat.NotebookNode:
        """Save; returns the notebook as it then lies on disk."""
        self._with_panel("await panel.context.save();")
        return self.lab.read(self.name)

    def shut_down(self) -> None:
        """End the kernel, as the Kernel menu does."""
        self._with_panel("await panel.context.sessionContext.shutdown();")

    def reopen(self) -> None:
        """Load the notebook again in a new page state, as after closing the browser; a kernel starts anew if needed."""
        self.open(self.name)


class LabPage(_Opened):
    """JupyterLab with one notebook open, in a workspace of its own."""

    def _path(self) -> str:
        return f"lab/workspaces/w{secrets.token_hex(4)}/tree/{self.name}?reset"

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> None:
        """Execute a command of the application and wait for its end."""
        self._with_panel("await app.commands.execute(arg[0], arg[1]);", [name, arguments or {}])

    def theme(self, name: str) -> None:
        """Switch to DARK or LIGHT."""
        self.command("apputils:change-theme", {"theme": name})
        light = str(name == LIGHT).lower()
        self.page.wait_for_selector(
            f"body[data-jp-theme-name='{name}'][data-jp-theme-light='{light}']", state="attached"
        )


class SevenPage(_Opened):
    """Notebook 7: the same application with another shell. It throws two errors of its own at every start."""

    own_errors = (
        r"Cannot read properties of undefined \(reading 'schema'\)\n +at \S+/static/notebook/notebook_core",
        r"Command 'filebrowser:open-path' not registered",
    )

    def _path(self) -> str:
        return f"notebooks/{self.name}"

    def press_run(self, index: int) -> None:
        """Run a cell by Shift+Enter, as a person does."""
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")


_ASK = """const ask = async (code) => {
  const kernel = panel.context.sessionContext.session.kernel;
  const future = kernel.requestExecute(
    { code: "", silent: true, store_history: false, user_expressions: { it: code } });
  const reply = (await future.done).content;
  return reply.user_expressions?.it ?? reply;
};
"""


def _as_json(expression: str) -> str:
    return f"__import__('json').dumps({expression})"


def _decoded(reply: dict[str, Any], expression: str) -> Any:
    assert reply["status"] == "ok", f"{expression}: {reply.get('ename')}: {reply.get('evalue')}"
    return json.loads(ast.literal_eval(reply["data"]["text/plain"]))


def kinds(outputs: Sequence[nbformat.NotebookNode]) -> list[set[str]]:
    """What a saved cell put out, in order: the MIME types of each output; a stream by its name, an error by its."""
    return [set(output.get("data", [])) or {output.get("name") or output["ename"]} for output in outputs]
