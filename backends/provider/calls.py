"""One seam for all that goes over the wire to a paid service, whichever client library builds and sends the requests.

A back end hands in a call that makes one request: with httpx (`channel`), or through a vendor's SDK over httpx or
httpx2. The clients below it, how many connections there are, how long a call may take, and what its outcome means are
said here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from backends.errors import Charged, VideoError
from backends.provider.answer import Answer, answer_of
from backends.provider.outcome import Reported, Service
from backends.provider.timing import FREE_AT_ONCE, PAID_AT_ONCE, Timing
from backends.provider.transport import (
    MAX_ANSWER,
    Client,
    Library,
    Response,
    Unreadable,
)

Made = TypeVar("Made")
Call = Callable[[], Awaitable[Answer | Response]]
"""Makes one request. An exception of an SDK that names the response it speaks of is read as that response."""


class Calls(Generic[Client]):
    """One account of one service.

    reported(answer): what the service's own error body says. library: the client library below. address: what the base
    URL is called in an error. most: bytes of an answer to a free request.
    paid_client, free_client: what an SDK sends with. A paid POST never takes a kept connection: a service that closes
    it just then would leave the POST unclear.

    VideoError("auth") for a key that no header can carry, VideoError("invalid_request") for a base URL that is none.
    """

    def __init__(
        self,
        service: Service,
        base_url: str,
        reported: Callable[[Answer], Reported],
        library: Library[Client],
        timing: Timing | None = None,
        *,
        address: str = "",
        most: int = MAX_ANSWER,
    ) -> None:
        for secret in service.secrets:
            if not (secret.isascii() and secret.isprintable() and " " not in secret):
                raise VideoError("auth", f"{service.key} holds characters that no key has: set it again")
        self.service, self.timing = service, timing or Timing()
        self._reported, self._library = reported, library
        self._room = anyio.CapacityLimiter(PAID_AT_ONCE)
        try:
            self.paid_client = library.client(base_url, self.timing, 0, MAX_ANSWER)
            self.free_client = library.client(base_url, self.timing, FREE_AT_ONCE, most)
        except (*library.failures, ValueError):
            whose = address or f"{service.name}'s base URL"
            raise VideoError("invalid_request", f"{whose} cannot be read as an address") from None

    async def paid(self, call: Call, extra_s: float = 0.0) -> Answer:
        """The one paid POST (with an SDK's retries off). The answer is 2xx with JSON; everything else is raised.
        extra_s: what its inputs add to the time that it may take."""
        total = self.timing.paid_s + extra_s
        async with self._room:
            try:
                with anyio.fail_after(total):
                    answer = await self._answered(call)
            except VideoError:
                raise
            except self._library.not_sent as error:
                raise self.service.not_sent(self._why(error)) from None
            except TimeoutError:
                raise self.service.unknown(f"no answer within {total:g} s") from None
            except Unreadable as error:
                raise self.service.unknown(str(error)) from None
            except Exception as error:  # an SDK may raise anything, and the request may have gone out
                raise self.service.unknown(self._why(error)) from None
        if not answer.ok:
            raise self.service.paid_answer(answer.status, self.reading(answer))
        if answer.json is None:
            raise self.service.unknown("an answer that is not JSON", answer.status, answer.text)
        return answer

    async def free(
        self, call: Call, *, charged: Charged, accept: frozenset[int] = frozenset(), upload: bool = False
    ) -> Answer:
        """A free question. charged: what is known of the job that it is about. accept: statuses besides 2xx that the
        caller reads itself. upload: takes as long as a large file may."""
        answer = await self.any_answer(call, charged=charged, upload=upload)
        if answer.ok or answer.status in accept:
            if answer.ok and answer.json is None and answer.text.strip():
                raise self.service.unanswered("provider", "its answer is not JSON", charged)
            return answer
        raise self.service.free_answer(answer.status, self.reading(answer), charged)

    async def any_answer(self, call: Call, *, charged: Charged, upload: bool = False) -> Answer:
        """The same, answered with any status."""
        total = self.timing.upload_s if upload else self.timing.free_s
        try:
            with anyio.fail_after(total):
                return await self._answered(call)
        except VideoError:
            raise
        except TimeoutError:
            raise self.service.unanswered("timeout", f"nothing within {total:g} s", charged) from None
        except Unreadable as error:
            raise self.service.unanswered("provider", str(error), charged) from None
        except self._library.timeouts as error:
            raise self.service.unanswered("timeout", self._why(error), charged) from None
        except Exception as error:  # whatever is raised, the request may be repeated
            raise self.service.unanswered("network", self._why(error), charged) from None

    async def free_value(self, call: Callable[[], Awaitable[Made]], *, charged: Charged, upload: bool = False) -> Made:
        """What a typed call of an SDK makes of the answer to a free request."""
        made: list[Made] = []
        await self.free(into(made, call), charged=charged, upload=upload)
        return made[0]

    def reading(self, answer: Answer) -> Reported:
        """What the service says of its refusal, with the header's waiting time where the body has none."""
        said = self._reported(answer)
        wait = answer.retry_after_s if said.retry_after_s is None else said.retry_after_s
        return Reported(said.message or answer.text, said.code, said.kind, said.charged, wait)

    async def aclose(self) -> None:
        await self.paid_client.aclose()
        await self.free_client.aclose()

    async def _answered(self, call: Call) -> Answer:
        try:
            reply = await call()
        except Exception as error:
            reply = self._library.response_in(error)
        return reply if isinstance(reply, Answer) else answer_of(reply.status_code, reply.content, reply.headers)

    def _why(self, error: Exception) -> str:
        """The kind of failure, and its words where nothing was sent: others may repeat a header."""
        name = type(error).__name__
        return f"{name}: {error}" if isinstance(error, self._library.not_sent) and str(error) else name


def into(made: list[Made], call: Callable[[], Awaitable[Made]]) -> Call:
    """A typed call of an SDK as one for `Calls`: its value goes into the list."""

    async def ask() -> Answer:
        made.append(await call())
        return Answer(200, {}, "", {})

    return ask
