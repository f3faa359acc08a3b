"""What goes wrong, and when: a queue of outcomes for each route, then a standing one.

An outcome is a JSON object; every key may be left out, and {} is an ordinary answer.
  after_charge  true: the service does its work (charges) first, and only the answer is spoilt. Default false: the
                fault comes before any work.
  status        answer with this HTTP status; with `body` (JSON; a plain error by default) and `headers`
  delay_s       wait before the work; `delay_after_s`: wait between the work and the answer
  hang          seconds, or true = until released; then the connection ends without an answer. With `after_charge`
                the work is done first.
  reset         "before" | "after" the work: the connection is reset (TCP RST)
  lose          true: the work is done, and the connection is closed without an answer
  patch         merged into the handler's own JSON answer (a null removes the key); `reply` replaces the answer
  content_type  replaces the answer's type
  truncate      send so many bytes of the body, then end the connection (after `hang`, where both are given)
  no_length     true: no Content-Length, so that the body ends with the connection
  match         only for requests whose target or body has this text; the others pass it by
  times         how often it is used (1); chance: how likely it is used, 0..1 (standing outcomes; drawn by a seed)
Everything else (`job`, ...) is for the service's own handler, which is given the outcome.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from typing import Any

from tests.fakes.wire import Request

Outcome = dict[str, Any]

KEYS = frozenset(
    {"after_charge", "status", "body", "headers", "delay_s", "delay_after_s", "hang", "reset", "lose", "patch", "reply"}
    | {"content_type", "truncate", "no_length", "match", "times", "chance"}
)


def checked(outcome: Outcome, extra: frozenset[str]) -> Outcome:
    """The same outcome; ValueError for a key that nothing reads, since a misspelt fault tests nothing."""
    if unknown := set(outcome) - KEYS - extra:
        raise ValueError(f"outcome has unknown keys {sorted(unknown)}; known: {sorted(KEYS | extra)}")
    if outcome.get("reset") not in (None, "before", "after"):
        raise ValueError('reset is "before" or "after"')
    return outcome


class Script:
    """The queues and the standing outcomes of one service."""

    def __init__(self, extra: frozenset[str] = frozenset()) -> None:
        self._extra = extra
        self._queues: defaultdict[str, deque[Outcome]] = defaultdict(deque)
        self._standing: dict[str, tuple[list[Outcome], random.Random]] = {}

    def add(self, route: str, outcomes: list[Outcome]) -> None:
        """Append to a route's queue."""
        self._queues[route].extend(dict(checked(outcome, self._extra)) for outcome in outcomes)

    def always(self, route: str, outcomes: list[Outcome], seed: int = 0) -> None:
        """What holds while the queue is empty: the first whose chance comes up (none: an ordinary answer)."""
        self._standing[route] = ([checked(outcome, self._extra) for outcome in outcomes], random.Random(seed))

    def clear(self, route: str | None = None) -> None:
        for store in (self._queues, self._standing):
            if route is None:
                store.clear()
            else:
                store.pop(route, None)

    def left(self) -> dict[str, int]:
        """Outcomes still queued, by route: a test asks for {} to know that its faults were used."""
        return {route: len(queue) for route, queue in self._queues.items() if queue}

    def take(self, route: str, request: Request) -> Outcome:
        """The outcome for this request, taken off the queue."""
        queue = self._queues[route]
        for outcome in queue:
            if _fits(outcome, request):
                left = outcome.get("times", 1) - 1
                if left > 0:
                    outcome["times"] = left
                else:
                    queue.remove(outcome)
                return outcome
        outcomes, draw = self._standing.get(route, ((), None))
        for outcome in outcomes:
            if _fits(outcome, request) and draw is not None and draw.random() < outcome.get("chance", 1):
                return outcome
        return {}


def _fits(outcome: Outcome, request: Request) -> bool:
    text = outcome.get("match")
    return text is None or text in request.target or text.encode() in request.body
