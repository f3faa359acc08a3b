"""The last step of every job: look at the clip, keep it, link it for people, book the money, say so."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from backends.backend import JsonObject
from backends.errors import VideoError
from backends.jobs import codec, ledger, records
from backends.jobs.artifacts import file_sha256
from backends.jobs.context import Context
from backends.jobs.crash import crash_point
from backends.jobs.gates import PRICE_STOP_S
from backends.jobs.inputs import remember
from backends.jobs.records import Hold
from backends.jobs.store import Row, Transaction, to_json


def finish(
    context: Context,
    hold: Hold,
    row: Row,
    clip: Path,
    *,
    extras: Sequence[Path] = (),
    sidecar: JsonObject | None = None,
    facts: Mapping[str, object] | None = None,
    seed: int | None = None,
    notes: Sequence[str] = (),
    cost_usd: Decimal | None = None,
) -> None:
    """Blocking: call it on a thread. A clip that cannot be read is VideoError("provider"), its bytes are kept.

    Files are committed before the row says so: a kill between the two makes this run again with the same outcome.
    """
    job, artifacts = str(row["id"]), context.artifacts
    folder = artifacts.job(job)
    if not clip.exists() and (folder / f"clip{clip.suffix}").exists():
        clip = folder / f"clip{clip.suffix}"
    clip_facts = context.sandbox.check(clip)
    if clip_facts.kind != "clip":
        raise VideoError("provider", f"what came back is no video ({clip_facts.mime}); it is kept at {clip}")
    poster = artifacts.spool(job) / "poster.jpg"
    context.sandbox.poster(clip, poster)
    sha256 = file_sha256(clip)
    files = {f"clip{clip.suffix}": clip, "poster.jpg": poster}
    files |= {f"extra{number}{path.suffix}": path for number, path in enumerate(extras, 1)}
    prepared = json.loads(row["prepared"])
    result: JsonObject = {
        "sha256": sha256,
        "clip_facts": codec.facts_to_json(clip_facts),
        "sidecar": sidecar or {},
        "facts": dict(facts or {}),
        "seed": seed if seed is not None else prepared["request"]["seed"],
    }
    meta = {
        "job": job,
        "model": row["model"],
        "request": prepared["request"],
        "created_at": row["created_at"],
        **result,
    }
    placed = artifacts.commit(job, files, meta)
    result["file"] = str(placed[f"clip{clip.suffix}"])
    result["poster"] = str(placed["poster.jpg"])
    result["extras"] = [str(path) for name, path in placed.items() if name.startswith("extra")]
    told = list(notes)
    if row["parent"] is None:
        told += _publish(context, row, result)
    crash_point("before-succeeded")

    def write(tx: Transaction) -> None:
        blob: JsonObject = {"facts": result["clip_facts"], "sidecar": result["sidecar"], "from_job": job}
        remember(tx, sha256, blob)
        records.note(tx, job, *told)
        cost, basis, words = _cost(tx, row, cost_usd)
        own = 0 if row["kind"] == "local" else cost or 0
        above = ledger.settle(tx, job, own, basis)
        if above and row["est_high"] is not None:
            _stop_lane(tx, row, above)
        records.move(
            tx, hold, job, "succeeded", result=to_json(result), progress=1.0, cost=cost, cost_basis=words, error=None
        )

    context.store.write(write, durable=True)
    artifacts.clear_spool(job)


def _publish(context: Context, row: Row, result: JsonObject) -> list[str]:
    """Link the clip into the output folder; what to tell when that fails. Steps of a job are not shown there."""
    label = row["label"] or f"{row['model'].replace('/', '-')}-{row['id'][4:10]}"
    try:
        result["published"] = str(context.artifacts.publish(Path(result["file"]), label, row["take"], row["id"]))
    except VideoError as error:
        return [f"the clip is safe at {result['file']}, but not in the output folder: {error.message}"]
    return []


def _cost(tx: Transaction, row: Row, reported: Decimal | None) -> tuple[int | None, ledger.Basis, str]:
    """What the job cost, in micro-dollars (None: nobody knows), and where the figure comes from, for the ledger and in
    words."""
    if row["kind"] == "local":
        steps = records.cost_of_steps(tx, row["id"])
        return (steps, "free", "the sum of its steps") if steps else (0, "free", "free")
    if reported is not None:
        return ledger.to_micro(reported), "reported", "reported by the provider"
    if row["est_high"] is None:
        return None, "unknown", "unknown: the provider reports no cost and has no listed price"
    return int(row["est_high"]), "computed", "computed from the list price"


def _stop_lane(tx: Transaction, row: Row, above: int) -> None:
    """A bill above the reservation means that our prices are wrong: nothing more is bought until a person looks."""
    text = (
        f"job {row['id']} cost ${ledger.to_usd(above):.4f} more than its estimate: check the price of {row['model']} "
        "(reelwright models --check), then reelwright jobs resume"
    )
    records.note(tx, str(row["id"]), text)
    tx.run(
        "UPDATE lanes SET breaker = ?, breaker_until = ? WHERE key = ?", (text, time.time() + PRICE_STOP_S, row["lane"])
    )
