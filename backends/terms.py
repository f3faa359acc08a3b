"""Terms: how an order is chosen, paid once and named. What is to be made is a `VideoRequest`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backends.errors import VideoError
from backends.plain import trouble
from backends.problems import problems_of, refuse
from backends.written import Written

Prefer = Literal["quality", "cheapest", "fastest", "consistency", "motion"]
Where = Literal["any", "local"]

MOST_TAKES = 99
MOST_LABEL = 80
"""Characters of a label."""
CHOOSING = ("prefer", "where")
"""The terms that decide which model is chosen, and so what a clip costs."""


class Terms(BaseModel):
    """How one order is treated; `max_cost_usd` alone stands in the request.

    take: 1 to 99. label: at most 80 characters. label and request_key are one line of plain text each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefer: Annotated[Prefer, Field(description="how to rank models when none is named")] = "quality"
    where: Annotated[Where, Field(description="any, or local for this machine only")] = "any"
    take: Annotated[
        int, Field(strict=True, description="2, 3 ...: another variant of the same request"), Written(also=("takes",))
    ] = 1
    request_key: Annotated[str | None, Field(description="your own key: the same key is the same job")] = None
    label: Annotated[str, Field(description="names the file"), Written(also=("name",))] = ""

    def check(self) -> None:
        """VideoError("invalid_request") for a value that no order can have."""
        if not 1 <= self.take <= MOST_TAKES:
            raise VideoError(
                "invalid_request",
                f"take is 1 to {MOST_TAKES}, not {self.take}: it numbers attempts at one request",
            )
        if len(self.label) > MOST_LABEL:
            raise VideoError("invalid_request", f"label is longer than {MOST_LABEL} characters")
        for name, text in (("label", self.label), ("request_key", self.request_key or "")):
            if why := trouble(text):
                raise VideoError("invalid_request", f"{name} is one line of plain text: it holds {why}")


DEFAULT_TERMS = Terms()


class Named(TypedDict, total=False):
    """The same as keywords of a call: `studio.submit(request, label="boat")`."""

    prefer: Prefer
    where: Where
    take: int
    request_key: str | None
    label: str


def build_terms(given: Terms | None = None, **named: Any) -> Terms:
    """`given` with the named terms changed, None meaning left out. VideoError("invalid_request") with every problem."""
    fields = dict(given or DEFAULT_TERMS) | {name: value for name, value in named.items() if value is not None}
    try:
        return Terms.model_validate(fields)
    except ValidationError as error:
        raise refuse(problems_of(error)) from None
