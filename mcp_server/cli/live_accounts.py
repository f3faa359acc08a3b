"""Account information from the configured services: balance, tier, limits. All requests run at the same time, with a
time limit, and are free."""

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
"""Seconds that each service may take, including fetching its token."""


Answers = dict[str, tuple[bool, str]]
"""By provider: whether it answered, and its answer in words."""


def ask_accounts(context: Context) -> Answers:
    """What the configured services report about their accounts, where they offer that.

    Never raises because of a service: one that refuses, hangs or answers nonsense is reported as such.
    """
    from backends.provider.registry import registry

    env = context.env
    services = {
        provider: registration
        for provider, registration in sorted(registry().items())
        if registration.kind == "remote" and context.why_not(provider) is None
    }
    return anyio.run(_ask_all, services, env, context.number("ANSWER_S", ANSWER_S)) if services else {}


async def _ask_all(services: Mapping[str, Registration], env: Mapping[str, str], limit_s: float) -> Answers:
    answers: Answers = {}
    opened: dict[str, RemoteBackend] = {}
    for (
        provider,
        registration,
    ) in services.items():  # first: importing an SDK takes no time from another service
        async with _failures(provider, answers, limit_s):
            opened[provider] = cast("RemoteBackend", registration.open(env, registration.access(env).base_url))
    async with anyio.create_task_group() as group:
        for provider, backend in opened.items():
            group.start_soon(_ask, provider, backend, answers, limit_s)
    return dict(sorted(answers.items()))


async def _ask(provider: str, backend: RemoteBackend, answers: Answers, limit_s: float) -> None:
    async with _failures(provider, answers, limit_s):
        try:
            with anyio.fail_after(limit_s):
                report = await backend.account()
            if report:
                answers[provider] = (True, ", ".join(f"{name} {text}" for name, text in report.items()))
        finally:
            await backend.aclose()


@asynccontextmanager
async def _failures(provider: str, answers: Answers, limit_s: float) -> AsyncGenerator[None]:
    """Whatever a service or its back end does, the other findings are still shown."""
    try:
        yield
    except VideoError as error:
        answers[provider] = (False, f"{error.kind}: {error.message}")
    except TimeoutError:
        answers[provider] = (False, f"no answer within {limit_s:g} s")
    except Exception as error:  # a plug-in may raise anything
        answers[provider] = (False, f"its back end fails: {type(error).__name__}: {error}"[:200])
