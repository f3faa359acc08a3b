"""Editing on this machine: what is done to finished clips without any model.

`request` says what is requested, `plan` what of it goes where, `timeline` gives the frames, `sound` and `words` what is
heard and read, `export` the file; `engine` runs it all. `joiner` makes the film that joins an extension.

Importing this module is cheap; av, numpy and cv2 load in `open`.
"""

from __future__ import annotations

from collections.abc import Mapping

from backends.provider.protocol import Access, LocalBackend, Registration

__all__ = ["register"]


def register() -> Registration:
    """The editor's entry point: always available, on this machine's CPU. It has no catalogue rows of its own."""
    return Registration(provider="edit", kind="local", access=_access, open=_open)


def _access(env: Mapping[str, str]) -> Access:
    del env  # no credential and no address: the environment cannot matter
    return Access(lane="cpu")


def _open(env: Mapping[str, str], base_url: str) -> LocalBackend:
    from backends.edit.engine import Editor

    del base_url
    return Editor(env)
