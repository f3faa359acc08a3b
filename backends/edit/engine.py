"""The editor: makes the film of a FinishRequest, frame by frame, encoded once; or without encoding where that is
exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import anyio

from backends.edit import caption_track, copying, export, soundtrack
from backends.edit.joiner import film_of, in_its_words
from backends.edit.plan import Plan, cut_ends, plan
from backends.edit.request import FinishRequest
from backends.edit.sound import Mixed
from backends.edit.soundtrack import LOUDNESS
from backends.edit.timeline import Frame, Timeline, picture_of
from backends.edit.words import Cue, Cues, Painter, read_words, srt
from backends.facts import MediaFacts
from backends.media.probe import probe_clip
from backends.provider.protocol import Asset, JsonObject, Output, Prepared, Progress

TRACK = (
    "the captions of the file are a track of their own, which players switch on, and lie beside the film in `files`; "
    "as lines FROM-TO TEXT they would be drawn into the picture"
)


class Editor:
    """LocalBackend of the provider "edit": a film where the wire names one, else the joining of an extension."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    async def run(self, prepared: Prepared, dest: Path, progress: Progress) -> Output:
        if "finish" not in prepared.wire:
            return await anyio.to_thread.run_sync(extended, prepared.assets, dest, self._env, progress)
        request = FinishRequest.model_validate(prepared.wire["finish"])
        going_on = tuple(prepared.wire.get("going_on", ()))
        return await anyio.to_thread.run_sync(finish, request, prepared.assets, dest, self._env, progress, going_on)


def extended(assets: Mapping[str, Asset], dest: Path, env: Mapping[str, str], progress: Progress) -> Output:
    """The joining of an extension, in `dest` (empty). assets: "source_clip", and "added[0]", "added[1]" ... which may
    begin with the last frame of the clip before. The sound stays as loud as it is, but for peaks above -2 dBTP.
    VideoError says what cannot be done."""
    request, clips = film_of(assets)
    count = len(clips)
    made = finish(request, clips, dest, env, progress, range(1, count), loudness=None)
    return replace(made, notes=in_its_words(made.notes, count))


def finish(
    request: FinishRequest,
    assets: Mapping[str, Asset],
    dest: Path,
    env: Mapping[str, str],
    progress: Progress,
    going_on: Sequence[int] = (),
    *,
    loudness: float | None = LOUDNESS,
) -> Output:
    """Make the film in `dest` (empty). assets: by the request's places. going_on: the numbers of clips that were made
    from the last frame of the clip before. loudness: LUFS where the request names none; None = as loud as it is.
    VideoError says what cannot be done."""
    facts = {place: _measured(asset) for place, asset in assets.items()}
    files = {place: asset.path for place, asset in assets.items()}
    form = export.form_of(request.format, request.codec)
    planned, timeline, notes = _planned(request, facts, files, going_on)
    cues = _cues(request, planned, files)
    spoken = [cue for cue in cues if cue.kind == "caption"]
    apart = _has_track(request)
    progress(0.0, "mixing the sound")
    level = loudness if request.loudness is None else request.loudness
    heard = soundtrack.mixed(request, planned, facts, files, dest, env, level, progress)
    notes += [*cues.notes, *heard.notes]
    copied = _copied(request, planned, files, heard, dest, progress)
    if copied is not None:
        path = copied
        notes.append("joined without re-encoding: every frame is unchanged")
    else:
        drawn = [cue for cue in cues if not (apart and cue.kind == "caption")]
        painter = Painter(Cues(drawn), planned.width, planned.height, planned.fps)
        notes += painter.notes
        frames = (_painted(painter, frame, number) for number, frame in enumerate(timeline.frames()))
        path = export.write(form, planned, frames, heard.path, dest, progress)
    notes += [*timeline.notes, *export.about_players(form)]
    if apart and spoken:
        progress(0.99, "putting the captions in")
        caption_track.add(path, spoken)
        notes.append(TRACK)
    shown, told = export.animated(request.format, path, dest, progress)
    notes += told
    if shown is not None and heard.path is not None:
        notes.append("an animated picture has no sound: it is in the MP4")
    made: JsonObject = {
        "frames": planned.frames,
        "parts": [one.frames for one in planned.segments],
        "audio": heard.audio,
        "lufs": heard.lufs,
        "peak_db": heard.peak_db,
        "copied": copied is not None,
    }
    beside = _subtitles(spoken, dest)
    return Output(path, facts=made, notes=tuple(dict.fromkeys(notes)), extras=beside, export=shown)


