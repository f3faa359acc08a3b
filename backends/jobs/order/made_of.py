"""The revision of a model whose name does not identify its content, such as the workflow of a ComfyUI row. It is part
of its jobs' keys and kept in each job: so a workflow file that changes neither replays an old clip nor makes another
clip than the one requested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backends.errors import VideoError
from backends.provider.protocol import ACCOUNT, MADE_OF, JsonObject, Prepared
from backends.provider.registry import registry


def revision(env: Mapping[str, str], provider: str, model: str) -> str:
    """The hash of what a model is made of, "" where its name identifies it. VideoError where that cannot be read."""
    entry = registry().get(provider)
    return "" if entry is None or entry.revision is None else entry.revision(env, model)


def check_same(now: str, wire: JsonObject, model: str, job: str) -> None:
    """VideoError("asset") where a model has changed since that job was requested. wire: the job's prepared request."""
    if now != str(wire.get(MADE_OF) or now):
        raise VideoError(
            "asset", f"{model} has been changed since job {job} was requested: make the whole call again with it"
        )


def put(prepared: Prepared, now: str) -> Prepared:
    """The prepared request with the model's revision, for the back end to compare."""
    return replace(prepared, wire={**prepared.wire, MADE_OF: now}) if now else prepared


def carry(before: Prepared, fresh: Prepared) -> Prepared:
    """A newly checked request, with the revision with which the job was accepted."""
    kept = put(fresh, str(before.wire.get(MADE_OF) or ""))
    account = before.wire.get(ACCOUNT)
    return replace(kept, wire={**kept.wire, ACCOUNT: account}) if account else kept
