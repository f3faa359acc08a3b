"""From `downloading` to `succeeded`: fetch what a service has made, check it, keep it.

A paid clip is never given up for what this machine cannot do: no connection, a full disk, a program that cannot read
it. Its further files are extras: they are fetched after it, and it waits for none of them.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread

from backends.errors import OwnFault, VideoError
from backends.jobs.crashpoints import crash_point
from backends.jobs.run import doubt
from backends.jobs.run.arrived import KEY, Arrived
from backends.jobs.run.doubt import Doubt
from backends.jobs.run.download import BackOff, StaleUrl, deliver, deliver_extras, forget_arrived
from backends.jobs.run.finish import finish
from backends.jobs.run.join_extended import Whole, whole_clip
from backends.jobs.run.open_job import OpenJob, Presence
from backends.jobs.store import codec
from backends.jobs.store.stored_job import StoredJob
from backends.media.fetch import FileTooLarge
from backends.provider.registry import registered

DOWNLOAD_TIMEOUT_S = 900.0
EXTRA_TIMEOUT_S = 120.0
DELIVERY_DAYS = 7
UNREADABLE_S = 600.0
"""Seconds between two checks of a downloaded clip that this program cannot read."""


class Arrival:
    """For one job that the provider has made. presence: its place there, which it keeps until everything is
    downloaded."""

    def __init__(self, job: OpenJob, presence: Presence) -> None:
        self._job = job
        self._presence = presence
        self._doubt = Doubt(job)

    async def step(self, now: StoredJob) -> None:
        """Repeat until the clip is kept, or until there surely is none. Retried with back-off for as long as the
        provider keeps it."""
        job, back_off, refreshed = self._job, BackOff(), 0
        while (now := job.read()).state in ("downloading", "finishing"):
            result = job.context.artifacts.places.result_of(now.row)
            try:
                await self._fetch_and_finish(now, result)
                return
            except OwnFault as error:  # before VideoError, of which it is a subclass
                job.say(f"the clip is here; reelwright jobs finish {job.id} processes it again: {error.message}")
                await job.pause(UNREADABLE_S)
                continue
            except FileTooLarge as error:  # gigabytes in vain: one further try, just before it is believed
                if (left := self._doubt.left_s(doubt.UNUSABLE)) <= 0:
                    job.fail(self._unusable(error), _cost_of(result))
                    return
                job.say(f"{error.message}; checking again in {left:.0f} s before it is believed")
                await job.pause(left)
                await self._refresh(now)
                continue
            except StaleUrl as error:
                refreshed += 1
                problem = VideoError("network", str(error), retryable=True)
                if await self._refresh(now) and refreshed <= 1:
                    continue
            except VideoError as error:
                if error.kind == "storage":
                    raise
                problem = error
                if error.kind in ("provider", "asset") and not error.retryable:
                    if self._doubt.left_s(doubt.UNUSABLE) <= 0:
                        job.fail(self._unusable(error), _cost_of(result))
                        return
                    # A bad copy, or a decoder short of time: it is fetched again before that is believed.
                    self._forget(result)
                    await self._refresh(now)
            clock = job.store.now()
            if clock - (now.remote_done_at or clock) > DELIVERY_DAYS * 86400:
                text = f"the clip was made but could not be fetched for {DELIVERY_DAYS} days: {problem.message}"
                job.fail(VideoError("network", text, charged="yes"), _cost_of(result))
                return
            wait = back_off.next_s(problem)
            job.say(f"the clip cannot be fetched yet ({problem.message}); trying again in {wait:.0f} s")
            await job.pause(wait)

    def _unusable(self, error: VideoError) -> VideoError:
        """What arrived is no clip. It is paid for, so its bytes are kept for the user to look at."""
        job = self._job.id
        kept = self._job.context.artifacts.root / "spool" / job
        text = f"{error.message}; what was delivered is kept in {kept}; reelwright jobs fetch {job} requests it again"
        return VideoError(error.kind, text, charged="yes")

    async def _fetch_and_finish(self, now: StoredJob, result: dict[str, Any]) -> None:
        job, context = self._job, self._job.context
        arrived = Arrived.of(result, context.artifacts.job(job.id))
        if arrived is None:
            arrived = await self._fetched(now, result)
            result = {**result, KEY: arrived.to_json()}
            job.move("finishing", durable=True, result=job.result_to_row(result))
        elif now.state != "finishing":
            job.move("finishing", phase="saving the clip")
        self._presence.leave()  # others are made, however long the bucket is away or this program cannot read the clip
        work = partial(
            finish,
            context,
            job.lane.hold,
            now.row,
            arrived.clip,
            extras=arrived.extras,
            joined=arrived.joined,
            further_clips=arrived.further_clips,
            seed=result.get("seed"),
            notes=arrived.notes,
            cost_usd=_cost_of(result),
        )
        await to_thread.run_sync(work, limiter=job.lane.engines.finishing)

    async def _fetched(self, now: StoredJob, result: dict[str, Any]) -> Arrived:
        """Everything that can be fetched of what was made, and what of it is to be kept."""
        job, context = self._job, self._job.context
        files = [codec.file_from_json(file) for file in result["files"]]
        crash_point("before-download")
        headers = job.backend.media_headers()
        spool, kept = context.artifacts.spool(job.id), context.artifacts.job(job.id)
        clip = await deliver(files, spool, kept, now.base_url, headers, DOWNLOAD_TIMEOUT_S)
        extras, further_notes = await deliver_extras(files, spool, kept, now.base_url, headers, EXTRA_TIMEOUT_S)
        crash_point("after-download")
        is_kept = clip.parent == kept  # from an earlier version, which has decided what the clip is
        clip_notes = [] if is_kept else await self._on_arrival(now, clip)
        job.move("finishing", phase="saving the clip")
        whole = Whole(clip) if is_kept else await whole_clip(context, job.lane.engines, now, clip)
        further = [path for path, file in extras if file.role == "clip" or path.suffix in (".mp4", ".webm", ".mov")]
        return Arrived(
            whole.clip,
            extras=(*whole.parts, *(path for path, _ in extras)),
            joined=len(whole.parts),
            further_clips=len(further),
            notes=(*(result.get("notes") or ()), *clip_notes, *whole.notes, *further_notes),
        )

    async def _on_arrival(self, now: StoredJob, clip: Path) -> list[str]:
        """What the back end does to a clip before it is kept. An extra: the clip does not wait for it."""
        work = registered(now.provider).arrived
        if work is None:
            return []
        try:
            note = await to_thread.run_sync(work, clip, self._job.context.env)
        except (OSError, VideoError) as error:
            note = f"metadata that the service wrote into the clip was left in it ({type(error).__name__})"
        return [note] if note else []

    def _forget(self, result: dict[str, Any]) -> None:
        """What has arrived is fetched again."""
        job = self._job
        forget_arrived(job.context.artifacts.spool(job.id))
        left = {key: value for key, value in result.items() if key != KEY}
        job.move(job.read().state, result=job.result_to_row(left))

    async def _refresh(self, now: StoredJob) -> bool:
        """Get fresh URLs from the provider; whether there are any."""
        if now.handle is None:
            return False
        try:
            status = await self._job.ask(now.handle)
        except VideoError:
            return False
        if status.state != "succeeded" or not status.files:
            return False
        result = self._job.context.artifacts.places.result_of(now.row)
        result.pop(KEY, None)
        result["files"] = [codec.file_to_json(file) for file in status.files]
        if status.cost_usd is not None:
            result["cost_usd"] = str(status.cost_usd)
        self._job.move(self._job.read().state, result=self._job.result_to_row(result))
        return True


def _cost_of(result: dict[str, Any]) -> Decimal | None:
    text = result.get("cost_usd")
    return None if text is None else Decimal(text)
