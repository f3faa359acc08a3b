"""What the configured services say of their accounts: balance, tier, limits. All requests run at the same time,
briefly, and cost nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio

from backends.errors import VideoError

if TYPE_CHECKING:
    from backends.jobs.context import Context
    from backends.provider.protocol import Registration, RemoteBackend

ANSWER_S = 8.0  # REELWRIGHT_ANSWER_S
"""How long each service may take, its token's fetching included."""


Told = dict[str, tuple[bool, str]]
"""By provider: whether it answered, and what, in words."""


def ask_accounts(context: Context) -> Told:
    """What the configured services report of their accounts, of those that can.

    Never raises because of a service: one that refuses, hangs or answers nonsense is reported as such.
    """
    from backends.provider.registry import registry

    env = context.env
    asked = {
        provider: registration
        for provider, registration in sorted(registry().items())
        if registration.kind == "remote" and context.why_not(provider) is None
    }
    return anyio.run(_ask_all, asked, env, context.number("ANSWER_S", ANSWER_S)) if asked else {}


async def _ask_all(asked: Mapping[str, Registration], env: Mapping[str, str], limit_s: float) -> Told:
    told: Told = {}
    opened: dict[str, RemoteBackend] = {}
    for provider, registration in asked.items():  # first, so that no import of an SDK eats up another's time
        async with _failures(provider, told, limit_s):
            opened[provider] = cast("RemoteBackend", registration.open(env, registration.access(env).base_url))
    async with anyio.create_task_group() as group:
        for provider, backend in opened.items():
            group.start_soon(_ask, provider, backend, told, limit_s)
    return dict(sorted(told.items()))


async def _ask(provider: str, backend: RemoteBackend, told: Told, limit_s: float) -> None:
    async with _failures(provider, told, limit_s):
        try:
            with anyio.fail_after(limit_s):
                said = await backend.account()
            if said:
                told[provider] = (True, ", ".join(f"{name} {text}" for name, text in said.items()))
        finally:
            await backend.aclose()


@asynccontextmanager
async def _failures(provider: str, told: Told, limit_s: float) -> AsyncGenerator[None]:
    """Whatever a service or its back end does, the other findings must still be shown."""
    try:
        yield
    except VideoError as error:
        told[provider] = (False, f"{error.kind}: {error.message}")
    except TimeoutError:
        told[provider] = (False, f"no answer within {limit_s:g} s")
    except Exception as error:  # a plug-in may raise anything
        told[provider] = (False, f"its back end fails: {type(error).__name__}: {error}"[:200])
