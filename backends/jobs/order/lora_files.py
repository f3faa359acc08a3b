"""LoRA files of a request: checked like every input and identified by content, but not copied (they are large and only
needed while the job runs): the engine compares their hashes again before it uses them.

A name means a file when it is an absolute path or begins with `~/`; other names are a hub's or addresses, for the
model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from backends.errors import VideoError
from backends.media.hashing import sha256_of
from backends.media.paths import find_input
from backends.provider.protocol import JsonObject, Prepared
from backends.request import VideoRequest

MOST = 16 << 30
"""The most bytes of one file."""

WIRE = "lora_files"
"""The key of the hashes, by path, in a prepared request."""


@dataclass(frozen=True)
class LoraFile:
    """path: the real path. sha256: of its content, "" when it was not needed. note: how the file was found."""

    path: str
    sha256: str
    note: str


def place(number: int) -> str:
    return f"loras[{number}]"


def find(request: VideoRequest, roots: Sequence[Path], cwd: Path, *, hashed: bool) -> dict[str, LoraFile]:
    """The files among the request's LoRAs, by place. VideoError("asset") for the first that may not be used."""
    found: dict[str, LoraFile] = {}
    for number, lora in enumerate(request.loras):
        if not (lora.name.startswith(("~/", "~\\")) or Path(lora.name).is_absolute()):
            continue
        try:
            if not lora.name.endswith(".safetensors"):
                raise VideoError("asset", "give the path of a .safetensors file")
            with find_input(lora.name, roots, cwd, MOST) as opened:
                sha256 = sha256_of(opened.file) if hashed else ""
                found[place(number)] = LoraFile(str(opened.path), sha256, opened.note)
        except VideoError as error:
            raise VideoError(error.kind, f"{place(number)}: {error.message}") from None
        except OSError as error:
            text = f"{place(number)}: {lora.name[:200]!r} cannot be read ({error.strerror})"
            raise VideoError("asset", text) from None
    return found


def check_same(files: Mapping[str, LoraFile], wire: JsonObject, job: str) -> None:
    """VideoError("asset") for a file that has changed since that job was requested. wire: the job's prepared
    request."""
    known = set(_hashes(wire).values())
    for where, file in files.items():
        if known and file.sha256 not in known:
            raise VideoError(
                "asset",
                f"{where}: {file.path!r} has been changed since job {job} was requested: put the file back, or make "
                "the whole call again with the new one",
            )


def put(prepared: Prepared, files: Mapping[str, LoraFile]) -> Prepared:
    """The prepared request with the files' real paths, and their hashes for the engine to compare."""
    if not files:
        return prepared
    loras = tuple(
        lora.model_copy(update={"name": files[place(number)].path}) if place(number) in files else lora
        for number, lora in enumerate(prepared.request.loras)
    )
    request = prepared.request.model_copy(update={"loras": loras})
    hashes: JsonObject = {file.path: file.sha256 for file in files.values()}
    return replace(prepared, request=request, wire={**prepared.wire, WIRE: hashes})


def carry(before: Prepared, fresh: Prepared) -> Prepared:
    """A newly checked request, with the LoRA files with which the job was accepted."""
    if not (hashes := _hashes(before.wire)):
        return fresh
    request = fresh.request.model_copy(update={"loras": before.request.loras})
    return replace(fresh, request=request, wire={**fresh.wire, WIRE: hashes})


def _hashes(wire: JsonObject) -> JsonObject:
    return cast(JsonObject, wire.get(WIRE) or {})
