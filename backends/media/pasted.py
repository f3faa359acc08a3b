"""A path as it arrives from elsewhere: in quotes, as an address, escaped for a shell, or from Windows."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from urllib.parse import unquote

CURLY = ("\u2018\u2019", "\u201c\u201d", "\u201e\u201c", "\u201a\u2018", "\u00ab\u00bb", "\u00bb\u00ab")
QUOTES = ("''", '""', "``", "<>", *CURLY)
"""Pairs of several languages."""
INVISIBLE = "\u200b\u200e\u200f\u202a\u202c\ufeff"
"""Characters that are copied along with a path: Windows' file properties begin one with U+202A."""
DRIVE = re.compile(r"([A-Za-z]):[\\/](.*)", re.DOTALL)
OF_WSL = re.compile(r"[\\/]{2}wsl(?:\$|\.localhost)[\\/][^\\/]+([\\/].*)", re.IGNORECASE | re.DOTALL)


def meanings(text: str) -> Iterator[str]:
    """What a text that names no file may mean as a path, likeliest first, the text itself left out."""
    seen = {text}
    bare = unquoted(text)
    for meant in (bare, _of_address(bare), _of_windows(bare), _unescaped(bare), unquote(bare, errors="replace")):
        if meant and meant not in seen and "\0" not in meant:
            seen.add(meant)
            yield meant


def plainest(text: str) -> str:
    """The path itself where quotes or a file: address hold it: nothing of the name is read otherwise than it is."""
    bare = unquoted(text)
    return _of_address(bare) or bare


def unquoted(text: str) -> str:
    """Without the space, the quotes and the invisible characters around it."""
    before = ""
    while before != text:
        before, text = text, text.strip().strip(INVISIBLE)
        if len(text) > 1 and text[0] + text[-1] in QUOTES:
            text = text[1:-1]
    return text


def windows(text: str) -> str:
    """What to say of a path of Windows that is given elsewhere, "" for any other."""
    bare = unquoted(text)
    if platform.system() == "Windows" or not (DRIVE.fullmatch(bare) or bare.startswith("\\\\")):
        return ""
    system = {"Darwin": "macOS"}.get(platform.system(), platform.system())
    where = _of_windows(bare)
    under = f": under WSL that is {where}" if where else ""
    return f"this is a path of Windows, and this server runs on {system}{under}"


def _of_windows(text: str) -> str:
    """Where WSL has it."""
    if platform.system() == "Windows":
        return ""
    if found := OF_WSL.fullmatch(text):
        return found[1].replace("\\", "/")
    found = DRIVE.fullmatch(text)
    return f"/mnt/{found[1].lower()}/{found[2]}".replace("\\", "/") if found else ""


def _of_address(text: str) -> str:
    """The path of a file: address of this machine."""
    found = re.fullmatch(r"file:(?://(?:localhost)?)?(/[^?#]*)", text, re.IGNORECASE)
    return unquote(found[1], errors="replace") if found else ""


def _unescaped(text: str) -> str:
    """As a shell reads it: my\\ photo\\ \\(1\\).jpg."""
    return re.sub(r"\\(?=[^A-Za-z0-9])(.)", r"\1", text) if platform.system() != "Windows" else text
