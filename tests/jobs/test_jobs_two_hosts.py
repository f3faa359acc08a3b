"""Two machines without a shared disk: one store on a PostgreSQL server, one bucket, two data folders. What one has been
given or has made, the other uses and shows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from backends.edit.request import build_finish
from backends.jobs.store.postgres import making
from backends.request import VideoRequest, build_request
from backends.studio import Studio
from tests import samples
from tests.fakes import FakeServer
from tests.jobs.server import running
from tests.jobs.station import Station
from tests.jobs.test_jobs_bucket_jobs import SECRET, of_bucket


@pytest.fixture
def url() -> Iterator[str]:
    with running() as server:
        own = f"{server}?options=-csearch_path%3Dtwo_hosts"
        making.init(own)
        yield own


def test_a_clip_made_on_one_is_inspected_extended_finished_and_shown_on_the_other(
    url: str, serve: Callable[..., FakeServer], stand: Callable[..., Station], tmp_path: Path
) -> None:
    service = serve(mode="none")
    with FakeServer("bucket") as bucket:
        env = {**of_bucket(bucket), "PAID_MODE": "none", "REELWRIGHT_STORE": url, "REELWRIGHT_BUCKET_S": "20"}
        one, two = (stand(service, name=name, **env) for name in ("one", "two"))
        still = one.root / "still.png"
        shutil.copyfile(samples.photo(), still)
        with closing(Studio.open(one.settings())) as asks, closing(Studio.open(two.settings())) as makes:
            first = one.place(asks.context, _animated("still.png"))
            (done,) = two.settled(makes, [first], 30)
            assert done.state == "succeeded", done.error
            assert done.file and Path(done.file).is_relative_to(two.root), "the second has fetched the input"
            still.unlink()
            assert not (one.home / "artifacts" / "jobs").exists()

            shown = asks.get(first)
            assert shown.file and Path(shown.file).is_relative_to(one.home) and Path(shown.file).is_file()
            assert shown.poster and Path(shown.poster).is_file()
            assert f"job {first}" in asks.inspect(first, 2).text

            longer = one.place(asks.context, _longer(first))
            (extended,) = two.settled(makes, [longer], 30)
            assert extended.state == "succeeded" and service.counters()["charges"] == 2, extended.error

            shutil.rmtree(two.home / "artifacts")
            film = asks.finish_clip(build_finish(clips=[first, longer])).job_id
            (joined,) = one.settled(asks, [film], 60)
            assert joined.state == "succeeded", joined.error
            seen = makes.get(film)
            assert seen.file and Path(seen.file).is_relative_to(two.root) and Path(seen.file).is_file()
            assert makes.provenance(film).is_whole, makes.provenance(film).text
    dump = _dump(url)
    assert str(tmp_path) not in dump and SECRET not in dump and first in dump


def _animated(still: str) -> VideoRequest:
    return build_request(
        task="image_to_video",
        model="paid/basic",
        prompt="x",
        frames=[{"image": still, "role": "first"}],
        fit="pad",
        duration_s=4,
        resolution="180p",
        max_cost_usd=5,
    )


def _longer(clip: str) -> VideoRequest:
    return build_request(task="extend", model="paid/basic", prompt="on", source_clip=clip, duration_s=4, max_cost_usd=5)


def _dump(url: str) -> str:
    """Every row of every table of the store. A request is kept as it was asked: here its image has no folder."""
    with psycopg.connect(url) as cx:
        tables = cx.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'two_hosts'")
        names = [str(name) for (name,) in tables.fetchall()]
        return "\n".join(str(cx.execute(f'SELECT * FROM "{name}"'.encode()).fetchall()) for name in names)
