"""Every family through Studio, store, worker and engine process to an MP4; each task; what is refused before a run."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.errors import VideoError
from backends.request import build_request
from backends.studio import Studio
from tests.jobs.station import Station
from tests.local.asking import asked, digest, facts, frames_of, made, recorded, still
from tests.local.rows import FPS, TINY

TEXT = [name for name, (_, modes, _, _) in TINY.items() if '"text_to_video"' in modes]
IMAGE = [
    name for name, (_, modes, _, _) in TINY.items() if '"image_to_video"' in modes and "last_is_first" not in modes
]


def steps_of(name: str) -> int:
    return TINY[name][2]


@pytest.mark.parametrize("name", TEXT)
def test_text_becomes_a_clip(station: Station, studio: Studio, name: str) -> None:
    job = made(station, studio, asked(name))
    assert job.engine == "generative" and job.cost_usd == 0 and job.seed == 7
    frames = frames_of(job)
    assert len(frames) == steps_of(name) + 1 == facts(station, job)["frames"]
    assert frames[0].shape == (32, 32, 3) and job.fps == FPS
    assert np.ptp(np.stack(frames)) > 5  # noise of a random model, not one flat colour


@pytest.mark.parametrize("name", IMAGE)
def test_an_image_becomes_a_clip(station: Station, studio: Studio, name: str) -> None:
    job = made(station, studio, asked(name, "image_to_video", frames=[{"image": still(station.output)}]))
    other = asked(name, "image_to_video", frames=[{"image": still(station.output, "turned.png", turn=1)}])
    assert len(frames_of(job)) == steps_of(name) + 1
    assert digest(made(station, studio, other)) != digest(job), "the image has no effect"


def test_the_same_seed_is_the_same_clip(station: Station, studio: Studio) -> None:
    first = made(station, studio, asked("wan_t2v", prompt="one"))
    again = made(station, studio, asked("wan_t2v", prompt="one"), take=2)
    other = made(station, studio, asked("wan_t2v", prompt="one", seed=8))
    assert digest(first) == digest(again) != digest(other)


def test_a_warm_job_needs_no_file_of_its_model(station: Station, studio: Studio, models: Path) -> None:
    cold = made(station, studio, asked("wan_mine", prompt="warm"))
    weights = list((models / "wan_mine").rglob("*.safetensors"))
    assert len(weights) == 3
    for path in weights:
        path.unlink()
    warm = made(station, studio, asked("wan_mine", prompt="warm"), take=2)
    assert digest(warm) == digest(cold)
    first, second = facts(station, cold), facts(station, warm)
    assert (first["warm"], second["warm"]) == (False, True) and first["pid"] == second["pid"]


def test_models_and_engines_in_turn_on_one_lane_all_end(station: Station, studio: Studio) -> None:
    """Two local models and the animatic, twelve jobs placed at once, where one works at a time."""
    jobs: list[str] = []
    for number in range(4):
        for name in ("wan_t2v", "ltx_t2v"):
            jobs.append(studio.submit(asked(name, prompt=f"turn {number}")).job_id)
        small = {"duration_s": 1, "resolution": "360p", "fps": 12}
        previs = build_request(task="text_to_video", model="animatic", prompt=f"turn {number}", **small)
        jobs.append(studio.submit(previs).job_id)
    done = station.settled(studio, jobs, 120)
    assert [job.state for job in done] == ["succeeded"] * 12, [job.error for job in done]
    assert len({station.row(job)["lane"] for job in jobs}) == 1
    assert len({recorded(station, job)["pid"] for job in jobs if "plan" in recorded(station, job)}) == 1


def test_two_stills_are_joined(station: Station, studio: Studio) -> None:
    pair = [{"image": still(station.output)}, {"image": still(station.output, "turned.png", turn=1)}]
    job = made(station, studio, asked("wan21_flf2v", "interpolate", frames=pair))
    swapped = made(station, studio, asked("wan21_flf2v", "interpolate", frames=pair[::-1]))
    assert len(frames_of(job)) == 5 and digest(job) != digest(swapped)


def test_stills_at_chosen_times(station: Station, studio: Studio) -> None:
    frames = [
        {"image": still(station.output), "at_s": 0},
        {"image": still(station.output, "turned.png", turn=1), "at_s": 1, "role": "middle"},
        {"image": still(station.output, "upside.png", turn=2), "at_s": 2, "role": "last"},
    ]
    job = made(station, studio, asked("ltx_condition", "interpolate", frames=frames, duration_s=2))
    moved = [frames[0], {**frames[1], "at_s": 1.5}, {**frames[2], "at_s": 3}]
    with pytest.raises(VideoError, match=r"frames\[\]\.at_s: local/tiny-ltx-condition takes multiples of 1 s"):
        studio.submit(asked("ltx_condition", "interpolate", frames=moved, duration_s=3))
    assert len(frames_of(job)) == 17


@pytest.mark.parametrize("name", ["wan21_flf2v", "ltx_condition"])
def test_a_loop_ends_one_frame_before_its_start(station: Station, studio: Studio, name: str) -> None:
    job = made(station, studio, asked(name, "image_to_video", frames=[{"image": still(station.output)}], loop=True))
    assert len(frames_of(job)) == steps_of(name)
    assert any("first image as the last frame" in note for note in job.notes)


@pytest.mark.parametrize("name", ["wan22_i2v", "ltx_condition"])
def test_an_extension_holds_the_whole_clip(station: Station, studio: Studio, name: str) -> None:
    source = made(station, studio, asked("ltx_t2v", duration_s=2))
    job = made(station, studio, asked(name, "extend", source_clip=source.job_id, duration_s=1))
    before, after = frames_of(source), frames_of(job)
    assert len(after) == len(before) + FPS
    worst = max(float(np.abs(a.astype(int) - b).mean()) for a, b in zip(before, after, strict=False))
    assert worst < 10  # noise, encoded a second time; two frames of it differ by several times as much


@pytest.mark.parametrize("name", ["wan_v2v", "cog_v2v"])
def test_a_clip_is_restyled_at_its_own_length_and_rate(station: Station, studio: Studio, name: str) -> None:
    source = made(station, studio, asked("wan_t2v", duration_s=2.5))
    options = {"strength": 0.8, "steps": 4}
    job = made(station, studio, asked(name, "edit", source_clip=source.job_id, provider_options=options))
    legal = 21 if steps_of(name) == 4 else 17
    assert len(frames_of(source)) == 21 and len(frames_of(job)) == legal and job.fps == FPS
    told = any("the last 4 frames of the clip are left out" in note for note in job.notes)
    assert told is (legal == 17)


def test_references_and_a_guide_clip(station: Station, studio: Studio) -> None:
    guide = made(station, studio, asked("ltx_t2v", duration_s=2))
    hero = {"tag": "hero", "media": still(station.output)}
    one = made(station, studio, asked("wan_vace", "reference_to_video", references=[hero]))
    led = [hero, {"tag": "move", "media": guide.job_id}]
    two = made(station, studio, asked("wan_vace", "reference_to_video", references=led))
    assert len(frames_of(one)) == len(frames_of(two)) == 5
    assert digest(one) != digest(two), "the guide clip has no effect"


def test_the_record_is_enough_to_make_it_again(station: Station, studio: Studio) -> None:
    job = made(station, studio, asked("hunyuan_t2v", provider_options={"guidance": 4.0}))
    record = facts(station, job)
    assert record["pipeline"] == "HunyuanVideoPipeline"
    assert record["plan"] == {
        "name": "resident",
        "offload": "none",
        "quant": "none",
        "tiling": False,
        "cache": "none",
        "attention": "default",
        "compile": False,
        "cards": 1,
        "dtype": {"default": "float32", "vae": "float32"},
    }
    assert record["arguments"]["guidance_scale"] == 4.0 and record["arguments"]["num_inference_steps"] == 3
    assert record["revision"] == "folder" and {"torch", "diffusers", "transformers"} <= set(record["versions"])
    assert record["step_s"] > 0 and record["seconds"] > 0


@pytest.mark.parametrize(
    "options",
    [
        {"memory": "resident-tiled"},
        {"memory": "offload"},
        {"memory": "group"},
        {"weights": "fp8"},
        {"weights": "int8"},
        {"compile": True},
        {"cache": "first_block"},
        {"cache": "taylorseer"},
        {"cache": "mag"},
        {"attention": "native"},
    ],
    ids=lambda options: "-".join(f"{key}-{value}" for key, value in options.items()),
)
def test_a_switch_is_taken_recorded_and_undone(station: Station, studio: Studio, options: dict[str, Any]) -> None:
    plain = digest(made(station, studio, asked("wan_t2v", prompt="switches")))
    job = made(station, studio, asked("wan_t2v", prompt="switches", provider_options=options))
    plan = facts(station, job)["plan"]
    ((name, value),) = options.items()
    assert plan[{"memory": "name", "weights": "quant"}.get(name, name)] == value
    if name == "memory" and value != "resident-tiled":
        assert digest(job) == plain, "where the weights lie must not change the clip"
    if name == "weights":
        assert digest(job) != plain, "the weights are not quantised"
    if value == "mag":
        assert any("cache mag is not calibrated for wan2.1-t2v-1.3b" in note for note in job.notes)
    after = made(station, studio, asked("wan_t2v", prompt="switches"), anew=True)
    assert digest(after) == plain, "the switch outlived its job"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"memory": "turbo"}, "memory 'turbo' is unknown: auto or one of resident, resident-tiled, offload"),
        ({"memory": "sequential"}, "memory=sequential needs a GPU: take resident, offload or group"),
        ({"weights": "4bit"}, "4bit needs bitsandbytes: pip install bitsandbytes"),
        ({"cache": "teacache"}, "cache 'teacache' is unknown: none, first_block, taylorseer, mag"),
        ({"attention": "sage"}, "pip install sageattention"),
        ({"attention": "xformers"}, "pip install xformers"),
    ],
)
def test_a_switch_that_is_not_there_is_named(
    station: Station, studio: Studio, options: dict[str, Any], text: str
) -> None:
    ticket = studio.submit(asked("wan_t2v", prompt="no switch", provider_options=options))
    (job,) = station.settled(studio, [ticket.job_id], 60)
    assert job.state == "failed" and job.error is not None
    assert text in job.error.message


def test_a_length_that_the_pipeline_would_change_is_refused(station: Station, studio: Studio) -> None:
    with pytest.raises(VideoError, match=r"takes 0\.5 to 4 in steps of 0\.5 seconds.*Nearest legal request"):
        studio.submit(asked("wan_t2v", duration_s=0.7))


def test_a_clip_of_another_rate_is_not_extended(station: Station, studio: Studio, tmp_path: Path) -> None:
    from backends.media.encode import ClipWriter

    clip = Path(station.output) / "fast.mp4"
    with ClipWriter(clip, 32, 32, Fraction(25)) as writer:
        for number in range(30):
            writer.write(np.full((32, 32, 3), number * 8, np.uint8))
    ticket = studio.submit(asked("wan22_i2v", "extend", source_clip=str(clip), duration_s=1))
    (job,) = station.settled(studio, [ticket.job_id], 60)
    assert job.error is not None
    assert "the clip has 25 frames a second and wan2.2-i2v-a14b makes 8" in job.error.message
