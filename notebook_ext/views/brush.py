"""The motion brush: parts of a still are painted and given a direction; the regions are a request's `motion`."""

from __future__ import annotations

import base64
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationError

from backends.errors import VideoError
from backends.problems import problems_of
from backends.regions import DIRECTIONS, MotionRegion
from backends.studio import Studio
from backends.values import Number
from notebook_ext import saved
from notebook_ext.controls import Control, control
from notebook_ext.kept_settings import Kept, file_digest, kept
from notebook_ext.masks import Painted, for_page, levels, pixels_of
from notebook_ext.media_names import literal_path, save_bytes
from notebook_ext.sources import Source, page_bytes, small, source_of, still_name
from notebook_ext.view import Answer, Ask, Buffers, CodeAsk, View

if TYPE_CHECKING:
    from notebook_ext.client import NotebookStudio

MOST = 20
"""The most regions of a request, for any model."""
FULL = 0.10
"""The distance of intensity 1 over the clip, in widths of the picture."""
WIDTHS = (200, 1600)
COLUMNS = 4096
"""The widest painted mask, in pixels: no clip is wider."""
HELP = (
    "On the picture: arrows move, space paints, shift+arrows aim, + and - size, < and > zoom, [ and ] choose a region, "
    "enter or a double click closes an outline, escape drops it; a button's first letter presses it. Magic outlines "
    "what looks like the place that you point at. Per cents are of the picture's width, over the clip. Nothing of a "
    "frozen region moves."
)

Share = Annotated[Number, Field(ge=0, le=1)]
Pair = Annotated[list[Number], Field(min_length=2, max_length=2)]


class OpenAsk(Ask):
    """The still and the regions in their current state."""


class OutlineAsk(Ask):
    """A place on the picture, in widths of it."""

    at: Pair


class MaskAsk(Ask):
    """A mask from a user's file; its bytes are the one buffer."""


class RegionAsk(Ask):
    """One region as the page shows it, its lengths in widths of the picture. polygon: its outline; mask: which buffer
    is its PNG; neither: its shape is unchanged."""

    id: int = Field(ge=1, le=10**6)
    polygon: Annotated[list[Pair], Field(min_length=3, max_length=200)] | None = None
    mask: int | None = Field(default=None, ge=0, lt=MOST)
    direction: Pair
    intensity: Share
    static: bool


class RegionsAsk(Ask):
    """Every region that was changed. by: the page that says so, which needs no update."""

    by: str = Field(max_length=40)
    regions: Annotated[list[RegionAsk], Field(max_length=MOST)]


@dataclass(frozen=True)
class _Region:
    """mask: where the shape is one; a painted one is named in `way` when it is written."""

    way: MotionRegion
    mask: Painted | Source | None = None

    @property
    def shape(self) -> dict[str, Any]:
        return self.way.model_dump(include={"box", "polygon", "mask"}, exclude_none=True)

    @property
    def outline(self) -> list[list[float]]:
        left, top, right, bottom = self.way.box or (0, 0, 0, 0)
        return self.way.polygon or [[left, top], [right, top], [right, bottom], [left, bottom]]

    @property
    def empty(self) -> bool:
        return isinstance(self.mask, Painted) and self.mask.empty

    def words(self, width: int) -> str:
        """ "up-left 5.0 %", "frozen", "empty"; and the scale of a painted mask that is not the still's `width`."""
        x, y = self.way.vector()
        near = max(DIRECTIONS, key=lambda word: DIRECTIONS[word][0] * x + DIRECTIONS[word][1] * y)
        words = "frozen" if self.way.static else f"{near} {self.way.intensity * FULL * 100:.1f} %"
        if isinstance(self.mask, Painted) and self.mask.width < width:
            words += f" (the mask is sent at {self.mask.width / width:.0%} of the image's size)"
        return "empty" if self.empty else words


