"""Ray, as far as it goes without Ray: the setting, which cards there are for whom, an engine's process as an actor runs
it, and what a lane does whose cluster cannot be reached. `make ray` has the clusters."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import anyio
import pytest

from backends.errors import VideoError
from backends.jobs.context import Context, program_version
from backends.jobs.lanes import lanes
from backends.jobs.run.driver import LaneDriver, in_words
from backends.jobs.run.engines import Engines
from backends.jobs.run.on_ray import files
from backends.jobs.run.on_ray.actor import Engine, lacks
from backends.jobs.run.on_ray.place import Cluster, Fitting, Node
from backends.jobs.run.place import PlaceGone
from backends.jobs.run.worker_loop import Duty
from backends.jobs.store import codec
from backends.jobs.store.database import Transaction
from backends.local import register
from backends.media.hashing import sha256_of
from backends.provider import on_ray
from backends.provider.protocol import Prepared
from backends.settings import load_settings
from tests.fakes import tiny_clip
from tests.jobs.station import Station, tiny_request

THERE = any(one.name == "ray" for one in distributions())


@pytest.mark.parametrize("text", ["10.0.0.5:6379", "head.studio.example:6379", "[fd00::1]:6379", "local", " local "])
def test_a_cluster_is_named_by_its_head(text: str) -> None:
    assert on_ray.cluster(text) == text.strip()


@pytest.mark.parametrize("text", ["10.0.0.5", "ray://10.0.0.5:10001", "head:0", "head:70000", "auto", "a b:1"])
def test_what_names_none_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(VideoError) as refused:
        on_ray.cluster(text)
    assert str(refused.value.message) == f"REELWRIGHT_RAY takes HOST:PORT of the cluster's head or local, not {text!r}"


def test_local_models_are_on_the_cluster_where_one_is_set() -> None:
    local = register()
    assert local.access({}).lane != on_ray.LANE
    found = local.access({on_ray.SETTING: "head:6379"})
    assert found.lane == on_ray.LANE
    assert found.why == (
        "" if THERE else "REELWRIGHT_RAY is set, and Ray is not installed: pip install 'reelwright[ray]'"
    )
    assert "HOST:PORT" in local.access({on_ray.SETTING: "head"}).why
    assert local.lacks is not None
    assert local.lacks({on_ray.SETTING: "head:6379"}, ({"variant": "wan22-ti2v-5b"},), "local/x") is None


def test_the_setting_is_also_a_line_of_the_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text('ray = "head:6379"\n')
    settings = load_settings({"REELWRIGHT_HOME": str(home)}, cwd=tmp_path)
    assert settings.ray == "head:6379"
    context = Context.open(settings)
    assert context.env[on_ray.SETTING] == "head:6379" and context.access("local").lane == on_ray.LANE
    context.close()
    Duty(("ray",)).check()


def test_a_card_is_ours_unless_others_of_the_cluster_have_it() -> None:
    cluster = Cluster({"n1": Node("10.0.0.1", 2, others=1), "n2": Node("10.0.0.2", 1)})
    one = cluster.claim("ray:n1/0")
    assert one is not None
    assert cluster.claim("ray:n1/0") is None, "it is taken"
    assert cluster.claim("ray:n1/1") is None, "the other one works for somebody else"
    assert cluster.claim("ray:n2/0") is not None
    assert cluster.claim("ray:n3/0") is None, "there is no such machine"
    one()
    assert cluster.claim("ray:n1/1") is not None


def test_the_cards_for_a_model_come_and_go_with_the_machines() -> None:
    cluster = Cluster({"n1": Node("10.0.0.1", 2), "n2": Node("10.0.0.2", 1)})
    cards = Fitting(cluster, "wan")
    assert not list(cards) and cluster.refusal("wan") == "", "nobody has answered"
    cluster.lacks["wan", "n1"] = ""
    cluster.lacks["wan", "n2"] = "no weights"
    assert list(cards) == ["ray:n1/0", "ray:n1/1"] and "ray:n2/0" not in cards and len(cards) == 2
    assert cluster.refusal("wan") == ""
    del cluster.nodes["n1"]
    assert not list(cards) and cluster.refusal("wan") == "10.0.0.2: no weights"
    cluster.nodes["n3"] = Node("10.0.0.3", 4)
    assert cluster.refusal("wan") == "", "a new machine may have it"
    cluster.lacks["wan", "n3"] = "no weights"
    assert cluster.refusal("wan") == "10.0.0.2, 10.0.0.3: no weights"


def order(prompt: str, asset: Path | None = None) -> dict[str, Any]:
    prepared = codec.prepared_to_json(Prepared(tiny_request(prompt), "tiny"), assets=True)
    if asset is not None:
        with asset.open("rb") as file:
            prepared["assets"]["source_clip"] = {
                "sha256": sha256_of(file),
                "path": str(asset),
                "facts": {},
                "sidecar": {},
            }
    return {"provider": "tiny", "base_url": "", "prepared": prepared, "dest": "/on/another/machine"}


def last_line(engine: Engine) -> dict[str, Any]:
    while (line := engine.line()) is not None and "progress" in (message := json.loads(line)):
        pass
    assert line is not None
    return message


def test_an_engine_elsewhere_makes_the_same_clip_and_sends_it_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_CLIP", str(tiny_clip()))
    monkeypatch.setenv("REELWRIGHT_LOCAL_DEVICE", "")
    monkeypatch.setenv(on_ray.SETTING, "head:6379")
    engine = Engine(["1"], tmp_path)
    assert os.environ["REELWRIGHT_LOCAL_DEVICE"] == "1" and on_ray.SETTING not in os.environ
    engine.send(order("one"))
    message = last_line(engine)
    [file] = message["files"]
    assert (file["name"], message["output"]["path"]) == ("clip.mp4", "clip.mp4")
    assert message["output"]["facts"]["ray"]["gpu"] == "1"

    async def pieces(of: int) -> AsyncIterator[bytes]:
        for offset in range(0, of, 1000):
            yield engine.chunk("clip.mp4", offset, min(1000, of - offset))

    here = tmp_path / "here"
    files.arrived(message["output"], here)
    assert message["output"]["path"] == str(here / "clip.mp4")
    assert anyio.run(files.keep, here / "clip.mp4", file, pieces(file["bytes"]))
    assert (here / "clip.mp4").read_bytes() == tiny_clip().read_bytes()
    assert not anyio.run(files.keep, here / "half.mp4", file, pieces(file["bytes"] // 2)), "half of it is not it"

    engine.send(order("refuse it"))
    assert last_line(engine)["error"]["kind"] == "invalid_request", "the same process takes the next order"


def test_inputs_come_in_pieces_and_only_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_CLIP", str(tiny_clip()))
    engine = Engine([], tmp_path)
    data = tiny_clip().read_bytes()
    sha256 = order("x", tiny_clip())["prepared"]["assets"]["source_clip"]["sha256"]
    assert not engine.has(sha256, ".mp4")
    for sent, right in ((data[:-1], False), (data, True)):
        for offset in range(0, len(sent), 1000):
            engine.put(sha256, ".mp4", sent[offset : offset + 1000])
        assert engine.put(sha256, ".mp4", b"") is right
        assert engine.has(sha256, ".mp4") is right
    [kept] = tmp_path.rglob("inputs/*")
    assert kept.read_bytes() == data


@pytest.mark.parametrize("name", ["../clip.mp4", "/etc/passwd", ".", "a/../../b"])
def test_another_machine_cannot_choose_where_a_file_goes(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no name of a file"):
        files.below(tmp_path / "make", name)


def test_a_machine_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    version = program_version()
    monkeypatch.delenv("TINY_CLIP", raising=False)
    assert lacks("tiny", "tiny", {}, version) == "set TINY_CLIP"
    assert "no back end for 'acme'" in lacks("acme", "acme/one", {}, version)
    assert lacks("tiny", "tiny", {}, "9.9") == f"it has reelwright {version}, this is 9.9: install the same"
    monkeypatch.setenv("TINY_CLIP", "/a/clip")
    monkeypatch.setenv(on_ray.SETTING, "head:6379")
    assert lacks("tiny", "tiny", {}, version) == "", "a node of the cluster uses its own cards"


def test_a_lane_whose_cluster_is_out_of_reach_is_let_go_with_its_jobs_queued(stand: Callable[..., Station]) -> None:
    """The bridge is a real process; it ends with what is wrong."""
    station = stand()
    context = Context.open(station.settings())
    job = station.place(context, tiny_request("far"))

    def move(tx: Transaction) -> None:
        lanes.add_lane(tx, on_ray.LANE, "tiny", "local")
        tx.run("UPDATE jobs SET lane = ?, attempts = 1", (on_ray.LANE,))

    context.store.write(move)
    [lane] = context.store.rows("SELECT * FROM lanes WHERE key = ?", (on_ray.LANE,))
    lease = lanes.take(context.store, context.locks, on_ray.LANE, version="0", detached=True)
    assert lease is not None
    engines = Engines({**context.env, on_ray.SETTING: "nowhere"}, subprocess.DEVNULL, 1)
    driver = LaneDriver(context, lease, lane, engines)
    said: list[str] = []

    async def drive() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(engines.serve)
            try:
                await driver.run()
            except* PlaceGone as gone:
                said.append(in_words(gone))
            group.cancel_scope.cancel()
        await engines.close()

    anyio.run(drive)
    lease.lock.release()
    context.close()
    assert said == [
        "the Ray cluster (nowhere) cannot be reached: REELWRIGHT_RAY takes HOST:PORT of the cluster's head or local, "
        "not 'nowhere'"
    ]
    row = station.row(job)
    assert (row["state"], row["attempts"]) == ("queued", 1)
