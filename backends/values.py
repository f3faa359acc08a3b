"""Values that the models of requests share: numbers with their ranges, amounts of money, a closed and frozen model."""

from __future__ import annotations

from abc import abstractmethod
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

MAX_DURATION_S = 3600.0

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share = Annotated[Number, Field(ge=0, le=1)]
"""A place along a picture's width or height: 0 = left or top, 1 = right or bottom."""


def _money(value: object) -> object:
    """Decimal from what a caller writes; a float goes by its shortest text, so 0.1 is 0.1."""
    if isinstance(value, bool):
        raise ValueError("give an amount in US dollars, such as 2.50")
    if isinstance(value, int | float):
        return Decimal(str(value))
    return value


def plain_decimal(value: Decimal) -> str:
    """1E+1 is 10 and 1.50 is 1.5: one text for one amount, so that equal requests digest alike."""
    return format(value.normalize(), "f")


Usd = Annotated[
    Decimal,
    BeforeValidator(_money),
    Field(ge=0, allow_inf_nan=False),
    PlainSerializer(plain_decimal, return_type=str, when_used="json"),
]
"""US dollars."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(Part):
    """A part that has a text form too: where one is given as text, it is what `parse` makes of it."""

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Self:
        """ValueError says what its text form is."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if isinstance(value, str):
            return dict(cls.parse(value))
        return value
