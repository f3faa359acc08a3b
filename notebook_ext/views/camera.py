"""The camera: a slider for each pair of moves over a moving preview of the still; the moves are a request's
`camera`."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationError

from backends.camera import CameraMove
from backends.catalog.rules.check import check
from backends.catalog.rules.controls import judge_camera
from backends.catalog.rules.fitting import Fitting
from backends.errors import VideoError
from backends.jobs.views import SETTLED
from backends.jobs.views import Job as JobView
from backends.problems import problems_of
from backends.request import Fit, build_request
from backends.values import Number
from notebook_ext import saved
from notebook_ext.camera_rows import Setting, crop_of, for_page, moves_of, rows_of
from notebook_ext.controls import control
from notebook_ext.delivery import Delivers
from notebook_ext.kept_settings import Kept, file_digest, kept
from notebook_ext.media_names import save_still
from notebook_ext.sources import Source, page_bytes, small, source_of, still_name
from notebook_ext.view import Answer, Ask, Buffers, CodeAsk, View

if TYPE_CHECKING:
    from notebook_ext.client import NotebookStudio
    from notebook_ext.job import Job
    from notebook_ext.media_names import Pixels

Place = Annotated[Number, Field(ge=-1, le=1)]
Time = Annotated[Number, Field(ge=0, le=3600)] | None
MOST = 20
"""The most moves of a request, for any model."""
IMAGE = "frames[0].image"
ANSWER_S = 2.0
"""Seconds that a page waits for news of a previs before it asks again."""


class PictureAsk(Ask):
    """The still."""


class RowsAsk(Ask):
    """Every slider: its place, and its move's start and end."""

    rows: Annotated[list[tuple[Place, Time, Time]], Field(max_length=40)]


class PrevisAsk(RowsAsk):
    """seen: what the page already shows of the previs."""

    seen: str = Field(default="", max_length=400)


@dataclass(frozen=True)
class Shot:
    """What is filmed. aspect: width / height of what moves. fit: how the engine puts the still into its frame."""

    still: Source
    aspect: float
    fit: Fit
    seconds: float


