"""What is claimed in a signed clip, and that nothing private is: read back by the C2PA library itself."""

from __future__ import annotations

import hashlib
import http.server
import resource
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import c2pa
import numpy as np
import pytest
from PIL import Image

from backends.errors import VideoError
from backends.media.provenance import CHAIN, KEY, ROOT
from backends.media.provenance.certificates import of_person, own
from backends.media.provenance.manifest import GENERATION, TERMS, Part, name_of
from backends.media.sandbox import Sandbox
from tests.fakes import tiny_clip
from tests.media.signing import MADE, boxes, flipped, independent, looked_at, signed
from tests.samples import photo, quadrants, write_clip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def active(store: dict[str, Any]) -> dict[str, Any]:
    return store["manifests"][store["active_manifest"]]


def assertion(store: dict[str, Any], label: str) -> dict[str, Any]:
    (found,) = [one["data"] for one in active(store)["assertions"] if one["label"] == label]
    return found


def test_a_generated_clip_says_what_made_it(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = signed(sandbox, tmp_path, tiny_clip(), "fox.mp4")
    store = independent(clip)
    assert store["validation_state"] == "Valid" and store["active_manifest"] == name_of("fox.mp4")
    (action,) = assertion(store, "c2pa.actions.v2")["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"] == TERMS + "trainedAlgorithmicMedia"
    assert action["softwareAgent"]["name"] == "runway/gen4_turbo"
    assert assertion(store, GENERATION) == {
        "model": "runway/gen4_turbo",
        "provider": "runway",
        "task": "text_to_video",
        "seed": 7,
        "prompt_sha256": hashlib.sha256(b"a fox in the snow").hexdigest(),
    }
    assert b"a fox in the snow" not in clip.read_bytes()


def test_the_prompt_is_in_it_only_where_that_is_wished(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = signed(sandbox, tmp_path, tiny_clip(), "fox.mp4", with_prompt=True)
    assert assertion(independent(clip), GENERATION)["prompt"] == "a fox in the snow"


def test_the_clip_itself_is_untouched_and_the_copy_plays(sandbox: Sandbox, tmp_path: Path) -> None:
    before = tiny_clip().read_bytes()
    clip = signed(sandbox, tmp_path, tiny_clip(), "fox.mp4")
    assert tiny_clip().read_bytes() == before and clip.read_bytes() != before
    order = list(boxes(clip))
    assert order.index("moov") < order.index("mdat"), "it still starts to play before it is whole"
    with av.open(str(clip)) as one, av.open(str(tiny_clip())) as other:
        pictures = [
            [hashlib.sha256(frame.to_ndarray()).digest() for frame in each.decode(video=0)] for each in (one, other)
        ]
    assert pictures[0] == pictures[1] and len(pictures[0]) == 96


def test_a_services_own_manifest_becomes_the_parent(sandbox: Sandbox, tmp_path: Path) -> None:
    """A delivered file that is signed is handed on with all that it says, and what was given to it beside that."""
    service = tmp_path / "service"
    service.mkdir()
    delivered = signed(sandbox, service, tiny_clip(), "delivered.mp4", model="the service's own")
    still = Part("input0", "keyframe 1", str(photo("coffee")))
    clip = signed(sandbox, tmp_path, delivered, "fox.mp4", [still])
    store = independent(clip)
    parent, frame = active(store)["ingredients"]
    assert (parent["relationship"], frame["relationship"]) == ("parentOf", "componentOf")
    assert parent["active_manifest"] == name_of("delivered.mp4") and parent["active_manifest"] in store["manifests"]
    actions = assertion(store, "c2pa.actions.v2")["actions"]
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.published", "c2pa.placed"]
    assert actions[1]["digitalSourceType"] == TERMS + "trainedAlgorithmicMedia"
    found = looked_at(sandbox, clip, tmp_path)
    assert found["state"] == "trusted" and [part["state"] for part in found["parts"]] == ["valid", "missing"]


def test_no_picture_of_an_input_and_no_name_of_a_file_gets_in(sandbox: Sandbox, tmp_path: Path) -> None:
    private = tmp_path / "secret-face.png"
    private.write_bytes(photo("astronaut").read_bytes())
    bare = signed(sandbox, tmp_path, tiny_clip(), "bare.mp4")
    clip = signed(sandbox, tmp_path, tiny_clip(), "fox.mp4", [Part("input0", "keyframe 1", str(private))])
    assert clip.stat().st_size - bare.stat().st_size < 2000
    assert b"secret-face" not in clip.read_bytes() and b"JFIF" not in clip.read_bytes()


@pytest.mark.parametrize(
    ("own_kind", "parent_kind", "claimed"),
    [
        ("algorithmicMedia", "algorithmicMedia", "algorithmicMedia"),
        ("algorithmicMedia", "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"),
        ("composite", "compositeWithTrainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"),
        ("trainedAlgorithmicMedia", "trainedAlgorithmicMedia", "trainedAlgorithmicMedia"),
    ],
)
def test_a_model_that_had_a_part_in_an_input_is_not_hidden(
    own_kind: str, parent_kind: str, claimed: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Even where only the input's own manifest tells of it."""
    source = signed(sandbox, tmp_path, tiny_clip(), "source.mp4", source=parent_kind)
    clip = signed(sandbox, tmp_path, tiny_clip(), "fox.mp4", [Part("a", "added part", str(source))], source=own_kind)
    assert looked_at(sandbox, clip, tmp_path)["sources"] == [claimed]


def test_an_input_whose_manifest_is_rubbish_does_not_stop_the_signature(sandbox: Sandbox, tmp_path: Path) -> None:
    source = signed(sandbox, tmp_path, tiny_clip(), "source.mp4")
    data = bytearray(source.read_bytes())
    data[100:140] = b"\xff" * 40
    source.write_bytes(bytes(data))
    clip = signed(
        sandbox, tmp_path, tiny_clip(), "fox.mp4", [Part("input0", "source clip", str(source))], parent="input0"
    )
    found = looked_at(sandbox, clip, tmp_path)
    assert found["state"] == "trusted" and found["parts"][0]["state"] == "missing"
    assert looked_at(sandbox, signed(sandbox, tmp_path, source, "again.mp4"), tmp_path)["state"] == "trusted"


@pytest.mark.parametrize("name", ["fox.mov", "fox.gif", "fox.webp"])
def test_the_other_formats_of_clips_hold_their_manifest(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    source = tmp_path / f"source-{name}"
    if name.endswith(".mov"):
        write_clip(source)
    else:
        frames = [Image.fromarray(np.roll(quadrants(), 8 * turn, 1)) for turn in range(4)]
        frames[0].save(source, save_all=True, append_images=frames[1:], duration=80, loop=0)
    clip = signed(sandbox, tmp_path, source, name)
    assert looked_at(sandbox, clip, tmp_path)["state"] == "trusted"
    damaged = flipped(clip, clip.stat().st_size - 40, tmp_path / f"damaged-{name}")
    assert looked_at(sandbox, damaged, tmp_path)["state"] == "tampered"


def test_a_format_that_cannot_hold_a_manifest_gets_it_beside(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "fox.webm", codec="libvpx-vp9")
    before = clip.read_bytes()
    done = sandbox.sign(clip, tmp_path / "fox.c2pa", MADE, [], {"folder": str(tmp_path / "signing")})
    assert done == {"embedded": False, "source": "trainedAlgorithmicMedia"} and clip.read_bytes() == before
    assert looked_at(sandbox, clip, tmp_path)["state"] == "missing"
    found = looked_at(sandbox, clip, tmp_path, tmp_path / "fox.c2pa")
    assert (found["state"], found["where"]) == ("trusted", "sidecar")
    for at in (0, len(before) // 2, len(before) - 1):
        damaged = flipped(clip, at, tmp_path / "damaged.webm")
        assert looked_at(sandbox, damaged, tmp_path, tmp_path / "fox.c2pa")["state"] == "tampered"


def test_a_disk_that_has_no_room_for_the_copy_is_told(tmp_path: Path) -> None:
    """As a limit on the child's files; and the next call finds it at work."""
    with Sandbox() as fresh:
        signed(fresh, tmp_path, tiny_clip(), "fox.mp4")
        assert fresh.pid is not None
        resource.prlimit(fresh.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        with pytest.raises(VideoError) as refused:
            signed(fresh, tmp_path, tiny_clip(), "hare.mp4")
        assert refused.value.kind == "storage" and "is the disk, quota or file size limit used up?" in str(
            refused.value
        )
        assert looked_at(fresh, tmp_path / "fox.mp4", tmp_path)["state"] == "trusted"


def test_the_own_certificate_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "signing"
    made: list[bytes] = []
    threads = [threading.Thread(target=lambda: made.append(own(folder).chain)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6 and len(set(made)) == 1, "whoever comes first makes it for all"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["signing"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == sorted((CHAIN, KEY, ROOT))
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_the_persons_own_certificate_signs(sandbox: Sandbox, tmp_path: Path) -> None:
    mine = own(tmp_path / "mine")
    pair = tmp_path / "pair.pem"
    pair.write_bytes(mine.chain + mine.key)
    pair.chmod(0o600)
    clip = tmp_path / "fox.mp4"
    sandbox.sign(tiny_clip(), clip, MADE, [], {"certificate": str(pair)})
    assert sandbox.provenance(clip, None, [])["state"] == "valid"
    assert sandbox.provenance(clip, None, [pair])["state"] == "trusted"


def test_a_certificate_that_cannot_be_used_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    one, other = own(tmp_path / "one"), own(tmp_path / "other")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(one.chain)
    key.write_bytes(other.key)
    with pytest.raises(VideoError, match="can be read by others: run chmod 600"):
        key.chmod(0o644)
        of_person(chain, key)
    key.chmod(0o600)
    chain.chmod(0o600)
    with pytest.raises(VideoError, match="does not belong to the first certificate"):
        of_person(chain, key)
    with pytest.raises(VideoError, match="holds no private key in PEM form without a password: where its key lies"):
        sandbox.sign(tiny_clip(), tmp_path / "fox.mp4", MADE, [], {"certificate": str(chain)})
    with pytest.raises(VideoError, match="holds no certificate in PEM form"):
        of_person(key, key)
    with pytest.raises(VideoError, match="cannot be read"):
        of_person(tmp_path / "none.pem", key)
    root = tmp_path / "root.pem"  # one that may sign certificates, not clips
    root.write_bytes(one.top)
    with pytest.raises(VideoError, match="does not belong"):
        of_person(root, key)


def test_nothing_is_ever_asked_of_the_network(sandbox: Sandbox, tmp_path: Path) -> None:
    """A file may name a manifest anywhere: neither reading nor signing goes there."""
    asked: list[str] = []

    class Listening(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            return

    with http.server.HTTPServer(("127.0.0.1", 0), Listening) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        pointing = tmp_path / "pointing.mp4"
        credential = own(tmp_path / "signing")
        info = c2pa.C2paSignerInfo("es256", credential.chain, credential.key, None)
        action = {"action": "c2pa.created", "digitalSourceType": TERMS + "algorithmicMedia"}
        manifest = {"title": "x", "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}]}
        builder = c2pa.Builder(manifest, context=c2pa.Context.from_dict({"verify": {"verify_after_sign": False}}))
        builder.set_no_embed()
        builder.set_remote_url(f"http://127.0.0.1:{server.server_port}/m.c2pa")
        with c2pa.Signer.from_info(info) as pen, tiny_clip().open("rb") as source, pointing.open("w+b") as dest:
            builder.sign(pen, "video/mp4", source, dest)
        assert b"/m.c2pa" in pointing.read_bytes()
        assert looked_at(sandbox, pointing, tmp_path)["state"] == "missing"
        signed(sandbox, tmp_path, pointing, "fox.mp4", [Part("input0", "source clip", str(pointing))])
        server.shutdown()
        thread.join()
    assert asked == []
