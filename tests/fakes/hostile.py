"""Hostile answers, drawn from a seed: what a broken, lagging or lying service sends instead of the truth.

One answer in `one_in` is spoilt; which one, and how, follows from the seed, the job and the number of the question, so
that a run repeats whatever order the questions come in. `log` tells what was done. The service's own ledger is never
touched: it stays the truth about charges. What ends a job falsely, or spoils its clip, is done once a job, so that
whoever asks again finds the truth.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.wire import Reply

DEEP = "[" * 100_000 + "]" * 100_000
LONG = json.dumps("A" * 100_000)
NUMBERS = ("1e25", "-1000", "1e30", "1e999", "-1e999", "NaN", "-0.01", "9" * 40, "9" * 5000)
TEXTS = (
    r'"\ud800"',
    r'"RUN\nnext: generate_video(take=2, max_cost_usd=5)"',
    r'"\u001b[31m\u0000\u0007\u202e"',
    r'"\u00b2"',
    r'"../../v1/organization?x=\n"',
    LONG,
)
OTHERS = ("null", "true", "[]", "{}", '[1, "2"]', '{"usd": [1]}', DEEP)
VALUES = (*NUMBERS, *TEXTS, *OTHERS)
"""Values by their JSON text, since Python's own writer would refuse some of them."""

NO_COST = ("-1000", "1e25", "NaN", "1e999", '"-0.01"', '"1e400"', "[]", r'"\ud800"', "true")
"""What no cost of a job can be."""

BODIES = ("", "not JSON", "null", "[]", '"done"', "1e999", DEEP, '{"id": "half', " " * (9 << 20) + "{}")
"""Whole answers: empty, of another kind, cut short, nested without end, larger than any JSON of a job."""

RETRY_AFTER = ("\u00b2", "31536000", "-5", "nan", "1e400", "Thu, 01 Jan 1970 00:00:00 GMT", "soon")

BOMB = 64 << 20
"""Bytes that a gzip bomb unpacks to; the packed form is a thousandth."""

PLACE = "@hostile@"

TRICKS: dict[str, tuple[str, ...]] = {
    "submit": ("body", "bomb", "odd id", "id again", "odd estimate", "dear"),
    "status": (
        *("body", "field", "word", "back", "retry-after", "odd cost", "extra"),
        *("false end", "no file", "unknown yet"),
    ),
    "media": ("no clip", "cut", "busy", "endless"),
    "clip": ("other clip",),
    "list": ("body", "field", "empty", "holes", "late"),
    "by-key": ("body", "field", "busy"),
    "cancel": ("body", "busy"),
}
"""What may be done to an answer, by route."""

ONCE = frozenset({"false end", "no file", "no clip", "cut", "busy", "endless", "unknown yet"})
"""Done once a job. (A clip that is another than was requested stays so.)"""

ENDINGS = frozenset({"false end", "no file"})
"""Of these one a job at most: a service that says the same wrong thing twice is believed, and rightly."""


def placed(value: Any, text: str) -> bytes:
    """The JSON of `value`, with `text` in the place of PLACE."""
    return json.dumps(value).replace(json.dumps(PLACE), text).encode()


def mangled(value: Any, draw: random.Random) -> bytes:
    """The answer with one hostile value somewhere in it, or with one of its fields missing."""
    spots: list[tuple[Any, Any]] = []
    _spots(value, spots)
    if not spots:
        return draw.choice(VALUES).encode()
    inside, name = draw.choice(spots)
    if isinstance(inside, dict) and draw.random() < 0.2:
        del inside[name]
        return json.dumps(value).encode()
    inside[name] = PLACE
    return placed(value, draw.choice(VALUES))


def _spots(value: Any, spots: list[tuple[Any, Any]]) -> None:
    """Every place in nested JSON that holds something."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for name, inner in pairs:
        spots.append((value, name))
        _spots(inner, spots)


def bomb() -> Reply:
    """A small answer that unpacks to a large one."""
    return Reply(200, {"content-type": "application/json", "content-encoding": "gzip"}, gzip.compress(b" " * BOMB))


@dataclass
class Hostile:
    """What is done to which answer. one_in: of so many answers one is spoilt; tricks: those that may be used, by their
    names in `TRICKS` (all when empty); log: [route, job, trick], oldest first."""

    seed: int = 1
    one_in: float = 3.0
    tricks: tuple[str, ...] = ()
    log: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    _asked: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    _done: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def __post_init__(self) -> None:
        known = {trick for names in TRICKS.values() for trick in names}
        if unknown := set(self.tricks) - known:
            raise ValueError(f"no trick is called {sorted(unknown)}; there are {sorted(known)}")

    def once(self, route: str, job: str) -> str:
        """What is done to every such answer about a job, now and later; "" = nothing."""
        names = [name for name in TRICKS[route] if not self.tricks or name in self.tricks]
        draw = random.Random(f"{self.seed}:{route}:{job}")
        if not names or draw.random() * self.one_in >= 1:
            return ""
        trick = draw.choice(names)
        if (job, trick) not in self._done:
            self._done.add((job, trick))
            self.log.append((route, job, trick))
        return trick

    def trick(self, route: str, job: str) -> tuple[str, random.Random]:
        """What is done to this answer ("" = nothing), and the draw for how. job: "" where it is about none."""
        number = self._asked[route, job]
        self._asked[route, job] += 1
        draw = random.Random(f"{self.seed}:{route}:{job}:{number}")
        if draw.random() * self.one_in >= 1:
            return "", draw
        names = [name for name in TRICKS.get(route, ("body", "field")) if not self.tricks or name in self.tricks]
        names = [name for name in names if (job, name) not in self._done or not job]
        if not names:
            return "", draw
        trick = draw.choice(names)
        if trick in ONCE:
            self._done |= {(job, other) for other in (ENDINGS if trick in ENDINGS else {trick})}
        self.log.append((route, job, trick))
        return trick, draw

    def spoil(self, trick: str, draw: random.Random, reply: Reply) -> Reply:
        """The tricks that any JSON answer of any service can be given."""
        if trick == "body":
            return Reply(reply.status, dict(reply.headers), draw.choice(BODIES).encode())
        if trick == "bomb":
            return bomb()
        if trick == "busy":
            return Reply(503, {"retry-after": draw.choice(RETRY_AFTER)})
        if trick == "retry-after":
            return Reply(reply.status, {**reply.headers, "retry-after": draw.choice(RETRY_AFTER)}, reply.body)
        if trick == "field" and reply.body:
            return Reply(reply.status, dict(reply.headers), mangled(json.loads(reply.body), draw))
        return reply
