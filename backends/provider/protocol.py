"""What a back end is: two narrow protocols and their small types.

Adding a provider = one module with a `register()` that returns a `Registration`, one TOML file of rows, and one
entry point in the group `reelwright.backends` (see `registry`). The built-in ones use the same hook.
Polling, deadlines, back-off, progress and download live in `backends.jobs`, once, and are no back end's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.provider import border
from backends.request import VideoRequest

JsonObject = dict[str, Any]

POOL = "gpu"
"""The lane of the jobs that any of several GPUs may do."""

PREVIEW = "preview.jpg"
"""The file in a job's spool where a service's newest picture of a running job lies, where it gives one."""

MADE_OF = "made_of"
"""Where a prepared request's `wire` carries the `revision` of its row, where it has one."""


ACCOUNT = "account"
"""Where a prepared request's `wire` carries the name of the account that makes it, where a provider has several."""


@dataclass(frozen=True)
class Asset:
    """One input, resolved: its content's hash, where the bytes lie, and what they are.

    place: where it stands in the request ("frames[0].image"). path: a file to read, never to change.
    sidecar: what the engine that made a clip of ours left beside it ({} for anything else).
    """

    place: str
    sha256: str
    path: Path
    facts: MediaFacts
    sidecar: JsonObject = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Prepared:
    """A request made legal and ready for the wire: pure data, kept in the job's row.

    request: every field that the catalogue settles is filled in. model: the row's id. width, height: pixels.
    wire: the catalogue's words for this request (the provider's model id, size, duration ... as it spells them).
    body: the wire body as JSON (empty for local engines). endpoint: the path or method it goes to, where the back
    end has several. assets: the inputs that the body names, by place; `jobs` fills in their files before a run.
    uploads: the places of those that must be uploaded first. notes: what the user should know of the mapping.
    """

    request: VideoRequest
    model: str
    width: int = 0
    height: int = 0
    wire: JsonObject = field(default_factory=dict[str, Any])
    body: JsonObject = field(default_factory=dict[str, Any])
    endpoint: str = ""
    uploads: tuple[str, ...] = ()
    assets: Mapping[str, Asset] = field(default_factory=dict[str, Asset])
    notes: tuple[str, ...] = ()


def _set(value: object, **fields: object) -> None:
    """Sets fields of a frozen value that is being made."""
    for name, kept in fields.items():
        object.__setattr__(value, name, kept)


@dataclass(frozen=True)
class Ref:
    """What a provider calls an uploaded asset. expires_at: POSIX seconds, None = not known to expire.

    VideoError("provider", retryable) for a name that cannot be kept as it is.
    """

    value: str
    expires_at: float | None = None

    def __post_init__(self) -> None:
        if not border.is_address(self.value):
            shown = border.line(self.value, 60)
            text = f"the service calls an upload by a name that cannot be kept ({shown!r})"
            raise VideoError("provider", text, retryable=True)
        _set(self, expires_at=border.moment(self.expires_at))


@dataclass(frozen=True)
class Handle:
    """A running remote job: credential-free JSON that survives a restart.

    remote_id: the provider's own id. data: whatever else the back end needs to read its status (URLs of the reply).
    est_cost_usd: the provider's own estimate in its reply, where it gives one.
    VideoError("submit_unknown") for an id that cannot be kept as it is: the service has accepted the job, and the user
    must look there.
    """

    remote_id: str
    data: JsonObject = field(default_factory=dict[str, Any])
    est_cost_usd: Decimal | None = None

    def __post_init__(self) -> None:
        if not border.is_id(self.remote_id):
            shown = border.line(self.remote_id, 120)
            raise VideoError(
                "submit_unknown",
                f"the service's id for the job cannot be looked up ({shown!r}: at most {border.ID_MAX} "
                "characters, without spaces and control characters); the job must not be sent again",
                charged="unknown",
            )
        _set(self, data=border.plain_table(self.data), est_cost_usd=border.dollars(self.est_cost_usd))


@dataclass(frozen=True)
class RemoteFile:
    """One output: a URL to fetch, or a file already spooled from inline bytes. headers: only for the provider's
    own host (`authorised=True`): a media URL elsewhere is fetched without the key."""

    url: str | None = None
    path: Path | None = None
    mime: str = "video/mp4"
    authorised: bool = False
    sha256: str | None = None
    role: Literal["clip", "poster", "extra"] = "clip"

    def __post_init__(self) -> None:
        known = isinstance(self.sha256, str) and re.fullmatch("[0-9a-f]{64}", self.sha256)
        _set(
            self,
            url=border.address(self.url),
            mime=border.line(self.mime, 100) or "video/mp4",
            sha256=self.sha256 if known else None,
            role=self.role if self.role in ("clip", "poster", "extra") else "extra",
        )


@dataclass(frozen=True)
class Done:
    """A service that answers with the finished clip at once."""

    files: tuple[RemoteFile, ...]
    cost_usd: Decimal | None = None
    handle: Handle | None = None

    def __post_init__(self) -> None:
        _set(self, files=tuple(self.files), cost_usd=border.dollars(self.cost_usd))