def _painted(painter: Painter, frame: Frame, number: int) -> Frame:
    """The frame with the words that are shown then; where none are it stays what it is."""
    return painter.paint(picture_of(frame), number) if painter.shows(number) else frame


def _planned(
    request: FinishRequest, facts: Mapping[str, MediaFacts], files: Mapping[str, Path], going_on: Sequence[int]
) -> tuple[Plan, Timeline, list[str]]:
    """The plan, its frames, and what to tell. A frame that stands on both sides of a cut is shown once, and nothing is
    blended for a loop that is one already."""
    planned = plan(request, facts)
    timeline = Timeline(planned, files)
    notes = list(planned.notes)
    if going_on and (doubled := timeline.doubled(going_on)):
        planned = plan(request, facts, doubled)
        timeline = Timeline(planned, files)
        shown = ", ".join(f"clips[{number}]" for number in doubled)
        notes.append(f"begun with the last frame of the clip before, which is shown once: {shown}")
    if planned.loop and timeline.loops_already():
        planned = replace(planned, loop=0, frames=planned.frames + planned.loop)
        timeline = Timeline(planned, files)
        notes.append("its end already matches its beginning: nothing was blended for the loop")
    elif planned.loop and not request.crossfade_s and (found := timeline.seam()) is not None:
        planned = cut_ends(planned, *found)
        timeline = Timeline(planned, files)
        notes.append(
            f"it loops by a cut at the best matching frames: {found[0]} frames are left out at its start and "
            f"{found[1]} at its end, and nothing is blended"
        )
    return planned, timeline, notes


def _cues(request: FinishRequest, planned: Plan, files: Mapping[str, Path]) -> Cues:
    """The words on the picture, and when."""
    captions = files["captions"] if request.captions_file else request.captions
    return read_words(captions, request.titles, planned.duration_s)


def _has_track(request: FinishRequest) -> bool:
    """Whether the captions are a track of the film, and not drawn into its pictures: a file's are, where the format can
    hold one."""
    return request.captions_file is not None and request.format in ("mp4", "mov")


def _subtitles(spoken: Sequence[Cue], dest: Path) -> tuple[Path, ...]:
    """The captions as a file beside the film, for players and platforms that show their own."""
    if not spoken:
        return ()
    path = dest / "captions.srt"
    path.write_text(srt(spoken), "utf-8")
    return (path,)


def _measured(asset: Asset) -> MediaFacts:
    """What is known of an asset; a clip whose container does not say how long it lasts is counted."""
    facts = asset.facts
    if facts.kind != "clip" or (facts.duration_s is not None and facts.fps is not None):
        return facts
    return probe_clip(asset.path, count_frames=True)


def _copied(
    request: FinishRequest,
    planned: Plan,
    files: Mapping[str, Path],
    heard: Mixed,
    dest: Path,
    progress: Progress,
) -> Path | None:
    """The film by copying the clips' packets, None where that would not be exact."""
    drawn = request.titles or (request.captions and not _has_track(request))
    if not planned.plain or (request.format, request.codec) != ("mp4", "h264") or drawn:
        return None
    path = dest / "clip.mp4"
    parts = [(files[one.place], one.frames) for one in planned.segments]
    return path if copying.join(parts, heard.path, path, planned.fps, progress) else None
