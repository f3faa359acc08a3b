"""A view: a widget whose page side is a plain ES module, and which the page asks by checked custom messages.

State goes to the page as the one trait `data`. Nothing is ever synced back: while a cell awaits, the first trait that a
page changes arrives and all later ones are lost, so the page sends messages instead.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import anyio
import anywidget
import traitlets
from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backends.errors import VideoError
from backends.problems import problems_of
from notebook_ext import kernel
from notebook_ext.portal import PUBLISHING, portal

STATIC = Path(__file__).parent / "static"
MAX_BUFFER = 6 << 20
"""The most bytes that a page may send at once: Jupyter's websocket and Colab's proxy, which sends them as base64,
silently lose messages of 10 MB and more."""

log = logging.getLogger("reelwright")

Buffers = Sequence[bytes]
SIGN_S = 4.0
"""Seconds between two signs to a page that its action is being worked on; it gives up after ten seconds without one."""
REMEMBERED = 64
"""How many actions' answers are remembered: a page repeats an action when it has heard nothing."""

Answer = Mapping[str, Any] | tuple[Mapping[str, Any], Buffers] | None


class Ask(BaseModel):
    """The body of an action: exactly its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class JobAsk(Ask):
    job_id: str = Field(max_length=64)


class CodeAsk(Ask):
    """The view's settings as the argument of a call."""


