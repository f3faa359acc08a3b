"""One client of the chaos run: asks for its share of clips and waits for them. Started again after each kill.

`python -m tests.chaos.client FIRST COUNT PACE_S [PROMPTS SHIFT]`: clips FIRST .. FIRST + COUNT - 1, one each PACE_S
seconds, by request key, so that asking again after a kill is asking for the same. PROMPTS: so many different prompts,
and takes of them without a key of their own, beginning with prompt SHIFT: many jobs with the same words. Ends with 0
once all of them are settled.
"""

from __future__ import annotations

import sys
import time

import anyio

from backends.errors import VideoError
from backends.jobs.views import SETTLED
from backends.studio import Studio
from tests.jobs.station import text_request


def ask(studio: Studio, number: int, prompts: int, shift: int) -> str:
    """The clip's job id. A pause of the provider, a busy store or the day's limit is waited for, as an agent would."""
    while True:
        try:
            if prompts:
                words = f"shot {(number + shift) % prompts}"
                return studio.submit(text_request(words), take=number // prompts + 1).job_id
            return studio.submit(text_request(f"shot {number}"), request_key=f"shot-{number}").job_id
        except VideoError as error:
            if not error.retryable and error.kind not in ("wall", "needs_budget"):
                raise
            time.sleep(min(1.0, error.retry_after_s or 0.2))


async def main(first: int, count: int, pace_s: float, prompts: int, shift: int) -> None:
    with Studio.open(client=f"chaos-{first}") as studio:
        jobs: list[str] = []
        for number in range(first, first + count):
            jobs.append(ask(studio, number, prompts, shift))
            await anyio.sleep(pace_s)
        while True:
            found = await studio.wait(jobs, timeout_s=10.0)
            if all(job.state in SETTLED for job in found):
                return


if __name__ == "__main__":
    first, count, pace, prompts, shift, *_ = [*sys.argv[1:], "0", "0"]
    anyio.run(main, int(first), int(count), float(pace), int(prompts), int(shift))
