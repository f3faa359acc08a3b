"""One client of the chaos run: asks for its share of clips and waits for them. Started again after each kill.

`python -m tests.chaos.client FIRST COUNT PACE_S`: clips FIRST .. FIRST + COUNT - 1, one each PACE_S seconds, by request
key, so that asking again after a kill is asking for the same. Ends with 0 once all of them are settled.
"""

from __future__ import annotations

import sys
import time

import anyio

from backends.errors import VideoError
from backends.jobs.views import SETTLED
from backends.studio import Studio
from tests.jobs.station import text_request


def ask(studio: Studio, number: int) -> str:
    """The clip's job id. A pause of the provider or a busy store is waited for, as an agent would."""
    while True:
        try:
            return studio.submit(text_request(f"shot {number}"), request_key=f"shot-{number}").job_id
        except VideoError as error:
            if not error.retryable:
                raise
            time.sleep(min(1.0, error.retry_after_s or 0.2))


async def main(first: int, count: int, pace_s: float) -> None:
    with Studio.open(client=f"chaos-{first}") as studio:
        jobs: list[str] = []
        for number in range(first, first + count):
            jobs.append(ask(studio, number))
            await anyio.sleep(pace_s)
        while True:
            found = await studio.wait(jobs, timeout_s=10.0)
            if all(job.state in SETTLED for job in found):
                return


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
