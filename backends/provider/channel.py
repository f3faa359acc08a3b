"""Asking the paid services that need no SDK: one POST that is never repeated, free questions, answers as JSON.

`Channel.post_paid` makes exactly one POST and tells what became of it; `Channel.ask` asks a free question.
A key never leaves for another host than the base URL's: `Channel.own` says whether an address is the service's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn, cast

import anyio
import httpx

from backends.errors import Charged, VideoError
from backends.provider import border
from backends.provider.outcome import Service, Told
from backends.provider.transport import (
    FREE_CONNECTIONS,
    NOT_SENT,
    PAID_CONNECTIONS,
    Timing,
    Unreadable,
    httpx_client,
    same_origin,
)

MAX_DEPTH = 64
"""How deep the JSON of an answer may be nested; deeper is read as no JSON."""


@dataclass(frozen=True)
class Answer:
    """One answer. json: None when the body is none. text: its first characters, for errors."""

    status: int
    json: object
    text: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def retry_after_s(self) -> float | None:
        """The header's waiting time, at most a day; who asks again cuts it to what fits the question."""
        return border.retry_after(self.headers.get("retry-after"), border.REFUSED_WAIT_MAX_S)


class Channel:
    """One account of one service.

    headers(): asked for before each request, since a token may need renewing. told(answer): what the service's own
    error body says. Exceptions of httpx never leave: they are VideoErrors.
    """

    def __init__(
        self,
        service: Service,
        base_url: str,
        headers: Callable[[], Mapping[str, str]],
        told: Callable[[Answer], Told],
        timing: Timing | None = None,
    ) -> None:
        self.service = service
        self.timing = timing or Timing()
        self._headers = headers
        self._told = told
        try:
            self.base = httpx.URL(base_url)
        except (httpx.InvalidURL, ValueError):
            raise VideoError("invalid_request", f"{service.name}'s base URL cannot be read as an address") from None
        for secret in service.secrets:
            if not (secret.isascii() and secret.isprintable() and " " not in secret):
                raise VideoError("auth", f"{service.key} holds characters that no key has: set it again")
        # A paid POST never takes a kept connection: a service that closes it just then would leave the POST unclear.
        self._paid = httpx_client(base_url, self.timing, keep=0)
        self._free = httpx_client(base_url, self.timing, keep=FREE_CONNECTIONS, connections=FREE_CONNECTIONS)
        self._room = anyio.CapacityLimiter(PAID_CONNECTIONS)

    def headers(self) -> Mapping[str, str]:
        """What goes with every request to the service's own host."""
        return self._headers()

    def own(self, url: str) -> bool:
        """Whether an address lies on the service's own host, so that the key may go there."""
        return same_origin(url, str(self.base))

    def url(self, path: str) -> str:
        """A path below the base URL; a complete address of the service's own stays as it is."""
        if path.startswith(("http://", "https://")):
            if not self.own(path):
                raise VideoError("provider", f"{self.service.name} names an address on another host", charged="unknown")
            return path
        return f"{str(self.base).rstrip('/')}/{path.lstrip('/')}"

    async def post_paid(self, path: str, body: object, headers: Mapping[str, str] = {}) -> Answer:
        """Exactly one POST. The answer is 2xx with JSON; everything else is the VideoError that it means."""
        sent = {**self._headers(), "content-type": "application/json", **headers}
        try:
            content = json.dumps(body, allow_nan=False).encode()
            url = str(httpx.URL(self.url(path)))
        except (ValueError, httpx.InvalidURL) as error:  # no number of JSON, or a row with an odd endpoint
            why = self.service.clean(error, 120)
            raise VideoError("invalid_request", f"the request cannot be written: {why}; nothing was sent") from None
        async with self._room:
            try:
                with anyio.fail_after(self.timing.paid_s):
                    answer = await self._send(self._paid, "POST", url, content=content, headers=sent)
            except NOT_SENT as error:
                raise self.service.not_sent(self._why(error)) from None
            except TimeoutError:
                raise self.service.unknown(f"no answer within {self.timing.paid_s:g} s") from None
            except Unreadable as error:
                raise self.service.unknown(str(error)) from None
            except (httpx.HTTPError, OSError) as error:
                raise self.service.unknown(self._why(error)) from None
        if not answer.ok:
            raise self.service.paid_answer(answer.status, self.reading(answer))
        if answer.json is None:
            raise self.service.unknown("an answer that is not JSON", answer.status, answer.text)
        return answer

    async def ask(
        self,
        method: str,
        path: str,
        *,
        charged: Charged,
        params: Mapping[str, str] | None = None,
        body: object = None,
        accept: frozenset[int] = frozenset(),
    ) -> Answer:
        """A free question. charged: what is known of the job that it is about. accept: statuses besides 2xx that the
        caller reads itself."""
        answer = await self.exchange(
            method, self.url(path), charged=charged, params=params, body=body, headers=self._headers()
        )
        if answer.ok or answer.status in accept:
            if answer.json is None and answer.ok and answer.text:
                raise self.service.unanswered("provider", "its answer is not JSON", charged)
            return answer
        raise self.service.free_answer(answer.status, self.reading(answer), charged)

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        charged: Charged,
        params: Mapping[str, str] | None = None,
        body: object = None,
        content: bytes = b"",
        headers: Mapping[str, str] = {},
        upload: bool = False,
    ) -> Answer:
        """A free request as it stands (its own headers, any host), answered with any status. body: sent as JSON.
        upload: takes as long as a large file may."""
        if body is not None:
            content = json.dumps(body).encode()
            headers = {"content-type": "application/json", **headers}
        total = self.timing.upload_s if upload else self.timing.free_s
        try:
            with anyio.fail_after(total):
                return await self._send(self._free, method, url, params=params, content=content, headers=headers)
        except (TimeoutError, httpx.TimeoutException) as error:
            why = f"nothing within {total:g} s" if isinstance(error, TimeoutError) else self._why(error)
            raise self.service.unanswered("timeout", why, charged) from None
        except Unreadable as error:
            raise self.service.unanswered("provider", str(error), charged) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self.service.unanswered("network", self._why(error), charged) from None

    async def _send(
        self,
        client: httpx.AsyncClient,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes = b"",
        headers: Mapping[str, str] = {},
    ) -> Answer:
        merged = {"accept": "application/json", "user-agent": "reelwright", **headers}
        response = await client.request(method, url, params=params, content=content or None, headers=merged)
        return answer_of(response.status_code, response.content, response.headers)

    def reading(self, answer: Answer) -> Told:
        """What the service says of its refusal, with the header's waiting time where the body has none."""
        said = self._told(answer)
        wait = answer.retry_after_s if said.retry_after_s is None else said.retry_after_s
        return Told(said.message or answer.text, said.code, said.kind, said.charged, wait)

    def refuse(self, answer: Answer) -> NoReturn:
        """For services that refuse with HTTP 200: the same VideoError as for a 4xx of their own kind."""
        raise self.service.refused(answer.status, self.reading(answer))

    def _why(self, error: Exception) -> str:
        """The kind of failure, and its words for connections only: others may repeat a header."""
        name = type(error).__name__
        return f"{name}: {error}" if isinstance(error, httpx.ConnectError) and str(error) else name

    async def aclose(self) -> None:
        await self._paid.aclose()
        await self._free.aclose()


def answer_of(status: int, content: bytes, headers: Mapping[str, str]) -> Answer:
    """A whole response of any HTTP library."""
    lower = {name.lower(): value for name, value in headers.items()}
    return Answer(status, _parsed(content), content[:2000].decode("utf-8", "replace"), lower)


def _parsed(body: bytes) -> object:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if _is_shallow(found) else None


def _is_shallow(value: object) -> bool:
    """Whether it is nested no deeper than any answer of these services: what reads it may call itself that often."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for part in level:
            if isinstance(part, dict):
                inner += cast("dict[str, object]", part).values()
            elif isinstance(part, list):
                inner += cast("list[object]", part)
        if not inner:
            return True
        level = inner
    return False
