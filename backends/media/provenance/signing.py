"""Signing a clip. Runs in the sandbox's child: it reads files of others with a native library.

A file that has a manifest of its own (a service's) becomes the parent of the signed copy, with its manifest inside.
The file itself is never written to.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import c2pa  # pyright: ignore[reportMissingTypeStubs]

from backends.errors import VideoError
from backends.media.magic import sniff
from backends.media.provenance import certificates, library
from backends.media.provenance.manifest import Made, Part, SourceType, definition, with_ancestors

DELIVERED = "delivered"
"""The label of a service's own file."""

UNKNOWN = "application/octet-stream"
BUFFER = 1 << 20


@dataclass(frozen=True)
class Signed:
    """embedded: whether dest is the whole signed clip, else it is a manifest beside it. source: the kind of source that
    was claimed, with what the ingredients say of themselves."""

    embedded: bool
    source: SourceType


def credential(keys: Mapping[str, str]) -> certificates.Credential:
    """keys: {"folder"} of the own certificate, or {"certificate"} and perhaps {"key"} of the user's."""
    if "certificate" in keys:
        return certificates.of_person(Path(keys["certificate"]), Path(keys["key"]) if "key" in keys else None)
    return certificates.own(Path(keys["folder"]))


def sign(clip: Path, dest: Path, made: Made, parts: Sequence[Part], keys: Mapping[str, str]) -> Signed:
    """Write the signed copy of the clip to dest, or its manifest alone where the format cannot hold one.

    VideoError("auth") for a certificate that cannot be used, "storage" for a copy that cannot be written, "asset" for a
    clip that cannot be read as such.
    """
    signer = credential(keys)
    mime = sniff(clip) or UNKNOWN
    embedded = mime in library.EMBEDS
    looking = library.context(check=False)
    own = _claims(clip, mime, looking) if embedded else ""
    known = [part for part in parts if Path(part.path).exists()]
    trained = any(_is_trained(_claims(Path(part.path), sniff(Path(part.path)), looking)) for part in known)
    source = with_ancestors(made.source, trained)
    delivered = Part(DELIVERED, "as delivered", str(clip)) if own else None
    parent = made.parent if delivered is None and any(part.label == made.parent for part in known) else None
    placed = [part.label for part in known if part.label != parent]
    context = library.context([signer.top])
    text = json.dumps(definition(replace(made, parent=parent), source, mime, delivered and DELIVERED, placed))
    with c2pa.Builder(text, context=context) as builder:
        for part in (*([delivered] if delivered else ()), *known):
            _add(builder, part, "parentOf" if part.label in (DELIVERED, parent) else "componentOf")
        _write(builder, signer, mime, clip, dest, embedded)
    return Signed(embedded, source)


def _add(builder: Any, part: Part, relationship: str) -> None:
    """An ingredient whose manifest cannot be read stays one, without it."""
    path = Path(part.path)
    record = json.dumps({"title": part.title, "relationship": relationship, "label": part.label})
    with path.open("rb") as file:
        try:
            builder.add_ingredient(record, sniff(path) or UNKNOWN, file)
        except c2pa.C2paError:
            file.seek(0)
            builder.add_ingredient(record, UNKNOWN, file)


def _write(builder: Any, signer: certificates.Credential, mime: str, clip: Path, dest: Path, embedded: bool) -> None:
    info = c2pa.C2paSignerInfo(signer.algorithm, signer.chain, signer.key, None)
    if not embedded:
        builder.set_no_embed()
    try:
        with c2pa.Signer.from_info(info) as pen, clip.open("rb") as file:
            with _opened(dest if embedded else Path(os.devnull)) as out:
                manifest = builder.sign(pen, mime, file, out)
            if not embedded:
                dest.write_bytes(manifest)
    except OSError as error:  # of the buffer, when it is emptied
        raise _no_room(str(error)) from None
    except c2pa.C2paError as error:
        words = str(error)
        if words.startswith("Io:"):
            raise _no_room(words) from None
        kind = "auth" if "certificate" in words.lower() or "signature" in words.lower() else "asset"
        raise VideoError(kind, words[:200]) from None


def _no_room(words: str) -> VideoError:
    text = "the signed copy could not be written in full: is the disk, quota or file size limit used up?"
    return VideoError("storage", f"{text} ({words[:100]})")


def _opened(path: Path) -> BinaryIO:
    """The library writes in pieces of 8 KiB."""
    return path.open("w+b", buffering=BUFFER)


def _claims(path: Path, mime: str, context: Any) -> str:
    """What the file's own manifests say, unchecked, as JSON; "" when it has none that can be read."""
    try:
        with path.open("rb") as file:
            reader = c2pa.Reader.try_create(mime, file, context=context)
            if reader is None:
                return ""
            with reader:
                return str(reader.json())
    except c2pa.C2paError:
        return ""


def _is_trained(claims: str) -> bool:
    """Whether a generative model is claimed to have had a part in it."""
    return _TRAINED.search(claims) is not None


_TRAINED = re.compile(r'"digitalSourceType":\s*"[^"]*trainedAlgorithmicMedia"', re.IGNORECASE)
