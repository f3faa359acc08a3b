"""ComfyUI servers of the user's own: any bound workflow is a model. Importing this module is cheap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backends.provider.protocol import Access, Registration

if TYPE_CHECKING:
    from backends.comfyui.backend import ComfyBackend

__all__ = ["register"]

POLL_S = 0.1
"""Seconds between two status checks of a run."""


def register() -> Registration:
    return Registration(
        provider="comfyui",
        kind="remote",
        access=_access,
        open=_open,
        catalog=Path(__file__).parent / "workflows",
        keys=("COMFYUI_AUTHORIZATION", "COMFYUI_*"),
        address="COMFYUI_URL",
        lacks=_lacks,
        lanes=_lanes,
        near=_near,
        poll_s=POLL_S,
        arrived=_arrived,
        revision=_revision,
    )


def _access(env: Mapping[str, str]) -> Access:
    from backends.comfyui.servers import URL, servers
    from backends.errors import VideoError

    try:
        found = servers(env)
    except VideoError as error:
        return Access("comfyui||", why=error.message)
    return found[0].access if found else Access("comfyui||", why=f"no ComfyUI server is named: set {URL}")


def _lanes(env: Mapping[str, str], model: str) -> Sequence[Access]:
    """Every server; for a model those that are known to have all that it needs, where any is."""
    from backends.comfyui.seen import Looks
    from backends.comfyui.servers import servers
    from backends.errors import VideoError

    try:
        found = servers(env)
    except VideoError:
        return (_access(env),)
    looks = Looks.of(env)
    fit = [server for server in found if not model or looks.lacks(server.url, model) is None]
    return tuple(server.access for server in fit or found) or (_access(env),)


def _lacks(env: Mapping[str, str], wires: tuple[Mapping[str, object], ...], model: str) -> str | None:
    """Why no server can run the workflow, as far as somebody has looked."""
    from backends.comfyui.seen import Looks
    from backends.comfyui.servers import servers

    del wires
    looks = Looks.of(env)
    why = [looks.lacks(server.url, model) for server in servers(env)]
    return None if not why or None in why else why[0]


def _revision(env: Mapping[str, str], model: str) -> str:
    from backends.comfyui.binding import file_of, load

    return load(file_of(env, model.partition("/")[2])).revision


def _near(env: Mapping[str, str]) -> bool:
    """Whether no server is on another machine."""
    from backends.comfyui.servers import servers
    from backends.errors import VideoError

    try:
        found = servers(env)
    except VideoError:
        return False
    return all(server.is_near for server in found)


def _arrived(clip: Path, env: Mapping[str, str]) -> str:
    from backends.comfyui.tags import blank

    return blank(clip, env)


def _open(env: Mapping[str, str], base_url: str) -> ComfyBackend:
    from backends.comfyui.backend import ComfyBackend

    return ComfyBackend(env, base_url)
