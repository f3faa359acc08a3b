"""What everything that drives jobs holds: the store, the folders, the inputs, the catalogue and the credentials."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version

from backends.catalog.loader import Catalog, load
from backends.errors import VideoError
from backends.jobs.files import bucket_url
from backends.jobs.files.artifacts import Artifacts
from backends.jobs.files.cache import CACHE_GB, GB
from backends.jobs.files.objects import Objects, OnlyHere
from backends.jobs.files.sharing import folder_of
from backends.jobs.lanes.locking import open_locks
from backends.jobs.lanes.locks import LaneLocks
from backends.jobs.order.inputs import Inputs
from backends.jobs.recovery import recover
from backends.jobs.store.database import Store
from backends.jobs.store.journal import IdLog
from backends.jobs.store.opening import open_store
from backends.media.sandbox import Sandbox
from backends.provider import accounts, on_ray
from backends.provider.accounts import Keyed
from backends.provider.keys import load_keys
from backends.provider.protocol import POOL, Access
from backends.provider.registry import registered, registry
from backends.settings import Settings

BUCKET_S = 60.0
"""How long one request to the bucket may take."""

LOOK_AGAIN_S = 0.5
"""How long the catalogue's files are taken to be what they were: a look at them all is a third of a submit."""


@cache
def program_version() -> str:
    try:
        return version("reelwright")
    except PackageNotFoundError:
        return "0"


def _is_among(lane: str, devices: Collection[str]) -> bool:
    """Whether the devices can work for a lane from before there were more, or fewer, of them."""
    return lane in devices or (lane == POOL and bool(devices))


@dataclass
class Context:
    """Opened once a process; `close` ends its helper process and the store."""

    settings: Settings
    store: Store
    sandbox: Sandbox
    _rows: tuple[float, Catalog] | None = field(default=None, repr=False)

    @classmethod
    def open(cls, settings: Settings) -> Context:
        """Open the home. A store that is new takes up the paid jobs of the journal that lies beside it."""
        if settings.bucket:
            bucket_url.check(settings.bucket, settings.env)
        store = open_store(settings)
        try:
            recover(store, IdLog.of(settings.home))
        except BaseException:
            store.close()
            raise
        return cls(settings, store, Sandbox())

    @cached_property
    def artifacts(self) -> Artifacts:
        return Artifacts(self.settings.artifacts, self.settings.output, self._objects())

    def _objects(self) -> Objects:
        if not self.settings.bucket:
            return OnlyHere()
        from backends.jobs.files.bucket import Bucket

        url = bucket_url.check(self.settings.bucket, self.settings.env)
        return Bucket(url, folder_of(self.store), self.settings.env, self.number("BUCKET_S", BUCKET_S))

    @property
    def cache_bytes(self) -> int:
        """How much may lie in the data folder of what a bucket holds."""
        return int(self.number("CACHE_GB", CACHE_GB) * GB)

    @cached_property
    def inputs(self) -> Inputs:
        return Inputs(self.store, self.artifacts, self.sandbox, self.settings.roots, self.settings.cwd)

    @property
    def catalog(self) -> Catalog:
        """The rows, with the user's own files as they were half a second ago at most."""
        now = time.monotonic()
        if self._rows is None or now - self._rows[0] >= LOOK_AGAIN_S:
            self._rows = (now, self._near(load(self.settings.catalog)))
        return self._rows[1]

    def _near(self, catalog: Catalog) -> Catalog:
        """The rows; those of a person's own service that runs on another machine are no local ones."""
        far = {name for name, entry in registry().items() if entry.near is not None and not entry.near(self.env)}
        if not far:
            return catalog
        rows = (replace(row, where="cloud") if row.provider in far else row for row in catalog.rows)
        return Catalog(rows, catalog.broken)

    @property
    def env(self) -> Mapping[str, str]:
        """The environment with the key file under it, the data folder and the cluster; read anew, since a person may
        add a key at any time."""
        found = {"REELWRIGHT_HOME": str(self.settings.home), on_ray.SETTING: self.settings.ray}
        return {**load_keys(self.settings)[0], **{name: value for name, value in found.items() if value}}

    def access(self, provider: str) -> Access:
        """Who would be asked for this provider with the credentials of this process."""
        access = registered(provider).access(self.env)
        return next((one.access for one in self.accounts(provider) if one.access.lane == access.lane), access)

    def access_for(self, provider: str, lane: str) -> Access:
        """Who is asked for a job of that lane; the account of the usual key where the lane's is not set here."""
        return next((one.access for one in self.accounts(provider) if one.access.lane == lane), self.access(provider))

    def accounts(self, provider: str) -> tuple[Keyed, ...]:
        """The accounts of a provider that share its work, () where it has one alone."""
        entries = accounts.accounts(self.settings.home)
        if not any(entry.provider == provider for entry in entries):
            return ()
        return accounts.keyed(self.env, registered(provider), entries)

    def env_of(self, provider: str, lane: str) -> Mapping[str, str]:
        """The environment in which the back end of a lane is opened: its account's key is the provider's."""
        return next((one.env for one in self.accounts(provider) if one.access.lane == lane), self.env)

    def accesses(self, provider: str, model: str = "") -> tuple[Access, ...]:
        """Every server or account that can be asked for it, where it has several; for that model where one is named."""
        entry = registered(provider)
        if entry.lanes is not None:
            return tuple(entry.lanes(self.env, model))
        return tuple(one.access for one in self.accounts(provider)) or (entry.access(self.env),)

    def why_not(self, provider: str) -> str | None:
        """Why this provider cannot be used here, None when it can."""
        try:
            access = self.access(provider)
        except VideoError as error:
            return error.message
        if access.missing:
            return f"no credential: set {' or '.join(access.missing)}"
        return access.why or None

    def has_device(self, lane: str) -> bool:
        """Whether an engine of this process works on that device. Several engines share one ("cpu"), so the lane's
        row, which names only the first that used it, cannot tell."""
        for registration in registry().values():
            if registration.kind == "local":
                with suppress(VideoError):
                    access = registration.access(self.env)
                    if access.available and (lane == access.lane or _is_among(lane, access.devices)):
                        return True
        return False

    def devices(self, provider: str) -> tuple[str, ...]:
        """The GPUs that may work for a local engine's jobs ("gpu:UUID")."""
        with suppress(VideoError):
            return self.access(provider).devices
        return ()

    @cached_property
    def locks(self) -> LaneLocks:
        return open_locks(self.store)

    def number(self, name: str, default: float) -> float:
        """A tuning figure from the environment (REELWRIGHT_NAME), such as the idle time of a worker."""
        try:
            return float(self.settings.env.get(f"REELWRIGHT_{name}") or default)
        except ValueError:
            return default

    @property
    def cpu_jobs(self) -> int:
        """How many local jobs run at once on the processor: half of its cores, since encoding uses two."""
        return max(1, int(self.number("CPU_JOBS", (os.cpu_count() or 2) // 2)))

    def close(self) -> None:
        self.sandbox.close()
        self.store.close()