RemoteState = Literal["queued", "running", "succeeded", "failed", "cancelled", "unknown"]


@dataclass(frozen=True)
class Status:
    """What a service says of a job now.

    state "unknown" = a word this version doesn't know: keep asking. raw_state: the provider's own word.
    progress 0..1 where given. files: outputs when succeeded. error: why, when failed. cost_usd: as the service says
    it, also where it cannot be right (below 0, or huge). handle: replaces the stored one where not None.
    retry_after_s: the provider's own wish for the next question, 300 s at most.
    Whatever a back end puts in, the fields hold only what can be kept: see `backends.provider.border`.
    """

    state: RemoteState
    raw_state: str = ""
    progress: float | None = None
    queue_position: int | None = None
    files: tuple[RemoteFile, ...] = ()
    error: VideoError | None = None
    cost_usd: Decimal | None = None
    seed: int | None = None
    handle: Handle | None = None
    retry_after_s: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _set(
            self,
            state=self.state if self.state in get_args(RemoteState) else "unknown",
            raw_state=border.line(self.raw_state, border.RAW_STATE_MAX),
            progress=border.share(self.progress),
            queue_position=border.whole(self.queue_position),
            files=tuple(self.files),
            cost_usd=border.dollars(self.cost_usd),
            seed=border.whole(self.seed),
            retry_after_s=border.seconds(self.retry_after_s, border.POLL_WAIT_MAX_S),
            notes=border.notes(self.notes),
        )


@dataclass(frozen=True)
class Cancelled:
    """What cancelling did: stopped, requested (it may still finish), unsupported. billed: whether it is still paid.
    cost_usd: what the service says that the stopped job costs, where it says so; it is booked."""

    outcome: Literal["stopped", "requested", "unsupported"]
    billed: Literal["no", "yes", "unknown"] = "unknown"
    message: str = ""
    cost_usd: Decimal | None = None

    def __post_init__(self) -> None:
        _set(
            self,
            outcome=self.outcome if self.outcome in ("stopped", "requested", "unsupported") else "requested",
            billed=self.billed if self.billed in ("no", "yes", "unknown") else "unknown",
            message=border.line(self.message, border.NOTE_MAX),
            cost_usd=border.dollars(self.cost_usd),
        )


@dataclass(frozen=True)
class Sighting:
    """A job that a look-up found. made_at: when the service accepted it, POSIX seconds by this machine's clock; None
    where it does not say."""

    handle: Handle
    made_at: float | None = None

    def __post_init__(self) -> None:
        _set(self, made_at=border.moment(self.made_at))


@dataclass(frozen=True)
class Listing:
    """What a look-up of an unclear POST found. An empty one proves nothing by itself.

    matches: jobs of this key, or that look just like this one. shown: the newest of all jobs that the same listing
    shows, of whatever request: one of ours among them that is newer than the POST proves that the listing has caught
    up with it. complete: who says that an answer without a match means "not accepted" ("" = nobody).
    """

    matches: tuple[Sighting, ...] = ()
    shown: tuple[Sighting, ...] = ()
    complete: str = ""


@dataclass(frozen=True)
class Output:
    """What a local engine made. path: a clip in `dest`. sidecar: JSON kept with the clip, for a later extend.
    facts: JSON figures about the making (seconds, peak memory, versions). notes: shown to the user. extras: further
    files. export: the file that the user gets where that is not the clip itself (an animated picture)."""

    path: Path
    seed: int | None = None
    sidecar: JsonObject = field(default_factory=dict[str, Any])
    facts: JsonObject = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()
    extras: tuple[Path, ...] = ()
    export: Path | None = None


Progress = Callable[[float, str], None]
"""progress(done 0..1, phase in words); cheap, may be called for every frame. Raises `Stopped` when the job has been
cancelled: let it pass, and keep what is loaded fit for the next job."""


class Stopped(BaseException):
    """The job that a local engine works on has been cancelled."""


class RunAgain(Exception):
    """A local engine asks to be run once more, in a fresh process, with `wire` added to the request's own."""

    def __init__(self, why: str, wire: JsonObject) -> None:
        super().__init__(why)
        self.why = why
        self.wire = wire


class DeviceLost(Exception):
    """The device that a local engine works on is gone or broken. Its job is run again, where there is another one on
    that; the engine's process ends."""


class ProcessOver(Exception):
    """The process of a local engine can take no further job and ends. error: why its job has failed, None when it was
    cancelled."""

    def __init__(self, error: VideoError | None) -> None:
        super().__init__(error.message if error else "cancelled")
        self.error = error


