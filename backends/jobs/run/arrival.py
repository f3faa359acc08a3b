"""From `downloading` to `succeeded`: fetch what a service has made, look at it, keep it.

A clip that is paid for is never given up for what this machine cannot do: no connection, a full disk, a program that
cannot read it. Its further files are extras: they are fetched after it, and it waits for none of them.
"""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from backends.errors import OwnFault, VideoError
from backends.jobs.crashpoints import crash_point
from backends.jobs.run import doubt
from backends.jobs.run.download import BackOff, StaleUrl, deliver, deliver_extras, forget_arrived, pause
from backends.jobs.run.finish import finish
from backends.jobs.run.join_extended import whole_clip
from backends.jobs.run.submission import cost_of
from backends.jobs.store import codec
from backends.jobs.store.database import Row
from backends.media.fetch import FileTooLarge
from backends.provider.protocol import RemoteFile
from backends.provider.registry import registered

if TYPE_CHECKING:
    from backends.jobs.run.remote import RemoteRun

DOWNLOAD_TIMEOUT_S = 900.0
EXTRA_TIMEOUT_S = 120.0
DELIVERY_DAYS = 7
UNREADABLE_S = 600.0
"""How often a clip that is here is looked at again when it is this program that cannot read it."""


async def arrive(run: RemoteRun) -> None:
    """Until the clip is kept, or there is surely none. Retried with back-off for as long as the provider holds it."""
    back_off, refreshed = BackOff(), 0
    while (row := run.row())["state"] in ("downloading", "finishing"):
        result = run.lane.context.artifacts.places.result_of(row)
        files = [codec.file_from_json(file) for file in result["files"]]
        try:
            await _fetch_and_finish(run, row, files, result)
            return
        except OwnFault as error:  # before VideoError, which it is too
            run.say(f"the clip is here; reelwright jobs finish {run.job} looks at it again: {error.message}")
            await pause(UNREADABLE_S, run.woken)
            continue
        except FileTooLarge as error:  # gigabytes for nothing: one further try, at the end of the doubt
            if (left := doubt.left_s(run, doubt.UNUSABLE)) <= 0:
                run.fail(_unusable(run, error), cost_of(result))
                return
            run.say(f"{error.message}; looking again in {left:.0f} s before it is believed")
            await pause(left, run.woken)
            await _refresh(run, row)
            continue
        except StaleUrl as error:
            refreshed += 1
            problem = VideoError("network", str(error), retryable=True)
            if await _refresh(run, row) and refreshed <= 1:
                continue
        except VideoError as error:
            if error.kind == "storage":
                raise
            problem = error
            if error.kind in ("provider", "asset") and not error.retryable:
                if doubt.left_s(run, doubt.UNUSABLE) <= 0:
                    run.fail(_unusable(run, error), cost_of(result))
                    return
                # A bad copy, or a decoder short of time: it is asked for and fetched anew before that is believed.
                forget_arrived(run.lane.context.artifacts.spool(run.job))
                await _refresh(run, row)
        if time.time() - (row["remote_done_at"] or time.time()) > DELIVERY_DAYS * 86400:
            text = f"the clip was made but could not be fetched for {DELIVERY_DAYS} days: {problem.message}"
            run.fail(VideoError("network", text, charged="yes"), cost_of(result))
            return
        wait = back_off.next_s(problem)
        run.say(f"the clip cannot be fetched yet ({problem.message}); trying again in {wait:.0f} s")
        await pause(wait, run.woken)


def _unusable(run: RemoteRun, error: VideoError) -> VideoError:
    """What came is no clip. It is paid for, so its bytes are kept for the person to look at."""
    kept = run.lane.context.artifacts.root / "spool" / run.job
    text = f"{error.message}; what was delivered is kept in {kept}; reelwright jobs fetch {run.job} asks for it again"
    return VideoError(error.kind, text, charged="yes")


async def _fetch_and_finish(run: RemoteRun, row: Row, files: list[RemoteFile], result: dict[str, Any]) -> None:
    context = run.lane.context
    crash_point("before-download")
    headers = run.lane.backend.media_headers()
    spool, kept = context.artifacts.spool(run.job), context.artifacts.job(run.job)
    clip = await deliver(files, spool, kept, row["base_url"], headers, DOWNLOAD_TIMEOUT_S)
    extras, untold = await deliver_extras(files, spool, kept, row["base_url"], headers, EXTRA_TIMEOUT_S)
    crash_point("after-download")
    told = await _arrived(run, row, clip)
    run.move("finishing", phase="saving the clip")
    whole = await whole_clip(context, run.lane.engines, row, clip)
    further = [path for path, file in extras if file.role == "clip" or path.suffix in (".mp4", ".webm", ".mov")]
    work = partial(
        finish,
        context,
        run.lane.hold,
        row,
        whole.clip,
        extras=[*whole.parts, *(path for path, _ in extras)],
        joined=len(whole.parts),
        further_clips=len(further),
        seed=result.get("seed"),
        notes=[*(result.get("notes") or ()), *told, *whole.notes, *untold],
        cost_usd=cost_of(result),
    )
    await to_thread.run_sync(work)


async def _arrived(run: RemoteRun, row: Row, clip: Path) -> list[str]:
    """What the back end does to a clip before it is kept. It is an extra: the clip does not wait for it."""
    work = registered(row["provider"]).arrived
    if work is None:
        return []
    try:
        note = await to_thread.run_sync(work, clip, run.lane.context.env)
    except (OSError, VideoError) as error:
        note = f"what the service wrote into the clip was left in it ({type(error).__name__})"
    return [note] if note else []


async def _refresh(run: RemoteRun, row: Row) -> bool:
    """Ask for fresh URLs; whether there are any."""
    if row["handle"] is None:
        return False
    handle = codec.handle_from_json(json.loads(row["handle"]))
    try:
        status = await run.ask(handle)
    except VideoError:
        return False
    if status.state != "succeeded" or not status.files:
        return False
    places = run.lane.context.artifacts.places
    result = places.result_of(row) | {"files": [codec.file_to_json(file) for file in status.files]}
    if status.cost_usd is not None:
        result["cost_usd"] = str(status.cost_usd)
    run.move(run.row()["state"], result=places.result_to_row(result))
    return True