class Camera(Delivers, View):
    """The result of `camera`. moves: by the current sliders. image: the still's media name, None for the grid."""

    NAME: ClassVar[str] = "camera"
    ACTIONS: ClassVar[Mapping[str, type[Ask]]] = {
        **Delivers.DELIVERY,
        "picture": PictureAsk,
        "moves": RowsAsk,
        "previs": PrevisAsk,
        "code": CodeAsk,
    }

    def __init__(
        self,
        client: NotebookStudio,
        shot: Shot,
        moves: Sequence[CameraMove],
        *,
        model: str | None,
        grid: bool,
        kept: Kept | None = None,
    ) -> None:
        self.client = client
        self.image = None if grid else shot.still.name
        self.model = model
        self._shot = shot
        self._rest = tuple(move for move in moves if move.move == "static")[:1]
        self._rows = rows_of(moves)
        self._lock = threading.Lock()
        self._settings: list[Setting] = [row.start for row in self._rows]
        self._kept = kept or Kept()
        if self._kept.found is not None:
            self._restore(self._kept.found)
        self._fixed = {
            "ratio": shot.aspect,
            "seconds": shot.seconds,
            "control": control(model, "camera", client.inner.context).text,
        }
        self.moves = self._moves(self._settings)
        self._crop, self._trouble = self._cropped(self.moves)
        super().__init__(data=self._data())

    def _restore(self, state: Mapping[str, Any]) -> None:
        try:
            settings = RowsAsk.model_validate(state).rows
            moves = moves_of(self._rows, settings, self._shot.seconds)
        except ValidationError:
            self._kept.unfit("its file is damaged")
        except VideoError as error:
            self._kept.unfit(error.message)
        else:
            self._settings = list(settings)
            self._kept.restored(", ".join(map(str, moves)) or "no move")

    def _moves(self, settings: Sequence[Setting]) -> tuple[CameraMove, ...]:
        return moves_of(self._rows, settings, self._shot.seconds) or self._rest

    def _cropped(self, moves: Sequence[CameraMove]) -> tuple[list[float], str]:
        """The crop of the whole path, or the nearest possible one and why the engine would refuse it."""
        try:
            return crop_of(moves, self._shot.aspect, self._shot.seconds), ""
        except VideoError as error:
            return [4.0, 0.0, 0.0], error.message

    def _data(self) -> dict[str, Any]:
        rows = for_page(self._rows, self._settings, self._shot.aspect)
        return {
            **self._fixed,
            "rows": rows,
            "text": as_text(self.moves),
            "crop": self._crop,
            "kept": self._kept.note,
        }

    @property
    def nothing_set(self) -> str:
        """Why this cannot be used as `camera` yet; "" when it can."""
        return self._kept.lost or ("" if self.moves else "no move is set in the view: set one, or omit camera")

    def clear(self) -> None:
        """Reset every slider, here and on pages opened later."""
        self._set([(0.0, None, None) for _ in self._rows])

    def code(self) -> str:
        """The argument of a call that gives the same without this view."""
        return f"camera={[str(move) for move in self.moves]!r}"

    def figure(self) -> str:
        moves = ", ".join(map(str, self.moves)) or "no move is set"
        caption = f"camera over {self._shot.seconds:g} s: {moves}"
        jpeg = small(self._shot.still.path, self.client.inner.context.sandbox)
        return saved.figure(saved.picture(jpeg, caption), caption, self.code() if self.moves else "")

    def do_code(self, _: CodeAsk, __: Buffers) -> Answer:
        return {"code": self.code()}

    def _set(self, settings: Sequence[Setting]) -> tuple[CameraMove, ...]:
        """Keep the sliders' places; illegal ones change nothing."""
        with self._lock:
            moves = self._moves(settings)
            if len(moves) > MOST:
                raise VideoError("invalid_request", f"a request holds at most {MOST} camera moves, not {len(moves)}")
            self.moves, self._settings = moves, list(settings)
            self._crop, self._trouble = self._cropped(moves)
            if self._kept.keeps:
                begun = self._settings == [row.start for row in self._rows]
                self._kept.put({"rows": self._settings} if not begun else None)
            self.publish(self._data())
        return moves

    def do_picture(self, ask: PictureAsk, _: Buffers) -> Answer:
        return {}, [page_bytes(self._shot.still, self.client.inner.context.sandbox)]

    def do_moves(self, ask: RowsAsk, _: Buffers) -> Answer:
        moves = self._set(ask.rows)
        return {"text": as_text(moves), "note": self._note(moves), "crop": self._crop}

    def _note(self, moves: Sequence[CameraMove]) -> str:
        """The note about the moves: why the model, or the previs, would refuse them."""
        if not moves:
            return "No camera move: the model decides."
        return ". ".join(filter(None, (self._complaint(moves), self._trouble)))

    def _complaint(self, moves: Sequence[CameraMove]) -> str:
        """Why the model would refuse these moves; "" when it would not, or when none is named."""
        if self.model in (None, "auto"):
            return ""
        row = self.client.inner.context.catalog.get(self.model or "")
        request = build_request(
            task="image_to_video", model=row.id, frames=[{"image": self._shot.still.name}], camera=tuple(moves)
        )
        found: list[str] = []
        for mode in row.modes:
            if "image_to_video" not in mode.tasks:
                continue
            fit = Fitting(request, row, mode, {}, settled={"duration_s": self._shot.seconds})
            judge_camera(fit)
            if not fit.problems:
                return ""
            found.append(fit.problems[0].text)
        return found[0] if found else ""

    def do_previs(self, ask: PrevisAsk, _: Buffers) -> Answer:
        """Start it, or find it again, and answer once there is more than the page already shows."""
        moves = self._moves(ask.rows) if ask.seen else self._set(ask.rows)
        shot = self._shot
        job = self.client.image_to_video(
            shot.still.name, model="animatic", camera=list(moves), duration_s=shot.seconds, fit=shot.fit
        )
        view = _news(job, ask.seen)
        if view.state in SETTLED and view.state != "succeeded":
            raise VideoError("provider", progress_text(view))
        text = progress_text(view)
        if view.state == "succeeded" and not moves:
            text = "Previs with a slow push-in, which the engine makes when no move is set."
        return {"job_id": job.job_id, "text": text, "done": view.state == "succeeded"}


def _news(job: Job, seen: str) -> JobView:
    """The job when its text differs from `seen`, or it has ended, or after a while."""
    heard: SimpleQueue[JobView] = SimpleQueue()
    off = job.listen(heard.put)
    try:
        while True:
            view = heard.get(timeout=ANSWER_S)
            if view.state in SETTLED or progress_text(view) != seen:
                return view
    except Empty:
        return job.view
    finally:
        off()


