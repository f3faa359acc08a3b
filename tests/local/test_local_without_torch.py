"""Without torch, and without a GPU: the rest of the program runs, and says exactly what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from backends.catalog.availability import availability
from backends.catalog.loader import load
from backends.errors import VideoError
from backends.local import device
from backends.local.families import variant
from backends.local.weights import Model, check_safe, counted, find
from backends.provider.registry import registered
from tests.rawclient import RawClient, home_env

CPU = {"REELWRIGHT_LOCAL_DEVICE": "cpu"}


def test_a_machine_without_a_gpu_is_told() -> None:
    why = availability({})(load().get("local/ltx-video"))
    assert why is not None and why.text.startswith("no NVIDIA GPU on this machine: name a machine that has one")
    assert "set REELWRIGHT_LOCAL_DEVICE=cpu" in why.text
    with pytest.raises(VideoError, match="no NVIDIA GPU"):
        device.device({"REELWRIGHT_LOCAL_DEVICE": "3"})


def test_gpus_are_read_from_the_drivers_files(tmp_path: Path) -> None:
    for number, uuid in enumerate(("GPU-aaaa1111-22", "GPU-bbbb1111-33")):
        folder = tmp_path / f"0000:0{number}:00.0"
        folder.mkdir()
        (folder / "information").write_text(f"Model: \t NVIDIA\nIRQ: 1\nGPU UUID: \t {uuid}\n")
    assert device.gpus(tmp_path) == ("GPU-aaaa1111-22", "GPU-bbbb1111-33")
    assert device.gpus(tmp_path / "none") == ()


def test_every_gpu_of_the_first_ones_model_may_be_used(tmp_path: Path) -> None:
    for number, model in enumerate(("RTX 4090", "RTX 4090", "T400", "RTX 4090")):
        folder = tmp_path / f"0000:0{number}:00.0"
        folder.mkdir()
        (folder / "information").write_text(f"Model: \t NVIDIA {model}\nIRQ: 1\nGPU UUID: \t GPU-{number}\n")

    def usable(**env: str) -> str:
        found = device.devices(env, tmp_path)
        assert found[0] == device.device(env, tmp_path)
        return " ".join(one.lane for one in found)

    assert usable() == usable(REELWRIGHT_LOCAL_DEVICE="auto") == "gpu:GPU-0 gpu:GPU-1 gpu:GPU-3"
    assert usable(CUDA_VISIBLE_DEVICES="1,3") == usable(CUDA_VISIBLE_DEVICES="GPU-1,GPU-3") == "gpu:GPU-1 gpu:GPU-3"
    assert usable(CUDA_VISIBLE_DEVICES="2") == "gpu:GPU-2"
    assert usable(REELWRIGHT_LOCAL_DEVICE="3, GPU-2,3") == "gpu:GPU-3 gpu:GPU-2"
    assert usable(REELWRIGHT_LOCAL_DEVICE="cpu") == "cpu"
    with pytest.raises(VideoError, match="REELWRIGHT_LOCAL_DEVICE=7 is none of GPU-0, GPU-1, GPU-2, GPU-3 or cpu"):
        usable(REELWRIGHT_LOCAL_DEVICE="1,7")


def test_a_lost_card_is_told_from_a_failed_job() -> None:
    broken = RuntimeError("CUDA error: uncorrectable ECC error encountered")
    outer = VideoError("provider", "the pipeline failed")
    outer.__cause__ = broken
    assert device.is_lost(broken) and device.is_lost(outer)
    assert not device.is_lost(RuntimeError("CUDA error: an illegal memory access was encountered"))
    assert not device.is_lost(VideoError("asset", "uncorrectable ECC error: a prompt may hold any words"))


def test_without_torch_the_install_command_is_told() -> None:
    code = (
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'diffusers', 'transformers'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "from backends.provider.registry import registered\n"
        "print(registered('local').access({'REELWRIGHT_LOCAL_DEVICE': 'cpu'}).trouble)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "pip install 'reelwright[local]'" in done.stdout


def test_weights_that_are_not_here_are_told_with_size_and_command(tmp_path: Path) -> None:
    lacks = registered("local").lacks
    assert lacks is not None
    row = load().get("local/ltx-video")
    wires = tuple({**row.wire, **mode.wire} for mode in row.modes)
    why = lacks({"HOME": str(tmp_path)}, wires, row.id)
    assert why == (
        "the weights of local/ltx-video (Lightricks/LTX-Video-0.9.5, about 15 GiB) are not on this machine: "
        "reelwright models pull local/ltx-video shows the licence, and with --accept-licence downloads them"
    )


def snapshot(home: Path, repo: str, index: dict[str, object]) -> Path:
    """A model in the hub's cache, as its client leaves it."""
    root = home / ".cache" / "huggingface" / "hub" / f"models--{repo.replace('/', '--')}"
    folder = root / "snapshots" / "0123abcd"
    (root / "refs").mkdir(parents=True)
    (root / "blobs").mkdir()
    folder.mkdir(parents=True)
    (root / "refs" / "main").write_text("0123abcd")
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_a_pulled_model_is_found_with_its_commit_and_a_broken_off_one_is_not(tmp_path: Path) -> None:
    wire, env = {"variant": "ltx-video-t2v"}, {"HOME": str(tmp_path)}
    index: dict[str, object] = {
        "_class_name": "LTXPipeline", "vae": ["diffusers", "AutoencoderKLLTXVideo"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"], "image_encoder": [None, None],
    }  # fmt: skip
    folder = snapshot(tmp_path, "Lightricks/LTX-Video-0.9.5", index)
    found = Model("Lightricks/LTX-Video-0.9.5", folder, "0123abcd")
    assert find(wire, env) is None, "nothing but the index"
    for part, name in (("vae", "config.json"), ("scheduler", "scheduler_config.json")):
        (folder / part).mkdir()
        (folder / part / name).write_text("{}")
    assert find(wire, env) is None, "a model without its weights"
    (folder / "vae" / "diffusion_pytorch_model.safetensors").touch()
    assert find(wire, env) == found
    listing = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "vae" / "model.safetensors.index.json").write_text(json.dumps(listing))
    (folder / "vae" / "model-00001-of-00002.safetensors").touch()
    assert find(wire, env) is None, "the second shard is missing"
    (folder / "vae" / "model-00002-of-00002.safetensors").touch()
    assert find(wire, env) == found
    (folder.parent.parent / "blobs" / "x.incomplete").touch()
    assert find(wire, env) == found, "a part that a killed download has left says nothing"


