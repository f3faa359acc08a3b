"""What fakes of services share that take one JSON POST, answer with an id, and are asked until an address is there."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any, ClassVar

from tests.fakes.jobs import FakeJob, JobService
from tests.fakes.life import Phase
from tests.fakes.script import Outcome
from tests.fakes.service import Handler
from tests.fakes.wire import Reply, Request


class Polled(JobService):
    """submit_path, task_path: of the POST and of a job ({job} in it). Knobs besides `JobService`'s: usd (a job)."""

    submit_path: ClassVar[str]
    task_path: ClassVar[str]

    def knobs_of_its_own(self) -> dict[str, Any]:
        return {**super().knobs_of_its_own(), "usd": "0.5"}

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("media", "GET", "/media/{token}", self.media),
            ("submit", "POST", self.submit_path, self.submit),
            ("status", "GET", self.task_path, self.status),
            ("delete", "DELETE", self.task_path, self.delete),
        ]

    def unfit(self, body: dict[str, Any]) -> str:
        """What the service would not take of a body; "" when it takes all of it."""
        raise NotImplementedError

    def taken(self, job: FakeJob) -> tuple[dict[str, Any], int]:
        """(the answer to the POST, its status)."""
        raise NotImplementedError

    def told(self, job: FakeJob, phase: Phase, url: str) -> dict[str, Any]:
        """The answer to a question about a job. url: of its clip."""
        raise NotImplementedError

    def submit(self, request: Request, outcome: Outcome) -> Reply:
        if not (account := self.account(request)):
            return Reply.of(self.error(401, outcome), 401)
        body = request.json()
        if wrong := self.unfit(body):
            return Reply.of({"error": {"code": "InvalidParameter", "message": wrong}, "detail": wrong}, 400)
        answer, status = self.taken(self.begin(account, "", body["model"], body, Decimal(self.knobs["usd"]), outcome))
        return Reply.of(answer, status)

    def status(self, request: Request, outcome: Outcome, job: str) -> Reply:
        if (held := self.own(request, job)) is None:
            return Reply.of(self.error(404, outcome), 404)
        now = time.time()
        held.life.asked_once(now)
        phase = self.look(held, now)[0]
        return Reply.of(self.told(held, phase, f"http://{request.headers['host']}{self.shelf.path(held.id, '')}"))

    def delete(self, request: Request, outcome: Outcome, job: str) -> Reply:
        """Stops a queued job; of any other one the record is gone."""
        if (held := self.own(request, job)) is None:
            return Reply.of(self.error(404, outcome), 404)
        if held.life.state(time.time())[0] == "queued":
            self.stop_job(held, time.time())
        else:
            del self.jobs[job]
        return Reply.of({})

    def error(self, status: int, outcome: Outcome) -> Any:
        code = outcome.get("code", "Scripted")
        return {"error": {"code": code, "message": f"scripted {status}"}, "detail": f"scripted {status}"}

    def media(self, request: Request, outcome: Outcome, token: str) -> Reply:
        return self.shelf.serve(request, token)


def is_data_uri(value: object) -> bool:
    kinds = ("jpeg", "png", "webp")
    return isinstance(value, str) and value.startswith(tuple(f"data:image/{kind};base64," for kind in kinds))