def as_text(moves: Sequence[CameraMove]) -> str:
    """The moves in the form of a call: ["pan-left:0.4@0-2"]."""
    return "[" + ", ".join(f'"{move}"' for move in moves) + "]"


def progress_text(view: JobView) -> str:
    """The progress of a previs, in steps of a quarter, since screen readers read it out."""
    if view.state == "succeeded":
        return "Previs of these moves (no generative model)."
    if view.state in SETTLED:
        return f"Previs {view.state}: {view.error.message}" if view.error else f"Previs {view.state}."
    if view.state in ("waiting", "queued"):
        return "Previs queued."
    return f"Rendering previs: {int(view.progress * 4) * 25} %"


def camera(
    image: object = None,
    *,
    duration_s: float = 5.0,
    model: str | None = None,
    moves: Sequence[CameraMove | str | Mapping[str, Any]] = (),
    name: str | None = None,
) -> Camera:
    """Set camera moves by sliders over a moving preview of the still; the result's `moves` goes in as `camera`.

    image: a path, an array, a PIL image, `video://jobs/ID/frame/T`, or a job (its last frame); default: a grid.
    duration_s: of the clip, 1 to 60. model: the one to use; what it does with camera moves is shown. moves: to begin
    with. The settings are kept by still and cell, or by `name` if given, and restored when the cell is run again.
    VideoError("asset") for what is no still, "invalid_request" for a misspelt move, "not_found" for a model.

        shot = camera("lake.png", duration_s=5, model="animatic")
        await studio.image_to_video("lake.png", model="animatic", camera=shot, duration_s=5)
    """
    from notebook_ext.client import the_studio

    return opened(the_studio(), image, duration_s=duration_s, model=model, moves=moves, name=name)


def opened(
    client: NotebookStudio,
    image: object = None,
    *,
    duration_s: float = 5.0,
    model: str | None = None,
    moves: Sequence[CameraMove | str | Mapping[str, Any]] = (),
    name: str | None = None,
) -> Camera:
    """`camera` over a given studio."""
    given = (moves,) if isinstance(moves, str | Mapping) else tuple(moves)
    try:
        parsed = TypeAdapter(tuple[CameraMove, ...]).validate_python(given)
    except ValidationError as error:
        raise VideoError("invalid_request", "; ".join(map(str, problems_of(error)))) from None
    folder = client.home.folder
    of = str(save_still(grid(), folder / "stills")) if image is None else still_name(image, folder)
    still = source_of(of, client.inner, folder)
    if still.is_clip:
        raise VideoError("asset", f"{still.name} is a clip, and an image is filmed: add /last_frame or /frame/SECONDS")
    about = {"still": file_digest(still.path), "moves": [str(move) for move in parsed]}
    shot = shot_of(client, still, duration_s)
    found = kept("camera", about, folder, name)
    return Camera(client, shot, parsed, model=model, grid=image is None, kept=found)


def shot_of(client: NotebookStudio, still: Source, seconds: float) -> Shot:
    """How the engine would frame the still: cropped to its nearest ratio, or whole where that cuts away too much."""
    row = client.inner.context.catalog.get("animatic")
    fits: tuple[Fit | None, ...] = (None, "pad")
    for fit in fits:
        request = build_request(
            task="image_to_video", model=row.id, frames=[{"image": still.name}], duration_s=float(seconds), fit=fit
        )
        try:
            framed = check(request, row, {IMAGE: still.facts})
        except VideoError:
            if fit == "pad":
                raise
            continue
        aspect = framed.width / framed.height if fit is None else still.facts.ratio
        return Shot(still, aspect, fit or "crop", float(seconds))
    raise AssertionError("one of the two was returned or raised")


def grid(width: int = 960, height: int = 540, step: int = 60) -> Pixels:
    """A picture for trying moves: lines, a frame and a cross, brighter towards the top right."""
    import numpy as np

    y, x = np.mgrid[0:height, 0:width]
    tone = 70 + 60 * x / width + 60 * (height - y) / height
    picture = np.stack([tone * 0.8, tone * 0.95, tone * 1.1], axis=-1)
    near = np.minimum(np.minimum(x % step, step - x % step), np.minimum(y % step, step - y % step))
    picture[near < 1] = 225
    middle = np.minimum(abs(x - width // 2), abs(y - height // 2))
    edge = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y))
    picture[(middle < 3) | (edge < 4)] = (255, 205, 90)
    return np.clip(picture, 0, 255).astype(np.uint8)
