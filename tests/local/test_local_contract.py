"""What this back end needs of diffusers: an upgrade that changes it fails here, not on a person's GPU."""

from __future__ import annotations

import inspect
from fractions import Fraction
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.hooks import apply_group_offloading
from PIL import Image

from backends.catalog.loader import load
from backends.catalog.schema.row import Mode
from backends.local.call import Call
from backends.local.families import Variant, variant, variants
from backends.local.loading import load as load_pipe
from backends.local.memory import GIB, activation_gib, decode_gib, vae_gib
from backends.local.overrides import overridden
from backends.local.plan import RUNGS
from backends.local.weights import Model
from tests.gpu.shapes import LTX_VAE_095
from tests.local.rows import TINY

KINDS = list(variants().values())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_the_class_takes_what_the_family_gives(kind: Variant) -> None:
    maker = getattr(diffusers, kind.pipeline)
    takes = inspect.signature(maker.__call__).parameters
    needed = {"prompt", "num_inference_steps", "generator", "output_type", *kind.keep}
    needed |= {"guidance_scale"} if kind.guided else set()
    needed |= {"width", "height"} if kind.sized else set()
    needed |= {"num_frames"} if kind.counted else set()
    needed |= {"frame_rate"} if kind.rate else set()
    needed |= {"negative_prompt"} if kind.negative else set()
    needed |= {
        "none": set[str](),
        "image": {"image"},
        "first_last": {"image", "last_image"},
        "conditions": {"conditions"},
        "video": {"video", "strength"},
        "vace": {"video", "reference_images"},
    }[kind.inputs]
    assert needed <= set(takes), needed - set(takes)
    if not kind.guided:
        assert "guidance_scale" not in takes
    if not kind.sized:
        assert "width" not in takes
    for name in ("progress_bar", "maybe_free_model_hooks", "enable_model_cpu_offload", "enable_sequential_cpu_offload"):
        assert callable(getattr(maker, name))


def test_the_switches_are_there() -> None:
    offload = inspect.signature(apply_group_offloading).parameters
    assert {"onload_device", "offload_device", "offload_type", "use_stream"} <= set(offload)
    for name in ("FirstBlockCacheConfig", "TaylorSeerCacheConfig", "MagCacheConfig", "GGUFQuantizationConfig"):
        assert inspect.isclass(getattr(diffusers, name))
    transformer: Any = diffusers.WanTransformer3DModel
    for name in ("enable_layerwise_casting", "enable_cache", "disable_cache", "compile_repeated_blocks"):
        assert callable(getattr(transformer, name))
    from diffusers.models.attention_dispatch import attention_backend

    from backends.local.switches import ATTENTION

    names = {backend.value for backend in diffusers.models.attention_dispatch.AttentionBackendName}
    assert set(ATTENTION.values()) <= names and callable(attention_backend)


def test_what_is_overridden_is_there() -> None:
    """Private as they are, `overrides` stands in for these."""
    from diffusers.pipelines.hunyuan_video1_5.image_processor import HunyuanVideo15ImageProcessor
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2ConditionPipeline

    chosen = HunyuanVideo15ImageProcessor(vae_scale_factor=16).calculate_default_height_width
    assert chosen(height=480, width=848, target_size=640) == (480, 848)
    assert chosen(height=848, width=480, target_size=640) == (832, 480), "the override has become needless"
    assert "pixel_frame_idx" in inspect.signature(LTX2ConditionPipeline._prepare_keyframe_coords).parameters
    guider = diffusers.ClassifierFreeGuidance(guidance_scale=6.0)
    assert guider.new(guidance_scale=3.0).guidance_scale == 3.0 and guider.guidance_scale == 6.0


def test_the_guidance_of_the_released_models() -> None:
    """diffusers' example for HunyuanVideo-I2V: 6 for the form with 16 channels, 1 for the one with 33."""
    from diffusers.pipelines.hunyuan_video import pipeline_hunyuan_video_image2video as pipeline

    for name in ("hunyuanvideo-i2v", "hunyuanvideo-i2v-33ch"):
        kind = variants()[name]
        call = pipeline.EXAMPLE_DOC_STRING.split(f"# If using {kind.repo}\n")[1].split("\n")[0]
        assert f"guidance_scale={kind.guidance:.1f}" in call


