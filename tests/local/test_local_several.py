"""One clip on several cards: what the plan says of it, and who is refused. Pure; no torch."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from backends.catalog.loader import load
from backends.catalog.rules.check import check
from backends.errors import VideoError
from backends.jobs.run.box import Box
from backends.jobs.run.engines import Engines
from backends.local import cards
from backends.local.families import variant, variants
from backends.local.memory import Plan, activation_gib, peak, phases
from backends.local.plan import LADDER, RUNGS, Machine, Planned, Wish, choose, fitting, ran_out
from backends.local.presets import SEVERAL, together
from backends.provider.protocol import Prepared
from backends.provider.registry import registered
from backends.request import build_request

WAN, SIZE, FRAMES = variant("wan2.1-t2v-14b"), (1280, 720), 81
TWO = Machine("cuda", 76, 192, cards=2)
CARDS_ROWS = ["wan2.2-ti2v-5b", "wan2.2-a14b", "wan2.1-t2v-1.3b", "wan2.1-14b"]


def test_cards_share_the_activations_and_nothing_else() -> None:
    one, two = (phases(WAN, Plan(cards=cards), *SIZE, FRAMES) for cards in (1, 2))
    assert one["denoising"] - two["denoising"] == pytest.approx(activation_gib(WAN, *SIZE, FRAMES) / 2)
    assert one["decoding"] == two["decoding"]


def test_one_card_is_enough_until_it_is_too_small() -> None:
    """Where all weights fit, but not beside the activations of the whole clip."""
    assert [plan.name for plan in LADDER[:3]] == ["resident", "resident-2", "resident-4"]
    assert choose(WAN, SIZE, FRAMES, TWO, Wish()).plan.name == "resident"
    whole, shared = (peak(WAN, RUNGS[name], *SIZE, FRAMES).gib for name in ("resident-tiled", "resident-2-tiled"))
    small = replace(TWO, free_gib=(whole + shared) / 2 / 0.95)
    assert choose(WAN, SIZE, FRAMES, small, Wish()).plan == RUNGS["resident-2-tiled"]
    assert choose(WAN, SIZE, FRAMES, replace(small, cards=1), Wish()).plan.name == "offload"
    assert choose(WAN, SIZE, FRAMES, small, Wish(rung="offload")).plan.name == "offload"
    assert choose(WAN, SIZE, FRAMES, small, Wish(cache="taylorseer")).plan.cards == 1


def test_as_many_cards_as_are_asked_for() -> None:
    found = choose(WAN, SIZE, FRAMES, replace(TWO, tflops=100), Wish(cards=2))
    one = choose(WAN, SIZE, FRAMES, replace(TWO, tflops=100), Wish())
    assert found.plan == Plan("resident-2", cards=2) and "expected on each card" in found.text
    assert found.seconds and one.seconds and found.seconds == pytest.approx(one.seconds / 2)
    assert choose(WAN, SIZE, FRAMES, TWO, Wish.of({"cards": 2, "memory": "resident-tiled"})).plan.tiling
    assert Wish.of({"memory": "resident-4"}).cards == 4 and Wish.of({"memory": "resident"}).cards == 0


@pytest.mark.parametrize(
    ("name", "wish", "machine", "why"),
    [
        ("ltx-video-t2v", Wish(cards=2), TWO, "makes a clip on one card: the text mask that its pipelines pass"),
        ("hunyuanvideo-t2v", Wish(cards=2), TWO, "no plan for splitting the transformer of HunyuanVideo"),
        ("wan2.1-vace-1.3b", Wish(cards=2), TWO, "no plan for splitting the transformer of Wan VACE"),
        ("wan2.1-t2v-14b", Wish(cards=3), replace(TWO, cards=4), "a clip is made on 1, 2 or 4 cards"),
        ("wan2.1-t2v-14b", Wish(cards=4), TWO, "2 of this machine's GPUs may work on this clip"),
        ("wan2.1-t2v-14b", Wish(cards=2, rung="group"), TWO, "memory=group keeps the weights in host memory"),
        ("wan2.1-t2v-14b", Wish(cards=2, cache="first_block"), TWO, "cache=first_block decides on each card by itself"),
        ("wan2.1-t2v-14b", Wish(cards=2, compile=True), TWO, "leave compile out"),
        ("wan2.1-t2v-14b", Wish(cards=2, attention="xformers"), TWO, "take default, native, flash, sage"),
    ],
)
def test_who_cannot_share_a_clip_is_told_why(name: str, wish: Wish, machine: Machine, why: str) -> None:
    error = cards.refused(variant(name), (832, 480), 81, machine, wish)
    assert error is not None and error.message.startswith(f"cards={wish.cards}: ") and why in error.message
    assert error.nearest == {"provider_options": {"cards": 1}}
    assert cards.refused(variant(name), (832, 480), 81, machine, replace(wish, cards=1)) is None


def test_what_cannot_be_shared_evenly_is_refused() -> None:
    odd = cards.refused(WAN, (832, 464), 81, TWO, Wish(cards=2))
    assert odd is None, "29 x 52 tokens of 21 frames"
    odd = cards.refused(WAN, (816, 464), 81, TWO, Wish(cards=2))
    assert odd is not None and "816x464, 81 frames cannot be shared evenly" in odd.message
    heads = cards.refused(replace(WAN, heads=6), SIZE, FRAMES, replace(TWO, cards=4), Wish(cards=4))
    assert heads is not None and "6 attention heads of wan2.1-t2v-14b" in heads.message


def test_weights_that_no_card_holds_are_refused_with_what_one_card_does() -> None:
    with pytest.raises(VideoError) as failed:
        choose(WAN, SIZE, FRAMES, Machine("cuda", 22, 128, cards=2), Wish(cards=2))
    assert failed.value.message.endswith(
        "Each of the 2 cards holds all weights; one card makes it under the plan group"
    )
    assert failed.value.nearest == {"provider_options": {"memory": "auto", "cards": 1}}


def test_after_the_memory_has_run_out_the_same_cards_go_on() -> None:
    last = fitting(WAN, SIZE, FRAMES, TWO, Wish(cards=2))
    assert isinstance(last, Planned) and last.plan.name == "resident-2"
    again = fitting(WAN, SIZE, FRAMES, TWO, Wish(cards=2, after="resident-2"))
    assert again is not None and again.plan.name == "resident-2-tiled"
    error = ran_out(WAN, SIZE, FRAMES, last, TWO, Wish(cards=2), (), 16)
    assert error.nearest == {"provider_options": {"memory": "resident-tiled"}}, "cards=2 stays as it was asked for"


def test_the_catalogue_says_what_the_families_do() -> None:
    seen: set[str] = set()
    for row in load().rows:
        for mode in row.modes if row.provider == "local" else ():
            kind, option = variant(str(mode.wire["variant"])), mode.options["cards"]
            most = [plan.cards for plan in LADDER if kind.splits(plan.cards)]
            assert (sorted(option.values), option.why) == (sorted(set(most)), kind.one_card), (row.id, kind.id)
            seen.add(kind.id)
    assert {kind.id for kind in variants().values() if kind.splits(2)} <= seen | {"hunyuanvideo-i2v-33ch"}


def test_a_model_that_cannot_refuses_at_once_with_the_reason() -> None:
    row = load().get("local/ltx-video")
    request = build_request(task="text_to_video", prompt="x", model=row.id, provider_options={"cards": 2})
    with pytest.raises(VideoError, match="cards: takes 1, not '2': the text mask that its pipelines pass") as failed:
        check(request, row, {})
    assert failed.value.nearest["provider_options"] == {"cards": 1}


def _prepared(**options: object) -> Prepared:
    request = build_request(task="text_to_video", prompt="x", duration_s=5, fps=16, provider_options=options)
    return Prepared(request, "local/wan2.1-14b", *SIZE, wire={"variant": WAN.id})


def test_a_job_takes_the_cards_that_it_asks_for() -> None:
    assert cards.wanted(_prepared(), {}, 1) == 1
    assert cards.wanted(_prepared(cards=4), {}, 4) == 4
    assert cards.wanted(_prepared(memory="resident-2"), {}, 4) == 2
    assert cards.wanted(_prepared(memory="group"), {}, 4) == 1


def test_the_table_of_machines_with_several_cards() -> None:
    rows = together()
    assert {row.card for row in rows} == set(SEVERAL)
    assert {row.model for row in rows} == {f"local/{name}" for name in CARDS_ROWS}
    found = {(row.model, row.card): row for row in rows}
    big, small = found["local/wan2.1-14b", "4 x 80 GB"], found["local/wan2.1-14b", "2 x 24 GB"]
    assert big.planned is not None and big.planned.plan.name == "resident-4"
    assert small.planned is None and small.instead == "on one card"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "runs here under the plan resident: 47 to 78 GiB expected (tight), by a formula"),
        ({"cards": 2}, "runs here under the plan resident-2: 47 to 78 GiB expected on each card (tight), by a formula"),
        (
            {"cards": 4},
            "cards=4: 2 of this machine's GPUs may work on this clip (REELWRIGHT_LOCAL_DEVICE names more)",
        ),
    ],
)
def test_an_estimate_says_under_which_plan_it_would_run(options: dict[str, object], text: str) -> None:
    assert cards.forecast(_prepared(**options), TWO) == text


def test_a_worker_does_not_wait_for_more_cards_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    engines, local = Engines({}, -1, 1), registered("local")
    monkeypatch.setattr(Box, "devices", lambda *_: ("gpu:A", "gpu:B"))
    assert anyio.run(engines._count, local, _prepared(cards=2)) == 2
    with pytest.raises(VideoError, match="4 GPUs are requested for one clip, and 2 may work on it here") as failed:
        anyio.run(engines._count, local, _prepared(cards=4, steps=9))
    assert failed.value.nearest == {"provider_options": {"steps": 9}}