class ClearAsk(Ask):
    """Remove all settings."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    v: Literal[1]
    kind: Literal["act"]
    rid: str = Field(max_length=64)
    action: str = Field(max_length=40, pattern=r"^[a-z_]+$")
    body: dict[str, Any] = Field(default_factory=dict)


@cache
def module_text(name: str) -> str:
    """The core, what the host needs, and one view, joined to one module for anywidget."""
    parts = [
        plain((STATIC / f"{part}.js").read_text("utf-8")) for part in ("core", "media", "afm", *inside(name), name)
    ]
    return "\n".join((*parts, f'export default adapter({name}, "{name}");', ""))


@cache
def inside(name: str) -> tuple[str, ...]:
    """The other views that a view draws within itself, by its imports."""
    text = (STATIC / f"{name}.js").read_text("utf-8")
    found = re.findall(r'^import \{[^}]*\} from "\./(\w+)\.js";', text, flags=re.MULTILINE)
    return tuple(one for one in found if one not in ("core", "media", "afm"))


def plain(text: str) -> str:
    """A module without its imports and the word export: top-level names are unique over all files."""
    text = re.sub(r'^import \{[^}]*\} from "\./\w+\.js";\n', "", text, flags=re.MULTILINE)
    return re.sub(r"^export (?=(async )?(function|const|let|class)\b)", "", text, flags=re.MULTILINE)


@cache
def style_text(name: str) -> str:
    own = STATIC / f"{name}.css"
    return (STATIC / "widget.css").read_text("utf-8") + (own.read_text("utf-8") if own.exists() else "")


class View(anywidget.AnyWidget):
    """Subclasses name their module, and their actions with the type of each body; `do_ACTION(ask, buffers)` answers.

    Actions run on the portal's threads, whichever thread the kernel gives the message to.
    """

    NAME: ClassVar[str]
    ACTIONS: ClassVar[Mapping[str, type[Ask]]] = {}
    SAVED_S: ClassVar[float] = 0.5
    """Seconds from a change until the figure in the notebook is redrawn."""

    data = traitlets.Dict().tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "NAME" in cls.__dict__:
            cls._esm = module_text(cls.NAME)
            cls._css = style_text(cls.NAME)
        super().__init_subclass__(**kwargs)

    def __init__(self, **traits: Any) -> None:
        self._heard: dict[str, Mapping[str, Any] | None] = {}
        self._knowing = threading.Lock()
        self._beside: Any = None
        self._saving = False
        super().__init__(**traits)
        self.on_msg(self._hear)

    def __repr__(self) -> str:
        """The text in a saved notebook for a page that cannot draw the view."""
        note = (self.data or {}).get("kept")
        return f"{self.NAME} (run the notebook to use it)" + (f". {note}" if note else "")

    def publish(self, data: Mapping[str, Any]) -> None:
        """Give the page new state; from any thread."""
        with PUBLISHING:
            self.data = dict(data)
        if self._beside is not None and not self._saving:
            self._saving = True
            portal().soon(self._save)

    def figure(self) -> str:
        """HTML of the view in its current state, for a saved notebook; "" where something else replaces it."""
        return ""

    def _ipython_display_(self) -> None:
        """The view, and beside it the part that stays in a saved notebook."""
        if kernel.shell() is None:
            print(repr(self))  # noqa: T201
            return
        from IPython.display import HTML, display

        bundle: Any = self._repr_mimebundle_()
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        display(data, metadata=metadata, raw=True)
        if html := self.figure():
            self._beside = display(HTML(html), display_id=True)

    async def _save(self) -> None:
        """Redraw the figure, once for all changes within a moment."""
        from IPython.display import HTML

        await anyio.sleep(self.SAVED_S)
        self._saving = False
        html = await to_thread.run_sync(self.figure)
        self._beside.update(HTML(html))

    def _hear(self, _: object, content: object, buffers: Sequence[Any]) -> None:
        """Only checks and posts: this may be any thread of the kernel's."""
        try:
            message = _Message.model_validate(content)
        except ValidationError:
            log.warning("a message of an unknown form came from a page: it is ignored")
            return
        with self._knowing:
            again, answer = message.rid in self._heard, self._heard.get(message.rid)
            if not again:
                self._heard[message.rid] = None
                while len(self._heard) > REMEMBERED:
                    del self._heard[next(iter(self._heard))]
        if answer is not None:
            self._reply(message, answer, [])
            return
        self._sign(message.rid)
        if not again:
            portal().aside(self._answer, message, [bytes(buffer) for buffer in buffers or ()])
            portal().soon(self._signs, message.rid)

    def _sign(self, rid: str) -> None:
        with PUBLISHING:
            self.send({"v": 1, "kind": "heard", "rid": rid})

    async def _signs(self, rid: str) -> None:
        """Tell the page that an action is being worked on for as long as it is."""
        while True:
            await anyio.sleep(SIGN_S)
            with self._knowing:
                if rid not in self._heard or self._heard[rid] is not None:
                    return
            self._sign(rid)

    def _answer(self, message: _Message, buffers: list[bytes]) -> None:
        try:
            body, reply = self._done(message, buffers)
        except VideoError as error:
            self._reply(message, {"ok": False, "error": error.message}, [])
        except Exception as error:  # a page must not wait for ever, whatever fails
            log.exception("action %s failed", message.action)
            self._reply(message, {"ok": False, "error": f"{type(error).__name__}: {error}"[:300]}, [])
        else:
            self._reply(message, {"ok": True, "body": dict(body)}, reply)

    def _done(self, message: _Message, buffers: list[bytes]) -> tuple[Mapping[str, Any], Buffers]:
        kind = self.ACTIONS.get(message.action)
        if kind is None:
            raise VideoError("unsupported", f"this view has no action {message.action}")
        if sum(map(len, buffers)) > MAX_BUFFER:
            raise VideoError("invalid_request", f"more than {MAX_BUFFER >> 20} MiB at once")
        try:
            ask = kind.model_validate(message.body)
        except ValidationError as error:
            raise VideoError("invalid_request", "; ".join(map(str, problems_of(error)))) from None
        found: Answer = getattr(self, f"do_{message.action}")(ask, buffers)
        if isinstance(found, tuple):
            return found
        return found or {}, ()

    def _reply(self, message: _Message, content: Mapping[str, Any], buffers: Buffers) -> None:
        with self._knowing:
            if buffers:  # an action that only reads may be done again
                self._heard.pop(message.rid, None)
            else:
                self._heard[message.rid] = content
        with PUBLISHING:
            self.send({"v": 1, "kind": "answer", "rid": message.rid, **content}, list(buffers))
