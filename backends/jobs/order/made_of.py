"""What a model is made of that its name does not say, such as the workflow of a ComfyUI row: a part of its jobs' key,
and carried by each, so that a file that changes meanwhile neither replays an old clip nor makes another than was asked
for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backends.errors import VideoError
from backends.provider.protocol import ACCOUNT, MADE_OF, JsonObject, Prepared
from backends.provider.registry import registry


def revision(env: Mapping[str, str], provider: str, model: str) -> str:
    """The hash of what a row is made of, "" where its name says all. VideoError where that cannot be read."""
    entry = registry().get(provider)
    return "" if entry is None or entry.revision is None else entry.revision(env, model)


def check_same(now: str, wire: JsonObject, model: str, job: str) -> None:
    """VideoError("asset") where a model has been changed since that job was requested. wire: the job's."""
    if now != str(wire.get(MADE_OF) or now):
        raise VideoError(
            "asset", f"{model} has been changed since job {job} was requested: make the whole call again with it"
        )


def put(prepared: Prepared, now: str) -> Prepared:
    """The prepared request with what its model is made of, for the back end to compare."""
    return replace(prepared, wire={**prepared.wire, MADE_OF: now}) if now else prepared


def carry(before: Prepared, fresh: Prepared) -> Prepared:
    """A request that was judged once more, with what it was accepted with."""
    kept = put(fresh, str(before.wire.get(MADE_OF) or ""))
    account = before.wire.get(ACCOUNT)
    return replace(kept, wire={**kept.wire, ACCOUNT: account}) if account else kept
