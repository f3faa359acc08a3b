"""The demonstration: three clips through the real MCP server, whose process is killed while one is made.

Each file is decoded and compared with the request; a difference is a failure.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import anyio

from backends.errors import VideoError
from mcp_server.cli import show
from mcp_server.cli.temporary_folder import short_home
from mcp_server.demo import STILLS
from mcp_server.demo.facts import Facts, Wanted, facts_of, misses
from mcp_server.demo.link import DemoFailed, Fields, Link, linked

FPS = 24
LONGEST_S = 170.0
"""Seconds for the whole demonstration; on two cores it takes about a quarter of that."""

EXPECTED = (DemoFailed, VideoError, OSError)

MOVE: Fields = {
    "duration_s": 4.0,
    "camera": ["dolly-in:0.45@0-4", "truck-right:0.12@0-4"],
    "motion": [{"box": [0.0, 0.0, 1.0, 0.21], "direction": "right", "intensity": 0.6}],
    "prompt": "push in towards the boat while the clouds drift to the right",
}
"""The brush's box holds the clouds of the shipped still."""

PHOTO_MOVE: Fields = MOVE | {
    "camera": ["dolly-in:0.45@0-4"],
    "motion": [{"box": [0.35, 0.35, 0.65, 0.65], "direction": "up", "intensity": 0.25}],
    "prompt": "push in, the middle of the picture rises a little",
}


@dataclass(frozen=True)
class Clip:
    """One clip of the demonstration."""

    name: str
    tool: str
    job_id: str
    wanted: Wanted
    file: Path
    sheet: Path
    facts: Facts


def run(output: Path, photo: Path | None, resolution: str, as_json: bool) -> int:
    """Make the clips and report; the exit code, 1 when anything is not as promised."""
    say: Callable[[str], None] = show.aside if as_json else show.line
    began = time.monotonic()
    try:
        if photo is not None and not photo.is_file():
            raise DemoFailed(f"{photo} is not a file: --photo takes a picture")
        output.mkdir(parents=True, exist_ok=True)
        clips, killed = _made(output.absolute(), photo.absolute() if photo else None, resolution, say)
    except EXPECTED as error:
        return _failed(error, as_json)
    except ExceptionGroup as errors:  # a task group of the client wraps what its block raised
        return _failed(_only(errors), as_json)
    seconds = time.monotonic() - began
    if as_json:
        show.as_json({"ok": True, "seconds": round(seconds, 1), "killed": killed, "clips": [_plain(c) for c in clips]})
    else:
        _table(clips)
        show.line(f"PREVIS: no generative model made these. {seconds:.0f} s in all; next: reelwright doctor")
    return 0


def _only(errors: ExceptionGroup[Exception]) -> Exception:
    """The expected failure in a group; the group itself is raised when it holds any other."""
    expected, others = errors.split(EXPECTED)
    if others is not None or expected is None:
        raise errors
    cause: Exception = expected
    while isinstance(cause, ExceptionGroup):
        cause = cause.exceptions[0]
    return cause


def _failed(error: Exception, as_json: bool) -> int:
    if as_json:
        show.as_json({"ok": False, "reason": str(error)})
    else:
        show.aside(f"the demonstration failed: {error}")
    return 1


def _made(output: Path, photo: Path | None, resolution: str, say: Callable[[str], None]) -> tuple[list[Clip], Fields]:
    """Every clip, checked, and which process was killed meanwhile. All of it runs in a temporary data folder."""
    roots = [str(STILLS[0].parent), *([str(photo.parent)] if photo else [])]
    with short_home({}, output) as settings:
        env = {name: value for name, value in settings.env.items() if name.startswith("REELWRIGHT_")}
        env["REELWRIGHT_INPUT_ROOTS"] = ":".join(roots)
        return anyio.run(_flow, env, settings.home.parent, output, photo, resolution, say)


async def _flow(
    env: dict[str, str], folder: Path, output: Path, photo: Path | None, resolution: str, say: Callable[[str], None]
) -> tuple[list[Clip], Fields]:
    with anyio.move_on_after(LONGEST_S):
        async with linked(env, folder) as link:
            say(
                f"a client has started the MCP server (process {link.pid}): {len(await link.tools())} tools, no key set"
            )
            started = await _start(link, photo, resolution, say)
            killed = await _kill_in_mid_job(link, started, say)
        async with linked(env, folder) as link:
            say(f"a new client has started a new server (process {link.pid}) and waits")
            await _arrived(link, [job_id for _, _, job_id, _ in started], killed, say)
            return [await _looked_at(link, output, *one) for one in started], killed
    raise DemoFailed(f"the clips were not done in {LONGEST_S:.0f} s")


Started = list[tuple[str, str, str, Wanted]]
"""name, tool, job id, what is wanted."""