def test_code_and_pickles_of_a_model_are_never_run(tmp_path: Path) -> None:
    kind = variant("ltx-video-t2v")
    index: dict[str, object] = {"_class_name": "LTXPipeline", "vae": ["my_vae", "MyVAE"]}
    folder = snapshot(tmp_path, "a/b", index)
    model = Model("a/b", folder, "x")
    with pytest.raises(VideoError, match=r"vae of a/b comes from 'my_vae': code of a model's own is never run"):
        check_safe(model, kind)
    (folder / "model_index.json").write_text(json.dumps({"vae": ["diffusers", "AutoencoderKLLTXVideo"]}))
    (folder / "vae").mkdir()
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(VideoError, match="vae of a/b has no safetensors: pickled weights are never loaded"):
        check_safe(model, kind)
    with pytest.raises(VideoError, match=r"a single-file transformer is \.safetensors or \.gguf"):
        (folder / "vae" / "diffusion_pytorch_model.bin").unlink()
        check_safe(Model("a/b", folder, "x", tmp_path / "t.ckpt"), kind)


def test_a_folders_own_parameters_are_counted(tmp_path: Path) -> None:
    folder = snapshot(tmp_path, "c/d", {})
    (folder / "transformer").mkdir()
    header = json.dumps({"w": {"dtype": "F32", "shape": [1000, 2000], "data_offsets": [0, 8000000]}}).encode()
    (folder / "transformer" / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert counted(Model("c/d", folder, "x"), variant("ltx-video-t2v")).transformer_b == pytest.approx(0.002)
    packed = tmp_path / "packed.gguf"
    packed.write_bytes(bytes(1_000_000))
    own = counted(Model("c/d", folder, "x", packed), variant("ltx-video-t2v"))
    assert own.transformer_b == pytest.approx(0.0005), "a million bytes, as half a million parameters take"


def test_the_server_lists_local_models_and_never_imports_torch(tmp_path: Path) -> None:
    env = {**home_env(tmp_path), **CPU}
    with RawClient(env, cwd=tmp_path) as client:
        listed = client.structured("list_models", query="ltx")
        assert {"local/ltx-video", "local/ltx-2"} <= {row["model"] for row in listed["models"]}
        maps = Path(f"/proc/{client.process.pid}/maps").read_text()
        assert "libpython" in maps or "python" in maps
        assert "libtorch" not in maps and "/torch/" not in maps
