"""What single families do otherwise: a Llava reads the image, a component holds the guidance, sound of their own."""

from __future__ import annotations

import re
from typing import Any

import av
import numpy as np
import pytest

from backends.studio import Studio
from tests.jobs.station import Station, until
from tests.local.asking import asked, digest, facts, frames_of, made, still
from tests.local.rows import FPS

NAMES = ["hunyuan_i2v", "hunyuan_i2v_33ch", "hunyuan_15_t2v", "hunyuan_15_i2v", "ltx2_t2v", "ltx2_i2v"]


def sound_of(path: str | None) -> np.ndarray[Any, Any]:
    """Decoded samples, channels x samples, of the one AAC track."""
    assert path is not None
    with av.open(path) as container:
        (stream,) = container.streams.audio
        assert stream.codec_context.name == "aac"
        return np.concatenate([frame.to_ndarray() for frame in container.decode(stream)], axis=1)


def request_for(station: Station, name: str, **fields: Any) -> Any:
    if name.endswith("t2v") or name == "mochi":
        return asked(name, **fields)
    return asked(name, "image_to_video", frames=[{"image": still(station.output)}], **fields)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_is_the_same_clip(station: Station, studio: Studio, name: str) -> None:
    first = made(station, studio, request_for(station, name))
    again = made(station, studio, request_for(station, name), take=2)
    other = made(station, studio, request_for(station, name, seed=8))
    assert digest(first) == digest(again) != digest(other)
    assert (first.width, first.height, first.fps) == (32, 32, FPS)
    if name.startswith("ltx2"):
        assert np.array_equal(sound_of(first.file), sound_of(again.file))


@pytest.mark.parametrize("name", NAMES)
def test_a_cancel_stops_within_a_step_and_the_model_stays_warm(station: Station, studio: Studio, name: str) -> None:
    before = made(station, studio, request_for(station, name))
    ticket = studio.submit(request_for(station, name, prompt="long", provider_options={"steps": 2000}))
    step = re.compile(r"step [1-9]\d* of 2000, about \d+ s left")
    try:
        until(lambda: step.fullmatch(studio.get(ticket.job_id).phase), "a step")
        assert 0.05 <= studio.get(ticket.job_id).progress < 0.9
    finally:
        studio.cancel(ticket.job_id)
    (job,) = station.settled(studio, [ticket.job_id], 5)
    assert job.state == "cancelled"
    after = made(station, studio, request_for(station, name), take=5)
    assert digest(after) == digest(before)
    assert facts(station, after)["warm"] is True and facts(station, after)["pid"] == facts(station, before)["pid"]


@pytest.mark.parametrize(("name", "frames"), [("ltx2_t2v", 9), ("ltx2_t2v", 17), ("ltx2_i2v", 9)])
def test_the_models_own_sound_ends_in_the_clip(station: Station, studio: Studio, name: str, frames: int) -> None:
    job = made(station, studio, request_for(station, name, duration_s=(frames - 1) / FPS))
    assert job.audio == "native" and len(frames_of(job)) == frames
    heard = sound_of(job.file)
    length = heard.shape[1] / 48_000
    assert heard.shape[0] == 2 and frames / FPS - 0.045 < length < frames / FPS + 0.045
    made_s = 0.01 * (4 * round(25 * frames / FPS) - 3)  # spectra of 10 ms; the first three are cut by the decoder
    noise = np.abs(heard[:, : int((made_s - 0.05) * 48_000)])
    assert noise.mean() > 0.01, "the sound of the model, not silence"
    assert made_s > frames / FPS - 0.07, "and as long as the picture but for a few spectra"


def test_guidance_without_an_argument_for_it(station: Station, studio: Studio) -> None:
    plain = made(station, studio, asked("hunyuan_15_t2v", prompt="guided"))
    strong = made(station, studio, asked("hunyuan_15_t2v", prompt="guided", provider_options={"guidance": 30}))
    after = made(station, studio, asked("hunyuan_15_t2v", prompt="guided"), take=2)
    assert digest(plain) == digest(after) != digest(strong), "the guidance has no effect, or outlived its job"
    assert facts(station, strong)["arguments"]["guidance_scale"] == 30


