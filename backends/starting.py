"""The start of a process of ours, before it imports the rest of the program."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType
from typing import cast


@contextmanager
def imports() -> Generator[None]:
    """Around the imports of a process that is ours alone: they take two thirds of the time.

    Imports make next to no garbage, so none is looked for meanwhile, nor later among what they made. And httpx leaves
    out its command line, which brings rich, click and pygments wherever they are installed.
    """
    sys.modules.setdefault("httpx._main", cast("ModuleType", None))
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
