"""Bindings: which node a field goes to, what a check says of a server, and the draft that `bind` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from backends.comfyui import graph as graphs
from backends.comfyui.binding import BUNDLED, SUFFIX, file_of, load
from backends.comfyui.checking import Verdict, look, promises
from backends.comfyui.draft import Written, draft
from backends.comfyui.graph import Selector, find, place_of
from backends.comfyui.servers import Server, servers
from backends.errors import VideoError
from backends.jobs.context import Context
from tests.cli.shell import Shell
from tests.comfyui.conftest import SLOW, own_workflow
from tests.comfyui.stand import catalog, environ, station
from tests.fakes import FakeServer

BUNDLES = sorted(path.name.removesuffix(SUFFIX) for path in BUNDLED.glob(f"*{SUFFIX}"))


def verdicts(home: Path, server: FakeServer, **more: str) -> dict[str, Verdict]:
    env = environ(home, server.url, **more)
    found = anyio.run(look, env, servers(env)[0], catalog(env))
    assert found.why == ""
    return {one.model: one for one in found.verdicts}


def drafted(home: Path, server: FakeServer, file: Path, **options: Any) -> Written:
    env = environ(home, server.url)
    return anyio.run(draft, env, servers(env), file, options.get("name", ""), "", options.get("force", False))


# one node, exactly


def test_a_selector_that_fits_two_nodes_names_both() -> None:
    with pytest.raises(
        VideoError, match=r"fits 2 nodes of the workflow \(2 \(ImageBlur\), 3 \(ImageBlur\)\): add title"
    ):
        find(SLOW, Selector("sigma", kind="ImageBlur"), "x")


def test_a_node_that_is_of_another_class_by_now_is_told() -> None:
    with pytest.raises(VideoError, match=r"fits no node of the workflow \(node 1 is 1 \(EmptyImage\)\)"):
        find(SLOW, Selector("color", node="1", kind="KSampler"), "x")


def test_a_value_that_a_primitive_feeds_is_found_there() -> None:
    graph = {
        "92:7": {"class_type": "PrimitiveInt", "inputs": {"value": 97}, "_meta": {"title": "Length"}},
        "1": {"class_type": "EmptyImage", "inputs": {**SLOW["1"]["inputs"], "batch_size": ["92:7", 0]}},
    }
    assert place_of(graph, Selector("batch_size", kind="EmptyImage"), "x") == ("92:7", "value")


def test_a_value_that_another_node_makes_cannot_be_bound() -> None:
    with pytest.raises(VideoError, match=r"means images of node 4 \(CreateVideo\), which node 3 \(ImageBlur\) makes"):
        place_of(SLOW, Selector("images", kind="CreateVideo"), "x")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no json", "is no JSON"),
        ('{"nodes": [], "links": []}', "as the editor saves it"),
        ("[]", "is no workflow"),
        ('{"1": {"inputs": {}}}', "node 1 has no class_type"),
        ('{"1": {"class_type": "X", "inputs": {"a": ["7", 0]}}}', "a of node 1 comes from node 7, which is not there"),
    ],
)
def test_what_is_no_workflow_is_refused_with_what_to_click(text: str, told: str) -> None:
    with pytest.raises(VideoError) as caught:
        graphs.parse(text, "mine.json")
    assert told in caught.value.message and "Workflow > Export (API)" in caught.value.message


# the bundled ones


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundled_workflow_is_a_row_whose_promises_have_places(home: Path, name: str) -> None:
    env = environ(home, "http://127.0.0.1:9")
    row = catalog(env).get(f"comfyui/{name}")
    binding = load(file_of(env, name))
    assert list(promises(binding, row)) == []
    for need in binding.needs:
        assert need.folder and need.url.startswith("https://") and need.licence, need
    graph = binding.graph
    loaded = {
        value
        for node in graph.values()
        for value in graphs.inputs(node).values()
        if str(value).endswith((".safetensors", ".pth"))
    }
    assert {need.file for need in binding.needs} == loaded


def test_a_server_with_the_files_can_run_every_bundled_workflow(home: Path, server: FakeServer) -> None:
    models: dict[str, list[str]] = {}
    for name in BUNDLES:
        for node in load(BUNDLED / f"{name}{SUFFIX}").graph.values():
            for key, value in graphs.inputs(node).items():
                if str(value).endswith((".safetensors", ".pth")):
                    models.setdefault(key, []).append(str(value))
    server.set(models=models)
    found = verdicts(home, server)
    assert {name: one.problems for name, one in found.items() if one.problems} == {}


def test_a_check_tells_missing_files_with_their_folder_and_source(home: Path, server: FakeServer) -> None:
    found = verdicts(home, server)
    assert found["comfyui/smoke"].problems == ()
    (mochi, *_) = found["comfyui/mochi-t2v"].problems
    assert (
        "the model file mochi_preview_bf16.safetensors is not on the server: put it into models/diffusion_models"
        in mochi
    )
    assert "(from https://huggingface.co/Comfy-Org/mochi_preview_repackaged, Apache-2.0)" in mochi


def test_a_check_tells_missing_nodes_and_the_package_that_holds_them(home: Path, server: FakeServer) -> None:
    path = own_workflow(home, "mine")
    path.write_text(
        path.read_text().replace("[bind.inputs]", '[bind]\nnodes = { ImageBlur = "my-blur-pack" }\n\n[bind.inputs]', 1)
    )
    server.set(lacks=["ImageBlur"])
    (problem, *_) = verdicts(home, server)["comfyui/mine"].problems
    assert problem == "it lacks the nodes ImageBlur (of my-blur-pack): install it with the ComfyUI Manager"


def test_a_check_tells_illegal_values_sizes_lengths_and_empty_promises(home: Path, server: FakeServer) -> None:
    graph = {**SLOW, "2": {"class_type": "ImageBlur", "inputs": {**SLOW["2"]["inputs"], "blur_radius": 64}}}
    path = own_workflow(home, "mine", graph)
    text = path.read_text().replace("seed = true", "seed = true\nmotion = 2\nnegative_max = 100")
    path.write_text(text.replace("fps = [24]", "fps = [12.5]"))
    problems = verdicts(home, server)["comfyui/mine"].problems
    assert "node 2 (ImageBlur): blur_radius is 64, at most 31 is taken" in problems
    assert "mode 1 promises motion, and bind has no tracks" in problems
    assert "mode 1 promises negative_max, and bind has no negative_prompt" in problems
    assert "1 s at 12.5 fps is no whole number of frames" in problems


def test_the_persons_own_workflow_goes_over_a_bundled_one_of_its_name(home: Path) -> None:
    own_workflow(home, "smoke")
    env = environ(home, "http://127.0.0.1:9")
    assert catalog(env).get("comfyui/smoke").title == "A workflow of the person's own"
    assert load(file_of(env, "smoke")).graph == SLOW


def test_a_changed_workflow_is_bound_anew_and_told(home: Path, tmp_path: Path) -> None:
    path = own_workflow(home, "mine")
    path.write_text(path.read_text().replace("[bind.inputs]", f'[bind]\nsha256 = "{"0" * 64}"\n\n[bind.inputs]', 1))
    assert load(path).is_changed


def test_rows_of_a_server_elsewhere_are_no_local_ones(tmp_path: Path) -> None:
    for url, where in (("http://127.0.0.1:8188", "local"), ("http://box.example:8188", "cloud")):
        home = station(tmp_path / where, url)
        context = Context.open(home.settings())
        try:
            assert context.catalog.get("comfyui/smoke").where == where
        finally:
            context.close()


# servers


def test_servers_come_from_the_environment_and_the_config_file(home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text(
        '[comfyui.box]\nurl = "https://box.example/comfy"\nauthorization = "COMFYUI_BOX"\n'
    )
    env = environ(
        home, "127.0.0.1:8188, http://other:8188/", COMFYUI_BOX="Basic c2VjcmV0", COMFYUI_AUTHORIZATION="Bearer a"
    )
    assert servers(env) == (
        Server("http://127.0.0.1:8188", "", "Bearer a"),
        Server("http://other:8188", "", "Bearer a"),
        Server("https://box.example/comfy", "box", "Basic c2VjcmV0"),
    )
    assert "c2VjcmV0" not in repr(servers(env)) and "c2VjcmV0" not in servers(env)[2].access.lane


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://u:p@x:1", "http://x:99999", "http://x/?a=b"])
def test_an_address_that_cannot_be_meant_is_told(home: Path, url: str) -> None:
    with pytest.raises(VideoError, match="COMFYUI_URL must be an address such as"):
        servers(environ(home, url))


# drafts


@pytest.mark.parametrize("name", BUNDLES)
def test_the_draft_of_a_bundled_workflow_finds_what_its_binding_says(
    home: Path, server: FakeServer, tmp_path: Path, name: str
) -> None:
    file = tmp_path / f"my-{name}.json"
    file.write_bytes((BUNDLED / f"{name}.json").read_bytes())
    written = drafted(home, server, file)
    ours, theirs = load(BUNDLED / f"{name}{SUFFIX}"), load(written.path)
    for field in ("prompt", "negative_prompt", "seed", "first", "last", "source_clip", "tracks", "camera_pose"):
        assert theirs.places.get(field) == ours.places.get(field), (field, written.told)
    for field in set(ours.places) & {"width", "height", "frames"}:
        assert set(ours.places[field]) <= set(theirs.places[field]), (field, written.told)
    assert (home / "comfyui" / f"my-{name}.json").read_bytes() == file.read_bytes(), "untouched"


def test_a_draft_asks_where_two_fit_and_does_not_replace_what_is_there(
    home: Path, server: FakeServer, tmp_path: Path
) -> None:
    graph = json.loads((BUNDLED / "wan2.2-t2v-5b.json").read_text())
    graph["90"] = {"class_type": "RandomNoise", "inputs": {"noise_seed": 4}, "_meta": {"title": "Another"}}
    file = tmp_path / "Two Seeds.json"
    file.write_text(json.dumps(graph))
    written = drafted(home, server, file)
    assert written.open and "seed: 2 nodes fit; the first is used: choose in the file" in written.told
    assert '# or: seed = { class = "RandomNoise", input = "noise_seed" }' in written.path.read_text()
    assert written.path.name == "two-seeds.bind.toml"
    with pytest.raises(VideoError, match="exists: give another --name, or --force"):
        drafted(home, server, file)
    drafted(home, server, file, force=True)


def test_a_number_that_its_node_does_not_take_is_named_first(home: Path, server: FakeServer, tmp_path: Path) -> None:
    far = {**SLOW, "1": {**SLOW["1"], "inputs": {**SLOW["1"]["inputs"], "width": 999_999}}}
    (tmp_path / "far.json").write_text(json.dumps(far))
    told = [line for line in drafted(home, server, tmp_path / "far.json").told if line.startswith("to fix: ")]
    assert told[0] == "to fix: node 1 (EmptyImage): width is 999999, at most 16384 is taken"


def test_a_workflow_that_saves_no_clip_cannot_be_bound(home: Path, server: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "still.json"
    file.write_text(json.dumps({"1": SLOW["1"]}))
    with pytest.raises(VideoError, match=r"still\.json saves no clip: add a SaveVideo node"):
        drafted(home, server, file)


def test_a_drafted_workflow_makes_a_clip_at_the_command_line(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = station(tmp_path, server.url)
    try:
        used = Shell(home, monkeypatch)
        graph = {name: {**node, "_meta": {"title": node["class_type"]}} for name, node in SLOW.items()}
        graph["1"] = {"class_type": "EmptyHunyuanLatentVideo", "inputs": {"width": 320, "height": 192, "length": 25}}
        graph["1"]["inputs"]["batch_size"] = 1
        (tmp_path / "mine.json").write_text(json.dumps(graph))
        told = used.done("comfyui", "bind", tmp_path / "mine.json").lines
        assert any(line.startswith("frames: length of node 1") for line in told)
        change = "after a change: reelwright comfyui check mine"
        assert told[-1] == f"comfyui/mine can be used at {server.url} from now on; {change}"
        shown = used.done("comfyui", "check", "mine").lines
        assert shown == [f"ComfyUI 0.33.0 at {server.url}: 1 of 1 workflows", "  comfyui/mine: can be used"]
        made = used.done("make", "--model", "comfyui/mine", "--duration", "1", "anything")
        assert "mine" in made.out
        (run,) = server.jobs()
        assert run["graph"]["1"]["inputs"]["length"] == 25
    finally:
        home.close()
