"""Which job gets which card: by what is loaded, in turn, and past cards that others hold or that are lost. No GPU: what
is loaded is a table, time is a number."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from backends.jobs.run import cards
from backends.jobs.run.cards import Cards, Release
from backends.jobs.run.place import PlaceGone
from backends.provider.protocol import DeviceLost

TWO = ("one", "two")


@dataclass
class Box:
    """A machine's cards. taken: whose locks others hold. loads: every loading of a model, in order."""

    most: int = 1
    taken: set[str] = field(default_factory=set[str])
    held: set[str] = field(default_factory=set[str])
    loaded: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])
    loads: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    time: float = 0.0

    def claim(self, card: str) -> Release | None:
        if card in self.taken:
            return None
        assert card not in self.held
        self.held.add(card)
        return lambda: self.held.remove(card)

    def use(self, card: str, model: str) -> None:
        """What an engine does: load the model where it is not loaded, in the place of another."""
        for place in [one for one in self.loaded if one != card and {*one.split(",")} & {*card.split(",")}]:
            del self.loaded[place]
        here = self.loaded.pop(card, [])
        if model not in here:
            self.loads.append((card, model))
            here = [*here[max(0, len(here) - self.most + 1) :], model]
        self.loaded[card] = here

    def cards(self) -> Cards:
        return Cards(self.claim, lambda: self.loaded, most=self.most, now=lambda: self.time)


@dataclass
class Crowd:
    """Jobs that want a card, and which of them has which."""

    box: Box
    cards: Cards
    group: anyio.abc.TaskGroup
    has: dict[int, str] = field(default_factory=dict[int, str])
    order: list[int] = field(default_factory=list[int])
    told: list[str] = field(default_factory=list[str])
    over: dict[int, anyio.Event] = field(default_factory=dict[int, anyio.Event])
    broken: set[int] = field(default_factory=set[int])

    async def want(self, seq: int, model: str, devices: tuple[str, ...] = TWO, count: int = 1) -> None:
        self.over[seq] = anyio.Event()
        self.group.start_soon(self._job, seq, model, devices, count)
        await self.rest()

    async def _job(self, seq: int, model: str, devices: tuple[str, ...], count: int) -> None:
        with suppress(DeviceLost, PlaceGone):
            async with self.cards.some(seq, model, devices, self.told.append, count) as given:
                assert len(given) == count
                card = ",".join(given)
                assert not {*given} & {one for place in self.has.values() for one in place.split(",")}, (
                    "two on one card"
                )
                self.has[seq] = card
                self.order.append(seq)
                self.box.use(card, model)
                try:
                    await self.over[seq].wait()
                finally:
                    del self.has[seq]
                if seq in self.broken:
                    del self.box.loaded[card]
                    raise DeviceLost(card)

    async def end(self, seq: int, *, lost: bool = False) -> None:
        if lost:
            self.broken.add(seq)
        self.over[seq].set()
        await self.rest()

    async def rest(self) -> None:
        """Until every task has gone as far as it can."""
        for _ in range(5):
            await anyio.lowlevel.checkpoint()


def crowd(story: Callable[[Crowd], Awaitable[None]], box: Box | None = None) -> Box:
    """Tell a story of jobs on a box of cards; how the box is then."""
    stage = box or Box()

    async def run() -> None:
        async with anyio.create_task_group() as group:
            await story(Crowd(stage, stage.cards(), group))
            group.cancel_scope.cancel()

    anyio.run(run)
    return stage


def test_four_jobs_work_on_four_cards_at_once() -> None:
    async def story(jobs: Crowd) -> None:
        four = ("a", "b", "c", "d")
        for seq in range(5):
            await jobs.want(seq, "red", four)
        assert sorted(jobs.has.values()) == list(four) and 4 not in jobs.has
        await jobs.end(2)
        assert jobs.has[4] == "c"

    crowd(story)


@pytest.mark.parametrize(("each_s", "next_to_end"), [(120, min), (5, max)], ids=["in turn", "one card is slow"])
def test_sixteen_jobs_of_two_models_on_two_cards_load_four_times_at_most(
    each_s: float, next_to_end: Callable[[dict[int, str]], int]
) -> None:
    async def story(jobs: Crowd) -> None:
        for seq in range(16):
            await jobs.want(seq, ("red", "green")[seq % 2])
        while jobs.has:
            jobs.box.time += each_s
            await jobs.end(next_to_end(jobs.has))
        assert sorted(jobs.order) == list(range(16))

    assert len(crowd(story).loads) <= 4


def test_a_job_whose_model_is_loaded_goes_ahead_eight_times_at_most() -> None:
    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "red", ("one",))
        await jobs.want(1, "green", ("one",))
        for seq in range(2, 14):
            await jobs.want(seq, "red", ("one",))
        while jobs.has:
            await jobs.end(*jobs.has)
        assert jobs.order == [0, *range(2, 10), 1, *range(10, 14)]

    assert [model for _, model in crowd(story).loads] == ["red", "green", "red"]


def test_and_for_a_minute_at_most() -> None:
    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "red", ("one",))
        await jobs.want(1, "green", ("one",))
        for seq in range(2, 8):
            await jobs.want(seq, "red", ("one",))
        while jobs.has:
            jobs.box.time += 25
            await jobs.end(*jobs.has)
        assert jobs.order[:5] == [0, 2, 3, 4, 1], "the first went ahead at 25 s, the fourth would have at 100 s"

    crowd(story)


