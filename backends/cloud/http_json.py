"""Reading answers tolerantly: a field that is missing or of another kind than yesterday never crashes a job."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import cast


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
    """A text or a number as text; "" for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def number(value: object) -> float | None:
    """A number, also from a text such as "45" or "45%"; None for anything else and for what is not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value.strip().removesuffix("%") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def share(value: object) -> float | None:
    """Progress as 0..1, from a share (0.4), a percentage (40) or either as text; None when there is none."""
    found = number(value)
    if found is None:
        return None
    percent = found > 1 or (isinstance(value, str) and value.strip().endswith("%"))
    return min(1.0, max(0.0, found / 100 if percent else found))


def whole(value: object) -> int | None:
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def dollars(value: object) -> Decimal | None:
    """An amount; None when it is none."""
    try:
        amount = Decimal(text(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
