"""`python -m tests.chaos`: the long kill -9 run, each way of look-up. `--demo`: six clips and three kills to watch.

`--evil`: against a service that lies in one answer of three, from two homes on one account, with keys that change.
`--server`: each store lies on a PostgreSQL server of the run's own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import settings

from tests.chaos import evil
from tests.chaos.demo import demo
from tests.chaos.storm import MODES, Outcome, Plan, run
from tests.fakes import PLUGIN
from tests.jobs import stores
from tests.jobs.machine import explore
from tests.jobs.nursery import Nursery
from tests.jobs.server import running
from tests.jobs.station import TINY

HEAD = (
    "| the service offers | jobs | kill -9 (workers, clients) | workers | charged | paid twice | done | uncertain "
    "| lost | seconds |\n|---|---|---|---|---|---|---|---|---|---|"
)


def row(outcome: Outcome) -> str:
    """One line of the table."""
    plan, states, counters = outcome.plan, outcome.states, outcome.counters
    twice = sum(count > 1 for count in counters.get("charges_by_key", {}).values())
    lost = plan.jobs - states["succeeded"] - states["uncertain"]
    kills = f"{outcome.killed.total()} ({outcome.killed['worker']}, {outcome.killed['client']})"
    return (
        f"| {plan.mode} | {plan.jobs} | {kills} | {len(outcome.workers)} | {counters.get('charges', 0)} | {twice} "
        f"| {states['succeeded']} | {states['uncertain']} | {lost} | {outcome.seconds:.0f} |"
    )


EVIL_HEAD = (
    "| the service offers | jobs | kill -9 | lies | charged | dear | done | unsure | other | seconds |"
    "\n|---|---|---|---|---|---|---|---|---|---|"
)


def evil_row(outcome: evil.EvilOutcome) -> str:
    plan, states, counters = outcome.plan, outcome.states, outcome.counters
    other = states.total() - states["succeeded"] - states["uncertain"]
    return (
        f"| {plan.mode} | {plan.jobs} | {outcome.killed.total()} | {outcome.tricks.total()} "
        f"| {counters.get('charges', 0)} | {outcome.tricks['dear']} | {states['succeeded']} | {states['uncertain']} "
        f"| {other} | {outcome.seconds:.0f} |"
    )


def blow_evil(asked: argparse.Namespace) -> int:
    print(EVIL_HEAD, flush=True)
    broken: list[str] = []
    for mode in asked.mode or MODES:
        with tempfile.TemporaryDirectory(prefix="evil-", ignore_cleanup_errors=True) as folder:
            plan = evil.EvilPlan(mode, asked.jobs, asked.kills, seed=asked.seed, limit_s=asked.limit_s)
            outcome = evil.run(plan, Path(folder))
        print(evil_row(outcome), flush=True)
        for told in outcome.told:
            print(f"  {told}", flush=True)
        broken += [f"{mode}: {problem}" for problem in outcome.broken]
    for problem in broken:
        print(f"BROKEN {problem}")
    return 1 if broken else 0


def explore_modes(examples: int) -> None:
    """The state machine with new draws: what it finds ends this with the steps that lead to it."""
    with tempfile.TemporaryDirectory(prefix="nursery-") as folder, Nursery(Path(folder) / "log") as nursery:
        for mode in MODES:
            explore(nursery, mode, settings(max_examples=examples, stateful_step_count=40, database=None))
            print(f"{mode}: {examples} random courses of orders, faults, kills and restarts: all invariants held")


def blow(asked: argparse.Namespace) -> int:
    print(HEAD, flush=True)
    broken: list[str] = []
    for mode in asked.mode or MODES:
        with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
            outcome = run(Plan(mode, asked.jobs, asked.kills, seed=asked.seed), Path(folder))
        print(row(outcome), flush=True)
        broken += [f"{mode}: {problem}" for problem in outcome.broken]
    for problem in broken:
        print(f"BROKEN {problem}")
    if asked.examples:
        explore_modes(asked.examples)
    return 1 if broken else 0


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.chaos", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="six clips, three kills, a minute")
    parser.add_argument("--evil", action="store_true", help="against a service that lies")
    parser.add_argument("--server", action="store_true", help="stores on a PostgreSQL server, not in files")
    parser.add_argument("--limit-s", type=float, default=600.0, help="when an evil run is given up, seconds")
    parser.add_argument("--jobs", type=int, default=240, help="of an evil run a multiple of 48: see EvilPlan.prompts")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=20, help="of the state machine, each mode; 0 leaves it out")
    parser.add_argument("--mode", choices=MODES, action="append")
    asked = parser.parse_args()
    sys.path[:0] = [str(PLUGIN), str(TINY)]
    with ExitStack() as stack:
        if asked.server:
            stores.use(stack.enter_context(running()))
        if asked.demo:
            return demo()
        return blow_evil(asked) if asked.evil else blow(asked)


if __name__ == "__main__":
    sys.exit(main())
