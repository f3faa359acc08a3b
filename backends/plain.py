"""Text that others wrote (providers, agents, files), made fit to stand inside text of ours.

A label with a line break could forge a line of a job's text, an escape code could steer a terminal, a bidirectional
override could show a path backwards. So each text that leaves passes here, once, where it leaves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

LINE_MOST = 4000
"""Characters of a line of ours, whatever it holds."""

_FORMATS = "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
"""Invisible ones: bidirectional marks, embeddings, overrides and isolates, zero-width spaces, annotations. The joiners
U+200C and U+200D stay: words of several languages and many emoji need them."""

_BREAKS = "\u2028\u2029"
_SURROGATES = "\ud800-\udfff"
_CONTROLS = f"\x00-\x08\x0b-\x1f\x7f-\x9f{_BREAKS}{_SURROGATES}\U000e0000-\U000e007f"
_HARMFUL = re.compile(f"[{_CONTROLS}{_FORMATS}]")
_STEERING = re.compile(f"[\t\n{_CONTROLS}{_FORMATS}]")
_IN_JSON = re.compile(f"[\x7f-\x9f{_BREAKS}{_SURROGATES}\U000e0000-\U000e007f{_FORMATS}]")

_LISTED = re.compile(r"- |line \d+: |Nearest ")

_WORD = re.compile(r"[\w./@+-]{1,200}")

_NAMES = ((_SURROGATES, "half of a character"), ("\n\r\x0b\x0c\x85" + _BREAKS, "a line break"))


def _is_plain(text: str) -> bool:
    """Whether nothing in it can steer, found ten times as fast as by an expression: most texts are plain ASCII."""
    return text.isascii() and text.isprintable()


def one_line(text: str, most: int = LINE_MOST) -> str:
    """The text as one line of visible characters, at most `most` of them; longer ones end in an ellipsis."""
    if len(text) <= most and _is_plain(text):
        return text
    shown = _STEERING.sub(" ", text[: most * 2])
    return shown if len(shown) <= most and len(text) <= most * 2 else f"{shown[: most - 1]}…"


def lines(text: str) -> str:
    """A text of ours with its own line breaks and tabs, and nothing else that steers."""
    return text if _is_plain(text) else _HARMFUL.sub(" ", text)


def listed(text: str) -> str:
    """A message of ours that may hold names of others: its line breaks stay only before what we list (`- problem`,
    `line 3: problem`, `Nearest legal request`), so that no name can begin a line of another kind."""
    first, *rest = lines(text).split("\n")
    shown = first
    for line in rest:
        shown += f"\n{line}" if _LISTED.match(line) else f" {line}"
    return shown


def quoted(text: str, most: int = 300) -> str:
    """What somebody else said, as it may stand inside a sentence of ours: one line, in quotes that it cannot close."""
    return '"' + one_line(text, most).replace('"', "'") + '"'


def said(text: str) -> str:
    """What somebody else said, as it stands in a sentence: a single word as it is, anything longer `quoted`."""
    return text if not text or _WORD.fullmatch(text) else quoted(text)


def cleaned(value: object) -> object:
    """A JSON value whose every text, at any depth, is rid of what steers; line breaks stay, since JSON escapes them."""
    if isinstance(value, str):
        return lines(value)
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, dict | Mapping):  # dict first: to be a Mapping takes a slow look
        return {lines(name): cleaned(item) for name, item in cast("Mapping[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in cast("list[object]", value)]
    return value


def escaped(json_text: str) -> str:
    """JSON text with every invisible character as an escape: the same value, and no terminal is steered by it."""
    return _IN_JSON.sub(_escape, json_text)


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def trouble(text: str) -> str:
    """Why a text is no name of one plain line, as "a line break (U+000A at character 5)"; "" when it is one."""
    found = _STEERING.search(text)
    if found is None:
        return ""
    letters = ((name, re.match(f"[{letters}]", found[0])) for letters, name in _NAMES)
    what = next((name for name, match in letters if match), "a control character")
    return f"{what} (U+{ord(found[0]):04X} at character {found.start() + 1})"


def is_text(text: str) -> bool:
    """Whether it can be kept as UTF-8: a lone surrogate, half of a cut emoji, cannot."""
    return re.search(f"[{_SURROGATES}]", text) is None
