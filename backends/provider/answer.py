"""Reading answers tolerantly: a field that is missing or of another kind than yesterday never crashes a job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import cast

from backends.provider import border

LARGEST = 10**40
"""What is larger is no number of any service, and its text may be endless."""
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


def addresses(value: object) -> list[str]:
    """Every http(s) address in a value, each once, in order: a text, an object with a `url`, or whatever holds such."""
    if isinstance(value, str):
        return [value] if value.startswith(("https://", "http://")) else []
    fields = table(value)
    parts = [fields["url"]] if "url" in fields else listed(value) or list(fields.values())
    return list(dict.fromkeys(url for part in parts for url in addresses(part)))


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