def test_the_card_whose_model_nobody_waits_for_makes_room() -> None:
    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "red")
        await jobs.want(1, "green")
        await jobs.want(2, "blue")
        await jobs.want(3, "red")
        await jobs.end(0)  # red is loaded, and goes on being used ahead of the older blue
        assert jobs.has == {1: "two", 3: "one"}
        await jobs.end(1)
        assert jobs.has == {2: "two", 3: "one"}

    assert crowd(story).loads == [("one", "red"), ("two", "green"), ("two", "blue")]


def test_a_card_with_room_for_two_models_takes_a_second_before_one_has_to_go() -> None:
    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "red", ("one",))
        await jobs.end(0)
        await jobs.want(1, "green", ("one",))
        await jobs.end(1)
        assert jobs.box.loaded == {"one": ["red", "green"]}

    crowd(story, Box(most=2))


def test_a_card_that_another_data_folder_holds_is_left_to_it() -> None:
    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "red")
        await jobs.want(1, "red")
        assert jobs.has == {0: "two"}
        await jobs.end(0)
        assert jobs.has == {1: "two"}
        await jobs.want(2, "red", ("one",))
        jobs.cards.tell()
        jobs.cards.tell()
        assert jobs.told == [cards.HELD]
        jobs.box.taken.clear()
        jobs.cards.look()
        await jobs.rest()
        assert jobs.has == {1: "two", 2: "one"}

    crowd(story, Box(taken={"one"}))


def test_only_as_many_cards_are_held_as_there_is_work_and_models_for() -> None:
    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "red")
        assert jobs.box.held == {"one"}
        await jobs.end(0)
        assert jobs.box.held == {"one"}, "its model stays loaded"
        jobs.box.loaded.clear()
        jobs.cards.look()
        assert jobs.box.held == set()

    crowd(story)


def test_a_lost_card_gets_no_job_for_a_minute() -> None:
    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "red")
        await jobs.end(0, lost=True)
        assert jobs.box.held == set()
        await jobs.want(1, "red")
        await jobs.want(2, "red")
        assert jobs.has == {1: "two"}
        await jobs.end(1, lost=True)
        jobs.cards.tell()
        assert jobs.has == {} and jobs.told == [cards.GONE]
        jobs.box.time += cards.LOST_S
        jobs.cards.look()
        await jobs.rest()
        assert jobs.has == {2: "one"}

    crowd(story)


FOUR = ("a", "b", "c", "d")


def test_a_job_on_two_cards_gets_them_together_or_none() -> None:
    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "red")
        await jobs.want(1, "red on 2", count=2)
        assert jobs.has == {0: "one"} and jobs.box.held == {"one"}, "no card is held for what is not whole"
        jobs.cards.tell()
        assert jobs.told == ["waiting for 2 GPUs at once, of 2"]
        await jobs.want(2, "red")
        await jobs.end(0)
        assert jobs.has == {2: "two"}, "a younger job has not waited for the older one"
        await jobs.end(2)
        assert jobs.has == {1: "one,two"}
        await jobs.want(3, "red")
        await jobs.end(1)
        assert jobs.has == {3: "one"}

    crowd(story)


def test_eight_jobs_may_go_ahead_of_one_that_waits_for_two_cards() -> None:
    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "red")
        await jobs.want(1, "red on 2", count=2)
        for seq in range(2, 20):
            await jobs.want(seq, "red")
        while 1 not in jobs.has:
            await jobs.end(min(jobs.has))
        assert jobs.order == [0, *range(2, 10), 1]
        jobs.box.time += 1000
        while jobs.has:
            await jobs.end(min(jobs.has))
        assert sorted(jobs.order) == list(range(20))

    crowd(story)


def test_a_pair_that_has_the_model_loaded_is_the_one_that_is_given() -> None:
    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "blue on 2", FOUR, 2)
        await jobs.want(1, "red on 2", FOUR, 2)
        assert jobs.has == {0: "a,b", 1: "c,d"}
        await jobs.end(0)
        await jobs.end(1)
        await jobs.want(2, "red on 2", FOUR, 2)
        await jobs.want(3, "blue on 2", FOUR, 2)
        assert jobs.has == {2: "c,d", 3: "a,b"}

    assert len(crowd(story).loads) == 2


def test_two_data_folders_that_want_all_cards_never_wait_for_each_other() -> None:
    """Each finds one card with the other, and lets go of what it has."""

    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "red on 2", count=2)
        assert jobs.has == {} and jobs.box.held == set()
        jobs.box.taken.clear()
        jobs.cards.look()
        await jobs.rest()
        assert jobs.has == {0: "one,two"} and jobs.box.held == {"one", "two"}
        await jobs.end(0, lost=True)
        await jobs.want(1, "red")
        assert jobs.has == {}, "either may be the one that was lost"

    crowd(story, Box(taken={"two"}))


def test_a_job_that_is_cancelled_while_it_waits_leaves_the_queue() -> None:
    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "red", ("one",))
        with anyio.move_on_after(0):
            async with jobs.cards.some(1, "red", ("one",), jobs.told.append):
                raise AssertionError
        await jobs.want(2, "red", ("one",))
        await jobs.end(0)
        assert jobs.has == {2: "one"}

    crowd(story)


def test_those_that_wait_can_be_told_that_there_will_be_no_card() -> None:
    async def story(jobs: Crowd) -> None:
        await jobs.want(0, "red", ("one",))
        await jobs.want(1, "red", ("one",))
        jobs.cards.give_up(PlaceGone("all of them are out of reach"))
        await jobs.rest()
        assert jobs.has == {0: "one"} and jobs.order == [0]
        await jobs.end(0)
        assert jobs.has == {}, "nobody is left in the queue"

    crowd(story)
