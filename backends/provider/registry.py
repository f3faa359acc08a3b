"""Which back ends are installed: every entry point of the group `reelwright.backends`, the built-in ones included."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from backends.errors import VideoError
from backends.provider.protocol import Registration

ENTRY_POINTS = "reelwright.backends"


@cache
def registry() -> Mapping[str, Registration]:
    """Every installed back end by its provider. A broken third-party one is left out, never fatal (see `broken`), and
    so is one whose provider another back end serves: the built-in one wins, else the first by name."""
    found: dict[str, Registration] = {}
    served: dict[str, str] = {}
    broken.clear()
    points = entry_points(group=ENTRY_POINTS)
    for point in sorted(points, key=lambda point: (not _built_in(point), point.name, point.value)):
        try:
            registration = point.load()()
            if not isinstance(registration, Registration):
                raise TypeError(f"{point.value} returned {type(registration).__name__}, not a Registration")
        except (Exception, SystemExit) as error:  # a plug-in may raise anything; it must not stop the others
            broken[_named(point)] = f"{type(error).__name__}: {error}"[:200]
            continue
        provider = registration.provider
        if provider in found:
            broken[_named(point)] = f"provider {provider!r} is served by {served[provider]}, which is used"[:200]
            continue
        found[provider], served[provider] = registration, _named(point)
    return found


def _built_in(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == "reelwright"


def _named(point: EntryPoint) -> str:
    """The entry point and whose it is."""
    return f"{point.name} ({point.dist.name})" if point.dist is not None else point.name


broken: dict[str, str] = {}
"""Entry points that did not load or whose provider is taken, with why; `reelwright doctor` shows them."""


def registered(provider: str) -> Registration:
    """The back end that serves a provider; VideoError("unsupported") with the installed ones when there is none."""
    try:
        return registry()[provider]
    except KeyError:
        raise VideoError(
            "unsupported",
            f"no back end for {provider!r} is installed; installed: {', '.join(sorted(registry())) or 'none'}",
        ) from None
