"""A transformer of one's own in one file (wire.transformer of a row): safetensors, and GGUF in 8 bits."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from backends.jobs.views import Job
from backends.studio import Studio
from tests.jobs.station import Station
from tests.local.asking import asked, digest, facts, frames_of, made
from tests.local.given import lora_of, write


def apart(one: Job, other: Job) -> float:
    """Mean difference of the frames, in levels of 255."""
    pairs = zip(frames_of(one), frames_of(other), strict=True)
    return float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairs]))


def test_the_file_takes_the_place_of_the_folders_own(station: Station, studio: Studio, models: Path) -> None:
    own = made(station, studio, asked("wan_t2v", prompt="file"))
    single = made(station, studio, asked("wan_single", prompt="file"))
    packed = made(station, studio, asked("wan_gguf", prompt="file"))
    assert apart(single, packed) < 3 < apart(single, own), "8 bits are close to the weights that they stand for"
    assert digest(single) != digest(packed), "the file is not in 8 bits"
    for job, name in ((single, "other.safetensors"), (packed, "other.gguf")):
        sha256 = hashlib.sha256((models / name).read_bytes()).hexdigest()
        assert facts(station, job)["transformer"] == {"file": str(models / name), "sha256": sha256}
    assert facts(station, own)["transformer"] is None and facts(station, packed)["versions"]["gguf"]


def test_a_lora_over_a_gguf_file(station: Station, studio: Studio, models: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "ink.safetensors", lora_of(models / "wan_t2v"))
    packed = made(station, studio, asked("wan_gguf", prompt="ink"))
    inked = made(station, studio, asked("wan_gguf", prompt="ink", loras=[path]))
    assert digest(inked) != digest(packed) == digest(made(station, studio, asked("wan_gguf", prompt="ink"), anew=True))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wan_wrong", "ltx.safetensors is no WanTransformer3DModel as the folder's config has it ("),
        ("wan_wrong_gguf", "ltx.gguf is no WanTransformer3DModel as the folder's config has it ("),
        (
            "wan_part",
            "part.safetensors is no WanTransformer3DModel as the folder's config has it (not all weights are in it)",
        ),
        (
            "wan_part_gguf",
            "part.gguf is no WanTransformer3DModel as the folder's config has it (not all weights are in",
        ),
        ("cog_single", "CogVideoXPipeline takes no single-file transformer: give a whole folder"),
        ("hunyuan_15_single", "HunyuanVideo15Pipeline takes no single-file transformer: give a whole folder"),
    ],
)
def test_a_file_that_cannot_serve_is_told(station: Station, studio: Studio, name: str, text: str) -> None:
    ticket = studio.submit(asked(name, prompt="wrong"))
    (job,) = station.settled(studio, [ticket.job_id], 60)
    assert job.state == "failed" and job.error is not None
    assert text in job.error.message
