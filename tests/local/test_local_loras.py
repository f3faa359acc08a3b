"""LoRA files with weights: their effect, what is recorded of them, and that they are gone with their job."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.errors import VideoError
from backends.studio import Studio
from tests.jobs.station import Station
from tests.local.asking import asked, digest, facts, made
from tests.local.given import lora_of, write


@pytest.fixture(scope="module")
def ink(models: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("loras") / "ink.safetensors", lora_of(models / "wan_t2v"))


@pytest.fixture(scope="module")
def fog(models: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("loras") / "fog.safetensors", lora_of(models / "wan_t2v", seed=1))


@pytest.fixture(scope="module")
def plain(station: Station, studio: Studio) -> str:
    return digest(made(station, studio, asked("wan_t2v", prompt="loras")))


def test_a_lora_changes_its_own_job_alone(station: Station, studio: Studio, ink: str, plain: str) -> None:
    inked = made(station, studio, asked("wan_t2v", prompt="loras", loras=[f"{ink}:0.8"]))
    again = made(station, studio, asked("wan_t2v", prompt="loras", loras=[f"{ink}:0.8"]), take=2)
    weaker = made(station, studio, asked("wan_t2v", prompt="loras", loras=[f"{ink}:0.3"]))
    nothing = made(station, studio, asked("wan_t2v", prompt="loras", loras=[f"{ink}:0"]))
    after = made(station, studio, asked("wan_t2v", prompt="loras"), take=2)
    assert digest(inked) == digest(again)
    assert len({plain, digest(inked), digest(weaker)}) == 3
    assert digest(nothing) == plain, "a LoRA of weight 0 changes the clip"
    assert digest(after) == plain, "the LoRA outlived its job"
    record = facts(station, inked)
    sha256 = hashlib.sha256(Path(ink).read_bytes()).hexdigest()
    used = {"file": "ink.safetensors", "sha256": sha256, "weight": 0.8, "layers": 12, "of": 12, "into": ["transformer"]}
    assert record["loras"] == [used] and record["versions"]["peft"]
    assert facts(station, after)["loras"] == [] and facts(station, after)["pid"] == record["pid"]
    assert facts(station, after)["warm"] is True


def test_two_at_once(station: Station, studio: Studio, ink: str, fog: str) -> None:
    def clip(*loras: str) -> Any:
        return made(station, studio, asked("wan_t2v", prompt="two loras", loras=list(loras)))

    both = clip(f"{ink}:0.5", f"{fog}:0.5")
    assert len({digest(one) for one in (both, clip(f"{ink}:0.5"), clip(f"{fog}:0.5"))}) == 3
    assert [one["file"] for one in facts(station, both)["loras"]] == ["ink.safetensors", "fog.safetensors"]


@pytest.mark.parametrize("name", ["hunyuan_t2v", "ltx_t2v", "mochi", "cog_t2v", "ltx2_t2v"])
def test_every_family_with_a_loader(station: Station, studio: Studio, models: Path, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "own.safetensors", lora_of(models / name))
    job = made(station, studio, asked(name, prompt="own", loras=[path]))
    assert digest(job) != digest(made(station, studio, asked(name, prompt="own")))
    (used,) = facts(station, job)["loras"]
    assert used["layers"] == used["of"] > 3


@pytest.mark.parametrize(
    "options", [{"memory": "offload"}, {"memory": "group"}, {"weights": "fp8"}, {"weights": "int8"}]
)
def test_under_other_plans(station: Station, studio: Studio, ink: str, options: dict[str, Any]) -> None:
    resident = made(station, studio, asked("wan_t2v", prompt="planned", loras=[ink]))
    bare = made(station, studio, asked("wan_t2v", prompt="planned", provider_options=options))
    inked = made(station, studio, asked("wan_t2v", prompt="planned", loras=[ink], provider_options=options))
    after = made(station, studio, asked("wan_t2v", prompt="planned", provider_options=options), take=2)
    assert digest(bare) == digest(after) != digest(inked)
    if "memory" in options:
        assert digest(inked) == digest(resident), "where the weights lie must not change the clip"


def test_over_8_bit_weights_a_lora_keeps_its_own_values(models: Path, tmp_path: Path) -> None:
    import torch

    from backends.local.loras import with_loras
    from backends.local.memory import Plan
    from backends.request import Lora
    from tests.local.tiny import wan_t2v

    pipe = wan_t2v()
    pipe.transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    own = lora_of(models / "wan_t2v")
    path = write(tmp_path / "own.safetensors", own)
    with with_loras(pipe, (Lora(name=path, weight=1.0),), {}, Plan(quant="fp8"), "cpu"):
        found = {key: value for key, value in pipe.transformer.named_parameters() if ".lora_" in key}
        assert len(found) == len(own)
        for key, value in found.items():
            expected = own[f"transformer.{key.replace('.lora0.', '.')}"]
            assert value.dtype == torch.float32 and np.array_equal(value.detach().numpy(), expected)
        stored = {value.dtype for key, value in pipe.transformer.named_parameters() if "to_q.base_layer.weight" in key}
        assert stored == {torch.float8_e4m3fn}
    assert not [key for key, _ in pipe.transformer.named_parameters() if ".lora_" in key]


def test_a_file_that_was_changed_while_its_job_waited(
    station: Station, studio: Studio, models: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "late.safetensors", lora_of(models / "wan_t2v"))
    job_id = station.place(studio.context, asked("wan_t2v", prompt="late", loras=[path]))
    write(tmp_path / "late.safetensors", lora_of(models / "wan_t2v", seed=5))
    (job,) = station.settled(studio, [job_id], 90)
    assert job.state == "failed" and job.error is not None
    assert job.error.message.startswith("lora late.safetensors has been changed since the request: repeat the request")


@pytest.mark.parametrize(
    ("file", "into"),
    [
        ("style.safetensors", ["transformer", "transformer_2"]),
        ("style_high_noise.safetensors", ["transformer"]),
        ("Style-LowNoise-v2.safetensors", ["transformer_2"]),
    ],
)
def test_two_experts(
    station: Station, studio: Studio, models: Path, tmp_path: Path, file: str, into: list[str]
) -> None:
    path = write(tmp_path / file, lora_of(models / "wan22_t2v"))
    job = made(station, studio, asked("wan22_t2v", prompt=f"experts {file}", loras=[path]))
    (used,) = facts(station, job)["loras"]
    assert used["into"] == into
    assert digest(job) != digest(made(station, studio, asked("wan22_t2v", prompt=f"experts {file}")))


def test_a_lora_that_fits_in_part_is_told(station: Station, studio: Studio, models: Path, tmp_path: Path) -> None:
    weights = lora_of(models / "wan_t2v")
    more = {key.replace("blocks.1.", "blocks.7."): value for key, value in weights.items() if "blocks.1." in key}
    path = write(tmp_path / "larger.safetensors", {**weights, **more})
    job = made(station, studio, asked("wan_t2v", prompt="part", loras=[path]))
    assert "lora larger.safetensors: 12 of its 18 layers are in this model, the others are left out" in job.notes


def test_the_names_of_the_models_first_program(station: Station, studio: Studio, tmp_path: Path, plain: str) -> None:
    """LoRAs are mostly trained with those, and turned into diffusers' on loading."""
    rng = np.random.default_rng(0)
    name = "diffusion_model.blocks.0.self_attn.q"
    shapes = {f"{name}.lora_A.weight": (4, 24), f"{name}.lora_B.weight": (24, 4)}
    path = write(
        tmp_path / "first.safetensors",
        {key: (9 * rng.standard_normal(shape)).astype(np.float32) for key, shape in shapes.items()},
    )
    job = made(station, studio, asked("wan_t2v", prompt="loras", loras=[path]))
    assert digest(job) != plain and facts(station, job)["loras"][0]["layers"] == 1


