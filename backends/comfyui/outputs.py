"""The files that a run left, whatever key its nodes list them under (`images`, `gifs`, `video` ...).

The core's SaveVideo lists an MP4 under `images` with `animated`, the Video Helper Suite under `gifs`: the end of a
file's name says what it is. Absolute paths that a node adds are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from backends.provider.answer import listed, table, text
from backends.provider.protocol import RemoteFile

CLIPS = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
"""Endings of what may be a clip, the likeliest first."""


@dataclass(frozen=True)
class Found:
    """A file on the server. kept: it lies in the output folder, which a restart does not empty."""

    node: str
    name: str
    subfolder: str
    kind: str

    @property
    def mime(self) -> str:
        return CLIPS.get(f".{self.name.rpartition('.')[2].lower()}", "")

    def url(self, base: str) -> str:
        query = {"filename": self.name, "subfolder": self.subfolder, "type": self.kind}
        return f"{base.rstrip('/')}/view?{urlencode(query)}"


def found_in(outputs: object) -> Iterator[Found]:
    """Every file that a history's `outputs` name, each once."""
    seen: set[tuple[str, str, str]] = set()
    for node, output in table(outputs).items():
        for values in table(output).values():
            for value in listed(values):
                name, kind = text(table(value).get("filename")), text(table(value).get("type")) or "output"
                key = (name, text(table(value).get("subfolder")), kind)
                if name and key not in seen and kind in ("output", "temp"):
                    seen.add(key)
                    yield Found(node, *key)


def clips(outputs: object, base: str, chosen: Sequence[str]) -> tuple[RemoteFile, ...]:
    """The clips, the one to deliver first: of the chosen nodes, kept rather than temporary, a video rather than an
    animation. A preview in the temporary folder is none while there is another."""
    found = [file for file in found_in(outputs) if file.mime]
    order = list(CLIPS.values())
    found.sort(key=lambda file: (file.node not in chosen, file.kind != "output", order.index(file.mime)))
    kept = [file for file in found if file.kind == "output"] or found
    return tuple(
        RemoteFile(url=file.url(base), mime=file.mime, authorised=True, role="extra" if number else "clip")
        for number, file in enumerate(kept)
    )
