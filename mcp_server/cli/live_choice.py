"""The cheapest real test clip of a provider: the cheapest priced row, its shortest legal length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.request import VideoRequest, build_request
from mcp_server.demo import STILLS

if TYPE_CHECKING:
    from backends.catalog.price import Estimate
    from backends.catalog.schema.row import Mode, Row

PROMPT = "a small boat on a calm lake at dusk"
STILL = STILLS[0]


@dataclass(frozen=True)
class Candidate:
    """A request that is legal by the catalogue, and its price."""

    row: Row
    request: VideoRequest
    estimate: Estimate

    @property
    def high(self) -> Decimal:
        """Its highest price, US dollars."""
        assert self.estimate.usd_high is not None, "only priced ones are candidates"
        return self.estimate.usd_high

    @property
    def rank(self) -> tuple[Decimal, bool, bool, float, str]:
        """Cheapest first; among equals text-to-video first, then models that are not being retired, then the
        shortest."""
        request = self.request
        wanes = self.row.state not in ("active", "preview")
        return (self.high, bool(request.frames), wanes, request.duration_s or 0.0, self.row.id)


def cheapest(provider: str, rows: Iterable[Row], still: MediaFacts) -> Candidate:
    """The cheapest clip from text, or from the shipped still, that a provider's rows can make.

    still: the facts of `STILL`. VideoError("unsupported") when no priced row makes either.
    """
    own = [row for row in rows if row.provider == provider and row.state != "retired"]
    found = [candidate for row in own for candidate in _candidates(row, still)]
    if not found:
        text = f"{provider} has no model with a known price that makes a clip from text or from one image"
        raise VideoError(
            "unsupported", f"{text}: add one, or its price, to a TOML file in the data folder's catalog folder"
        )
    return min(found, key=lambda candidate: candidate.rank)


def _candidates(row: Row, still: MediaFacts) -> Iterator[Candidate]:
    """Requests that pass the catalogue's check, with their prices."""
    from backends.catalog.price import estimate
    from backends.catalog.rules.check import check

    for fields in (fields for mode in row.modes for fields in _orders(mode)):
        try:
            request = build_request(model=row.id, prompt=PROMPT, **fields)
            checked = check(request, row, _facts(request, still))
        except VideoError:  # a box that requires something else (a reference, an option): try the next one
            continue
        cost = estimate(checked, row)
        if cost.usd_high is not None:
            yield Candidate(row, request, cost)


def _orders(mode: Mode) -> Iterator[dict[str, Any]]:
    """The shortest clips of a box: for each task, resolution and sound, since prices differ by them."""
    if mode.durations is None:
        return
    for task in sorted(mode.tasks & {"text_to_video", "image_to_video"}):
        fields: dict[str, Any] = {"task": task, "duration_s": mode.durations.smallest}
        if task == "image_to_video":
            fields["frames"] = [{"image": str(STILL)}]
        if mode.effect_required:
            fields["effect"] = mode.effects[0]
        for resolution in mode.resolutions:
            for audio in (False, True) if mode.audio == "switch" else (None,):
                yield {**fields, "resolution": resolution, "audio": audio}


def _facts(request: VideoRequest, still: MediaFacts) -> Mapping[str, MediaFacts]:
    return dict.fromkeys(request.media(), still)
