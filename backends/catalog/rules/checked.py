"""Checked: a request that one box of a row holds, with everything settled that the catalogue settles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backends.catalog.schema.row import Mode, Row
from backends.request import VideoRequest


@dataclass(frozen=True)
class Checked:
    """A legal request.

    request: model, duration_s, aspect_ratio, resolution, fps, audio, roles and times of frames are filled in.
    width, height: pixels of the clip (0 when they follow an input that is not known yet). seconds: what is billed
    as length. wire: the service's fields (see the provider's TOML file). notes: what the user should know.
    crop_loss: the largest share of an image that is cut away, 0..1. references_s: whole seconds of its reference
    clips. images: how many stills it holds, frames and references together.
    """

    request: VideoRequest
    row: Row
    mode: Mode
    width: int
    height: int
    seconds: float | None
    wire: Mapping[str, object] = field(default_factory=dict[str, object])
    notes: tuple[str, ...] = ()
    crop_loss: float = 0.0
    references_s: float = 0.0
    images: int = 0
