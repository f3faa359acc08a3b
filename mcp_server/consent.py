"""The user's approval of a price, requested through the client in which the agent works, by the means of its protocol
era.

Above the price that needs approval (the setting confirm_above_usd), a starting call asks the user by form elicitation:
on a handshake connection by a request of our own while the call waits, on a stateless one by an `input_required`
result, whose answer comes with the repeated call. Only the client can show the question, so only its answer counts; the
spending limits are checked before and after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from anyio import to_thread
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ClientCapabilities,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    RequestId,
)
from mcp_types.version import is_version_at_least
from pydantic import ValidationError

from backends.errors import VideoError
from backends.plain import quoted
from backends.request import VideoRequest
from backends.terms import Terms

if TYPE_CHECKING:
    from decimal import Decimal

    from backends.edit.request import FinishRequest
    from backends.jobs.views import Spend
    from backends.studio import Quote, Studio

STATELESS_FROM = "2026-07-28"
"""The first protocol version in which a server sends no requests of its own."""
ANSWER = "spend"
"""Our name for the one question of a call."""
SHOWN_PROMPT = 200
CLIENT_LETTERS = 40

Answered = Literal["agreed", "declined", "closed", "unasked"]


class Declined(VideoError):
    """The user did not approve."""

    advice = "ask them what they would rather have; estimate_cost shows cheaper models"

    def __init__(self, message: str) -> None:
        super().__init__("consent", message)


@dataclass(frozen=True)
class Question:
    """text: shown to the user. about: identifies the question, so that an answer to another price does not count."""

    text: str
    about: str

    @property
    def form(self) -> ElicitRequestFormParams:
        agree = {"type": "boolean", "title": "Yes, spend it", "default": False}
        schema: dict[str, object] = {"type": "object", "properties": {"agree": agree}, "required": ["agree"]}
        return ElicitRequestFormParams(message=self.text, requested_schema=schema)


@dataclass(frozen=True)
class User:
    """The user of the client that made a call. params: the call itself, which may bring the answer along."""

    session: ServerSession
    request_id: RequestId | None
    params: CallToolRequestParams

    @property
    def client(self) -> str:
        """The client's own name, at most 40 characters of letters, digits and `._-+/@`, else "mcp"."""
        params = self.session.client_params
        return client_name(params.client_info.name) if params else "mcp"

    async def ask(self, question: Question) -> Answered | InputRequiredResult:
        """The user's answer, or the result that makes the client ask them. "unasked": the client cannot ask."""
        if not can_ask(self.session.client_capabilities):
            return "unasked"
        if is_version_at_least(self.session.protocol_version, STATELESS_FROM):
            return self._brought_along(question)
        try:
            form = question.form
            return meant(await self.session.elicit_form(form.message, form.requested_schema, self.request_id))
        except (MCPError, ValidationError):  # no way back to the client, or an answer in another form
            return "unasked"

    def _brought_along(self, question: Question) -> Answered | InputRequiredResult:
        answer = (self.params.input_responses or {}).get(ANSWER)
        if isinstance(answer, ElicitResult) and self.params.request_state == question.about:
            return meant(answer)
        requests = {ANSWER: ElicitRequest(params=question.form)}
        return InputRequiredResult(input_requests=dict(requests), request_state=question.about)


def can_ask(capabilities: ClientCapabilities | None) -> bool:
    """Whether the client declared form elicitation; before there were modes, `elicitation: {}` declared it."""
    declared = capabilities.elicitation if capabilities else None
    return declared is not None and (declared.form is not None or declared.url is None)


def meant(answer: ElicitResult) -> Answered:
    """Only a submitted form with the box ticked means yes."""
    if answer.action == "accept":
        return "agreed" if (answer.content or {}).get("agree") is True else "declined"
    return "declined" if answer.action == "decline" else "closed"


def client_name(name: str) -> str:
    """A client's name for display: data from outside, so bounded and reduced to a name's characters."""
    kept = "".join(letter if letter.isalnum() or letter in "._-+/@" else " " for letter in name[:200])
    return " ".join(kept.split())[:CLIENT_LETTERS].strip() or "mcp"


async def approve_spending(
    user: User, studio: Studio, request: VideoRequest, terms: Terms, refusal: VideoError
) -> VideoRequest | InputRequiredResult:
    """The request as the user approved it: with the price that they were shown as its limit.

    refusal: the Studio's error without their approval; raised as it is when the client cannot ask them.
    VideoError("consent") when they said no, or nothing.
    """
    agreed = await _agreed(user, studio, partial(studio.quote, request, terms), _what(request), refusal)
    if isinstance(agreed, InputRequiredResult):
        return agreed
    return request if agreed is None else request.model_copy(update={"max_cost_usd": agreed})


async def approve_enlarging(
    user: User, studio: Studio, film: FinishRequest, terms: Terms, refusal: VideoError
) -> FinishRequest | InputRequiredResult:
    """The same for a film that a model enlarges."""
    clips = "a clip" if len(film.clips) == 1 else f"{len(film.clips)} clips"
    what = f"upscale a film of {clips}{f' to {film.resolution}' if film.resolution else ''}"
    agreed = await _agreed(user, studio, partial(studio.quote_finish, film, terms), what, refusal)
    if isinstance(agreed, InputRequiredResult):
        return agreed
    return film if agreed is None else film.model_copy(update={"max_cost_usd": agreed})


async def _agreed(
    user: User, studio: Studio, ask_price: Callable[[], Quote], what: str, refusal: VideoError
) -> Decimal | InputRequiredResult | None:
    """The price that they approved; None where there is none to limit the spend to."""
    quote = await to_thread.run_sync(ask_price)
    if quote.job is not None:  # meanwhile another client has started it: nothing more is spent
        return None
    page = await to_thread.run_sync(partial(studio.list, limit=1))
    answer = await user.ask(_question(what, quote, page.spend))
    if isinstance(answer, InputRequiredResult):
        return answer
    if answer == "unasked":
        raise refusal
    if answer != "agreed":
        how = "said no" if answer == "declined" else "closed the question without an answer"
        text = f"the user was asked about {_price(quote)} for {quote.model} and {how}"
        raise Declined(f"{text}: nothing was started, nothing was spent")
    return quote.estimate.usd_high if quote.estimate else None


def _price(quote: Quote) -> str:
    return quote.estimate.text if quote.estimate else "price unknown"


def _what(request: VideoRequest) -> str:
    length = f"{request.duration_s:g} s" if request.duration_s else "the model's usual length"
    what = [f"{request.task.replace('_', ' ')}, {length}"]
    if request.prompt:
        what.append(f"prompt {quoted(' '.join(request.prompt.split()), SHOWN_PROMPT)}")
    return "; ".join(what)


def _question(what: str, quote: Quote, spend: Spend) -> Question:
    """What is made, with which model, for how much, and what the day has cost so far."""
    day = quote.estimate.price_date if quote.estimate else None
    wall = f" of ${spend.per_day_wall_usd:.2f}" if spend.per_day_wall_usd is not None else ""
    text = (
        f"Spend {_price(quote)} on a video with {quote.model}?\n"
        f"What: {what}\n"
        f"Price: {_price(quote)}{f' (price list of {day.isoformat()})' if day else ''}\n"
        f"Today (UTC) ${spend.today_usd:.2f}{wall} is spent or reserved."
    )
    about = hashlib.sha256(f"{quote.key} {quote.model} {_price(quote)}".encode()).hexdigest()
    return Question(text, about)
