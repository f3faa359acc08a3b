"""The one list of what a film takes: every argument of finish_clip, read from `FinishRequest`.

The tool's schema, the command's options and the notebook's keywords are made by walking it. How a film is ordered
(take, request_key, label) stands in `Terms`; nothing is chosen for a film, so the terms of choosing a model are left
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from backends import vocabulary
from backends.edit.request import FinishRequest
from backends.terms import CHOOSING
from backends.vocabulary import Argument


@cache
def asked() -> Mapping[str, Argument]:
    """What says which film is to be made."""
    return {one.name: one for one in vocabulary.read(FinishRequest)}


@cache
def terms() -> Mapping[str, Argument]:
    """What says how it is ordered."""
    return {name: one for name, one in vocabulary.terms().items() if name not in CHOOSING}


def known() -> frozenset[str]:
    """Every name that finish_clip takes."""
    return frozenset({*asked(), *terms()})
