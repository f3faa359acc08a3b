"""A back end as a third party would write it: this module, one TOML file of rows, one entry point."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

from backends.errors import Charged, VideoError
from backends.provider.answer import Answer, at, listed, number, table, text
from backends.provider.placing import marked
from backends.provider.protocol import Asset, Cancelled, Handle, Prepared, Ref, RemoteFile
from backends.provider.rest import Rest, RestBackend
from backends.request import VideoRequest


class KeyedBackend(RestBackend):
    rest = Rest(
        provider="paid", name="the paid service", key="PAID_API_KEY", address="PAID_BASE_URL", url="",
        task="jobs/{id}", progress=("progress",), queue=("queue_position",), seed=("seed",), cost=("cost_usd",),
        estimate=("est_cost_usd",),
        states={word: word for word in ("queued", "running", "succeeded", "failed", "cancelled")},
        kinds={
            "not_found": "invalid_request", "rate_limited": "rate_limited", "concurrency": "concurrency",
            "moderation": "moderation_input", "moderation_output": "moderation_output", "asset": "asset",
            "quota": "quota", "insufficient_balance": "balance", "model_not_found": "unsupported",
        },
        uploads=True, job_key="job_key", by_key="jobs/by-key/{key}", no_such=frozenset({"not_found"}),
        created=("created_at",),
    )  # fmt: skip
    submit_dedupe: Literal["key", "lookup", "none"] = "key"

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        made = super().prepare(request, prepared, parent)
        if parent is None or request.source_clip is None:
            return made
        body = {name: value for name, value in made.body.items() if name != "source"}
        return replace(made, body={**body, "source_job": parent.remote_id}, uploads=marked(body))

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        answer = await self.channel.upload("uploads", asset.path.read_bytes(), asset.facts.mime)
        return Ref(text(at(answer.json, "ref")), number(at(answer.json, "expires_at")))

    def files(self, answer: Answer) -> tuple[RemoteFile, ...]:
        found: list[RemoteFile] = []
        for file in map(table, listed(at(answer.json, "files"))):
            role = cast('Literal["clip", "extra"]', text(file.get("role")) or "clip")
            url, own = text(file.get("url")), file.get("authorised") is True
            found.append(RemoteFile(url, mime=text(file.get("mime")), authorised=own, role=role))
        return tuple(found)

    def failure(self, answer: Answer) -> VideoError:
        charged: Charged = "no" if at(answer.json, "charged") is False else "yes"
        return self.service.failed(self.reported(answer), charged=charged)

    async def cancel(self, handle: Handle) -> Cancelled:
        path = f"{self.task(handle)}/cancel"
        answer = await self.channel.ask("POST", path, charged="unknown", accept=frozenset({404, 409}))
        if self.reported(answer).code in ("already_ended", "cancel_unsupported"):
            return Cancelled("unsupported", "yes", self.reported(answer).message)
        billed = cast("Charged", text(at(self.channel.granted(answer, "unknown").json, "billed")))
        return Cancelled("stopped" if at(answer.json, "outcome") == "stopped" else "requested", billed)