def _billions(name: str, config: dict[str, Any]) -> float:
    with torch.device("meta"):
        model = getattr(diffusers, name)(**config)
    return sum(parameter.numel() for parameter in model.parameters()) / 1e9


@pytest.mark.parametrize(
    ("kind", "name", "config"),
    [
        ("wan2.1-t2v-14b", "WanTransformer3DModel", {}),
        ("wan2.1-t2v-1.3b", "WanTransformer3DModel", {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}),
        ("hunyuanvideo-t2v", "HunyuanVideoTransformer3DModel", {}),
        ("ltx-video-t2v", "LTXVideoTransformer3DModel", {}),
        ("mochi-1-t2v", "MochiTransformer3DModel", {}),
        ("cogvideox-2b-t2v", "CogVideoXTransformer3DModel", {}),
    ],
)
def test_parameters_are_those_of_the_class(kind: str, name: str, config: dict[str, Any]) -> None:
    """The big configurations on the meta device: no weights, a second each."""
    assert _billions(name, config) == pytest.approx(variants()[kind].transformer_b, rel=0.02)


class _Live(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts the bytes of the storages that are alive, and the most of them at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.seen: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        import weakref

        if function is torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default:
            out = torch.empty_like(args[0])
            result: Any = (out, torch.empty(args[0].shape[:3], device="meta"))
        else:
            result = function(*args, **(kwargs or {}))
        for one in result if isinstance(result, tuple | list) else (result,):
            if not isinstance(one, torch.Tensor):
                continue
            storage = one.untyped_storage()
            key = storage._cdata
            if key not in self.seen:
                size = storage.nbytes()
                self.seen.add(key)
                self.now += size
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self._gone, key, size)
        return result

    def _gone(self, key: int, size: int) -> None:
        if key in self.seen:
            self.seen.discard(key)
            self.now -= size


