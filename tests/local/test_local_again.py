"""What a loaded model does not do twice, and what it does not hold at once: the same clips all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from backends.errors import VideoError
from backends.local.decoded import Decoded, as_decoded
from backends.local.families import variants
from backends.local.prompts import Prompts, remember
from tests.local.tiny import ltx_t2v, wan_t2v

CALL = {
    "num_inference_steps": 2, "output_type": "np", "width": 32, "height": 32, "num_frames": 9,
    "max_sequence_length": 16,
}  # fmt: skip


def called(pipe: Any, prompt: str, seed: int = 7) -> Any:
    pipe.set_progress_bar_config(disable=True)
    with torch.inference_mode():
        return pipe(prompt=prompt, generator=torch.Generator().manual_seed(seed), **CALL).frames[0]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


class Reader:
    """Counts what it is asked to read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, prompt: str, image: Any = None, wide: int = 4, device: Any = None) -> Any:
        self.read.append(prompt)
        return torch.full((1, wide), float(len(prompt))), None


@pytest.mark.parametrize("build", [wan_t2v, ltx_t2v])
def test_another_take_of_a_prompt_reads_nothing_and_makes_the_clip_that_it_would_make(build: Callable[[], Any]) -> None:
    pipe = build()
    plain = [called(pipe, prompt, seed) for prompt, seed in (("a fox", 7), ("a fox", 8), ("a hen", 7))]
    remember(pipe)
    again = [called(pipe, prompt, seed) for prompt, seed in (("a fox", 7), ("a fox", 8), ("a hen", 7))]
    assert pipe.encode_prompt.found >= 1
    assert all((one == other).all() for one, other in zip(plain, again, strict=True))
    assert not (again[0] == again[1]).all() and not (again[0] == again[2]).all()


def test_each_argument_counts() -> None:
    reader = Reader()
    kept = Prompts(reader)
    kept("a fox")
    kept("a fox", device=torch.device("cpu"))
    kept("a fox", wide=5)
    assert reader.read == ["a fox"] * 3 and kept.found == 0
    first, second = kept("a fox"), kept("a fox")
    assert reader.read == ["a fox"] * 3 and kept.found == 2 and first[1] is None
    first[0].zero_()
    assert (kept("a fox")[0] == second[0]).all() and second[0][0, 0] == 5, "a kept answer can be changed from outside"


def test_what_is_read_with_an_image_is_always_read() -> None:
    reader = Reader()
    kept = Prompts(reader)
    for _ in range(2):
        kept("a fox", image=np.zeros(3))
    assert reader.read == ["a fox"] * 2 and kept.found == 0


def test_only_so_much_is_kept_and_the_last_used_stays() -> None:
    reader = Reader()
    kept = Prompts(reader, most_bytes=2 * 16)
    for prompt in ("a", "bb", "a", "ccc", "a", "bb"):
        kept(prompt)
    assert reader.read == ["a", "bb", "ccc", "bb"]
    kept("long", wide=9)
    kept("long", wide=9)
    assert reader.read[-2:] == ["long", "long"], "what is larger than all that may be kept is not"


def test_lora_files_change_no_text_encoder() -> None:
    """Else a prompt's reading would have to be forgotten with them."""
    for name in {kind.pipeline for kind in variants().values()}:
        parts = getattr(getattr(diffusers, name), "_lora_loadable_modules", [])
        assert not any("text_encoder" in part for part in parts), name


def test_decoded_pictures_are_those_of_the_whole_clip() -> None:
    pipe = wan_t2v()
    whole = called(pipe, "a fox")
    with as_decoded(pipe):
        decoded = called(pipe, "a fox")
    assert isinstance(decoded, Decoded) and len(decoded) == 9 and decoded.size == (32, 32)
    expected = np.clip(whole * 255.0 + 0.5, 0, 255).astype(np.uint8)
    assert (np.stack(list(decoded)) == expected).all()
    assert (np.stack(list(decoded.pictures(2, 8))) == expected[2:8]).all()
    assert isinstance(called(pipe, "a fox"), np.ndarray), "it is undone"


def test_a_picture_that_holds_no_numbers_is_told() -> None:
    pipe = wan_t2v()
    video = torch.zeros((1, 3, 3, 32, 32))
    video[0, 0, 2, 5, 5] = float("nan")
    pictures = iter(Decoded(video, pipe.video_processor.postprocess_video))
    assert next(pictures).shape == next(pictures).shape == (32, 32, 3)
    with pytest.raises(VideoError, match=r"hold no numbers \(NaN\)"):
        next(pictures)
