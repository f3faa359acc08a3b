"""A workflow's graph while a request is put into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from backends.comfyui.binding import Binding
from backends.errors import VideoError
from backends.provider.protocol import JsonObject

Places = tuple[tuple[str, str], ...]


@dataclass
class Filling:
    """A copy of the graph with the values in it. media: the values that wait for an upload's name, by its place in the
    request. notes: for the user."""

    binding: Binding
    graph: dict[str, JsonObject]
    media: dict[str, list[list[str]]] = field(default_factory=dict[str, list[list[str]]])
    seed: int | None = None
    notes: list[str] = field(default_factory=list[str])

    def put(self, name: str, value: object, said: str = "") -> None:
        """VideoError("unsupported") where the workflow has no place for it. said: what the request calls it."""
        for node, key in self.where(name, said or name):
            self.set(node, key, value)

    def set(self, node: str, key: str, value: object) -> None:
        values = cast("dict[str, object]", self.graph[node]["inputs"])
        before = values.get(key)
        whole = isinstance(before, int) and not isinstance(before, bool)
        values[key] = int(value) if whole and isinstance(value, float) and value.is_integer() else value

    def put_media(self, name: str, place: str) -> None:
        self.media.setdefault(place, []).extend([node, key] for node, key in self.where(name, place))

    def where(self, name: str, said: str) -> Places:
        places = self.binding.places.get(name, ())
        if not places:
            text = f"{said}: the workflow {self.binding.name} has no place for it: leave it out, or bind {name}"
            raise VideoError("unsupported", text)
        return places

    def has(self, name: str) -> bool:
        return bool(self.binding.places.get(name))
