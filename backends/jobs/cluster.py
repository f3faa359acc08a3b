"""The state of all lanes on every machine that shares the store: drivers, open jobs, limits."""

from __future__ import annotations

import time
from dataclasses import dataclass

from backends.catalog.schema.row import Limits
from backends.errors import VideoError
from backends.jobs.context import Context
from backends.jobs.lanes import lanes, pulse
from backends.jobs.money import limits
from backends.jobs.run.on_ray.place import Node, look
from backends.jobs.store.schema import OPEN
from backends.provider import on_ray


@dataclass(frozen=True)
class LaneStatus:
    """One lane. driver: the machine and process that drive it, "" for none. beat_s: seconds since its last sign of life
    on this machine, None where it has given none. slots: how many jobs it may run at once, by the catalogue's limits
    for its open models; None without limit. open, uncertain: numbers of jobs. trouble: why it is stopped or paused, ""
    for none."""

    lane: str
    driver: str
    epoch: int
    beat_s: float | None
    open: int
    uncertain: int
    slots: int | None
    trouble: str


@dataclass(frozen=True)
class RayStatus:
    """The cluster that is set. nodes: its machines with GPUs. trouble: why they cannot be seen, "" when they can."""

    cluster: str
    nodes: tuple[Node, ...]
    trouble: str


@dataclass(frozen=True)
class ClusterStatus:
    """store: a description. clock_off_s: how far this machine's clock is behind the store's, in seconds. ray: None
    where no cluster is set."""

    store: str
    clock_off_s: float
    lanes: tuple[LaneStatus, ...]
    limits: dict[str, str]
    ray: RayStatus | None


def status(context: Context) -> ClusterStatus:
    """The state of the store that this machine uses, and of its Ray cluster (which takes seconds); changes nothing."""
    store = context.store
    counted = {
        (str(row["lane"]), str(row["kind"])): int(row["n"])
        for row in store.rows(
            f"SELECT lane, 'open' AS kind, count(*) AS n FROM jobs WHERE {OPEN} GROUP BY lane UNION ALL "
            "SELECT lane, 'uncertain' AS kind, count(*) AS n FROM jobs WHERE lane IN (SELECT key FROM lanes) "
            "AND state = 'uncertain' GROUP BY lane"
        )
    }
    found: list[LaneStatus] = []
    for row in store.rows("SELECT * FROM lanes ORDER BY key"):
        key = str(row["key"])
        machine = context.locks.holder(key) if lanes.is_driven(context.locks, row) else ""
        stopped = str(row["breaker"]) if float(row["breaker_until"]) > store.now() else ""
        found.append(
            LaneStatus(
                key,
                f"{machine}, process {row['pid']}" if machine else "",
                int(row["epoch"]),
                _silent_s(context, key),
                counted.get((key, "open"), 0),
                counted.get((key, "uncertain"), 0),
                _slots(context, key),
                stopped or str(row["trouble"]),
            )
        )
    shown = {key: limits.shown(key, value) for key, (value, _) in limits.as_set(store).items()}
    return ClusterStatus(store.where, round(store.now() - time.time(), 1), tuple(found), shown, _ray(context))


def _ray(context: Context) -> RayStatus | None:
    access = on_ray.access(context.env)
    if access is None:
        return None
    nodes, trouble = ((), access.why) if access.why else look(context.env)
    return RayStatus(context.settings.ray, nodes, trouble)


def _silent_s(context: Context, lane: str) -> float | None:
    seen = pulse.seen(context.locks.folder, lane)
    return round(max(0.0, time.time() - seen / 1e9), 1) if seen else None


def _slots(context: Context, lane: str) -> int | None:
    """How many jobs a service takes at once, for the models that are open in a lane."""
    models = context.store.rows(f"SELECT DISTINCT model FROM jobs WHERE lane = ? AND {OPEN}", (lane,))
    taken: list[int] = []
    for row in models:
        try:
            known = context.catalog.get(row["model"], include_retired=True).limits
        except VideoError:
            known = Limits()
        if known.concurrency is None:
            return None
        taken.append(known.concurrency)
    return sum(taken) if taken else None
