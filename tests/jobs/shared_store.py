"""`make shared-store`: what a store on a server promises, shown with real processes on a real server, in a few minutes.

    limit     52 submitters in four processes: the day's limit is never passed, and no submit is tried again
    cut       a worker stands still at a crash point and loses its session; another takes over; the first goes on:
              charged once at most, and every charge is booked or held
    killed    kill -9 of a driver: how soon another worker drives
    silent    a proxy stops passing anything on: how soon another machine drives
    changed   the day's limit is lowered while 50 jobs are claimed: no more is paid than it allows, none is lost
    alone     no worker is started for a lane that is driven elsewhere

Each prints a line of a Markdown table, and what does not hold; the process ends with 1 then.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from backends.errors import VideoError
from backends.jobs.context import Context
from backends.jobs.lanes import lanes
from backends.jobs.lanes.process import ProcessId
from backends.jobs.run.launch import Launcher
from backends.jobs.store.database import Transaction
from backends.jobs.store.postgres.making import init
from backends.jobs.store.postgres.store import PostgresStore
from backends.settings import load_settings
from tests.fakes import PLUGIN, FakeServer, tiny_clip
from tests.jobs.nursery import ROOT, Nursery
from tests.jobs.server import running
from tests.jobs.station import TINY, Station, end, text_request, until
from tests.jobs.test_jobs_crash import OTHERS, SUBMIT, image_request
from tests.patience import patient

PROCESSES, THREADS = 4, 13
MODES = ("key", "lookup", "none")


@dataclass
class Place:
    """Where a part is played. url: of the server's database. runs: None for each part's own number. skip, points: of
    `cut`."""

    url: str
    folder: Path
    nursery: Nursery
    runs: int | None
    limit_s: float
    skip: int
    points: Sequence[str]
    broken: list[str] = field(default_factory=list[str])
    _number: int = 0

    def until_s(self) -> Callable[[], bool]:
        """Whether there is time for one more."""
        deadline = time.monotonic() + self.limit_s
        return lambda: time.monotonic() < deadline

    @contextmanager
    def station(
        self, mode: str = "key", life: dict[str, Any] | None = None, **env: str
    ) -> Generator[tuple[Station, FakeServer]]:
        """A client's machine with a store of its own on the server, and a paid service."""
        self._number += 1
        url = f"{self.url}?options=-csearch_path%3Ds{self._number}"
        init(url)
        root = self.folder / f"s{self._number}"
        root.mkdir()
        with FakeServer("paid", mode=mode, clips={"": tiny_clip()}, life=life or {"polls": 1}) as server:
            own = {"TINY_CLIP": str(tiny_clip()), "TINY_GATE": str(root / "gate"), "PAID_MODE": mode}
            station = Station(root, server.url, {**own, "REELWRIGHT_STORE": url, **env})
            station._watched = PostgresStore(station.home, url)
            try:
                yield station, server
            finally:
                station.close()

    @contextmanager
    def standing(self) -> Generator[tuple[Station, Context]]:
        """The same with a client, and jobs that run until they are told to end."""
        with (
            self.station(life={"until_told": True}) as (station, _),
            closing(Context.open(station.settings())) as client,
        ):
            yield station, client

    def ask(self, sql: str) -> int:
        """Of the server's owner, beside the store; how many rows it has."""
        with psycopg.connect(self.url, autocommit=True) as cx:
            return max(0, cx.execute(sql.encode()).rowcount)


def another(station: Station, name: str = "b", **env: str) -> dict[str, str]:
    """The environment of a second machine: a data folder of its own, with the files of the first on a shared disk."""
    home = station.root / name
    home.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        (home / "artifacts").symlink_to(station.home / "artifacts")
    return station.environ(REELWRIGHT_HOME=str(home), **env)


def state_of(context: Context, job: str) -> str:
    row = context.store.row("SELECT state FROM jobs WHERE id = ?", (job,))
    return str(row and row["state"])


# the limit