ZEROS = np.zeros((4, 8), np.float32), np.zeros((8, 4), np.float32)
NO_WAN = "does not fit WanPipeline: "


def pair(name: str) -> dict[str, np.ndarray[Any, Any]]:
    return {f"{name}.lora_A.weight": ZEROS[0], f"{name}.lora_B.weight": ZEROS[1]}


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (b"", "lora bad.safetensors is no whole safetensors file: copy it again"),
        (b"PK\x03\x04 a pickle of torch", "lora bad.safetensors is no whole safetensors file: copy it again"),
        ({"weight": ZEROS[0]}, NO_WAN + "Invalid LoRA checkpoint"),
        (pair("unet.down"), NO_WAN + "it has no layer of this model, but 'unet.down.lora_A.weight' and such"),
        (pair("transformer.single_blocks.0"), NO_WAN + "Target modules {'single_blocks.0'} not found"),
        (pair("transformer.blocks.0.attn1.to_q"), NO_WAN + "its layers have other sizes; take one that was trained"),
        ({"transformer.blocks.0.attn1.to_q.lora_A.weight": ZEROS[0]}, NO_WAN),
        (
            {
                "lora_unet_down_blocks_0_proj_in.lora_down.weight": ZEROS[0],
                "lora_unet_down_blocks_0_proj_in.lora_up.weight": ZEROS[1],
                "lora_unet_down_blocks_0_proj_in.alpha": np.float32([1])[0:1],
            },
            NO_WAN + "its layers have names of another kind of model",
        ),
    ],
    ids=["empty", "no-safetensors", "no-lora", "another-part", "another-model", "another-size", "half", "kohya"],
)
def test_a_bad_or_foreign_file_is_told(
    station: Station, studio: Studio, tmp_path: Path, plain: str, weights: Any, text: str
) -> None:
    path = tmp_path / "bad.safetensors"
    if isinstance(weights, bytes):
        path.write_bytes(weights)
    else:
        write(path, weights)
    if weights == b"":  # known at the door
        with pytest.raises(VideoError, match="is empty"):
            studio.submit(asked("wan_t2v", prompt="loras", loras=[str(path)]))
        return
    ticket = studio.submit(asked("wan_t2v", prompt="loras", loras=[str(path)]))
    (job,) = station.settled(studio, [ticket.job_id], 60)
    assert job.state == "failed" and job.error is not None and job.error.kind == "asset"
    assert job.error.message.startswith("lora bad.safetensors ") and text in job.error.message
    after = made(station, studio, asked("wan_t2v", prompt="loras"), anew=True)
    assert digest(after) == plain and facts(station, after)["warm"] is True


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ink.safetensors", "give the absolute path of a .safetensors file on this machine"),
    ],
)
def test_what_is_no_file_of_weights(station: Station, studio: Studio, name: str, text: str) -> None:
    ticket = studio.submit(asked("wan_t2v", prompt="no lora", loras=[name]))
    (job,) = station.settled(studio, [ticket.job_id], 60)
    assert job.error is not None and text in job.error.message


def test_a_family_without_a_loader(station: Station, studio: Studio, ink: str) -> None:
    ticket = studio.submit(asked("hunyuan_15_t2v", loras=[ink]))
    (job,) = station.settled(studio, [ticket.job_id], 60)
    assert job.error is not None and job.error.kind == "unsupported"
    assert job.error.message == "loras: diffusers has no loader for HunyuanVideo15Pipeline: leave them out"
