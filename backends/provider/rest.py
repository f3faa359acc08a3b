"""Services of the form submit, poll, download: one JSON POST, an id, a status until the clip's address is there.

A provider is a `Rest` (address, key, field names, state words) and a class derived from `RestBackend` that overrides
what differs. Importing this is cheap: the HTTP client loads when a back end is opened.
What the service does not say stays unknown: a job counts as not charged only where `Rest.failed` or `reported` says so,
as the service documents it; a POST without a clear answer is `submit_unknown` and is never sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import quote

from backends.errors import Charged, ErrorKind, VideoError
from backends.provider import account, border
from backends.provider.answer import Answer, addresses, at, dollars, number, share, text, whole
from backends.provider.outcome import CHARGED_WORDS, Reported, Service, clock_lead_s, made_at
from backends.provider.placing import filled, inputs_by_field, marked, place_media, plain_body, wire_text
from backends.provider.protocol import (
    Access,
    Asset,
    Cancelled,
    Handle,
    JsonObject,
    Listing,
    Prepared,
    Ref,
    Registration,
    RemoteBackend,
    RemoteFile,
    RemoteState,
    Sighting,
    Status,
)
from backends.provider.sending import Takes, data_uri
from backends.provider.timing import Timing
from backends.request import VideoRequest

Place = tuple[str | int, ...]
"""Where an answer holds something: names and positions, such as ("data", 0, "url"); () = nowhere."""

WORTH_REPEATING = frozenset({"provider", "timeout"})
"""Failures of a taken job that another take may not meet."""


@dataclass(frozen=True)
class Rest:
    """A service, as data.

    provider: of the catalogue rows. name: in words. key: the variable of its key. url: the service's own address.
    task: the path of a job, with {id}. start: the path of the paid POST where the rows' `wire.endpoint` is empty.
    root: what stands before the path of the paid POST.
    id, state, video, code, message, progress, queue, seed: where an answer holds them. At `video` lies the clip's
    address, an object with its `url`, or a list of either, the clip first. cost, estimate: the same for US dollars, of
    a job and of the reply to its POST.
    states: its words for the states. kinds: its error codes, as a whole or up to their first dot; a 429 is tried again
    only where its code is "rate_limited" or "concurrency" here.
    failed: whether a failed job is billed: "no" only where the service documents that.
    takes: the inputs it reads inside a request. uploads: inputs go up first, by `upload`.
    job_key: the body's field for the job's key, where the service keeps one. by_key: the path by which that {key} is
    looked up (with the {endpoint} of its POST), for submit_dedupe "key". no_such: the codes by which the service itself
    says that it holds no such job. created: where such an answer holds the time of the POST, POSIX seconds.
    paid_headers: of the paid POST alone.
    address: the variable of another base URL; "" = REELWRIGHT_<PROVIDER>_BASE_URL. It must be set where `url` is "".
    """

    provider: str
    name: str
    key: str
    url: str
    task: str
    start: str = ""
    root: str = ""
    id: Place = ("id",)
    state: Place = ("status",)
    video: Place = ("video", "url")
    code: Place = ("error", "code")
    message: Place = ("error", "message")
    progress: Place = ()
    queue: Place = ()
    seed: Place = ()
    cost: Place = ()
    estimate: Place = ()
    states: Mapping[str, RemoteState] = field(default_factory=dict[str, RemoteState])
    kinds: Mapping[str, ErrorKind] = field(default_factory=dict[str, ErrorKind])
    failed: Charged = "unknown"
    takes: Takes = field(default_factory=Takes)
    uploads: bool = False
    job_key: str = ""
    by_key: str = ""
    no_such: frozenset[str] = frozenset()
    created: Place = ()
    paid_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    address: str = ""

    @property
    def variable(self) -> str:
        """The variable of another base URL."""
        return self.address or f"REELWRIGHT_{self.provider.upper()}_BASE_URL"

    def secret(self, env: Mapping[str, str]) -> str:
        return env.get(self.key, "").strip()

    def access(self, env: Mapping[str, str]) -> Access:
        """The account of the key, at the address that is set."""
        secret = self.secret(env)
        address = account.base_url(env, self.variable, self.url)
        found = account.access(self.provider, address, (secret,) if secret else (), self.key)
        return found if address else replace(found, missing=(*found.missing, self.variable))


class RestBackend(RemoteBackend):
    """One account of a `Rest` service. Override the methods where the service differs."""

    rest: ClassVar[Rest]
    submit_dedupe: Literal["key", "lookup", "none"] = "none"

    def __init__(self, env: Mapping[str, str], base_url: str) -> None:
        from backends.provider.channel import Channel

        self._headers = self.headers(self.rest.secret(env))
        self.service = self.service_of(env)
        self.channel = Channel(self.service, base_url, self.media_headers, self.reported, self.timing(env))

    # hooks

    def service_of(self, env: Mapping[str, str]) -> Service:
        """The service as errors name it, and the secrets that they must never show."""
        secret = self.rest.secret(env)
        return Service(self.rest.name, self.rest.key, self.secrets(secret) if secret else ())

    def headers(self, key: str) -> Mapping[str, str]:
        """What goes with every request to the service."""
        return {"authorization": f"Bearer {key}"}

    def secrets(self, key: str) -> tuple[str, ...]:
        """What must never be shown: the key, and parts of it that are secret by themselves."""
        return (key,)

    def timing(self, env: Mapping[str, str]) -> Timing | None:
        """How long calls may take; None = the usual."""
        return None

    def body(self, request: VideoRequest, prepared: Prepared, inputs: Mapping[str, tuple[str, ...]]) -> JsonObject:
        """The wire body: the row's plain fields, and a mark for each input under the row's name for it."""
        body = plain_body(prepared)
        place_media(body, prepared, inputs)
        return body

    async def inline(self, prepared: Prepared, asset: Asset) -> str:
        """An input as it goes inside the request."""
        return await data_uri(prepared, asset, self.rest.takes)

    def check(self, inputs: Mapping[str, str]) -> None:
        """VideoError("asset") when the inputs, as they will be sent, are too large together."""

    def reported(self, answer: Answer) -> Reported:
        """What the service says of a refusal, or of a job that failed."""
        code, kinds = text(at(answer.json, *self.rest.code)), self.rest.kinds
        return Reported(
            text(at(answer.json, *self.rest.message)), code, kinds.get(code) or kinds.get(code.partition(".")[0])
        )

    def refusal(self, answer: Answer) -> Reported | None:
        """The refusal in a 2xx answer to the paid POST, for services that refuse so; None when it is none."""
        return None

    def handle(self, name: str, prepared: Prepared, answer: Answer) -> Handle:
        """A job that was just accepted, with what else is needed to read its status."""
        estimate = dollars(at(answer.json, *self.rest.estimate)) if self.rest.estimate else None
        return Handle(name, est_cost_usd=estimate)

    def files(self, answer: Answer) -> tuple[RemoteFile, ...]:
        """The outputs of a job that has succeeded, the clip first."""
        urls = addresses(at(answer.json, *self.rest.video))
        return tuple(
            RemoteFile(url=url, authorised=self.channel.own(url), role="extra" if further else "clip")
            for further, url in enumerate(urls)
        )

    def cost(self, answer: Answer) -> Decimal | None:
        """What the service says that the job costs, US dollars; None where it does not say."""
        return dollars(at(answer.json, *self.rest.cost)) if self.rest.cost else None

    def check_answer(self, answer: Answer) -> None:
        """The VideoError in a 2xx answer to a question, for services that refuse so."""

    def is_ours(self, answer: Answer, job_key: str) -> bool:
        """Whether a job that was requested by its key does not say that it has another."""
        return True

    def created(self, answer: Answer) -> float | None:
        """When the service took a job that was requested by its key, POSIX seconds of its own clock; None where it does
        not say."""
        return number(at(answer.json, *self.rest.created)) if self.rest.created else None

    def task(self, handle: Handle) -> str:
        """The path of a job."""
        return self.rest.task.format(id=quote(handle.remote_id, safe=""))

    # the protocol

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        endpoint = wire_text(prepared, "endpoint") or self.rest.start
        if not endpoint:
            raise VideoError("storage", f"{prepared.model}: its catalogue row has no wire.endpoint. Fix the row.")
        body = self.body(request, prepared, inputs_by_field(request, prepared))
        uploads = marked(body) if self.rest.uploads else ()
        return replace(prepared, request=request, body=body, endpoint=endpoint, uploads=uploads)

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        raise VideoError("unsupported", f"{self.rest.name} has no uploads here: inputs go inside the request")

    async def start(self, prepared: Prepared, refs: Mapping[str, Ref], job_key: str) -> Handle:
        places = marked(prepared.body)
        inline = {
            place: refs[place].value if self.rest.uploads else await self.inline(prepared, prepared.assets[place])
            for place in places
        }
        self.check(inline)
        named = {self.rest.job_key: job_key} if self.rest.job_key else {}
        body = filled({**prepared.body, **named}, inline.__getitem__)
        answer = await self.channel.post_paid(self.rest.root + prepared.endpoint, body, self.rest.paid_headers)
        name = text(at(answer.json, *self.rest.id))
        if (said := self.refusal(answer)) is not None:
            if said.kind is None or name:
                why = f"code {said.code}" if said.code else "no code"
                raise self.service.unknown(why, answer.status, said.message or answer.text)
            raise self.service.refused(answer.status, said)
        return self.handle(self.service.taken(name, "a job id", answer.status, answer.text), prepared, answer)

    async def status(self, handle: Handle, spool: Path) -> Status:
        answer = await self.channel.ask("GET", self.task(handle), charged="unknown")
        self.check_answer(answer)
        return self.reading(answer)

    def reading(self, answer: Answer) -> Status:
        """What an answer about a job says of it."""
        said = text(at(answer.json, *self.rest.state))
        state, word = self.rest.states.get(said, "unknown"), self.service.clean(said, 60)
        cost = self.cost(answer)
        if state == "failed":
            return Status(state, word, error=self.failure(answer), cost_usd=cost)
        if state == "cancelled":
            words = f"{self.rest.name} stopped it; {CHARGED_WORDS['unknown']}"
            return Status(state, word, error=VideoError("cancelled", words, charged="unknown"), cost_usd=cost)
        if state == "succeeded":
            if not (files := self.files(answer)):
                return Status("failed", word, error=self.service.no_video("unknown"), cost_usd=cost)
            seed = whole(at(answer.json, *self.rest.seed)) if self.rest.seed else None
            return Status(state, word, files=files, seed=seed, cost_usd=cost)
        progress = share(at(answer.json, *self.rest.progress)) if self.rest.progress else None
        queue = whole(at(answer.json, *self.rest.queue)) if self.rest.queue else None
        return Status(state, word, progress=progress, queue_position=queue, retry_after_s=answer.retry_after_s)

    def failure(self, answer: Answer) -> VideoError:
        """Why a job that was taken has failed."""
        said = self.reported(answer)
        again = (said.kind or "provider") in WORTH_REPEATING
        return self.service.failed(said, charged=self.rest.failed, retryable=again)

    async def cancel(self, handle: Handle) -> Cancelled:
        return Cancelled("unsupported", "yes", f"{self.rest.name} cannot stop a job: it runs on, and the clip is kept")

    async def reconcile(self, prepared: Prepared, job_key: str, since: float) -> Listing:
        """The job of this key. Only the service's own code for "no such job" says that there is none: a gateway's 404
        says nothing."""
        if self.submit_dedupe != "key" or not self.rest.by_key:
            raise VideoError("unsupported", f"{self.rest.name} has no list of the jobs that it accepted")
        path = self.rest.by_key.format(endpoint=prepared.endpoint, key=quote(job_key, safe=""))
        answer = await self.channel.ask("GET", path, charged="unknown", accept=frozenset({404}))
        if (code := self.reported(answer).code) in self.rest.no_such:
            return Listing(complete=f"{self.rest.name}'s: it knows no job of this key (code {code})")
        self.check_answer(self.channel.granted(answer, "unknown"))
        name = text(at(answer.json, *self.rest.id))
        if not border.is_id(name) or not self.is_ours(answer, job_key):
            return Listing()
        made = made_at(self.created(answer), clock_lead_s(answer.headers))
        return Listing((Sighting(self.handle(name, prepared, answer), made),))

    def media_headers(self) -> Mapping[str, str]:
        return self._headers

    async def aclose(self) -> None:
        await self.channel.aclose()

    @classmethod
    def registration(cls, rows: Path) -> Registration:
        """What an entry point returns. rows: the TOML file beside the module."""
        rest = cls.rest
        return Registration(rest.provider, "remote", rest.access, cls, rows, keys=(rest.key,), address=rest.variable)
