"""What comes from outside gets its domain here: text, numbers, waits, money and JSON as the program can keep them.

Nothing in this module raises or takes long, whatever it is given. A value that cannot be kept becomes None or is cut;
an id is never changed: one that cannot be kept as it is, is no id (`is_id`).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from decimal import Context, Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import cast

INT_MAX = 2**63 - 1
"""The largest whole number that the store's columns hold."""
RAW_STATE_MAX, ID_MAX, NOTE_MAX, NOTES_MAX, URL_MAX = 60, 500, 300, 20, 8000
POLL_WAIT_MAX_S = 300.0
"""The longest wait that a service may ask for between two looks at a paid job, or two tries to fetch its clip."""
REFUSED_WAIT_MAX_S = 86_400.0
"""The longest wait after a refused POST (429): nothing is paid yet, and a day's limit passes in a day."""
DOLLARS_MAX = Decimal(10) ** 15
"""What is larger is this much: no price, and still far above every limit that it is compared with."""
DATA_DEPTH, DATA_VALUES, DATA_TEXT = 20, 10_000, 8000

_PRECISION = Context(prec=40)
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,6})?")
_SURROGATES = re.compile("[\ud800-\udfff]")
REPLACED = "\N{REPLACEMENT CHARACTER}"


def encodable(text: str) -> str:
    """The text with every lone surrogate replaced: nothing that is stored or sent can hold one."""
    return _SURROGATES.sub(REPLACED, text)


def line(value: object, most: int) -> str:
    """A text as one line of at most `most` characters, without control characters; "" for what is no text."""
    if not isinstance(value, str):
        return ""
    shown = "".join(char if char.isprintable() else " " for char in encodable(value[: most * 8]))
    shown = re.sub(r"\s+", " ", shown).strip()
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def address(value: object) -> str | None:
    """A URL of at most 8000 characters; what is longer or holds a control character leads nowhere."""
    if not isinstance(value, str):
        return None
    kept = "".join(char if char.isprintable() else REPLACED for char in encodable(value[: URL_MAX + 1]))
    return kept[:URL_MAX]


def is_address(value: object) -> bool:
    """Whether an address, or a service's name for an upload, can be kept and used exactly as it is."""
    return isinstance(value, str) and address(value) == value and REPLACED not in value


def is_id(value: object) -> bool:
    """Whether a service's id for a job can be kept and sent back exactly as it is; a number below zero is none."""
    if not isinstance(value, str) or not 0 < len(value) <= ID_MAX or (value[0] == "-" and real(value) is not None):
        return False
    return value.isprintable() and " " not in value and REPLACED not in value


def notes(value: object) -> tuple[str, ...]:
    """At most 20 lines of at most 300 characters."""
    if not isinstance(value, list | tuple):
        return ()
    shown = (line(one, NOTE_MAX) for one in cast("Sequence[object]", value)[:NOTES_MAX])
    return tuple(one for one in shown if one)


def real(value: object) -> float | None:
    """A finite number, or one in a text such as "4.5", in ASCII digits; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value := value.strip()):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: object) -> int | None:
    """A whole number from 0 to 2**63 - 1; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value <= INT_MAX else None
    found = real(value)
    return int(found) if found is not None and found == int(found) and 0 <= found < 2.0**63 else None


def share(value: object) -> float | None:
    """A share as 0..1; None for what is no finite number."""
    found = None if isinstance(value, str) else real(value)
    return None if found is None else min(1.0, max(0.0, found))


def seconds(value: object, most: float) -> float | None:
    """A wait from 0 to `most` seconds; None for what is no finite number."""
    found = real(value)
    return None if found is None else min(most, max(0.0, found))


def moment(value: object) -> float | None:
    """POSIX seconds; None for what is no finite number of them."""
    found = real(value)
    return found if found is not None and abs(found) < 2.0**53 else None


def dollars(value: object) -> Decimal | None:
    """An amount of money, also a negative or a huge one, since it must be reported; None for what is no finite number.

    At most 10**15 either way, and 40 digits: every further calculation with it is quick and raises nothing.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value := value.strip()):
        return None
    try:
        amount = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, ValueError):
        return None
    if not amount.is_finite():
        return None
    if amount.adjusted() >= 15 and amount:
        return DOLLARS_MAX.copy_sign(amount)
    if amount.adjusted() < -30 or not amount:
        return Decimal(0)
    return amount if len(amount.as_tuple().digits) <= 40 else _PRECISION.plus(amount)


def retry_after(text: str | None, most: float) -> float | None:
    """A Retry-After header in seconds, 0 to `most`, from either of its forms; None when it cannot be read."""
    if not text:
        return None
    if (found := seconds(text, most)) is not None:
        return found
    stamp = http_date(text)
    return None if stamp is None else seconds(stamp - time.time(), most)


def http_date(text: str) -> float | None:
    """POSIX seconds of a date as HTTP headers give it; None when it cannot be read."""
    try:
        stamp = parsedate_to_datetime(text)
        return (stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def plain_table(value: object) -> dict[str, object]:
    """A JSON object as `plain_json` keeps it; {} for anything else."""
    kept = plain_json(value)
    return cast("dict[str, object]", kept) if isinstance(kept, dict) else {}


def plain_json(value: object) -> object:
    """JSON that can be stored and read back: no lone surrogates, no infinite or larger numbers than 64 bits, at most
    20 deep, 10,000 values and 8000 characters a text. What is beyond becomes None."""
    left = [DATA_VALUES]
    return _plain(value, DATA_DEPTH, left)


def _plain(value: object, depth: int, left: list[int]) -> object:
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        return None
    if isinstance(value, str):
        return encodable(value[:DATA_TEXT])
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -INT_MAX <= value <= INT_MAX else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        parts = cast("Mapping[object, object]", value).items()
        return {encodable(str(key)[:DATA_TEXT]): _plain(part, depth - 1, left) for key, part in parts if left[0] > 0}
    if isinstance(value, list | tuple):
        return [_plain(part, depth - 1, left) for part in cast("Sequence[object]", value) if left[0] > 0]
    return None
