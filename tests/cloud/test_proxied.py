"""A network where only the proxy knows the names: paid work and inputs go through it from the order to the file."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.request import build_request
from tests.cloud import openai_rows
from tests.fakes import FakeServer, tiny_clip
from tests.fakes.proxy import Proxy
from tests.jobs.station import Station
from tests.media.test_media_fetch import Server, authority, send
from tests.samples import photo

KEY = "sk-proxied-0123456789abcdef"
BASE = "http://videos.corp.test/v1"
__all__ = ["authority"]


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Callable[..., Station]]:
    made: list[Station] = []
    rows = openai_rows.save_quick(tmp_path / "rows")

    def make(**env: str) -> Station:
        made.append(Station(tmp_path, "", {"REELWRIGHT_CATALOG": str(rows), **env}))
        return made[-1]

    yield make
    for station in made:
        station.close()


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def test_a_paid_clip_comes_home_through_the_proxy(stand: Callable[..., Station]) -> None:
    clips = {"": tiny_clip(1280, 720, 4.0)}
    with FakeServer("openai_videos", clips=clips, life={"polls": 1}) as server:
        with Proxy({"videos.corp.test": server.port}) as proxy:
            network = {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url, "NO_PROXY": "localhost,fd07:b51a::/64"}
            station = stand(OPENAI_API_KEY=KEY, REELWRIGHT_OPENAI_BASE_URL=BASE, **network)
            studio = station.studio()
            request = build_request(
                task="text_to_video", model="openai/my-proxy-video", prompt="a kite", duration_s=4, max_cost_usd=3
            )
            (job,) = station.settled(studio, [studio.submit(request).job_id], 40)
            assert (job.state, job.error) == ("succeeded", None)
            assert job.file and Path(job.file).stat().st_size > 1000
        asked = [line.split(" ")[1].rpartition("/")[2] for line in proxy.asked]
        assert asked[0] == "videos" and asked[-1].startswith("content"), "both took the same way"
        assert (server.counters()["submit"], server.counters()["charges"]) == (1, 1)
        assert station.books()[0] > 0 and station.books()[1] == 0


def test_an_https_input_comes_through_the_proxy_with_the_companys_own_authority(
    stand: Callable[..., Station], authority: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path
) -> None:
    server = Server(authority[0])
    server.answers["/rocket.jpg"] = send()
    (root,) = authority[1].get_ca_certs(binary_form=True)
    (tmp_path / "company.pem").write_text(ssl.DER_cert_to_PEM_cert(root))
    try:
        with Proxy({"media.example": server.port}) as proxy:
            station = stand(HTTPS_PROXY=proxy.url, SSL_CERT_FILE=str(tmp_path / "company.pem"))
            studio = station.studio()
            request = build_request(
                task="image_to_video",
                model="animatic",
                frames=[{"image": "https://media.example/rocket.jpg"}],
                duration_s=1,
                resolution="360p",
            )
            (job,) = station.settled(studio, [studio.submit(request).job_id], 60)
        assert (job.state, job.error) == ("succeeded", None)
        assert any("'media.example' was reached through the proxy (HTTPS_PROXY), which alone" in n for n in job.notes)
        assert proxy.asked == ["CONNECT media.example:443 HTTP/1.1"]
    finally:
        server.close()


def test_what_the_environment_breaks_is_refused_before_any_money_is_held(
    stand: Callable[..., Station], clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copy(photo("rocket"), tmp_path / "rocket.jpg")
    clean.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    station = stand(OPENAI_API_KEY=KEY, REELWRIGHT_OPENAI_BASE_URL="https://videos.corp.test/v1")
    studio = station.studio()
    told = r"ALL_PROXY \(socks5://127.0.0.1:1080\) names a SOCKS proxy, which needs a package that is missing"
    paid = build_request(
        task="text_to_video", model="openai/my-proxy-video", prompt="a kite", duration_s=4, max_cost_usd=3
    )
    free = build_request(
        task="image_to_video", model="animatic", frames=[{"image": "https://media.example/rocket.jpg"}], duration_s=1
    )
    for request in (paid, free):
        with pytest.raises(VideoError, match=told):
            studio.submit(request)
    assert station.rows("SELECT id FROM jobs") == [] and station.books() == (0, 0)
