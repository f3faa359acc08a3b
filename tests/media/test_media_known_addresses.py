"""What no download would take is refused from the address alone: no name is looked up, nothing is asked."""

from __future__ import annotations

import pytest

from backends.errors import VideoError
from backends.media.addresses import refuse_known

PRIVATE = "leads to a private or reserved network address, and only public ones are fetched: download the file yourself"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "10.0.0.7",
        "192.168.1.20",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "[::1]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "LocalHost.",
        "clips.localhost",
    ],
)
def test_a_private_address_is_refused(host: str) -> None:
    with pytest.raises(VideoError, match=PRIVATE) as refused:
        refuse_known(f"https://{host}/a.png?key=secret")
    assert refused.value.kind == "asset" and "secret" not in refused.value.message
    refuse_known("https://example.org/a.png")


@pytest.mark.parametrize("url", ["https://example.org:8443/a.png", "https://93.184.215.14:80/a.png"])
def test_another_port_is_refused(url: str) -> None:
    with pytest.raises(VideoError, match=r"only the usual https port \(443\) is reached, not (8443|80)$"):
        refuse_known(url)


@pytest.mark.parametrize("url", ["https://", "https:///a.png", "https://[::1", "https://example.org:99999/a"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(VideoError, match="cannot be read as an address: give a complete https URL"):
        refuse_known(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.png",
        "https://example.org:443/a.png",
        "https://93.184.215.14/a",
        "https://[2606:4700::1]/a",
    ],
)
def test_a_public_one_is_taken(url: str) -> None:
    refuse_known(url)
