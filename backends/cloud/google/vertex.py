"""VertexBackend: what Vertex AI makes, by its two ways: Veo's predictions, and interactions with Gemini Omni.

A row's `wire.endpoint` says which one, and a job's handle remembers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from backends.cloud.google.omni import OmniBackend
from backends.cloud.google.omni_wire import MADE_HERE
from backends.cloud.google.side import VertexSide
from backends.cloud.google.veo import PREDICTIONS, VeoBackend
from backends.errors import VideoError
from backends.provider.protocol import Asset, Cancelled, Done, Handle, Listing, Prepared, Ref, RemoteBackend, Status
from backends.request import VideoRequest


class VertexBackend(RemoteBackend):
    """One project and location at one address."""

    submit_dedupe: Literal["key", "lookup", "none"] = "none"

    def __init__(self, side: VertexSide) -> None:
        self._side = side
        self._veo = VeoBackend(side)
        self._ways: Mapping[object, RemoteBackend] = {PREDICTIONS: self._veo, MADE_HERE: OmniBackend(side)}

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        return self._of(prepared.wire.get("endpoint"), prepared.model).prepare(request, prepared, parent)

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        return await self._of(prepared.endpoint, prepared.model).upload(prepared, asset)

    async def start(self, prepared: Prepared, refs: Mapping[str, Ref], job_key: str) -> Handle | Done:
        return await self._of(prepared.endpoint, prepared.model).start(prepared, refs, job_key)

    async def status(self, handle: Handle, spool: Path) -> Status:
        return await self._of_handle(handle).status(handle, spool)

    async def cancel(self, handle: Handle) -> Cancelled:
        return await self._of_handle(handle).cancel(handle)

    async def reconcile(self, prepared: Prepared, job_key: str, since: float) -> Listing:
        return await self._veo.reconcile(prepared, job_key, since)

    async def account(self) -> dict[str, str]:
        return await self._veo.account()

    def media_headers(self) -> Mapping[str, str]:
        return self._side.media_headers()

    async def aclose(self) -> None:
        await self._side.aclose()

    def _of(self, endpoint: object, model: str) -> RemoteBackend:
        if endpoint not in self._ways:
            legal = ", ".join(map(str, self._ways))
            raise VideoError("unsupported", f"{model}: its row's wire.endpoint is none of {legal}: fix the row")
        return self._ways[endpoint]

    def _of_handle(self, handle: Handle) -> RemoteBackend:
        """A handle that the user has bound by its id alone tells by the id's form."""
        known = handle.data.get("api")
        guessed = PREDICTIONS if "/operations/" in handle.remote_id else MADE_HERE
        return self._ways.get(known) or self._ways[guessed]