class RemoteBackend(Protocol):
    """A service: start once, then ask. Vendor exceptions never leave it: they become VideoError."""

    submit_dedupe: Literal["key", "lookup", "none"]

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        """The wire body for an already legal request. Pure: no I/O. Names in `uploads` what must go up first."""
        ...

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        """Put one asset where the service can read it. Free and repeatable."""
        ...

    async def start(self, prepared: Prepared, refs: Mapping[str, Ref], job_key: str) -> Handle | Done:
        """Exactly ONE paid POST, every retry off. VideoError("submit_unknown") when it may have been taken."""
        ...

    async def status(self, handle: Handle, spool: Path) -> Status:
        """Ask. Safe to repeat. Inline bytes are written below `spool`."""
        ...

    async def cancel(self, handle: Handle) -> Cancelled: ...

    async def reconcile(self, prepared: Prepared, job_key: str, since: float) -> Listing:
        """The jobs that the service shows for this key (submit_dedupe "key") or that match it ("lookup") since
        then (POSIX seconds), and what it shows besides."""
        ...

    def media_headers(self) -> Mapping[str, str]:
        """Headers for outputs with `authorised=True`: those that the provider's own host serves with the key."""
        ...

    async def account(self) -> Mapping[str, str]:
        """What the service says of the account (balance, tier, limits), in words by name; free. {} = nothing: the
        default of a back end that derives from this class."""
        return {}

    async def aclose(self) -> None: ...


class LocalBackend(Protocol):
    """Free work on this machine: may be run again. `run` is called in an exec'd child process."""

    async def run(self, prepared: Prepared, dest: Path, progress: Progress) -> Output:
        """Make the clip in the folder `dest` (empty, writable)."""
        ...


@dataclass(frozen=True)
class Access:
    """Whether this process can reach a model's service, decided from the environment alone (no I/O).

    lane: which service and account: "provider|base URL|account fingerprint" or a device ("cpu").
    missing: the variables to set when there is no credential (then lane's account is empty).
    base_url: where requests go; frozen into the job at submit. why: what else stands in the way (no GPU, a library
    that is not installed) and its remedy, "" when nothing does.
    devices: for a local engine, the GPUs that may work for it ("gpu:UUID"): its process finds the one that it is to use
    in REELWRIGHT_LOCAL_DEVICE, by its UUID. With several of them the lane is `POOL`; on a cluster see `on_ray`.
    account: its name, where a provider has several that share the work.
    """

    lane: str
    base_url: str = ""
    missing: tuple[str, ...] = ()
    why: str = ""
    devices: tuple[str, ...] = ()
    account: str = ""

    @property
    def available(self) -> bool:
        return not self.missing and not self.why

    @property
    def trouble(self) -> str:
        """Why it is not available, in words; "" when it is."""
        return self.why or (f"set {' or '.join(self.missing)}" if self.missing else "")


@dataclass(frozen=True)
class Registration:
    """What an entry point's `register()` returns. Importing its module must be cheap: vendor SDKs load in `open`.

    provider: the catalogue rows' provider that this serves. kind: remote (paid service) or local (this machine).
    access(env): the account that this environment gives. open(env, base_url): the back end itself; only the worker
    (or its child) calls it. catalog: a TOML file of rows beside the module, or a folder of them; None
    when they are elsewhere.
    keys: the variables that hold its credentials, which the key file may hold too ("ACME_*" = all that begin so).
    address: the variable that sets another base URL.
    lacks(env, wire tables of a row's boxes, row id): why that row cannot be used although the back end can (its weights
    are not here); cheap.
    revision(env, row id): a hash of what a row is made of that its id does not say, such as a workflow file of the
    user's; it is a part of the key of the row's jobs, and each carries it (MADE_OF).
    For services of the user's own: lanes(env, row id or ""): every server that is set, first the one of `access`;
    near(env): whether it runs on this machine, else its rows are no local ones; poll_s: how soon a job's status
    is read again where it does not say (None = by how long such jobs take); arrived(clip, env): what is done to a
    clip's file before it is kept, in place and fit to be done twice; it returns a note, or "".
    For local engines: warm(prepared, env) names what its process keeps loaded: a process only gets jobs of the same
    word ("" = any); silence_s: one that reports nothing for so long counts as hung; devices(prepared, env, count): how
    many of that many GPUs one job works on (None = one), whose UUIDs its process then finds in REELWRIGHT_LOCAL_DEVICE
    with commas between; forecast(prepared, env): how a job would run on this machine, "" = nothing to say.
    """

    provider: str
    kind: Literal["remote", "local"]
    access: Callable[[Mapping[str, str]], Access]
    open: Callable[[Mapping[str, str], str], RemoteBackend | LocalBackend]
    catalog: Path | None = None
    lacks: Callable[[Mapping[str, str], tuple[Mapping[str, object], ...], str], str | None] | None = None
    lanes: Callable[[Mapping[str, str], str], Sequence[Access]] | None = None
    revision: Callable[[Mapping[str, str], str], str] | None = None
    near: Callable[[Mapping[str, str]], bool] | None = None
    poll_s: float | None = None
    arrived: Callable[[Path, Mapping[str, str]], str] | None = None
    warm: Callable[[Prepared, Mapping[str, str]], str] | None = None
    silence_s: float | None = None
    devices: Callable[[Prepared, Mapping[str, str], int], int] | None = None
    forecast: Callable[[Prepared, Mapping[str, str]], str] | None = None
    keys: tuple[str, ...] = ()
    address: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.keys, str):
            raise TypeError('keys is a tuple of names, such as ("ACME_API_KEY",)')
