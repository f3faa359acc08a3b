"""`worker`: drive jobs here, in the foreground, for a service manager or a second terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from mcp_server.cli import opening


def worker(
    lanes: Annotated[
        list[str] | None,
        typer.Option(help="Only these providers or devices: runway, cpu, gpu, gpu:UUID ...; may be repeated."),
    ] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Go on when there is nothing to do; Ctrl-C ends it.")] = False,
) -> None:
    """Drive the open jobs of this data folder here, and log to standard error. It takes what it has keys and devices
    for; what another worker drives stays there. Ctrl-C or SIGTERM lets it end: paid jobs go on in the next worker."""
    from backends.jobs.run import worker as process
    from backends.jobs.run.worker_loop import Duty

    with opening.failures():
        duty = Duty(tuple(lanes or ()), stay)
        duty.check()
        process.main(duty)
