"""A call through a vendor's SDK, as the VideoError that it means: what `http` is for services without one.

The SDKs of OpenAI and Runway come from one generator: the same exceptions, over two HTTP libraries (httpx2, httpx).
A back end's own call turns those into an `Answer` or lets the HTTP library's exception out; here it gets its meaning.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from backends.errors import Charged, VideoError
from backends.provider.channel import Answer
from backends.provider.outcome import Service, Told
from backends.provider.transport import PAID_CONNECTIONS, Failures, Timing, Unreadable


@dataclass(frozen=True)
class SdkCalls:
    """failures: the exceptions of the HTTP library below the SDK. told(answer): what the service's own error body
    says."""

    service: Service
    told: Callable[[Answer], Told]
    failures: Failures
    timing: Timing = field(default_factory=Timing)
    _room: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(PAID_CONNECTIONS))

    async def paid(self, call: Callable[[], Awaitable[Answer]], total_s: float | None = None) -> Answer:
        """The one paid POST (with the SDK's retries off). The answer is 2xx with JSON; everything else is raised."""
        total = self.timing.paid_s if total_s is None else total_s
        async with self._room:
            try:
                with anyio.fail_after(total):
                    answer = await call()
            except VideoError:
                raise
            except self.failures.not_sent as error:
                raise self.service.not_sent(f"{type(error).__name__}: {error}") from None
            except TimeoutError:
                raise self.service.unknown(f"no answer within {total:g} s") from None
            except Unreadable as error:
                raise self.service.unknown(str(error)) from None
            except Exception as error:  # an SDK may raise anything, and the request may have gone out
                raise self.service.unknown(type(error).__name__) from None
        if not answer.ok:
            raise self.service.paid_answer(answer.status, self.reading(answer))
        if answer.json is None:
            raise self.service.unknown("an answer that is not JSON", answer.status, answer.text)
        return answer

    async def free(
        self,
        call: Callable[[], Awaitable[Answer]],
        *,
        charged: Charged,
        accept: frozenset[int] = frozenset(),
        total_s: float | None = None,
    ) -> Answer:
        """A free question. charged: what is known of the job that it is about. accept: statuses besides 2xx that the
        caller reads itself."""
        total = self.timing.free_s if total_s is None else total_s
        try:
            with anyio.fail_after(total):
                answer = await call()
        except VideoError:
            raise
        except TimeoutError:
            raise self.service.unanswered("timeout", f"nothing within {total:g} s", charged) from None
        except Unreadable as error:
            raise self.service.unanswered("provider", str(error), charged) from None
        except self.failures.timeouts as error:
            raise self.service.unanswered("timeout", type(error).__name__, charged) from None
        except Exception as error:  # whatever the SDK raises, the question may be asked again
            raise self.service.unanswered("network", type(error).__name__, charged) from None
        if answer.ok or answer.status in accept:
            if answer.ok and answer.json is None and answer.text.strip():
                raise self.service.unanswered("provider", "its answer is not JSON", charged)
            return answer
        raise self.service.free_answer(answer.status, self.reading(answer), charged)

    def reading(self, answer: Answer) -> Told:
        """What the service says of its refusal, with the header's waiting time where the body has none."""
        said = self.told(answer)
        wait = answer.retry_after_s if said.retry_after_s is None else said.retry_after_s
        return Told(said.message or answer.text, said.code, said.kind, said.charged, wait)


def checked_key(service: Service) -> None:
    """VideoError("auth") for a key that no header can carry, before anything is sent."""
    for secret in service.secrets:
        if not (secret.isascii() and secret.isprintable() and " " not in secret):
            raise VideoError("auth", f"{service.key} holds characters that no key has: set it again")
