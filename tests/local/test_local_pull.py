"""`models pull` against a loopback hub, by the hub's own client: what is taken, what goes on, what is recorded."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backends.errors import VideoError
from backends.local.pull import chosen
from backends.local.weights import find
from backends.studio import Studio
from tests.cli.shell import Ended, Shell
from tests.fakes import FakeServer
from tests.fakes.service import fingerprint
from tests.jobs.station import Station
from tests.local.asking import asked, facts, made
from tests.local.conftest import local_env
from tests.patience import patient

COMMIT = "1234567890abcdef1234567890abcdef12345678"
LATER = "f" * 40
FOREIGN = {
    "README.md": b"# Tiny",
    "tiny-wan-everything.safetensors": bytes(90_000),
    "text_encoder/pytorch_model.bin": b"a pickle" * 9000,
    "text_encoder/model.fp16.safetensors": bytes(80_000),
    "vae/autoencoder.py": b"raise SystemExit('code of the model')",
    "onnx/model.onnx": bytes(70_000),
    "onnx/config.json": b"{}",
}
"""What lies in such repositories beside the pipeline, none of which is taken."""


@pytest.fixture
def repo(models: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    shutil.copytree(models / "wan_t2v", folder)
    for name, data in {**FOREIGN, "LICENSE": b"Tiny Licence 1.0"}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def server(repo: Path) -> Iterator[FakeServer]:
    with FakeServer("hub", repos={"tiny/wan": str(repo)}, commit=COMMIT) as running:
        yield running


@pytest.fixture
def shell(
    server: FakeServer, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Shell]]:
    """A home of its own, for whose catalogue's local/tiny-hub there is a hub: shell(NAME="value", ...)."""
    with ExitStack() as stack:

        def make(**env: str) -> Shell:
            station = Station(tmp_path / "person", "", local_env(rows, HF_ENDPOINT=server.url, **env))
            station.root.mkdir(exist_ok=True)
            stack.callback(station.close)
            return Shell(station, monkeypatch)

        yield make


def pull(shell: Shell, *more: str) -> Ended:
    process = shell.process("models", "pull", "local/tiny-hub", *more)
    out, err = process.communicate(timeout=patient(120))
    return Ended(process.returncode, out, err)


def accepted(shell: Shell) -> Ended:
    ended = pull(shell, "--accept-licence")
    assert ended.code == 0, ended.err
    return ended


def root_of(shell: Shell) -> Path:
    return shell.station.root / ".cache" / "huggingface" / "hub" / "models--tiny--wan"


def taken(shell: Shell, commit: str = COMMIT) -> dict[str, bytes]:
    folder = root_of(shell) / "snapshots" / commit
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def expected(repo: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(repo)): path.read_bytes() for path in repo.rglob("*") if path.is_file()}
    return {name: data for name, data in files.items() if name not in FOREIGN}


def fetched(server: FakeServer) -> list[tuple[str, str]]:
    """(path, range) of every large file that was requested."""
    return [(one["path"], one["headers"].get("range", "")) for one in server.log("cdn") if one["method"] == "GET"]


def test_without_acceptance_licence_size_and_territory_are_told(
    shell: Callable[..., Shell], server: FakeServer
) -> None:
    ended = shell().run("models", "pull", "local/tiny-hub")
    assert ended.code == 1
    for text in (
        "licence: Tiny Licence 1.0", "territory: not licensed on the Moon",
        "tiny/wan (text_to_video): about 13 GiB to download", "https://huggingface.co/tiny/wan",
        "to download: reelwright models pull local/tiny-hub --accept-licence",
    ):  # fmt: skip
        assert text in ended.out, ended.out
    assert server.counters().get("requests", 0) == 0, "not a byte before the licence is accepted"


