"""`python -m tests.on_ray`: jobs on a real Ray cluster, and what becomes of them when engines, nodes or the head die.

The figures are printed; the first promise that does not hold ends it.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio

from backends.jobs.run.on_ray.place import Node, RayCluster, look
from backends.jobs.run.place import EngineCrashed
from backends.jobs.store import codec
from backends.media.hashing import sha256_now
from backends.provider import on_ray
from backends.provider.protocol import Asset, Prepared
from backends.studio import Studio
from tests.fakes import PLUGIN, tiny_clip
from tests.jobs.station import TINY, Station, tiny_request, until
from tests.on_ray.nodes import ENVIRONMENT, PACKAGES, ROOT, Nodes

LARGE = 9 << 20
"""Bytes of a clip that takes several pieces."""
KILLS = 10
LONG_S = 60.0
"""How long a step may take, on a quiet machine."""


class Stage:
    """A home whose local jobs run on a cluster, and the cluster."""

    def __init__(self, nodes: Nodes, root: Path, environment: dict[str, str]) -> None:
        self.nodes = nodes
        self.gate = Path(environment["TINY_GATE"])
        own = {"REELWRIGHT_RAY": nodes.address, "REELWRIGHT_WORKER": "inline", "REELWRIGHT_WORKER_IDLE_S": "60"}
        self.station = Station(root, "", {**environment, **own, "RAY_TMPDIR": nodes.folder})
        self.environment = self.station.environ()
        self.studio: Studio = self.station.studio()

    def submit(self, *prompts: str) -> list[str]:
        return [self.studio.submit(tiny_request(prompt)).job_id for prompt in prompts]

    def settle(self, jobs: Sequence[str]) -> list[Any]:
        return self.station.settled(self.studio, jobs, LONG_S)

    def facts(self, job: str) -> dict[str, Any]:
        return json.loads(self.station.row(job)["result"])["facts"]

    def events(self, kind: str) -> Counter[str]:
        """How often that has happened, by job."""
        return Counter(str(row["job"]) for row in self.station.rows("SELECT job FROM events WHERE kind = ?", (kind,)))

    def attempts(self, jobs: Sequence[str]) -> list[int]:
        return [int(self.station.row(job)["attempts"]) for job in jobs]

    def at_work(self, jobs: Sequence[str]) -> None:
        """Until all are in the middle of their work."""

        def are() -> bool:
            rows = [self.station.row(job) for job in jobs]
            return all(row["state"] == "running" and row["progress"] > 0 for row in rows)

        until(are, f"at work: {[dict(self.station.row(job)) for job in jobs]}", LONG_S)


def refuses_where_no_node_can(stage: Stage) -> str:
    [job] = stage.settle(stage.submit("nobody can"))
    said = job.error.message if job.error else ""
    assert "no machine of the Ray cluster can make it: 127.0.0.1: set TINY_CLIP" in said, said
    return said


def shows_its_machines(stage: Stage) -> str:
    """Those of the Ray that runs on this machine."""
    begun = time.monotonic()
    shown, trouble = look({**stage.environment, on_ray.SETTING: on_ray.LOCAL})
    assert (shown, trouble) == ((Node("127.0.0.1", 2),), ""), (shown, trouble)
    return f"{shown[0]} after {time.monotonic() - begun:.0f} s"


def takes_inputs_along(stage: Stage) -> str:
    """A file of several pieces arrives as it was, and one that is not what its job was made for ends the engine."""
    given = stage.station.root / "input.mp4"
    shutil.copyfile(stage.environment["TINY_CLIP"], given)
    prepared = codec.prepared_to_json(Prepared(tiny_request("with an input"), "tiny"), assets=True)
    facts = stage.studio.context.sandbox.check(given)
    asset = codec.asset_to_json(Asset("source_clip", sha256_now(given), given, facts))
    dest = stage.station.root / "dest"
    dest.mkdir()
    order = {"provider": "tiny", "base_url": "", "prepared": prepared, "dest": str(dest)}

    async def story() -> None:
        place = RayCluster(stage.environment, sys.stderr.fileno())
        async with anyio.create_task_group() as group:
            group.start_soon(place.serve, print)
            cards = await place.fitting("tiny", Prepared(tiny_request("with an input"), "tiny"), "", lambda text: None)
            process = await place.start(next(iter(cards)))
            await process.send({**order, "prepared": {**prepared, "assets": {"source_clip": asset}}})
            while "progress" in (message := json.loads(await process.line())):
                pass
            assert message["output"]["path"] == str(dest / "clip.mp4"), message
            assert sha256_now(dest / "clip.mp4") == asset["sha256"]
            wrong = {**asset, "sha256": "0" * 64}
            await process.send({**order, "prepared": {**prepared, "assets": {"source_clip": wrong}}})
            try:
                await process.line()
                raise AssertionError("a wrong input was taken")
            except EngineCrashed:
                group.cancel_scope.cancel()

    anyio.run(story)
    [there] = Path(tempfile.gettempdir()).glob(f"reelwright-ray-{os.getuid()}/*/inputs/{asset['sha256']}.mp4")
    assert sha256_now(there) == asset["sha256"]
    return f"{given.stat().st_size / 2**20:.1f} MiB there and back, the same"


def makes_a_clip(stage: Stage) -> str:
    begun = time.monotonic()
    jobs = stage.submit("one")
    [job] = stage.settle(jobs)
    assert job.state == "succeeded", job.error
    first_s = time.monotonic() - begun
    clip = stage.station.home / "artifacts" / "jobs" / job.job_id / "clip.mp4"
    assert job.seed == 7 and sha256_now(clip) == sha256_now(Path(stage.environment["TINY_CLIP"]))
    assert stage.facts(jobs[0])["ray"]["gpu"] in ("0", "1")
    begun = time.monotonic()
    stage.settle(stage.submit("two"))
    again_s = time.monotonic() - begun
    return f"{clip.stat().st_size / 2**20:.1f} MiB; first {first_s:.1f} s, on the warm engine {again_s:.2f} s"


def works_on_every_card(stage: Stage) -> str:
    jobs = stage.submit(*(f"wait card {number}" for number in range(4)))
    stage.at_work(jobs)
    stage.gate.touch()
    stage.settle(jobs)
    stage.gate.unlink()
    cards = {(stage.facts(job)["card"].partition("/")[0], stage.facts(job)["ray"]["gpu"]) for job in jobs}
    assert len(cards) == 4, cards
    return f"4 jobs at once on {len(cards)} pairs of node and GPU, on {len({node for node, _ in cards})} nodes"


def loads_few_models(stage: Stage) -> str:
    jobs = stage.submit(*(f"load {'AB'[number % 2]} quick {number}" for number in range(16)))
    assert {job.state for job in stage.settle(jobs)} == {"succeeded"}
    loads = len({stage.facts(job)["pid"] for job in jobs})
    assert loads <= 4, loads
    return f"16 jobs of two models on two cards: {loads} loads"


def stops_a_cancelled_job(stage: Stage) -> str:
    other, job = stage.submit("wait other", "wait cancelled")
    stage.at_work([other, job])
    begun = time.monotonic()
    stage.studio.cancel(job)
    [ended] = stage.settle([job])
    took = time.monotonic() - begun
    assert ended.state == "cancelled"
    stage.gate.touch()
    [done] = stage.settle([other])
    stage.gate.unlink()
    assert done.state == "succeeded" and stage.attempts([other]) == [1]
    return f"cancelled in {took:.2f} s, its neighbour undisturbed"


def gives_up_on_what_crashes(stage: Stage) -> str:
    [job] = stage.submit("crash it")
    [failed] = stage.settle([job])
    assert failed.error is not None and "ended without an answer 3 times" in failed.error.message, failed
    assert not stage.events("lost")[job]
    return f"{failed.error.message}; no loss counted"


def survives_its_nodes(stage: Stage, nodes: list[Any]) -> str:
    jobs = stage.submit(*(f"wait through it {number}" for number in range(4)))
    stage.at_work(jobs)
    took: list[float] = []
    for kill in range(KILLS):
        before = stage.events("lost")
        begun = time.monotonic()
        stage.nodes.kill(nodes.pop(0))
        until(lambda before=before: (stage.events("lost") - before).total() >= 2, f"kill {kill} is seen", LONG_S)
        took.append(time.monotonic() - begun)
        print(f"         node {kill + 1} killed, its jobs put back after {took[-1]:.1f} s", flush=True)
        nodes.append(stage.nodes.add())
        stage.at_work(jobs)
    stage.gate.touch()
    done = stage.settle(jobs)
    stage.gate.unlink()
    assert [job.state for job in done] == ["succeeded"] * 4, done
    assert stage.attempts(jobs) == [1] * 4, stage.attempts(jobs)
    lost = [stage.events("lost")[job] for job in jobs]
    took.sort()
    return (
        f"{KILLS} nodes killed, losses {lost}, attempts {stage.attempts(jobs)}, all succeeded; a loss seen after "
        f"{took[0]:.1f} to {took[-1]:.1f} s, median {took[len(took) // 2]:.1f} s"
    )


def puts_jobs_back_without_its_head(stage: Stage) -> str:
    jobs = stage.submit("wait for a head", "wait for it too")
    stage.at_work(jobs)
    begun = time.monotonic()
    stage.nodes.kill_head()

    def back() -> bool:
        rows = [stage.station.row(job) for job in jobs]
        return all(row["state"] == "queued" and row["attempts"] == 0 for row in rows)

    until(back, f"back in the queue: {[dict(stage.station.row(job)) for job in jobs]}", LONG_S)
    took = time.monotonic() - begun
    [lane] = stage.station.rows("SELECT * FROM lanes WHERE key = 'ray'")
    told = until(lambda: stage.station.rows("SELECT trouble FROM lanes WHERE key = 'ray'")[0]["trouble"], "told")
    assert "cannot be reached" in told, (told, dict(lane))
    return f"back in the queue after {took:.1f} s; {told!r}"


def large_clip(folder: Path) -> Path:
    """The tiny clip with a box of free space behind it, as the format allows."""
    path = folder / "large.mp4"
    free = LARGE - tiny_clip().stat().st_size
    path.write_bytes(tiny_clip().read_bytes() + struct.pack(">I4s", free, b"free") + bytes(free - 8))
    return path


def main(folder: Path) -> None:
    root = folder / "home"
    root.mkdir(parents=True)
    path = os.pathsep.join(map(str, (PACKAGES, ROOT, PLUGIN, TINY)))
    tiny = {"TINY_CLIP": str(large_clip(folder)), "TINY_GATE": str(root / "gate")}
    environment = {"PYTHONPATH": path, **ENVIRONMENT, **tiny}
    os.environ.update({**environment, "HOME": str(root)})
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.path[:0] = [str(PACKAGES), str(PLUGIN), str(TINY)]
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

    with ExitStack() as stack:
        nodes = Nodes()
        stack.callback(nodes.close)
        say("a head")
        bare = nodes.add(TINY_CLIP="")
        say("a node that has nothing")
        stage = Stage(nodes, root, environment)
        stack.callback(stage.station.close)
        say(refuses_where_no_node_can(stage))
        nodes.kill(bare)
        able = [nodes.add()]
        for step in (shows_its_machines, takes_inputs_along):
            say(f"{step.__name__}: {step(stage)}")
        for step in (makes_a_clip, loads_few_models, stops_a_cancelled_job, gives_up_on_what_crashes):
            say(f"{step.__name__}: {step(stage)}")
        able.append(nodes.add())
        say(f"works_on_every_card: {works_on_every_card(stage)}")
        say(f"survives_its_nodes: {survives_its_nodes(stage, able)}")
        say(f"puts_jobs_back_without_its_head: {puts_jobs_back_without_its_head(stage)}")


if __name__ == "__main__":
    if not PACKAGES.exists():
        sys.exit(f"{PACKAGES} is not there: make ray")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="on-ray-")))
