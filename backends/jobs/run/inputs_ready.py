"""Before a job runs: its pending inputs become files, and the request is checked again with their real facts."""

from __future__ import annotations

import json
from pathlib import Path

from anyio import to_thread

from backends.catalog.price import estimate
from backends.errors import VideoError
from backends.jobs import records
from backends.jobs.context import Context
from backends.jobs.crashpoints import crash_point
from backends.jobs.files import sharing
from backends.jobs.files.objects import Away
from backends.jobs.files.places import inputs_to_row
from backends.jobs.files.sharing import BlobGone, Shared
from backends.jobs.money import ledger
from backends.jobs.order import legal, lora_files, made_of
from backends.jobs.order.entries import assets_of, check_there, is_pending, note_of
from backends.jobs.order.input_files import MAX_INPUT
from backends.jobs.records import Hold
from backends.jobs.store import codec
from backends.jobs.store.database import Row, Transaction, to_json
from backends.media.fetch import fetch
from backends.provider.protocol import JsonObject, Prepared
from backends.request import VideoRequest

FETCH_TIMEOUT_S = 300.0


async def ready(context: Context, hold: Hold, row: Row) -> Prepared:
    """The prepared request with all its files. VideoError (uncharged) when an input turns out to be unusable."""
    entries = context.artifacts.places.inputs_of(row)
    prepared = codec.prepared_from_json(json.loads(row["prepared"]))
    if any(is_pending(entry) for entry in entries.values()):
        await to_thread.run_sync(context.inputs.check_kept, entries)  # another machine may have uploaded them
        try:
            entries, prepared = await _settle(context, hold, row, entries, prepared)
        except BlobGone:  # removed by a refused call that had copied the same bytes before: try once more
            try:
                entries, prepared = await _settle(context, hold, row, entries, prepared)
            except BlobGone:
                raise Away("the copies of the inputs keep disappearing: trying again later") from None
    await to_thread.run_sync(context.inputs.check_kept, entries)
    return codec.with_assets(prepared, assets_of(entries))


async def _settle(
    context: Context, hold: Hold, row: Row, entries: dict[str, JsonObject], prepared: Prepared
) -> tuple[dict[str, JsonObject], Prepared]:
    entries = dict(entries)
    notes: list[str] = []
    spool = context.artifacts.spool(row["id"])
    for number, (place, entry) in enumerate(list(entries.items())):
        if not is_pending(entry):
            continue
        if "url" in entry:
            target = spool / f"input{number}"
            crash_point("before-input")
            got = await fetch(entry["url"], target, max_bytes=MAX_INPUT, timeout_s=FETCH_TIMEOUT_S)
            notes += got.notes
            entry = {**entry, "fetched": str(target)}
        settled = await to_thread.run_sync(context.inputs.settle, place, entry)
        notes += note_of(settled)
        if "fetched" in entry:
            Path(entry["fetched"]).unlink(missing_ok=True)
        entries[place] = {"from_job": entry["job"], **settled} if "job" in entry else settled
    given = sharing.inputs_of(entries)
    shared = await to_thread.run_sync(sharing.share, context.store, context.artifacts, given)
    # Steps that are joined were checked one by one, and a film is checked by the editor; neither costs anything.
    if prepared.wire.get("join") or prepared.wire.get("finish"):
        _keep(context, hold, row, entries, prepared, notes, shared)
        return entries, prepared
    request = VideoRequest.model_validate_json(row["request"])
    facts = {place: asset.facts for place, asset in assets_of(entries).items()}
    checked = legal.recheck(request, context.catalog.get(row["model"]), facts)
    high = estimate(checked, checked.row).usd_high
    unpriced = high is None and row["est_low"] is None  # as at the request: the held amount stands for its price
    if row["est_high"] is not None and not unpriced and (high is None or ledger.to_micro(high) > row["est_high"]):
        raise VideoError(
            "needs_budget",
            "now that the input is known, the clip would cost more than was reserved for it "
            f"(${ledger.to_usd(row['est_high']):.2f}): call the tool again with the file's own path",
        )
    fresh = made_of.carry(prepared, lora_files.carry(prepared, legal.prepare(checked)))
    _keep(context, hold, row, entries, fresh, notes, shared)
    return entries, fresh


def _keep(
    context: Context,
    hold: Hold,
    row: Row,
    entries: dict[str, JsonObject],
    prepared: Prepared,
    notes: list[str],
    shared: Shared,
) -> None:
    def write(tx: Transaction) -> None:
        check_there(entries)
        sharing.check(tx, shared)
        columns = {"inputs": inputs_to_row(entries), "prepared": to_json(codec.prepared_to_json(prepared))}
        records.move(tx, hold, row["id"], row["state"], **columns)
        records.note(tx, row["id"], *prepared.notes, *notes)

    context.store.write(write)