class Brush(View):
    """The result of `brush`. image: the still's media name. motion: the current regions."""

    NAME = "brush"
    ACTIONS: ClassVar[Mapping[str, type[Ask]]] = {
        "open": OpenAsk,
        "regions": RegionsAsk,
        "code": CodeAsk,
        "outline": OutlineAsk,
        "mask": MaskAsk,
    }

    def __init__(
        self,
        studio: Studio,
        folder: Path,
        still: Source,
        has: Control,
        motion: Sequence[MotionRegion],
        width: int,
        kept: Kept | None = None,
    ) -> None:
        self.image = still.name
        self._kept = kept or Kept()
        self._folder, self._still, self._sandbox = folder, still, studio.context.sandbox
        self._lock = threading.Lock()
        self._regions = {number: self._given(region, studio) for number, region in enumerate(motion, 1)}
        self._size = (still.facts.width, still.facts.height)
        self._tall = self._size[1] / self._size[0]
        self._shown = {
            "columns": min(COLUMNS, self._size[0]),
            "tall": self._tall,
            "width": width,
            "note": "error" if has.kind == "none" else "dim",
            "text": has.text,
            "help": HELP,
            "most": min(MOST, has.most or MOST),
            "fresh": {"direction": [1, 0], "intensity": 0.5, "static": False},
        }
        self._changes = 0
        self._first = self._kept_state(self._regions)
        if self._kept.found is not None:
            self._restore(self._kept.found, studio)
        super().__init__(data={**self._shown, "kept": self._kept.note, "changes": 0, "by": ""})

    def _restore(self, state: Mapping[str, Any], studio: Studio) -> None:
        try:
            regions: dict[int, _Region] = {}
            for one in state["regions"]:
                way = MotionRegion.model_validate(one["way"])
                if (png := one.get("png")) is None:
                    regions[int(one["id"])] = self._given(way, studio)
                else:
                    painted = Painted.checked(base64.b64decode(png), *self._size)
                    regions[int(one["id"])] = _Region(way, painted)
        except (VideoError, ValueError, KeyError, TypeError) as error:
            self._kept.unfit(error.message if isinstance(error, VideoError) else "its file is damaged")
        else:
            self._regions = regions
            self._kept.restored(f"{len(regions)} region{'s' if len(regions) != 1 else ''}")

    def _kept_state(self, regions: Mapping[int, _Region]) -> dict[str, Any]:
        """The regions as JSON, with the pixels of painted masks."""
        found: list[dict[str, Any]] = []
        for number, region in regions.items():
            one: dict[str, Any] = {"id": number, "way": region.way.model_dump(mode="json", exclude_none=True)}
            if isinstance(region.mask, Painted):
                one["png"] = base64.b64encode(region.mask.png).decode()
            found.append(one)
        return {"regions": found}

    def _given(self, region: MotionRegion, studio: Studio) -> _Region:
        if region.mask is None:
            return _Region(region)
        mask = source_of(region.mask, studio, self._folder)
        levels(mask)  # fails now when it is no mask
        return _Region(region, mask)

    @property
    def motion(self) -> tuple[MotionRegion, ...]:
        """The regions in their order on the page, without empty ones. Painted masks are PNGs in the notebook's `masks`
        folder, named after their content and written when this is read."""
        with self._lock:
            regions = [region for region in self._regions.values() if not region.empty]
        return tuple(self._named(region) for region in regions)

    def _named(self, region: _Region) -> MotionRegion:
        if not isinstance(region.mask, Painted):
            return region.way
        mask = save_bytes(region.mask.png, self._folder / "masks", ".png")
        return region.way.model_copy(update={"mask": str(mask)})

    @property
    def nothing_set(self) -> str:
        """Why this cannot be used as `motion` yet; "" when it can."""
        with self._lock:
            empty = all(region.empty for region in self._regions.values())
        return self._kept.lost or ("nothing is painted in the view: paint in it, or omit motion" if empty else "")

    def clear(self) -> None:
        """Remove every region, here and on the page."""
        self._put({}, "")

    def code(self) -> str:
        """The argument of a call that gives the same without this view."""
        regions = [region.model_dump(exclude_defaults=True, exclude_none=True) for region in self.motion]
        for region in regions:
            if "mask" in region:
                region["mask"] = literal_path(region["mask"])
        return f"motion={regions!r}"

    def figure(self) -> str:
        with self._lock:
            regions = [region for region in self._regions.values() if not region.empty]
        words = [f"{number} {region.words(self._size[0])}" for number, region in enumerate(regions, 1)]
        caption = f"brush on {Path(self.image).name}: {'; '.join(words) or 'nothing is painted'}"
        shapes = [region.outline if region.mask is None else levels(region.mask) for region in regions]
        picture = saved.painted(small(self._still.path, self._sandbox), shapes, caption)
        return saved.figure(picture, caption, self.code() if regions else "")

    def do_code(self, _: CodeAsk, __: Buffers) -> Answer:
        return {"code": self.code()}

    def do_open(self, _: OpenAsk, __: Buffers) -> Answer:
        with self._lock:
            regions = dict(self._regions)
        files = [page_bytes(self._still, self._sandbox)]
        shown: list[dict[str, Any]] = []
        for number, region in regions.items():
            way, points, mask = region.way, region.outline, None
            if region.mask is not None:
                mask = len(files)
                picture, middle = for_page(region.mask)
                files.append(picture)
                points = [middle]
            direction = [1.0, 0.0] if way.static else list(way.vector())
            one = {"id": number, "direction": direction, "intensity": way.intensity, "static": way.static}
            shown.append({**one, "points": [[x, y * self._tall] for x, y in points], "mask": mask})
        return {"regions": shown, "told": self._described(regions)}, files

    def do_outline(self, ask: OutlineAsk, _: Buffers) -> Answer:
        from notebook_ext.wand import outline_at

        points = outline_at(pixels_of(small(self._still.path, self._sandbox)), ask.at[0], ask.at[1] / self._tall)
        if not points:
            raise VideoError("invalid_request", "nothing stands out there: point elsewhere, or draw the outline")
        return {"outline": [[x, y * self._tall] for x, y in points]}

    def do_mask(self, _: MaskAsk, buffers: Buffers) -> Answer:
        columns = min(COLUMNS, self._size[0])
        picture, (x, y) = for_page(Painted.from_file(buffers[0] if buffers else b"", columns, *self._size))
        return {"middle": [x, y * self._tall]}, [picture]

    def do_regions(self, ask: RegionsAsk, buffers: Buffers) -> Answer:
        with self._lock:
            before = dict(self._regions)
        regions = {one.id: self._changed(before.get(one.id), one, buffers) for one in ask.regions}
        self._put(regions, ask.by)
        return {"told": self._described(regions)}

    def _changed(self, before: _Region | None, ask: RegionAsk, buffers: Buffers) -> _Region:
        """The changed region. VideoError("invalid_request") for an incomplete one."""
        direction = None if ask.static else ask.direction
        way = {"direction": direction, "intensity": ask.intensity, "static": ask.static}
        try:
            if ask.polygon is not None:
                points = [[_share(x), _share(y / self._tall)] for x, y in ask.polygon]
                same = before is not None and before.mask is None and _alike(points, before.outline)
                return _Region(MotionRegion(**(before.shape if before and same else {"polygon": points}), **way))
            if ask.mask is None and before is not None:
                return replace(before, way=MotionRegion(**before.shape, **way))
            if ask.mask is None or ask.mask >= len(buffers):
                raise VideoError("invalid_request", f"region {ask.id} has no shape: give its polygon or its mask")
            return _Region(MotionRegion(mask="painted", **way), Painted.checked(buffers[ask.mask], *self._size))
        except ValidationError as error:
            raise VideoError("invalid_request", "; ".join(map(str, problems_of(error)))) from None

    def _put(self, regions: dict[int, _Region], by: str) -> None:
        """Replace the regions; every page but the one that sent them updates."""
        with self._lock:
            self._regions = regions
            self._changes += 1
            if self._kept.keeps:
                state = self._kept_state(regions)
                self._kept.put(state if state != self._first else None)
            data = {**self._shown, "kept": self._kept.note, "changes": self._changes, "by": by}
        self.publish(data)

    def _described(self, regions: Mapping[int, _Region]) -> dict[str, str]:
        return {str(number): region.words(self._size[0]) for number, region in regions.items()}


