"""Catalogue rows of the tiny models: the real rows' data with other sizes, lengths and folders."""

from __future__ import annotations

from pathlib import Path

ROW = """
[[model]]
id = "{provider}/tiny-{name}"
provider = "{provider}"
title = "Tiny {name}"
where = "local"
family = "tiny-{provider}-{name}"
licence = "Tiny Licence 1.0"
territory = "not licensed on the Moon"
price = {{ unit = "free" }}
wire = {{ variant = "{variant}", repo = "{repo}", call = {call}{transformer} }}

[model.box]
durations = {{ min = {least}, max = {most}, step = {step}, default = {least} }}
sizes = {{ {sizes} }}
fps = [{fps}]
audio = "{audio}"
seed = true
negative_max = 2000
prompt_max = 2000
loras = 4
camera = "words"

[model.box.options]
steps = {{ type = "integer", min = 2, max = 5000 }}
guidance = {{ type = "number", min = 0, max = 30 }}
strength = {{ type = "number", min = 0, max = 1 }}
memory = {{ type = "text" }}
weights = {{ type = "text" }}
cache = {{ type = "text" }}
attention = {{ type = "text" }}
compile = {{ type = "boolean" }}
cards = {{ type = "integer" }}

{modes}
"""
TEXT = '[[model.mode]]\ntasks = ["text_to_video"]\n'
IMAGE = '[[model.mode]]\ntasks = ["image_to_video"]\nframes = { min = 1, max = 1 }\n'
LOOP = IMAGE + 'loop = "last_is_first"\n'
PAIR = '[[model.mode]]\ntasks = ["interpolate"]\nframes = { min = 2, max = 2, whole = true }\n'
TIMED = '[[model.mode]]\ntasks = ["interpolate"]\nframes = { min = 2, max = 8, timed = true, gap_s = 1, grid_s = 1 }\n'
"""Stills at every eighth frame: a second at `FPS`."""
ANYWHERE = TIMED.replace(", grid_s = 1", "")
"""Stills at any frame."""
EXTEND = '[[model.mode]]\ntasks = ["extend"]\nsource = { max_s = 60, total_max_s = 60 }\n'
EDIT = '[[model.mode]]\ntasks = ["edit"]\ndurations = "source"\nsource = { max_s = 60 }\n'
REFERENCES = (
    '[[model.mode]]\ntasks = ["reference_to_video"]\nreferences = { min = 1, max = 4, images = 3, clips = 1 }\n'
)

SHORT = "{ max_sequence_length = 16 }"
WHOLE = "{}"

TINY: dict[str, tuple[str, str, int, str]] = {
    "wan_t2v": ("wan2.1-t2v-1.3b", TEXT, 4, SHORT),
    "wan_mine": ("wan2.1-t2v-1.3b", TEXT, 4, SHORT),
    "wan_v2v": ("wan2.1-v2v-1.3b", EDIT, 4, SHORT),
    "wan22_t2v": ("wan2.2-t2v-a14b", TEXT, 4, SHORT),
    "wan22_i2v": ("wan2.2-i2v-a14b", IMAGE + EXTEND, 4, SHORT),
    "wan21_i2v": ("wan2.1-i2v-14b", IMAGE, 4, SHORT),
    "wan21_flf2v": ("wan2.1-flf2v-14b", PAIR + LOOP, 4, SHORT),
    "wan_vace": ("wan2.1-vace-1.3b", REFERENCES, 4, SHORT),
    "wan_5b_t2v": ("wan2.2-ti2v-5b", TEXT, 4, SHORT),
    "wan_5b_i2v": ("wan2.2-ti2v-5b-image", IMAGE, 4, SHORT),
    "hunyuan_t2v": ("hunyuanvideo-t2v", TEXT, 4, SHORT),
    "hunyuan_i2v": ("hunyuanvideo-i2v", IMAGE + EXTEND, 4, SHORT),
    "hunyuan_i2v_33ch": ("hunyuanvideo-i2v-33ch", IMAGE, 4, SHORT),
    "hunyuan_15_t2v": ("hunyuanvideo-1.5-t2v", TEXT, 4, WHOLE),
    "hunyuan_15_i2v": ("hunyuanvideo-1.5-i2v", IMAGE, 4, WHOLE),
    "ltx_t2v": ("ltx-video-t2v", TEXT, 8, SHORT),
    "ltx_i2v": ("ltx-video-i2v", IMAGE, 8, SHORT),
    "ltx_condition": ("ltx-video-condition", TIMED + EXTEND + LOOP, 8, SHORT),
    "ltx2_t2v": ("ltx-2-t2v", TEXT, 8, SHORT),
    "ltx2_i2v": ("ltx-2-i2v", IMAGE, 8, SHORT),
    "ltx2_condition": ("ltx-2-condition", ANYWHERE + LOOP, 8, SHORT),
    "mochi": ("mochi-1-t2v", TEXT, 6, SHORT),
    "cog_t2v": ("cogvideox-5b-t2v", TEXT, 8, SHORT),
    "cog_i2v": ("cogvideox-5b-i2v", IMAGE, 8, SHORT),
    "cog_v2v": ("cogvideox-5b-v2v", EDIT, 8, SHORT),
}
"""Name of the tiny model: its variant, the boxes of its row, frames a step of the frame rule, constants of the call."""

FILES = {
    "wan_single": ("wan_t2v", "other.safetensors"),
    "wan_gguf": ("wan_t2v", "other.gguf"),
    "wan_wrong": ("wan_t2v", "ltx.safetensors"),
    "wan_wrong_gguf": ("wan_t2v", "ltx.gguf"),
    "wan_part": ("wan_t2v", "part.safetensors"),
    "wan_part_gguf": ("wan_t2v", "part.gguf"),
    "cog_single": ("cog_t2v", "other.safetensors"),
    "hunyuan_15_single": ("hunyuan_15_t2v", "other.safetensors"),
}
"""Name of a row of one's own: the tiny model that it is like, and the file that takes its transformer's place."""

FPS = 8
SMALL, LARGE = '"32p" = { "1:1" = "32x32" }', '"512p" = { "3:2" = "768x512" }'


def write_rows(path: Path, models: Path) -> None:
    """One row a model for the back end `local`, one a file of one's own, one of a model on a hub; tiny Wan for the
    faulty engine, and LTX at a size that is real."""
    text = ""
    listed = [("local", name, SMALL) for name in (*TINY, *FILES, "hub")]
    listed += [("faulty", "wan_t2v", SMALL), ("faulty", "ltx_t2v", LARGE)]
    for provider, name, sizes in listed:
        like, file = FILES.get(name, ("wan_t2v" if name == "hub" else name, ""))
        kind, modes, step, call = TINY[like]
        text += ROW.format(
            provider=provider, name=name.replace("_", "-"), variant=kind, modes=modes,
            repo="tiny/wan" if name == "hub" else f"path:{models / like}", sizes=sizes,
            transformer=f', transformer = "{models / file}"' if file else "",
            call=call, least=step / FPS, most=8 * step / FPS, step=step / FPS, fps=FPS,
            audio="always" if kind.startswith("ltx-2") else "never",
        )  # fmt: skip
    path.write_text(text, "utf-8")
