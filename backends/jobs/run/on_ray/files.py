"""An engine's files on their way back: by name below its folder, with length and hash, in chunks."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Any

from backends.media.hashing import sha256_now
from backends.provider.protocol import JsonObject

CHUNK = 4 << 20
"""Bytes that travel at once."""


def outgoing(output: dict[str, Any], folder: Path) -> list[JsonObject]:
    """What has to travel of an output: name, bytes and sha256 of each file. In the output names stand for the paths."""
    paths = {path: Path(path).relative_to(folder).as_posix() for path in _paths(output)}
    _rename(output, paths)
    return [
        {"name": name, "bytes": Path(path).stat().st_size, "sha256": sha256_now(Path(path))}
        for path, name in paths.items()
    ]


def arrived(output: dict[str, Any], folder: Path) -> None:
    """In the output of another machine paths stand for the names again."""
    _rename(output, {name: str(below(folder, name)) for name in _paths(output)})


def below(folder: Path, name: str) -> Path:
    """Where a file of that name goes. ValueError for one that would lie elsewhere: the name is another machine's."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()) or path == folder:
        raise ValueError(f"{name[:80]!r} is no name of a file")
    return path


async def keep(path: Path, file: JsonObject, chunks: AsyncIterable[bytes]) -> bool:
    """Write a file as it comes; whether it is whole."""
    digest, size = hashlib.sha256(), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        async for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return size == file["bytes"] and digest.hexdigest() == file["sha256"]


def _paths(output: dict[str, Any]) -> list[str]:
    given = [output["path"], *output.get("extras", ()), output.get("export")]
    return list(dict.fromkeys(str(path) for path in given if path))


def _rename(output: dict[str, Any], names: dict[str, str]) -> None:
    output["path"] = names[output["path"]]
    output["extras"] = [names[path] for path in output.get("extras", ())]
    output["export"] = names[output["export"]] if output.get("export") else None
