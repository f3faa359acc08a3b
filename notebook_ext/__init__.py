"""Reelwright in a notebook: jobs shown inline, over the same store as the MCP server.

    %load_ext notebook_ext
    from notebook_ext import studio, show, board, brush, keyframes, camera, compare, estimate

Nothing heavy is imported before it is used.
"""

import typing as _typing  # imported under private names, which completion does not offer
from importlib import import_module as _import_module
from importlib.util import find_spec as _find_spec
from pathlib import Path as _Path

if _typing.TYPE_CHECKING:
    from notebook_ext.client import NotebookStudio as NotebookStudio
    from notebook_ext.job import Job as Job
    from notebook_ext.magics import load_ipython_extension as load_ipython_extension
    from notebook_ext.shortcuts import board as board
    from notebook_ext.shortcuts import estimate as estimate
    from notebook_ext.showing import show as show
    from notebook_ext.views.brush import brush as brush
    from notebook_ext.views.camera import camera as camera
    from notebook_ext.views.compare import compare as compare
    from notebook_ext.views.keyframes import keyframes as keyframes

    studio: NotebookStudio


def _refuse_hidden() -> None:
    """ImportError when Python would import another package instead of our back end: a missing name in it would give a
    puzzling error."""
    own = _Path(__file__).resolve().parents[1] / "backends"
    found = _find_spec("backends")
    places = [] if found is None else [found.origin, *(found.submodule_search_locations or ())]
    place = next((_Path(place).resolve() for place in places if place), own)
    if not place.is_relative_to(own):
        raise ImportError(
            f"another package named backends ({place}) hides Reelwright's own: rename it, or start the kernel in "
            "another folder and without PYTHONPATH"
        )


_refuse_hidden()

_PLACES = {
    "studio": "client",
    "NotebookStudio": "client",
    "Job": "job",
    "estimate": "shortcuts",
    "show": "showing",
    "board": "shortcuts",
    "brush": "views.brush",
    "camera": "views.camera",
    "compare": "views.compare",
    "keyframes": "views.keyframes",
    "load_ipython_extension": "magics",
}

__all__ = [  # noqa: RUF022  as a person meets them
    "studio",
    "show",
    "board",
    "brush",
    "keyframes",
    "camera",
    "compare",
    "estimate",
    "Job",
    "NotebookStudio",
    "load_ipython_extension",
]


def __getattr__(name: str) -> _typing.Any:
    if name not in _PLACES:
        raise AttributeError(f"notebook_ext has no {name!r}: it has {', '.join(__all__)}")
    try:
        found = getattr(_import_module(f"notebook_ext.{_PLACES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("anywidget", "ipywidgets", "traitlets", "IPython"):
            raise
        raise ImportError(f"{error.name} is missing: pip install 'reelwright[notebook]'") from None
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