async def _start(link: Link, photo: Path | None, resolution: str, say: Callable[[str], None]) -> Started:
    """Three jobs: a moving still, keyframes, and an extension of the first, which waits for it."""
    common: Fields = {"model": "animatic", "resolution": resolution, "fps": FPS, "seed": 7}
    still = STILLS[0] if photo is None else photo
    moved = (MOVE if photo is None else PHOTO_MOVE) | common
    frames: Fields = {"frames": [{"image": str(path)} for path in STILLS], "duration_s": 3.0} | common
    started: Started = []

    async def start(name: str, tool: str, seconds: float, arguments: Fields) -> str:
        ticket = await link.call(tool, label=f"demo-{name}", **arguments)
        job_id = str(ticket["job_id"])
        job = await link.call("get_job", job_id=job_id)
        wanted = Wanted(seconds, FPS, cast(int, job["width"]), cast(int, job["height"]))
        started.append((name, tool, job_id, wanted))
        say(f"{tool}: {job_id} ({ticket['state']})")
        return job_id

    first = await start("photo", "image_to_video", 4.0, {"image": str(still)} | moved)
    await start("keyframes", "interpolate_keyframes", 3.0, frames)
    await start("longer", "extend_clip", 6.0, {"clip": first, "add_s": 2.0, "model": "animatic", "seed": 7})
    return started


async def _kill_in_mid_job(link: Link, started: Started, say: Callable[[str], None]) -> Fields:
    """SIGKILL to the server as soon as one job is running."""
    while True:
        jobs = [await link.call("get_job", job_id=job_id) for _, _, job_id, _ in started]
        running = next((job for job in jobs if job["state"] == "running" and job.get("progress")), None)
        if running is not None:
            break
        if ended := [job for job in jobs if job["state"] in ("succeeded", "failed", "cancelled", "uncertain")]:
            raise DemoFailed(f"{ended[0]['job_id']} was {ended[0]['state']} before the server could be killed")
        await anyio.sleep(0.02)
    link.kill()
    shown = f"{running['job_id']} was running at {cast(float, running.get('progress', 0.0)):.0%}"
    say(f"killed: the server, process {link.pid} (SIGKILL), while {shown}")
    return {"pid": link.pid, "job_id": running["job_id"], "progress": running.get("progress", 0.0)}


async def _arrived(link: Link, job_ids: list[str], killed: Fields, say: Callable[[str], None]) -> None:
    """Wait as an agent does: bounded waits, again and again. DemoFailed for a job that did not succeed."""
    ended_ids: set[str] = set()
    while len(ended_ids) < len(job_ids):
        waiting = [job_id for job_id in job_ids if job_id not in ended_ids]
        answer = await link.call("wait_for_job", job_ids=waiting, until="any", timeout_s=20)
        for job in cast("list[Fields]", answer["jobs"]):
            if job["state"] == "succeeded":
                ended_ids.add(str(job["job_id"]))
                after = ", which was at work when its client died" if job["job_id"] == killed["job_id"] else ""
                say(f"arrived: {job['job_id']}{after}")
            elif job["state"] in ("failed", "cancelled", "uncertain"):
                raise DemoFailed(f"{job['job_id']} {job['state']}: {job.get('error')}")


async def _looked_at(link: Link, output: Path, name: str, tool: str, job_id: str, wanted: Wanted) -> Clip:
    """The file's facts against the request; its contact sheet is kept beside it."""
    job = await link.call("get_job", job_id=job_id)
    file = Path(str(job["file"]))
    if not file.is_relative_to(output):
        raise DemoFailed(f"{file} does not lie in {output}: {'; '.join(cast('list[str]', job.get('notes', [])))}")
    _, jpeg = await link.picture("inspect_clip", clip=job_id)
    sheet = output / f"{file.stem}_sheet.jpg"
    sheet.write_bytes(jpeg)
    found = await anyio.to_thread.run_sync(facts_of, file)
    if wrong := misses(found, wanted):
        raise DemoFailed(f"{file.name} is not what was requested: {'; '.join(wrong)}")
    return Clip(name, tool, job_id, wanted, file, sheet, found)


def _table(clips: list[Clip]) -> None:
    rows = [
        [
            clip.file,
            clip.tool,
            f"{clip.facts.duration_s:g}",
            clip.facts.frames,
            f"{clip.facts.width}x{clip.facts.height}",
            f"{clip.facts.fps:g}",
            f"{clip.facts.codec} {clip.facts.pixels}",
            clip.facts.bytes,
        ]
        for clip in clips
    ]
    show.table(("file", "made by", "seconds", "frames", "size", "fps", "codec", "bytes"), rows)
    for clip in clips:
        show.line(f"contact sheet: {clip.sheet}")


def _plain(clip: Clip) -> Fields:
    return {
        "name": clip.name,
        "tool": clip.tool,
        "job_id": clip.job_id,
        "file": str(clip.file),
        "sheet": str(clip.sheet),
        **asdict(clip.facts),
    }