def test_a_still_stands_at_its_very_frame(station: Station, studio: Studio) -> None:
    """LTX-2: the frames 9 and 10 lie in one latent frame."""
    pictures = [
        still(station.output),
        still(station.output, "turned.png", turn=1),
        still(station.output, "upside.png", turn=2),
    ]

    def clip(at_s: float) -> Any:
        stills = [
            {"image": pictures[0], "at_s": 0},
            {"image": pictures[1], "at_s": at_s, "role": "middle"},
            {"image": pictures[2], "at_s": 3, "role": "last"},
        ]
        return made(station, studio, asked("ltx2_condition", "interpolate", frames=stills, duration_s=3))

    one, other = clip(9 / FPS), clip(10 / FPS)
    assert len(frames_of(one)) == 25 and sound_of(one.file).size
    assert digest(one) != digest(other)
    assert facts(station, one)["arguments"]["spatio_temporal_guidance_blocks"] == [29]


def test_a_loop_with_sound(station: Station, studio: Studio) -> None:
    image = [{"image": still(station.output)}]
    job = made(station, studio, asked("ltx2_condition", "image_to_video", frames=image, loop=True))
    assert len(frames_of(job)) == 8
    assert sound_of(job.file).shape[1] / 48_000 == pytest.approx(1.0, abs=0.045)


def test_an_extension_by_a_model_that_reads_the_last_frame(station: Station, studio: Studio) -> None:
    source = made(station, studio, asked("wan_t2v", duration_s=1))
    job = made(station, studio, asked("hunyuan_i2v", "extend", source_clip=source.job_id, duration_s=0.5))
    assert len(frames_of(job)) == 9 + 4


@pytest.mark.parametrize("name", ["hunyuan_15_t2v", "ltx2_t2v"])
def test_caches_that_diffusers_has_not_for_a_family(station: Station, studio: Studio, name: str) -> None:
    plain = made(station, studio, asked(name, prompt="caches"))
    ahead = made(station, studio, asked(name, prompt="caches", provider_options={"cache": "taylorseer"}))
    assert facts(station, ahead)["plan"]["cache"] == "taylorseer"
    for cache in ("first_block", "mag"):
        ticket = studio.submit(asked(name, prompt="caches", provider_options={"cache": cache}))
        (job,) = station.settled(studio, [ticket.job_id], 60)
        assert job.error is not None and job.error.kind == "unsupported"
        assert re.match(
            f"cache {cache}: (HunyuanVideo15|LTX2Video)Transformer3DModel takes none of it", job.error.message
        )
    assert digest(made(station, studio, asked(name, prompt="caches"), anew=True)) == digest(plain)


RUNGS = ["wan22_t2v", "hunyuan_i2v", "hunyuan_15_i2v", "ltx_t2v", "ltx2_i2v", "mochi", "cog_t2v"]


@pytest.mark.parametrize("name", RUNGS)
def test_the_smaller_plans_run_with_every_family(station: Station, studio: Studio, name: str) -> None:
    """What a card with little memory gets without asking: blocks in groups, and weights in 8 bits."""

    def clip(memory: str) -> Any:
        options = {"memory": memory}
        return made(station, studio, request_for(station, name, provider_options=options))

    whole, groups, coarse = clip("resident"), clip("group"), clip("offload-fp8")
    assert digest(groups) == digest(whole), "where the weights lie must not change the clip"
    assert facts(station, coarse)["plan"]["quant"] == "fp8" and digest(coarse) != digest(whole)


def test_blocks_that_diffusers_does_not_name_are_not_compiled(station: Station, studio: Studio) -> None:
    ticket = studio.submit(asked("cog_t2v", provider_options={"compile": True}))
    (job,) = station.settled(studio, [ticket.job_id], 60)
    assert job.error is not None and job.error.kind == "unsupported"
    assert job.error.message == "compile: diffusers names no blocks of CogVideoXTransformer3DModel: leave it out"
