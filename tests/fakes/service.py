"""The half of a fake that every service shares: routes, scripted faults, the request log, counters, control.

A service is a subclass with `routes()` and handlers `(request, outcome, **path parameters) -> Reply`; it runs in the
fake's own process. The test talks to it by POST /_control: {"do": NAME, ...} calls `do_NAME` (see `server.FakeServer`).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fakes.hostile import Hostile
from tests.fakes.ledger import Ledger
from tests.fakes.media import GONE, Shelf
from tests.fakes.script import Outcome, Script
from tests.fakes.wire import Reply, Request, Wire

Handler = Callable[..., Reply]
SECRET_HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "x-key", "cookie"})
SECRET_QUERY = frozenset({"key", "api_key", "access_token"})
LOGGED_JSON = 64 * 1024
LOGGED_REQUESTS = 50_000


def fingerprint(secret: str) -> str:
    """The first 12 hex digits of the sha256 of a credential, without a scheme word such as "Bearer"."""
    return hashlib.sha256(secret.split(" ")[-1].encode()).hexdigest()[:12]


def credential(request: Request) -> str:
    """The fingerprint of the credential that came with a request; "" when none did."""
    for name in ("authorization", "x-api-key", "x-goog-api-key"):
        if value := request.headers.get(name):
            return fingerprint(value)
    return fingerprint(request.query["key"]) if "key" in request.query else ""


class Service:
    """What a fake does. config: JSON from the test: `state` (a folder), `clips`, then knobs by name.

    knobs: settings that the test may change at any time; a subclass adds its own in `knobs_of_its_own`. Every service
    has `hostile`: None, or {seed, one_in, tricks} of `hostile.Hostile`, which then spoils its good answers.
    """

    outcome_keys: frozenset[str] = frozenset()

    def __init__(self, config: dict[str, Any]) -> None:
        self.ledger = Ledger(Path(config.pop("state")) / "ledger.jsonl")
        self.shelf = Shelf(config.pop("clips", {}))
        self.script = Script(self.outcome_keys)
        self.wire = Wire(self.answer)
        self.counts: Counter[str] = Counter()
        self.log: deque[dict[str, Any]] = deque(maxlen=LOGGED_REQUESTS)
        self.knobs: dict[str, Any] = {"hostile": None, **self.knobs_of_its_own()}
        self.hostile: Hostile | None = None
        self._routes = [
            (name, method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)), handler)
            for name, method, pattern, handler in self.routes()
        ]
        self._number = 0
        self._released = asyncio.Event()
        self._changed = asyncio.Event()
        self.do_set(config)

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """(name, method, path with {parameters}, handler), most particular first. Later fakes name their paid POST
        "submit" and their media "media", so that tests read alike."""
        raise NotImplementedError

    def knobs_of_its_own(self) -> dict[str, Any]:
        return {}

    def error(self, status: int, outcome: Outcome) -> Any:
        """The JSON of a scripted refusal in the service's own form."""
        return {"error": {"code": outcome.get("code", str(status)), "message": f"scripted {status}"}}

    def settle(self, now: float) -> None:
        """Bring jobs that nobody asked for up to date, before totals are told."""

    async def answer(self, request: Request) -> Reply:
        """One request in, one reply out; never raises."""
        if request.path == "/_control":
            return await self._control(request)
        self.wire.counted(request)
        name, handler, params = self._find(request)
        entry = self._note(request, name)
        try:
            outcome = self.script.take(name, request)
            self._count(f"busy.{name}")
            work = lambda: self.spoilt(name, params, handler(request, outcome, **params))  # noqa: E731
            reply = await self._play(outcome, request, work)
        except Exception:  # a broken fake must be seen, not be taken for a fault of the service
            traceback.print_exc(file=sys.stderr)
            self._count("broken")
            reply = Reply.of({"error": {"code": "fake_broken", "message": traceback.format_exc(limit=-1)}}, 500)
        finally:
            self.counts[f"busy.{name}"] -= 1
        entry["sent"] = ("reset" if reply.end == "reset" else "nothing") if reply.silent else reply.status
        self._count(f"answered.{name}")
        return reply

    def spoilt(self, route: str, params: dict[str, str], reply: Reply) -> Reply:
        """A good answer as a hostile service would give it; as it is while the knob `hostile` is None."""
        if self.hostile is None or reply.status >= 400 or route == "unknown":
            return reply
        trick, draw = self.hostile.trick(route, next(iter(params.values()), ""))
        return self.hostile.spoil(trick, draw, reply)

    def _find(self, request: Request) -> tuple[str, Handler, dict[str, str]]:
        for name, method, pattern, handler in self._routes:
            shape = pattern.fullmatch(request.path)
            if shape and request.method in (method, "HEAD" if method == "GET" else method):
                return name, handler, shape.groupdict()
        return "unknown", lambda request, outcome: Reply.of(self.error(404, {}), 404), {}

    def _note(self, request: Request, name: str) -> dict[str, Any]:
        headers = {
            key: f"fp:{fingerprint(value)}" if key in SECRET_HEADERS else value
            for key, value in request.headers.items()
        }
        query = {
            key: f"fp:{fingerprint(value)}" if key in SECRET_QUERY else value for key, value in request.query.items()
        }
        self._number += 1
        entry: dict[str, Any] = {
            "n": self._number,
            "at": time.time(),
            "route": name,
            "method": request.method,
            "path": request.path,
            "query": query,
            "headers": headers,
            "body_bytes": len(request.body),
            "body_sha256": hashlib.sha256(request.body).hexdigest(),
            "json": request.json() if 0 < len(request.body) <= LOGGED_JSON else None,
            "connection": request.connection,
            "sent": None,
        }
        self.log.append(entry)
        self._count("requests")
        self._count(name)
        return entry

    def _count(self, name: str) -> None:
        self.counts[name] += 1
        self.changed()

    def changed(self) -> None:
        """Wake whoever waits for a counter."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _hang(self, hang: float | bool) -> None:
        self._count("hanging")
        try:
            await asyncio.wait_for(self._released.wait(), None if hang is True else hang)
        except TimeoutError:
            pass
        finally:
            self.counts["hanging"] -= 1
            self.changed()

    async def _play(self, outcome: Outcome, request: Request, work: Callable[[], Reply]) -> Reply:
        """Act out an outcome around the handler's work (`script` has the words)."""
        get = outcome.get
        after, hang = get("after_charge", False), get("hang")
        if get("delay_s"):
            await asyncio.sleep(outcome["delay_s"])
        if not after and (spoilt := self._spoilt(outcome, get("reset") == "before")):
            return spoilt
        reply = work()
        self.changed()
        if get("delay_after_s"):
            await asyncio.sleep(outcome["delay_after_s"])
        if after and (spoilt := self._spoilt(outcome, False)):
            return spoilt
        if get("reset") == "after":
            return Reply(silent=True, end="reset")
        if get("lose"):
            return Reply(silent=True, end="close")
        if "reply" in outcome:
            reply = Reply.of(outcome["reply"], reply.status)
        if "patch" in outcome:
            merged = {**Request("", "", {}, {}, reply.body).json(), **outcome["patch"]}
            reply = Reply.of({key: value for key, value in merged.items() if value is not None}, reply.status)
        if "content_type" in outcome:
            reply.headers["content-type"] = outcome["content_type"]
        reply.headers.update(get("headers", {}))
        reply.cut, reply.length = get("truncate", reply.cut), reply.length and not get("no_length")
        if hang and reply.cut is not None:
            reply.hold = lambda: self._hang(hang)
        return reply

    def _spoilt(self, outcome: Outcome, reset: bool) -> Reply | None:
        """The answer instead of the work's own, where the outcome has one."""
        hang = outcome.get("hang")
        if hang and "truncate" not in outcome:
            return Reply(silent=True, end="close", hold=lambda: self._hang(hang))
        if reset:
            return Reply(silent=True, end="reset")
        if status := outcome.get("status"):
            body = outcome["body"] if "body" in outcome else self.error(status, outcome)
            return Reply.of(body, status, **outcome.get("headers", {}))
        return None

    async def _control(self, request: Request) -> Reply:
        call = dict(request.json())
        try:
            result = getattr(self, f"do_{call.pop('do')}")(**call)
            return Reply.of({"ok": await result if asyncio.iscoroutine(result) else result})
        except Exception as error:  # a wrong call is the test's mistake: told to it in words
            return Reply.of({"error": f"{type(error).__name__}: {error}"}, 400)

    def do_script(self, route: str, outcomes: list[Outcome]) -> None:
        self.script.add(self._named(route), outcomes)

    def do_always(self, route: str, outcomes: list[Outcome], seed: int = 0) -> None:
        self.script.always(self._named(route), outcomes, seed)

    def do_clear(self, route: str | None = None) -> None:
        self.script.clear(route)

    def do_left(self) -> dict[str, int]:
        return self.script.left()

    def _named(self, route: str) -> str:
        names = [name for name, *_ in self._routes]
        if route not in names:
            raise ValueError(f"no route {route!r}; routes: {', '.join(names)}")
        return route

    def do_set(self, knobs: dict[str, Any]) -> None:
        for name, value in knobs.items():
            if name == "gone" and value not in GONE:
                raise ValueError(f"gone is one of {sorted(GONE)}")
            owner = self.shelf.knobs if name in self.shelf.knobs else self.knobs
            if name not in owner:
                raise ValueError(f"no knob {name!r}; knobs: {sorted([*self.knobs, *self.shelf.knobs])}")
            owner[name] = value
            if name == "hostile":
                self.hostile = None if value is None else Hostile(**value)

    def do_tricks(self) -> list[tuple[str, str, str]]:
        """What was done to which answer: [route, job, trick], oldest first."""
        return [] if self.hostile is None else self.hostile.log

    def do_counters(self) -> dict[str, Any]:
        self.settle(time.time())
        counts = {name: count for name, count in self.counts.items() if not name.startswith("busy.") or count}
        connections = {"connections": len(self.wire.opened), "peak_connections": self.wire.peak}
        return {**counts, **self.ledger.totals(), **connections, "broken": self.counts["broken"]}

    def do_log(self, route: str | None = None) -> list[dict[str, Any]]:
        return [entry for entry in self.log if route in (None, entry["route"])]

    def do_release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    def do_expire(self) -> int:
        return self.shelf.expire()

    async def do_wait(self, counter: str, at_least: float, timeout_s: float) -> float:
        """Until a counter is that high; TimeoutError with what it is."""

        async def reached() -> float:
            while (value := self._value(counter)) < at_least:
                await self._changed.wait()
            return value

        try:
            return await asyncio.wait_for(reached(), timeout_s)
        except TimeoutError:
            raise TimeoutError(f"{counter} is not {at_least} after {timeout_s} s; {self.do_counters()}") from None

    def _value(self, counter: str) -> float:
        if counter == "charges":
            return len(self.ledger.charged)
        return self.counts[counter] if counter in self.counts else self.do_counters().get(counter, 0)
