"""What one session was already shown of its jobs, so that a wait reports each thing once.

It ends with the session; a caller without a session (a stateless request over HTTP) is shown everything each time.
get_job shows a job in full at every call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar, cast

from backends.jobs.views import SETTLED, Job

Key = TypeVar("Key")

MOST_JOBS = 1000
"""The most jobs that a session's memory holds; older ones are shown in full again."""
MOST_SESSIONS = 256
"""The most sessions remembered at once, over HTTP."""
SESSION_HEADER = "mcp-session-id"


class Shown:
    """By job: the state in which it was last shown in full after its end, and the notes that were shown."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, str] = OrderedDict()
        self._notes: OrderedDict[str, set[str]] = OrderedDict()

    def knows(self, job: Job) -> bool:
        """Whether the job's end was shown in full. An uncertain job about which the user has decided since is news
        again."""
        return job.state in SETTLED and self._states.get(job.job_id) == job.state

    def fresh(self, job: Job) -> list[str]:
        """The job's notes that were not shown yet."""
        shown = self._notes.get(job.job_id, set())
        return [note for note in job.notes if note not in shown]

    def tell(self, job: Job, *, in_full: bool) -> None:
        if in_full and job.state in SETTLED:
            self._states[job.job_id] = job.state
            _bound(self._states, job.job_id, MOST_JOBS)
        self.tell_notes(job.job_id, job.notes)

    def tell_notes(self, job_id: str, notes: Iterable[str]) -> None:
        self._notes.setdefault(job_id, set()).update(notes)
        _bound(self._notes, job_id, MOST_JOBS)


class Sessions:
    """The memory of each session of one server."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[tuple[str, str], Shown] = OrderedDict()

    def memory(self, session: str | None, principal: str = "") -> Shown:
        """A session's memory; for None a fresh one that is not kept. principal: whose session it is, since a client
        without a protocol session may send any id."""
        if session is None:
            return Shown()
        key = (session, principal)
        memory = self._sessions.setdefault(key, Shown())
        _bound(self._sessions, key, MOST_SESSIONS)
        return memory


class Headed(Protocol):
    """The part of an HTTP request that is read."""

    headers: Mapping[str, str]


def session_of(request: object) -> str | None:
    """The session of a call: "" for the one client of a stream, the client's id over HTTP, None where it sends none.
    request: the HTTP request that brought the call, None on a stream."""
    if request is None:
        return ""
    return cast(Headed, request).headers.get(SESSION_HEADER) or None


def _bound(kept: OrderedDict[Key, Any], key: Key, most: int) -> None:
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
