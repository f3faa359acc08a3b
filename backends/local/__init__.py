"""Open models on this machine's own GPU, by diffusers. Importing this module is cheap; torch loads in the engine's
own processes, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends.local import device, weights
from backends.provider import on_ray
from backends.provider.protocol import POOL, Access, LocalBackend, Prepared, Registration

__all__ = ["register"]

SILENCE_S = 1800.0
"""An engine that has said nothing for so long hangs: the longest silent phase is decoding a long clip."""


def register() -> Registration:
    """The pipelines' entry point: available where there is a GPU (or the user chooses the processor) and torch, or a
    cluster of machines that have."""
    return Registration(
        provider="local",
        kind="local",
        access=_access,
        open=_open,
        catalog=Path(__file__).with_name("models.toml"),
        lacks=_lacks,
        warm=_warm,
        silence_s=SILENCE_S,
        devices=_devices,
        forecast=_forecast,
    )


def _access(env: Mapping[str, str]) -> Access:
    if (cluster := on_ray.access(env)) is not None:
        return cluster
    if why := device.why_not(env):
        return Access(lane=POOL, why=why)
    usable = [one.lane for one in device.devices(env)]
    return Access(lane=usable[0] if len(usable) == 1 else POOL, devices=tuple(one for one in usable if one != "cpu"))


def _lacks(env: Mapping[str, str], wires: tuple[Mapping[str, object], ...], model: str) -> str | None:
    """On a cluster its machines are asked, when a job comes."""
    return None if on_ray.access(env) is not None else weights.lacks(env, wires, model)


def _open(env: Mapping[str, str], base_url: str) -> LocalBackend:
    from backends.local.engine import Diffusers

    del base_url
    return Diffusers(env)


def _devices(prepared: Prepared, env: Mapping[str, str], count: int) -> int:
    from backends.local.cards import wanted

    return wanted(prepared, env, count)


def _forecast(prepared: Prepared, env: Mapping[str, str]) -> str:
    from backends.local.cards import forecast, whole_machine

    machine = whole_machine(env)
    return forecast(prepared, machine) if machine else ""


def _warm(prepared: Prepared, env: Mapping[str, str]) -> str:
    """A process keeps the pipeline of one model loaded: a job of another model gets a process of its own, since only
    the end of a process gives a card's memory back as a whole. On a processor one process loads them in turn."""
    if env.get("REELWRIGHT_LOCAL_DEVICE") == "cpu":
        return "processor" if (several := _devices(prepared, env, 1)) == 1 else f"processor, {several} processes"
    return f"{prepared.wire.get('variant', '')} {prepared.wire.get('repo', '')} {prepared.wire.get('transformer', '')}"
