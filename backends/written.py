"""How a field of `VideoRequest`, `Terms` or `FinishRequest` is written: metadata that every front end reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Verb = Literal["generate_video", "image_to_video", "interpolate_keyframes", "extend_clip"]
VERBS: tuple[Verb, ...] = get_args(Verb)
"""The calls that start a clip."""


@dataclass(frozen=True)
class Written:
    """Stands in a field's `Annotated`, beside its description. A field without one is written by its own name, and
    every starting call takes it.

    option: its option on the command line, without the dashes. form: what is written behind the option, where that is
    no plain value (`NAME[:weight]`). also: other names of its column in a table of shots. verbs: the starting calls
    that it means something for.
    """

    option: str = ""
    form: str = ""
    also: tuple[str, ...] = ()
    verbs: tuple[Verb, ...] = VERBS


AS_IT_IS = Written()
