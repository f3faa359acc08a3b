"""A Wan image-to-video workflow small enough for a processor: the real nodes, over random weights (noise, no picture).

    cd COMFYUI && VENV/bin/python .../tests/comfyui/tiny_wan.py weights BASE/models      (in ComfyUI's)
    COMFYUI_URL=http://127.0.0.1:8199 python -m tests.comfyui.tiny_wan run               (in ours)

`run` binds the workflow with `draft`, as `reelwright comfyui bind` does, asks for a clip of a still by a worker of its
own, and prints what came.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FILES = {
    "diffusion_models": "tiny-wan-i2v.safetensors",
    "vae": "tiny-wan-vae.safetensors",
    "text_encoders": "tiny-clip-l.safetensors",
}
WIDTH, HEIGHT, FRAMES, FPS = 96, 64, 17, 16


def weights(models: Path) -> None:
    """Needs ComfyUI's folder as the working folder, and torch."""
    sys.path.insert(0, os.getcwd())
    sys.argv = ["main.py", "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.clip_model
    import comfy.ops
    import torch
    from comfy.ldm.wan.model import WanModel
    from comfy.ldm.wan.vae import WanVAE
    from safetensors.torch import save_file

    torch.manual_seed(0)
    plain = comfy.ops.disable_weight_init
    width = {"dim": 128, "ffn_dim": 256, "num_heads": 1, "num_layers": 2, "text_dim": 768, "in_dim": 36}
    encoder = json.loads((Path(comfy.clip_model.__file__).parent / "sd1_clip_config.json").read_text())
    made = {
        "diffusion_models": WanModel(model_type="t2v", operations=plain, **width),
        "vae": WanVAE(dim=16, z_dim=16, temperal_downsample=[False, True, True]),
        "text_encoders": comfy.clip_model.CLIPTextModel(encoder, torch.float16, "cpu", plain),
    }
    for folder, module in made.items():
        state = {
            name: (torch.randn(value.shape) * 0.02 + (value.ndim == 1 and not name.endswith("bias"))).half()
            for name, value in module.state_dict().items()
            if not name.endswith("position_ids")
        }
        metadata = {"config": json.dumps({"transformer": {"text_dim": 768}})} if folder == "diffusion_models" else None
        (models / folder).mkdir(parents=True, exist_ok=True)
        save_file(state, models / folder / FILES[folder], metadata=metadata)


def graph() -> dict[str, Any]:
    sampled = {"positive": ["6", 0], "negative": ["6", 1], "latent_image": ["6", 2], "model": ["1", 0]}
    nodes: list[tuple[str, dict[str, Any]]] = [
        ("UNETLoader", {"unet_name": FILES["diffusion_models"], "weight_dtype": "default"}),
        ("CLIPLoader", {"clip_name": FILES["text_encoders"], "type": "wan", "device": "default"}),
        ("VAELoader", {"vae_name": FILES["vae"]}),
        ("CLIPTextEncode", {"text": "", "clip": ["2", 0]}),
        ("LoadImage", {"image": "first.png"}),
        (
            "WanImageToVideo",
            {"positive": ["4", 0], "negative": ["10", 0], "vae": ["3", 0], "start_image": ["5", 0]}
            | {"width": WIDTH, "height": HEIGHT, "length": FRAMES, "batch_size": 1},
        ),
        (
            "KSampler",
            {"seed": 0, "steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0},
        ),
        ("VAEDecode", {"samples": ["7", 0], "vae": ["3", 0]}),
        ("CreateVideo", {"images": ["8", 0], "fps": float(FPS)}),
        ("CLIPTextEncode", {"text": "blurred", "clip": ["2", 0]}),
        ("SaveVideo", {"video": ["9", 0], "filename_prefix": "video/tiny", "format": "mp4", "codec": "h264"}),
    ]
    made = {str(number): {"class_type": kind, "inputs": inputs} for number, (kind, inputs) in enumerate(nodes, 1)}
    made["7"]["inputs"] |= sampled
    for name, title in (("4", "Positive"), ("10", "Negative")):
        made[name]["_meta"] = {"title": title}
    return made


def run(url: str) -> None:
    import anyio
    from PIL import Image

    from backends.comfyui.checking import look
    from backends.comfyui.draft import draft
    from backends.comfyui.servers import servers
    from backends.request import build_request
    from tests.comfyui.stand import catalog, station

    root = Path(tempfile.mkdtemp(prefix="tiny-wan-"))
    home = station(root, url)
    try:
        home.output.mkdir(parents=True)
        (root / "tiny-wan.json").write_text(json.dumps(graph()))
        env = home.environ()
        written = anyio.run(draft, env, servers(env), root / "tiny-wan.json", "", "", False)
        found = anyio.run(look, env, servers(env)[0], catalog(env), ["tiny-wan"])
        print("\n".join([*written.told, *(f"usable: {name}" for name in found.usable)]))
        still = home.output / "still.png"
        Image.linear_gradient("L").resize((192, 128)).convert("RGB").save(still)
        studio = home.studio()
        begun, seen = time.monotonic(), set[str]()
        job = studio.submit(
            build_request(
                task="image_to_video", model="comfyui/tiny-wan", prompt="a fox", seed=7, frames=[{"image": str(still)}]
            )
        )
        while (now := studio.get(job.job_id)).state not in ("succeeded", "failed", "cancelled", "uncertain"):
            seen |= {str(now.phase), f"preview {now.poster is not None}"}
            anyio.run(lambda: studio.wait([job.job_id], timeout_s=1))
        took = time.monotonic() - begun
        print(f"{now.state} in {took:.1f} s: {now.width}x{now.height}, {now.duration_s} s, {now.fps} fps")
        print("\n".join([*sorted(seen), *now.notes, str(now.error or now.file)]))
    finally:
        home.close()


if __name__ == "__main__":
    if sys.argv[1] == "weights":
        weights(Path(sys.argv[2]).absolute())
    else:
        run(os.environ["COMFYUI_URL"])