def _alike(points: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> bool:
    """Whether an outline is the other one, returned by the page."""
    return len(others) == len(points) and all(math.dist(a, b) < 1e-6 for a, b in zip(others, points, strict=True))


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 6)


def brush(
    image: object,
    *,
    model: str | None = None,
    motion: Sequence[MotionRegion | Mapping[str, Any]] = (),
    width: int = 960,
    name: str | None = None,
    client: NotebookStudio | None = None,
) -> Brush:
    """Paint on a still what should move, and where to; the result goes into image_to_video as `motion`.

    image: a path, an array, a PIL image, `video://jobs/ID/frame/T`, or a job (its last frame). model: the one to use;
    what it does with regions is shown before anything is painted. motion: regions to begin with. width: of the picture
    in CSS pixels, 200 to 1600. The settings are kept by still and cell, or by `name` if given, and restored when the
    cell is run again. VideoError("asset") for what is not a still, "not_found" for an unknown model.

        painted = brush("lake.png", model="animatic")
        await studio.image_to_video("lake.png", model="animatic", motion=painted)
    """
    if client is None:
        from notebook_ext.client import studio as client
    if not WIDTHS[0] <= width <= WIDTHS[1]:
        raise VideoError("invalid_request", f"width is {WIDTHS[0]} to {WIDTHS[1]} CSS pixels, not {width}")
    try:
        regions = TypeAdapter(tuple[MotionRegion, ...]).validate_python(tuple(motion))
    except ValidationError as error:
        raise VideoError("invalid_request", "; ".join(map(str, problems_of(error)))) from None
    folder = client.home.folder
    has = control(model, "motion", client.inner.context)
    still = source_of(still_name(image, folder), client.inner, folder)
    if still.is_clip:
        raise VideoError("asset", f"{still.name} is a clip, and an image is painted on: keyframes(clip) picks a frame")
    about = {"still": file_digest(still.path), "motion": [region.model_dump(mode="json") for region in regions]}
    return Brush(client.inner, folder, still, has, regions, width, kept("brush", about, folder, name))
