"""Tab completion in a cell: models, moves, resolutions and effects from the catalogue, and the options of %%video."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from notebook_ext.calls import Options
from notebook_ext.signatures import FILM, VERBS, options_of

VALUE = re.compile(r"""\b(\w+)\s*=\s*[\[(]?(?:\s*["'][^"']*["']\s*,)*\s*["']([^"'\n]*)$""")
"""The argument whose text is being written, and the text so far."""
FLAG = re.compile(r"^\s*%%?video\b.*?(?:^|\s)(--?[\w-]*)$")
FLAG_VALUE = re.compile(r"^\s*%%?video\b.*\s--([\w-]+)[ =]([^\s]*)$")

CALL = re.compile(rf"\b({'|'.join((*VERBS, FILM))}|estimate|estimate_cost)\(")
KEYWORD = re.compile(r"(?:^|,)\s*([a-z]\w*)$")
"""The beginning of an argument's name."""


def keywords(text: str) -> tuple[str, list[str]]:
    """The arguments of the starting call that is being written at the end of the text, also over several lines."""
    for call in reversed(list(CALL.finditer(text))):
        rest = text[call.end() :]
        if rest.count("(") < rest.count(")"):
            continue
        found = KEYWORD.search(rest)
        if found is None:
            return "", []
        names = options_of(call[1]) if call[1] in (*VERBS, FILM) else tuple(Options.__annotations__)
        own = ("clips",) if call[1] == FILM else ("prompt", "image", "frames", "clip", "add_s")
        return found[1], _beginning(found[1], (f"{name}=" for name in (*own, *names)))
    return "", []


def completions(line: str) -> tuple[str, list[str]]:
    """What is being written at the end of the line, and its completions; ("", []) for what is not ours."""
    if found := FLAG_VALUE.match(line):
        named = _flags().get(f"--{found[1]}", found[1])
        return found[2], _beginning(found[2], values(named))
    if found := FLAG.match(line):
        return found[1], _beginning(found[1], _flags())
    if found := VALUE.search(line):
        return found[2], _beginning(found[2], values(found[1]))
    return "", []


def values(name: str) -> Iterable[str]:
    """The possible words of an argument; none where it is free text."""
    from backends import vocabulary
    from backends.camera import CAMERA_MOVES
    from backends.edit import vocabulary as film

    match name:
        case "camera" | "moves":
            return CAMERA_MOVES
        case "prefer" | "where":
            return vocabulary.terms()[name].choices
        case "fit":
            return vocabulary.asked()[name].choices
        case "format" | "codec":
            return film.asked()[name].choices
        case "model" | "models" | "resolution" | "aspect_ratio" | "effect" | "style":
            return sorted(_of_catalogue(name))
        case _:
            return ()


def _of_catalogue(name: str) -> set[str]:
    from notebook_ext.client import the_studio

    rows = [row for row in the_studio().inner.context.catalog.rows if row.state != "retired"]
    if name in ("model", "models"):
        return {"auto", *(row.id for row in rows)}
    modes = [mode for row in rows for mode in row.modes]
    if name == "effect":
        return {effect for mode in modes for effect in mode.effects}
    if name == "style":
        return {style for mode in modes for style in mode.styles}
    shown = "resolution" if name == "resolution" else "ratio"
    return {getattr(size, shown) for mode in modes for size in mode.sizes if size.rule == "fixed"}


def _flags() -> Mapping[str, str]:
    from notebook_ext.magic_options import video_options

    return video_options()


def _beginning(written: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(written)]


def matcher() -> Any:
    """The same as a matcher of IPython's."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher()
    def reelwright(context: Any) -> Any:
        line = context.line_with_cursor[: context.cursor_position]
        written, words = completions(line)
        ours = bool(words)
        if not ours:
            above = context.full_text.split("\n")[: context.cursor_line]
            written, words = keywords("\n".join([*above, line])[-4000:])
        found = [SimpleCompletion(text=word, type="param") for word in words]
        return {"completions": found, "matched_fragment": written, "suppress": ours}

    return reelwright
