"""Application default credentials of Google Cloud, and a token from them that is fresh before anything is sent.

The token is fetched here and not in the SDK, so that a failure of it is never taken for one of the paid POST.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Protocol, cast

import anyio
import google.auth
import google.auth.exceptions
from anyio import to_thread
from google.auth.transport.requests import Request

from backends.cloud.google.settings import CREDENTIALS
from backends.errors import VideoError
from backends.provider.outcome import Service

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_S = 30.0
REMEDY = f"run gcloud auth application-default login, or set {CREDENTIALS} to a credentials file"


class Credentials(Protocol):
    """What is used of google.auth.credentials.Credentials, which has no types of its own."""

    token: str | None

    @property
    def valid(self) -> bool: ...

    def refresh(self, request: object) -> None: ...


class CloudCredentials:
    """Found at first use. env: the process's own, with the key file's entries under it."""

    def __init__(self, service: Service, env: Mapping[str, str]) -> None:
        self._service = service
        self._path = env.get(CREDENTIALS, "").strip()
        self._found: Credentials | None = None

    async def fresh(self) -> Credentials:
        """Credentials with a token that is good for some minutes. VideoError("auth") without any or with refused
        ones, VideoError("network", retryable) when nobody answers; nothing is charged by either."""
        if self._found is not None and self._found.valid:
            return self._found
        try:
            with anyio.fail_after(TOKEN_S):
                return await to_thread.run_sync(self.fresh_now, abandon_on_cancel=True)
        except TimeoutError:
            raise self._service.not_sent(f"no token within {TOKEN_S:g} s") from None

    def fresh_now(self) -> Credentials:
        """The same, blocking."""
        try:
            found = self._found = self._found or self._load()
            if not found.valid:
                found.refresh(Request())
        except google.auth.exceptions.TransportError as error:
            raise self._service.not_sent(f"the token service: {type(error).__name__}") from None
        except google.auth.exceptions.DefaultCredentialsError:
            where = f"in the file that {CREDENTIALS} names" if self._path else "on this machine"
            raise VideoError("auth", f"no usable Google Cloud credentials {where}: {REMEDY}") from None
        except google.auth.exceptions.GoogleAuthError as error:
            if getattr(error, "retryable", False):
                raise self._service.not_sent(f"the token service: {type(error).__name__}") from None
            raise VideoError("auth", f"Google Cloud refuses the credentials: {REMEDY}") from None
        except OSError:
            raise VideoError("auth", f"the file that {CREDENTIALS} names cannot be read: {REMEDY}") from None
        return found

    def _load(self) -> Credentials:
        with warnings.catch_warnings():
            # Warns that a file may be hostile (this one is the user's own) and that gcloud's has no quota project.
            warnings.simplefilter("ignore")
            found: object
            if self._path:
                found, _ = google.auth.load_credentials_from_file(self._path, scopes=[SCOPE])  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            else:
                found, _ = google.auth.default(scopes=[SCOPE])  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return cast("Credentials", found)