@pytest.mark.parametrize(
    ("kind", "config", "frames", "height", "width"),
    [
        ("wan2.1-t2v-1.3b", {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}, 21, 60, 104),
        ("wan2.1-t2v-14b", {}, 21, 60, 104),
        ("wan2.1-t2v-14b", {}, 21, 90, 160),
    ],
)
def test_activations_on_the_meta_device(
    kind: str, config: dict[str, Any], frames: int, height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole forward pass of the real size without a byte of it: what is alive at the worst moment beside weights."""

    def fused(query: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        return torch.empty_like(query)  # a fused kernel keeps no matrix of scores

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", fused)
    with torch.device("meta"):
        model = diffusers.WanTransformer3DModel(**config).to(torch.bfloat16)
        latents = torch.empty(1, 16, frames, height, width, dtype=torch.bfloat16)
        words = torch.empty(1, 512, 4096, dtype=torch.bfloat16)
        step = torch.empty(1, dtype=torch.long)
    live = _Live()
    with torch.no_grad(), live:
        model(hidden_states=latents, timestep=step, encoder_hidden_states=words)
    weights = sum(parameter.numel() * 2 for parameter in model.parameters()) / GIB  # each is touched once, and stays
    told = activation_gib(variants()[kind], width * 8, height * 8, (frames - 1) * 4 + 1)
    assert live.most / GIB - weights == pytest.approx(told, rel=0.1)


@pytest.mark.parametrize(
    ("kind", "name", "config", "latents", "tiling"),
    [
        ("ltx-video-t2v", "AutoencoderKLLTXVideo", dict(LTX_VAE_095), (128, 21, 16, 24), False),
        ("ltx-video-t2v", "AutoencoderKLLTXVideo", dict(LTX_VAE_095), (128, 16, 16, 24), True),
        ("ltx-2-t2v", "AutoencoderKLLTX2Video", {"spatial_compression_ratio": 32}, (128, 16, 16, 24), True),
        ("mochi-1-t2v", "AutoencoderKLMochi", {}, (12, 15, 60, 106), False),
        ("cogvideox-5b-t2v", "AutoencoderKLCogVideoX", {}, (16, 13, 60, 90), False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_decoding_on_the_meta_device(
    kind: str, name: str, config: dict[str, Any], latents: tuple[int, ...], tiling: bool
) -> None:
    """The VAE's decoding at a real size: what is alive at the worst moment beside the weights, and the weights."""
    told = variants()[kind]
    with torch.device("meta"):
        vae = getattr(diffusers, name)(**config).eval()
        for parameter in vae.parameters():
            parameter.data = parameter.data.bfloat16()
        z = torch.empty(1, *latents, dtype=torch.bfloat16)
    if tiling:
        vae.enable_tiling()
    live = _Live()
    with torch.no_grad(), live:
        step = {"temb": torch.empty(1, device="meta")} if config.get("timestep_conditioning") else {}
        pictures = vae.decode(z, return_dict=False, **step)[0]
    frames, height, width = pictures.shape[2:]
    expected = decode_gib(told, width, height, frames, tiling=tiling) - vae_gib(told)
    assert live.most / GIB == pytest.approx(expected, rel=0.03)
    assert _billions(name, config) == pytest.approx(told.vae_b, rel=0.02)


ROWS = [
    pytest.param(mode, kind, id=f"{row.name}-{kind.id}")
    for row in load().rows
    if row.provider == "local"
    for mode in row.modes
    for kind in [variant(str({**row.wire, **mode.wire}["variant"]))]
]


@pytest.mark.parametrize(("mode", "kind"), ROWS)
def test_a_row_offers_what_diffusers_has_for_its_pipeline(mode: Mode, kind: Variant) -> None:
    from diffusers.hooks._helpers import TransformerBlockRegistry

    maker: Any = getattr(diffusers, kind.pipeline)
    assert (mode.loras > 0) is hasattr(maker, "load_lora_weights")
    parts = inspect.signature(maker.__init__).parameters
    transformer: Any = next(one for one in _classes(parts["transformer"].annotation))
    module = inspect.getmodule(transformer)
    blocks = {part for name, part in vars(module).items() if name.endswith("Block") and inspect.isclass(part)}
    TransformerBlockRegistry._register()
    known = set(TransformerBlockRegistry._registry)
    values = set(mode.options["cache"].values)
    assert ({"first_block", "mag"} <= values) is bool(known & blocks), (values, blocks)
    assert ("compile" in mode.options) is bool(transformer._repeated_blocks)
    assert bool(mode.negative_max) <= kind.negative


def _classes(annotation: Any) -> list[Any]:
    return [one for one in (annotation, *getattr(annotation, "__args__", ())) if inspect.isclass(one)]


@pytest.mark.parametrize(
    ("name", "rung"),
    [
        ("wan_t2v", "offload-fp8"),
        ("wan_5b_i2v", "resident"),
        ("hunyuan_i2v", "offload-fp8"),
        ("hunyuan_15_i2v", "resident"),
        ("ltx_t2v", "resident"),
        ("ltx2_i2v", "offload-fp8"),
        ("mochi", "resident"),
        ("cog_t2v", "offload-fp8"),
    ],
)
@pytest.mark.filterwarnings("ignore:In CPU autocast:UserWarning")  # Mochi asks for what only a card has
def test_the_precisions_of_a_card(models: Path, name: str, rung: str) -> None:
    """bf16 with a VAE of fp16 or fp32, and weights of fp8: what a card computes in, here on the processor."""
    kind, _, step, _ = TINY[name]
    family = variants()[kind]
    pipe = load_pipe(family, Model("tiny", models / name, "folder"), RUNGS[rung], "cpu", half=True)
    assert str(pipe.vae.dtype) == f"torch.{family.vae_dtype}"
    stored = {str(one.dtype) for one in pipe.transformer.parameters()}
    assert ("torch.float8_e4m3fn" in stored) is (rung == "offload-fp8") and f"torch.{family.dtype}" in stored
    pipe.set_progress_bar_config(disable=True)
    side = 16 if name == "mochi" else 32  # its VAE takes seconds in bf16 on a processor
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8))
    given: dict[str, Any] = {
        **family.keep,
        **({"image": image} if family.inputs == "image" else {}),
        **({"width": side, "height": side} if family.sized else {}),
        **({} if "1.5" in kind else {"max_sequence_length": 16}),
    }
    call = Call({}, (32, 32), step + 1, Fraction(8), own_size=not family.sized)
    torch.set_num_threads(1)
    with overridden(pipe, call), torch.inference_mode():
        made = pipe(prompt="a boat", num_frames=step + 1, num_inference_steps=2, output_type="np", **given)
    frames = np.asarray(made.frames[0])
    assert frames.shape == (step + 1, side, side, 3) and np.isfinite(frames).all()
