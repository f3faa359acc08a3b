"""Requests to paid services that need no SDK: one POST that is never repeated, free requests, answers as JSON.

`Channel.post_paid` makes exactly one POST and reports what became of it; `Channel.ask` makes a free request.
A key never leaves for another host than the base URL's: `Channel.own` says whether an address is the service's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import httpx

from backends.errors import Charged, VideoError
from backends.provider.answer import Answer
from backends.provider.calls import Calls
from backends.provider.outcome import Reported, Service
from backends.provider.timing import Timing
from backends.provider.transport import HTTPX, same_origin


class Channel(Calls[httpx.AsyncClient]):
    """One account of one service.

    headers(): called before each request, since a token may need renewing. reported(answer): what the service's own
    error body says. Exceptions of httpx never leave: they are VideoErrors.
    """

    def __init__(
        self,
        service: Service,
        base_url: str,
        headers: Callable[[], Mapping[str, str]],
        reported: Callable[[Answer], Reported],
        timing: Timing | None = None,
    ) -> None:
        super().__init__(service, base_url, reported, HTTPX, timing)
        self._headers = headers
        self.base = httpx.URL(base_url)

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
        return await self.paid(lambda: _send(self.paid_client, "POST", url, sent, content))

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
        url, headers, content = self.url(path), dict(self._headers()), b""
        if body is not None:
            content, headers = json.dumps(body).encode(), {"content-type": "application/json", **headers}
        return await self.free(
            lambda: _send(self.free_client, method, url, headers, content, params), charged=charged, accept=accept
        )

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
            content, headers = json.dumps(body).encode(), {"content-type": "application/json", **headers}
        return await self.any_answer(
            lambda: _send(self.free_client, method, url, headers, content, params), charged=charged, upload=upload
        )

    async def upload(
        self, url: str, data: bytes, mime: str, *, method: str = "POST", key: bool = True, form: str = ""
    ) -> Answer:
        """Puts a file to where the service takes it, free of charge: a path below the base URL, or the whole address
        that the service names (only a public one over TLS is reached, see `transport.guard`). key: with the service's
        own headers, so never where the service only names an address. form: the file's name, where the service takes
        it as the field "content" of a form."""
        where = self.url(url) if key else url
        headers = dict(self._headers()) if key else dict[str, str]()
        files, content = {"content": (form, data, mime)} if form else None, b""
        if not form:
            headers["content-type"], content = mime, data
        answer = await self.any_answer(
            lambda: _send(self.free_client, method, where, headers, content, files=files), charged="no", upload=True
        )
        return self.granted(answer, "no")

    def granted(self, answer: Answer, charged: Charged) -> Answer:
        """The answer to a free request that must be 2xx; the VideoError that it means where it is not."""
        if not answer.ok:
            raise self.service.free_answer(answer.status, self.reading(answer), charged)
        return answer


async def _send(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes,
    params: Mapping[str, str] | None = None,
    files: Mapping[str, tuple[str, bytes, str]] | None = None,
) -> httpx.Response:
    merged = {"accept": "application/json", "user-agent": "reelwright", **headers}
    return await client.request(
        method, url, params=params, content=content or None, files=dict(files) if files else None, headers=merged
    )
