"""The paid service's lies, while the knob `hostile` is set: on top of those that any service can tell (`hostile`)."""

from __future__ import annotations

import json
import random
import time
from decimal import Decimal
from typing import Any

from tests.fakes.hostile import NO_COST, NUMBERS, OTHERS, PLACE, TEXTS, placed
from tests.fakes.jobs import FakeJob, JobService
from tests.fakes.wire import Reply, Request

DEAR = 3
"""How many times its listed price a job costs when the service bills more than it quotes (told in the answer)."""
LATE_S = 3.0
"""How old a job is before a late list shows it."""
OTHER = "other"
"""The shelf's name for a clip that nobody has ordered."""


class PaidEvil(JobService):
    """Lies about a job go by its number, so that a run repeats although ids differ."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.keys_of: dict[str, str] = {}
        super().__init__(config)

    def trick_of_submit(self) -> tuple[str, random.Random]:
        if self.hostile is None:
            return "", random.Random(0)
        return self.hostile.trick("submit", _number(len(self.jobs) + 1))

    def bill(self, trick: str, usd: Decimal) -> Decimal:
        return usd * DEAR if trick == "dear" else usd

    def clip_of(self, job: FakeJob) -> str:
        """The name of another clip than the one that was ordered; "" for the right one."""
        return OTHER if self.hostile is not None and self.hostile.once("clip", job.id.split("_")[1]) else ""

    def spoilt_submit(self, trick: str, draw: random.Random, job: FakeJob, request: Request, reply: Reply) -> Reply:
        """The answer to the paid POST, charged already."""
        key = request.headers.get("authorization", "")
        earlier = [name for name, owner in self.keys_of.items() if owner == key and self.jobs[name].life.asked]
        self.keys_of[job.id] = key
        told = json.loads(reply.body)
        if trick == "odd id":
            return _with(reply, {**told, "id": PLACE}, draw.choice((*TEXTS, *OTHERS, *NUMBERS)))
        if trick == "odd estimate":
            return _with(reply, {**told, "est_cost_usd": PLACE}, draw.choice(NO_COST))
        if trick == "id again":  # of a job that its client knows already: it has asked for it
            return _with(reply, {**told, "id": draw.choice(earlier)}) if earlier else reply
        return reply if self.hostile is None else self.hostile.spoil(trick, draw, reply)

    def spoilt(self, route: str, params: dict[str, str], reply: Reply) -> Reply:
        if self.hostile is None or route == "submit" or reply.status >= 400:
            return reply
        name = params.get("job") or params.get("token", "").rpartition("-")[0]
        job = self.jobs.get(name)
        trick, draw = self.hostile.trick(route, name.split("_")[1] if job else "")
        if route == "status" and job is not None:
            return self._spoilt_status(trick, draw, job, reply)
        if route == "list":
            return self._spoilt_list(trick, draw, reply)
        if route == "media":
            return self._spoilt_media(trick, draw, reply)
        return self.hostile.spoil(trick, draw, reply)

    def _spoilt_status(self, trick: str, draw: random.Random, job: FakeJob, reply: Reply) -> Reply:
        assert self.hostile is not None
        told = json.loads(reply.body)
        if trick == "word":
            return _with(reply, {**told, "status": PLACE, "queue_position": 1e30}, draw.choice(TEXTS))
        if trick == "back":
            return _with(reply, {**told, "status": "queued", "progress": 0, "files": [], "queue_position": 7})
        if trick == "odd cost":
            return _with(reply, {**told, "cost_usd": PLACE}, draw.choice(NO_COST))
        if trick == "extra":
            lies = ("http://127.0.0.1:9/extra.mp4", "file:///etc/passwd", "https://[::1/")
            extra = {"url": draw.choice(lies), "mime": "image/png", "role": "extra"}
            return _with(reply, {**told, "files": [*told["files"], extra] if told["files"] else []})
        if trick == "false end":
            lie = {"status": "failed", "error": {"code": "internal", "message": "it failed"}, "charged": True}
            return _with(reply, {**told, "files": [], **lie})
        if trick == "no file":
            return _with(reply, {**told, "status": "succeeded", "files": []})
        if trick == "unknown yet":
            return Reply.of({"error": {"code": "not_found", "message": f"no job {job.id}"}}, 404)
        return self.hostile.spoil(trick, draw, reply)

    def _spoilt_list(self, trick: str, draw: random.Random, reply: Reply) -> Reply:
        assert self.hostile is not None
        told = json.loads(reply.body)
        if trick == "empty":
            return _with(reply, {"jobs": []})
        if trick == "holes":
            return _with(reply, {"jobs": [job for job in told["jobs"] if draw.random() < 0.5]})
        if trick == "late":
            old = time.time() - LATE_S
            return _with(reply, {"jobs": [job for job in told["jobs"] if job["created_at"] < old]})
        return self.hostile.spoil(trick, draw, reply)

    def _spoilt_media(self, trick: str, draw: random.Random, reply: Reply) -> Reply:
        assert self.hostile is not None
        if trick == "no clip":
            return Reply(200, {"content-type": "video/mp4"}, b"<html><body>next: pay again</body></html>")
        if trick == "cut":
            reply.cut = len(reply.body) // 2
            return reply
        if trick == "endless":
            return Reply(200, {**reply.headers, "content-length": "100000000000"}, reply.body, length=False)
        return self.hostile.spoil(trick, draw, reply)


def _number(number: int) -> str:
    return f"{number:06d}"


def _with(reply: Reply, told: Any, text: str = "") -> Reply:
    """The answer with another body; `text` in the place of PLACE."""
    return Reply(reply.status, dict(reply.headers), placed(told, text) if text else json.dumps(told).encode())
