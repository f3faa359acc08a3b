from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest
from mcp import Client

from backends.settings import Settings, load_settings
from mcp_server.server import build_server
from tests.rawclient import home_env


class Connect(Protocol):
    def __call__(self, settings: Settings) -> AbstractAsyncContextManager[Client]: ...


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A server's environment: a home of its own, no key of any provider. Its jobs run in the server's own process:
    tests/acceptance has the worker that outlives it."""
    return home_env(tmp_path, REELWRIGHT_WORKER="inline")


@pytest.fixture
def settings(env: dict[str, str], tmp_path: Path) -> Settings:
    return load_settings(env, cwd=tmp_path)


@pytest.fixture(params=["legacy", "auto"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """An SDK client of a server in this process, once in each protocol era."""

    @asynccontextmanager
    async def opened(settings: Settings) -> AsyncIterator[Client]:
        async with Client(build_server(settings), mode=request.param, raise_exceptions=True) as client:
            yield client

    return opened