def submit(number: int) -> None:
    """One of the processes: its threads ask for two clips each at once; prints what came of it, as JSON."""
    context = Context.open(load_settings(os.environ, cwd=Path.cwd()))
    tries, asked, refused, other = [0], [0], [0], list[str]()
    inside = context.store.write

    def counted(work: Callable[[Transaction], Any], **how: Any) -> Any:
        def once(tx: Transaction) -> Any:
            tries[0] += 1
            return work(tx)

        asked[0] += 1
        return inside(once, **how)

    object.__setattr__(context.store, "write", counted)
    station = Station(Path.cwd(), "")
    barrier = threading.Barrier(THREADS)

    def ask(thread: int) -> None:
        barrier.wait()
        for half in range(2):
            try:
                station.place(context, text_request(f"{number} {thread} {half}"))
            except VideoError as error:
                if error.kind != "wall":
                    other.append(error.message)
                refused[0] += 1

    threads = [threading.Thread(target=ask, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    context.close()
    print(json.dumps({"tries": tries[0], "asked": asked[0], "refused": refused[0], "other": other}))


def limit(place: Place) -> str:
    runs, over, least, tries, asked = 0, 0, 50, 0, 0
    more = place.until_s()
    while runs < (place.runs or 20) and (more() or not runs):
        runs += 1
        with place.station() as (station, _):
            station.limit(per_day_usd="20")
            env = station.environ()
            env["PYTHONPATH"] = f"{ROOT}:{env['PYTHONPATH']}"
            command = [sys.executable, "-P", "-m", "tests.jobs.shared_store", "--submit"]
            children = [
                subprocess.Popen([*command, str(number)], env=env, stdout=subprocess.PIPE, text=True, cwd=station.root)
                for number in range(PROCESSES)
            ]
            found = [json.loads(child.communicate()[0]) for child in children]
            (row,) = station.rows("SELECT count(*) AS jobs FROM jobs")
            (money,) = station.rows("SELECT sum(held) AS held FROM spent")
            over += money["held"] > 20_000_000
            least = min(least, row["jobs"])
            tries += sum(one["tries"] for one in found)
            asked += sum(one["asked"] for one in found)
            place.broken += [f"limit: {text}" for one in found for text in one["other"]]
            if money["held"] != row["jobs"] * 400_000:
                place.broken.append(f"limit: {row['jobs']} jobs hold ${money['held'] / 1e6}")
    if over or least != 50 or tries > 1.1 * asked:
        place.broken.append(
            f"limit: passed in {over} runs, at least {least} of 50 were taken, {tries} tries of {asked}"
        )
    return f"over the limit in {over} of {runs} runs; at least {least} of 50 taken; {tries / asked:.2f} tries a submit"


# a worker that stands still and loses its session


def stopped(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TZ"
    return True


def cut_once(place: Place, mode: str, point: str) -> str:
    """One run; the state that the job ends in."""
    idle = {"REELWRIGHT_SETTLE_S": "0.1", "REELWRIGHT_WORKER_IDLE_S": "0.2"}
    with place.station(mode, **idle) as (station, server), closing(Context.open(station.settings())) as context:
        job = station.place(context, image_request(station, f"{mode} {point}"))
        first = place.nursery.worker(station.environ(), f"{point}:1:stop")
        until(lambda: stopped(first.pid), f"it comes to {point}")
        schema = f"s{place._number}"
        where = f"application_name = 'reelwright {os.uname().nodename[:30]} {first.pid} lane'"
        place.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {where}")
        second = place.nursery.worker(another(station))
        assert place.nursery.ended(second) == 0, schema
        os.kill(first.pid, signal.SIGCONT)
        assert place.nursery.ended(first) in (0, 1)
        third = place.nursery.worker(another(station, "c"))  # what was left open by either
        assert place.nursery.ended(third) == 0
        state = state_of(context, job)
        entry = station.entry(job)
        charges = server.counters()["charges"]
        told = f"cut: {mode} at {point}: {charges} charges, job {state}, ledger {entry['state']}"
        booked = entry["settled"] if entry["state"] == "settled" else entry["reserved"]
        if (
            charges > 1
            or state not in ("succeeded", "uncertain")
            or entry["state"] == "released"
            or (charges and booked != 400_000)
            or (entry["state"] == "settled" and charges != 1)
        ):
            place.broken.append(told)
        return state


def cut(place: Place) -> str:
    """Each point once in each mode, then again and again around the paid request, then at the others, as long as there
    is time."""
    more, turns = place.until_s(), place.runs or 30
    rounds = [[*SUBMIT, *OTHERS], *[SUBMIT] * (turns - 1), *[OTHERS] * (turns - 1)]
    plan = [(point, mode) for points in rounds for point in points if point in place.points for mode in MODES]
    done: Counter[tuple[str, str, str]] = Counter()
    for point, mode in plan[place.skip :]:
        if not more():
            break
        done[point, mode, cut_once(place, mode, point)] += 1
    for (point, mode, state), number in done.items():
        print(f"|   {point} | {mode}: {number} {state} | |")
    return f"{done.total()} of {len(plan)} runs"


# whoever drives next


def driver(context: Context) -> tuple[int, int] | None:
    """(epoch, pid) of the one lane, None while nobody drives it."""
    row = context.store.row("SELECT epoch, pid, driven FROM lanes WHERE kind = 'remote'")
    return (int(row["epoch"]), int(row["pid"])) if row and row["driven"] else None


def killed(place: Place) -> str:
    took: list[float] = []
    with place.standing() as (station, context):
        station.place(context, text_request("long"))
        crew: dict[int, ProcessId] = {}

        def hire() -> None:
            one = place.nursery.worker(station.environ(), stay=True)
            crew[one.pid] = one

        hire()
        epoch, pid = until(lambda: driver(context), "it is driven")
        more = place.until_s()
        while len(took) < (place.runs or 50) and (more() or not took):
            hire()
            (spare,) = set(crew) - {pid}
            until(lambda spare=spare: _listens(place, spare), "another worker stands by")
            begun = time.monotonic()
            end(crew.pop(pid))
            while (now := driver(context)) is None or now[0] == epoch:
                time.sleep(0.002)
            took.append(time.monotonic() - begun)
            place.nursery.ended(ProcessId(pid, 0.0, ""))
            epoch, pid = now
        for one in crew.values():
            end(one)
            place.nursery.ended(one)
    took.sort()
    p99 = took[min(len(took) - 1, int(len(took) * 0.99))]
    if p99 > 1.0:
        place.broken.append(f"killed: another drives after {p99:.2f} s")
    return f"{len(took)} times: another drives after {took[len(took) // 2]:.2f} s (median), {p99:.2f} s (p99)"


def _listens(place: Place, pid: int) -> bool:
    """Whether a worker has its sessions, and has looked at the lanes."""
    name = f"reelwright {os.uname().nodename[:30]} {pid} reader"
    sql = f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{name}' AND query LIKE '%%lanes%%'"
    return place.ask(sql.replace("%%", "%")) > 0


class Proxy:
    """A loopback TCP proxy that can stop passing anything on while it keeps its connections."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self.passes = threading.Event()
        self.passes.set()
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                self.passes.wait()
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.passes.set()
        self._door.close()


def silent(place: Place) -> str:
    port = int(place.url.rpartition(":")[2].partition("/")[0])
    with ExitStack() as stack:
        proxy = Proxy(port)
        stack.callback(proxy.close)
        station, server = stack.enter_context(place.station(life={"until_told": True}))
        context = stack.enter_context(closing(Context.open(station.settings())))
        job = station.place(context, text_request("long"))
        through = station.environ()["REELWRIGHT_STORE"].replace(f":{port}/", f":{proxy.port}/")
        first = place.nursery.worker(station.environ(REELWRIGHT_STORE=through), stay=True)
        until(lambda: state_of(context, job) == "running", "it runs")
        epoch, _ = until(lambda: driver(context), "it is driven")
        second = place.nursery.worker(another(station), stay=True)
        begun = time.monotonic()
        proxy.passes.clear()
        until(lambda: (driver(context) or (0, 0))[0] > epoch, "another drives", 60)
        took = time.monotonic() - begun
        for one in (first, second):
            end(one)
            place.nursery.ended(one)
        if took > 20 or server.counters()["charges"] != 1:
            place.broken.append(f"silent: another drives after {took:.1f} s, {server.counters()['charges']} charges")
        return f"another machine drives after {took:.1f} s; {server.counters()['charges']} charge"


def changed(place: Place) -> str:
    """Fifty jobs are claimed while the day's limit is lowered below what they cost, and raised again."""
    with place.station("none", {"polls": 1}) as (station, server):
        station.limit(per_day_usd="20")
        with closing(Context.open(station.settings())) as context:
            jobs = [station.place(context, text_request(f"shot {number}")) for number in range(50)]
            worker = place.nursery.worker(station.environ(), stay=True)
            server.wait("charges", 5, patient(20.0))
            station.limit(per_day_usd="4")
            (sent,) = station.rows("SELECT count(*) AS n FROM jobs WHERE posts > 0")
            waits = "SELECT count(*) AS n FROM jobs WHERE state = 'queued' AND phase LIKE 'waits for the day%'"
            until(lambda: station.rows(waits)[0]["n"] > 0, "a job waits for room", 40)
            time.sleep(2)
            paid = server.counters()["charges"]
            if paid > max(sent["n"], 10):
                place.broken.append(f"changed: {sent['n']} sent when it was lowered to 10, {paid} charged")
            station.limit(per_day_usd="20")
            left = "SELECT count(*) AS n FROM jobs WHERE state <> 'succeeded'"
            until(lambda: not station.rows(left)[0]["n"], "all are done", 120)
            end(worker)
            place.nursery.ended(worker)
            charges = server.counters()["charges"]
            settled, held = station.books()
            if (charges, settled, held) != (50, 20, 0) or len(jobs) != 50:
                place.broken.append(f"changed: {charges} charges, ${settled} settled, ${held} held")
            return f"{sent['n']} sent when it was lowered to $4, {paid} charged; raised again: {charges} charged of 50"


def alone(place: Place) -> str:
    with place.standing() as (station, context):
        job = station.place(context, text_request("long"))
        worker = place.nursery.worker(station.environ(), stay=True)
        until(lambda: state_of(context, job) == "running", "it runs")
        (lane,) = context.store.rows("SELECT key FROM lanes")
        with closing(Context.open(load_settings(another(station), cwd=station.root))) as elsewhere:
            launcher = Launcher(elsewhere)
            looks, deadline = 0, time.monotonic() + 5
            while time.monotonic() < deadline:
                launcher.ensure(str(lane["key"]))
                looks += 1
                time.sleep(0.02)
            started = len(launcher._children)
            held = lanes.take(elsewhere.store, elsewhere.locks, lane["key"], version="1", detached=True, wait_s=0)
        end(worker)
        place.nursery.ended(worker)
        if started or held is not None:
            place.broken.append(f"alone: {started} workers were started for a lane that is driven")
        return f"{looks} looks of another machine in 5 s: {started} workers started"


PARTS: dict[str, Callable[[Place], str]] = {
    "limit": limit,
    "cut": cut,
    "killed": killed,
    "silent": silent,
    "changed": changed,
    "alone": alone,
}


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.jobs.shared_store", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all where none is named")
    parser.add_argument("--runs", type=int, help="of each part; else 20, 30 and 50")
    parser.add_argument("--limit-s", type=float, default=240.0, help="when a part begins no further run, seconds")
    parser.add_argument("--skip", type=int, default=0, help="so many runs of cut, to go on where the time was over")
    parser.add_argument("--points", nargs="+", default=(*SUBMIT, *OTHERS), help="of cut, only these")
    parser.add_argument("--submit", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    sys.path[:0] = [str(PLUGIN), str(TINY)]
    if asked.submit is not None:
        submit(asked.submit)
        return 0
    broken: list[str] = []
    with ExitStack() as stack:
        url = stack.enter_context(running())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="shared-", ignore_cleanup_errors=True))
        nursery = stack.enter_context(Nursery(Path(folder) / "log"))
        for name in asked.parts or PARTS:
            own = Path(folder) / name
            own.mkdir()
            place = Place(url, own, nursery, asked.runs, asked.limit_s, asked.skip, asked.points)
            place._number = 1000 * list(PARTS).index(name)
            begun = time.monotonic()
            words = PARTS[name](place)
            print(f"| {name} | {words} | {time.monotonic() - begun:.0f} s |", flush=True)
            broken += place.broken
    for problem in broken:
        print(f"BROKEN {problem}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