def test_the_pipelines_own_files_of_one_commit(
    station: Station, studio: Studio, server: FakeServer, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the home whose engine serves the other files, so that the model makes a clip at once."""
    env = {**station.env, "HF_ENDPOINT": server.url, "HF_TOKEN": "hf_secret"}
    person = Shell(Station(station.root, "", env), monkeypatch)
    ended = accepted(person)
    assert taken(person) == expected(repo)
    assert (root_of(person) / "refs" / "main").read_text() == COMMIT
    assert f"commit {COMMIT}: {len(expected(repo))} files, 0.0 GiB" in ended.out
    assert str(root_of(person) / "snapshots" / COMMIT) in ended.out
    assert "Fetching" in ended.err and "100%" in ended.err, "no progress bar"
    sent = {one["route"]: one["headers"].get("authorization") for one in server.log()}
    assert sent["info"] == sent["tree"] == sent["resolve"] == f"fp:{fingerprint('hf_secret')}"
    assert sent["cdn"] is None, "the token has left the hub"
    before = server.counters()["requests"]
    again = accepted(person)
    assert f"on this machine, commit {COMMIT[:12]}" in again.out and server.counters()["requests"] == before
    record = facts(station, made(station, studio, asked("hub")))
    assert (record["repo"], record["revision"]) == ("tiny/wan", COMMIT)
    assert server.counters()["requests"] == before, "the engine has asked the hub"


def test_a_cut_connection_goes_on_where_it_was_cut(shell: Callable[..., Shell], server: FakeServer, repo: Path) -> None:
    """The client writes 10 MiB at a time: what came of the next ones is requested again."""
    large = bytes(range(256)) * 65_536
    (repo / "tokenizer" / "large.txt").write_bytes(large)
    server.script("cdn", {"truncate": 12_000_000, "match": hashlib.sha256(large).hexdigest()})
    person = shell()
    accepted(person)
    assert server.left() == {} and taken(person) == expected(repo)
    ranges = [asked for _, asked in fetched(server) if asked]
    assert ranges == ["bytes=10485760-"]


def test_a_killed_download_goes_on_with_the_next_file(
    shell: Callable[..., Shell], server: FakeServer, repo: Path
) -> None:
    person = shell()
    server.script("cdn", {}, {"truncate": 20_000, "hang": True}, {"truncate": 20_000, "hang": True})
    process = person.process("models", "pull", "local/tiny-hub", "--accept-licence")
    server.wait("hanging", 2, timeout_s=60)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=patient(10))
    server.release()
    wire = {"variant": "wan2.1-t2v-1.3b", "repo": "tiny/wan"}
    assert find(wire, person.station.environ()) is None and not (root_of(person) / "refs" / "main").exists()
    parts = list((root_of(person) / "blobs").glob("*.incomplete"))
    assert len(parts) == 2
    whole, *_ = fetched(server)[0]
    accepted(person)
    assert taken(person) == expected(repo)
    paths = [path for path, _ in fetched(server)]
    assert paths.count(whole) == 1 and len(paths) == 5, "three large files, two of them from their start once more"
    assert not list((root_of(person) / "blobs").glob("*.incomplete")), "a killed download's parts lie there for ever"
    assert find(wire, person.station.environ()) is not None


def test_a_newer_commit_that_does_not_come_whole_leaves_the_old_one(
    shell: Callable[..., Shell], server: FakeServer, repo: Path
) -> None:
    person = shell()
    accepted(person)
    (root_of(person) / "snapshots" / COMMIT / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    server.set(commit=LATER)
    server.always("resolve", {"status": 404, "headers": {"x-error-code": "EntryNotFound"}, "match": "scheduler"})
    ended = pull(person, "--accept-licence")
    assert ended.code == 1 and "tiny/wan could not be downloaded (" in ended.err
    assert (root_of(person) / "refs" / "main").read_text() == COMMIT
    server.clear()
    accepted(person)
    assert (root_of(person) / "refs" / "main").read_text() == LATER and taken(person, LATER) == expected(repo)


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_means_offline(shell: Callable[..., Shell], server: FakeServer, name: str) -> None:
    told = shell(**{name: "1"}).refused("models", "pull", "local/tiny-hub", "--accept-licence")
    assert f"{name} is set: unset it to download" in told
    assert server.counters().get("requests", 0) == 0


@pytest.mark.parametrize(
    ("knobs", "text"),
    [
        ({"gated": True}, "tiny/wan is gated: accept its terms at https://huggingface.co/tiny/wan, then set HF_TOKEN"),
        ({"repos": {}}, "tiny/wan at main is not on the hub (or private): correct wire.repo of the row"),
        ({"claims": {"vae/config.json": 10**18}}, "931322575.6 GiB are needed in "),
    ],
    ids=["gated", "unknown", "no-room"],
)
def test_a_refusal_says_what_to_do(
    shell: Callable[..., Shell], server: FakeServer, knobs: dict[str, Any], text: str
) -> None:
    server.set(**knobs)
    ended = pull(shell(), "--accept-licence")
    assert ended.code == 1 and text in ended.err, ended.err
    assert fetched(server) == [] and not (root_of(shell()) / "refs" / "main").exists()


def test_a_hub_that_is_down(shell: Callable[..., Shell], server: FakeServer) -> None:
    server.always("info", {"status": 503})
    ended = pull(shell(), "--accept-licence")
    assert "tiny/wan could not be downloaded (HfHubHTTPError): run the same command again to go on" in ended.err
    server.stop()
    ended = pull(shell(), "--accept-licence")
    assert "tiny/wan could not be downloaded (ConnectError): run the same command again to go on" in ended.err
    server.start()


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        ("pickles", "vae of tiny/wan has no safetensors: pickled weights are never loaded; take another model"),
        ("code", "vae of tiny/wan comes from 'autoencoder': code of a model's own is never run"),
        ("none", "tiny/wan holds no model_index.json: it is no folder of a diffusers pipeline"),
    ],
)
def test_what_would_never_be_loaded_is_not_fetched(
    shell: Callable[..., Shell], server: FakeServer, repo: Path, spoil: str, text: str
) -> None:
    index = repo / "model_index.json"
    if spoil == "pickles":
        (repo / "vae" / "diffusion_pytorch_model.safetensors").rename(repo / "vae" / "diffusion_pytorch_model.bin")
    elif spoil == "code":
        index.write_text(json.dumps({**json.loads(index.read_text()), "vae": ["autoencoder", "Autoencoder"]}))
    else:
        index.unlink()
    ended = pull(shell(), "--accept-licence")
    assert ended.code == 1 and text in ended.err, ended.err
    assert fetched(server) == []


def test_of_two_precisions_the_plain_one_is_taken() -> None:
    index = {"unet": ["diffusers", "U"], "vae": ["diffusers", "V"], "_class_name": "P", "extra": [None, None]}
    sizes = dict.fromkeys(
        [
            "model_index.json", "LICENSE.md", "NOTICE", "big.safetensors", "extra/config.json", "unet/config.json",
            "unet/d-00001-of-00002.safetensors", "unet/d-00002-of-00002.safetensors", "unet/d.safetensors.index.json",
            "unet/d.fp16-00001-of-00001.safetensors", "unet/sub/config.json", "vae/m.fp16.safetensors", "vae/m.bin",
        ],
        1,
    )  # fmt: skip
    assert set(chosen(sizes, index, "a/b")) == {
        "model_index.json", "LICENSE.md", "NOTICE", "unet/config.json", "unet/d-00001-of-00002.safetensors",
        "unet/d-00002-of-00002.safetensors", "unet/d.safetensors.index.json", "vae/m.fp16.safetensors",
    }  # fmt: skip
    with pytest.raises(VideoError, match="vae of a/b has no safetensors"):
        chosen({"vae/m.bin": 1, "unet/d.safetensors": 1}, index, "a/b")
