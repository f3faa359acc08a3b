"""The worker's process: `python -P -m backends.jobs.run.worker`, started by a client (see `launch`), or by the user
(`reelwright worker`)."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from backends import starting
from backends.errors import VideoError

if TYPE_CHECKING:
    from backends.jobs.run import worker_loop

log = logging.getLogger("reelwright.worker")


def main(duty: worker_loop.Duty | None = None) -> None:
    """Drive open jobs until all is quiet; standard output and error go to the log."""
    with starting.imports():
        import anyio

        from backends.jobs.context import Context, program_version
        from backends.jobs.run.driver import in_words
        from backends.jobs.run.worker_loop import Duty, until_stopped
        from backends.settings import load_settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for noisy in ("httpx", "httpcore", "httpx2", "openai", "google_genai"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    settings = load_settings()
    context = Context.open(settings)
    if not context.store.may_drive:
        where = context.store.where
        context.close()
        text = f"the role of this store's URL may only order jobs at {where}: its owner can allow more"
        raise VideoError("storage", f"{text}: reelwright store init --worker ROLE")
    log.info("worker %s started, version %s", os.getpid(), program_version())
    try:
        with os.fdopen(os.dup(2), "wb") as engine_log:
            anyio.run(until_stopped, context, engine_log, duty or Duty())
    except* VideoError as failures:  # the disk or the data folder, in one line; the launcher tries again
        log.error("%s", in_words(failures))
        sys.exit(1)
    finally:
        context.close()
        log.info("worker %s left", os.getpid())


if __name__ == "__main__":
    main()
