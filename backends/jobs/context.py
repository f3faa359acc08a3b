"""What everything that drives jobs shares: the store, the folders, the inputs, the catalogue and the credentials."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

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
from backends.provider import accounts, keys, on_ray
from backends.provider.accounts import Keyed
from backends.provider.protocol import POOL, Access
from backends.provider.registry import registered, registry
from backends.settings import Settings

BUCKET_S = 60.0
"""The time-out of one request to the bucket, seconds."""

LOOK_AGAIN_S = 0.5
"""How long the catalogue's files are not checked for changes, seconds: checking them all takes a third of a submit."""


@cache
def program_version() -> str:
    try:
        return version("reelwright")
    except PackageNotFoundError:
        return "0"


def _is_among(lane: str, devices: Collection[str]) -> bool:
    """Whether these devices can serve a lane that was made when the machine had more, or fewer, of them."""
    return lane in devices or (lane == POOL and bool(devices))


@dataclass
class Context:
    """Opened once a process; `close` ends its helper process and closes the store."""

    settings: Settings
    store: Store
    sandbox: Sandbox
    _rows: tuple[float, Catalog] | None = field(default=None, repr=False)
    _env: tuple[Hashable, Mapping[str, str]] | None = field(default=None, repr=False)

    @classmethod
    def open(cls, settings: Settings) -> Context:
        """Open the data folder. A new store takes over the paid jobs of a journal that lies beside it."""
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
        """The most bytes of the bucket's files to keep in the data folder."""
        return int(self.number("CACHE_GB", CACHE_GB) * GB)

    @cached_property
    def inputs(self) -> Inputs:
        return Inputs(self.store, self.artifacts, self.sandbox, self.settings.roots, self.settings.cwd)

    @property
    def catalog(self) -> Catalog:
        """The catalogue; changes to the user's own files appear within half a second."""
        now = time.monotonic()
        if self._rows is None or now - self._rows[0] >= LOOK_AGAIN_S:
            self._rows = (now, self._near(load(self.settings.catalog)))
        return self._rows[1]

    def _near(self, catalog: Catalog) -> Catalog:
        """The rows; a user's own service that runs on another machine does not count as local."""
        far = {name for name, entry in registry().items() if entry.near is not None and not entry.near(self.env)}
        if not far:
            return catalog
        rows = (replace(row, where="cloud") if row.provider in far else row for row in catalog.rows)
        return Catalog(rows, catalog.broken)

    @property
    def env(self) -> Mapping[str, str]:
        """The environment with the key file under it, as that file is now, the data folder and the cluster."""
        now = keys.stamp(self.settings)
        if self._env is None or self._env[0] != now:
            own = {"REELWRIGHT_HOME": str(self.settings.home), on_ray.SETTING: self.settings.ray}
            read = {**keys.load_keys(self.settings)[0], **{name: text for name, text in own.items() if text}}
            self._env = (now, MappingProxyType(read))
        return self._env[1]

    def access(self, provider: str) -> Access:
        """The account that this process's credentials give for a provider."""
        access = registered(provider).access(self.env)
        return next((one.access for one in self.accounts(provider) if one.access.lane == access.lane), access)

    def access_for(self, provider: str, lane: str) -> Access:
        """The account of a job's lane; the usual key's account where the lane's own is not set here."""
        return next((one.access for one in self.accounts(provider) if one.access.lane == lane), self.access(provider))

    def accounts(self, provider: str) -> tuple[Keyed, ...]:
        """The accounts that share a provider's work, () where there is only one."""
        entries = accounts.accounts(self.settings.home)
        if not any(entry.provider == provider for entry in entries):
            return ()
        return accounts.keyed(self.env, registered(provider), entries)

    def env_of(self, provider: str, lane: str) -> Mapping[str, str]:
        """The environment for opening a lane's back end: the key of the lane's account stands as the provider's key."""
        return next((one.env for one in self.accounts(provider) if one.access.lane == lane), self.env)

    def accesses(self, provider: str, model: str = "") -> tuple[Access, ...]:
        """Every server or account of a provider that has several; those with that model where one is named."""
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
        """Whether an engine of this process works on that device. Several engines share one ("cpu"), and the lane's row
        names only the first that used it."""
        for registration in registry().values():
            if registration.kind == "local":
                with suppress(VideoError):
                    access = registration.access(self.env)
                    if access.available and (lane == access.lane or _is_among(lane, access.devices)):
                        return True
        return False

    def devices(self, provider: str) -> tuple[str, ...]:
        """The GPUs ("gpu:UUID") that may run a local engine's jobs."""
        with suppress(VideoError):
            return self.access(provider).devices
        return ()

    @cached_property
    def locks(self) -> LaneLocks:
        return open_locks(self.store)

    def number(self, name: str, default: float) -> float:
        """A number from the environment (REELWRIGHT_NAME), such as the idle time of a worker."""
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
