"""Reading answers tolerantly: a field that is missing or of another kind than yesterday never crashes a job."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

from backends.provider import border

LARGEST = 10**40
"""What is larger is no number of any service, and its text may be endless."""


def table(value: object) -> dict[str, object]:
    """The object, {} for anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def listed(value: object) -> list[object]:
    """The array, [] for anything else."""
    return cast("list[object]", value) if isinstance(value, list) else []


def at(value: object, *path: str | int) -> object:
    """What lies at a path of names and positions; None when there is nothing."""
    for part in path:
        if isinstance(part, int):
            found = listed(value)
            value = found[part] if -len(found) <= part < len(found) else None
        else:
            value = table(value).get(part)
    return value


def text(value: object) -> str:
    """A text, or a whole number as text; "" for anything else: what a float was on its way here nobody knows. Lone
    surrogates, which nothing can send or store, become U+FFFD (no id holds one: see `border.is_id`)."""
    if isinstance(value, str):
        return border.encodable(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -LARGEST < value < LARGEST:
        return ""
    return str(value)


def number(value: object) -> float | None:
    """A number, also from a text such as "45" or "45%"; None for anything else and for what is not finite."""
    return border.real(value.strip().removesuffix("%") if isinstance(value, str) else value)


def share(value: object) -> float | None:
    """Progress as 0..1, from a share (0.4), a percentage (40) or either as text; None when there is none."""
    found = number(value)
    if found is None:
        return None
    percent = found > 1 or (isinstance(value, str) and value.strip().endswith("%"))
    return min(1.0, max(0.0, found / 100 if percent else found))


def whole(value: object) -> int | None:
    """A whole number from 0 to 2**63 - 1; None for anything else."""
    return border.whole(number(value) if isinstance(value, str) else value)


def dollars(value: object) -> Decimal | None:
    """An amount, also a negative or a huge one (at most 10**15); None when it is none."""
    return border.dollars(value)
