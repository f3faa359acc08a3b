"""Money: reserved, spent, held and refused, in whole micro-dollars, whoever asks at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backends.errors import VideoError
from backends.jobs.lanes import lanes
from backends.jobs.money import ledger, limits, reported_cost
from backends.jobs.store.database import Store
from tests.jobs.stores import opened
from tests.patience import patient

DAY = "the user can change it at a terminal (reelwright config --help)"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = opened(tmp_path)
    yield made
    made.close()


def reserve(store: Store, job: str, usd: str | None, provider: str = "paid") -> None:
    high = None if usd is None else ledger.to_micro(Decimal(usd))
    store.write(lambda tx: ledger.reserve(tx, job, provider, f"{provider}|x|y", "label", high))


def limit(store: Store, key: str, value: str) -> None:
    limits.set_limit(store, key, value, ["paid", "other"])


def refusal(store: Store, usd: str | None, provider: str = "paid") -> str:
    with pytest.raises(VideoError) as caught:
        reserve(store, "refused", usd, provider)
    assert caught.value.kind == "wall" and caught.value.charged == "no"
    assert store.row("SELECT 1 FROM ledger WHERE job = 'refused'") is None
    return caught.value.message


def entry(store: Store, job: str) -> tuple[str, int, int, str]:
    row = store.row("SELECT * FROM ledger WHERE job = ?", (job,))
    assert row is not None
    return row["state"], row["reserved"], row["settled"], row["basis"]


def test_a_reservation_is_never_below_the_estimate() -> None:
    assert ledger.to_micro(Decimal("0.0000001")) == 1
    assert ledger.to_micro(Decimal("0.4")) == 400_000
    assert ledger.to_usd(400_001) == Decimal("0.400001")
    assert ledger.to_float(None) is None


def test_walls_of_a_fresh_install(store: Store) -> None:
    told = refusal(store, "5.01")
    assert told == (
        "this may cost $5.01, and the spending limit per_job_usd is $5.00: ask for less (shorter, smaller, a cheaper "
        f"model); {DAY}"
    )
    for number in range(4):
        reserve(store, f"j{number}", "5")
    told = refusal(store, "0.01")
    assert (
        told
        == "this may cost $0.01; $20.00 of the $20.00 a day (UTC) that the spending limit per_day_usd allows is spent "
        f"or reserved: wait, or ask for less; {DAY}"
    )
    reserve(store, "free", "0")


def test_every_kind_of_money_counts_for_the_day(store: Store) -> None:
    for number in range(4):
        reserve(store, f"j{number}", "5")
    store.write(lambda tx: ledger.settle(tx, "j0", 1_000_000, "reported"))  # 1 spent
    store.write(lambda tx: ledger.release(tx, "j1"))  # 0
    store.write(lambda tx: ledger.hold(tx, "j2"))  # 5 held
    assert entry(store, "j0") == ("settled", 5_000_000, 1_000_000, "reported")
    assert entry(store, "j1") == ("released", 5_000_000, 0, "refused")
    assert entry(store, "j2") == ("unresolved", 5_000_000, 0, "")
    assert ledger.totals(store) == ledger.Totals(1_000_000, today=11_000_000, held=10_000_000, held_today=10_000_000)
    reserve(store, "j4", "5")
    assert "$16.00 of the $20.00" in refusal(store, "4.01")


def test_a_wall_for_one_provider(store: Store) -> None:
    limit(store, "per_day_usd.paid", "1")
    reserve(store, "a", "1")
    assert "$1.00 of the $1.00 a day at paid (UTC) that the spending limit per_day_usd.paid allows" in refusal(
        store, "0.01"
    )
    reserve(store, "b", "1", "other")


def test_allowed_providers(store: Store) -> None:
    limit(store, "allow_providers", "other")
    assert refusal(store, "0").startswith("provider 'paid' is not among the allowed ones (other)")
    reserve(store, "b", "1", "other")
    limit(store, "allow_providers", "all")
    reserve(store, "c", "1")


def test_an_unknown_price_is_refused_unless_the_person_allows_it(store: Store) -> None:
    assert "the price of this request is unknown" in refusal(store, None)
    limit(store, "allow_unknown_price", "true")
    reserve(store, "u", None)
    assert entry(store, "u") == ("reserved", 0, 0, "")


def test_no_walls_at_all(store: Store) -> None:
    limit(store, "per_job_usd", "none")
    limit(store, "per_day_usd", "none")
    reserve(store, "big", "1000")


def test_a_claim_looks_again(store: Store) -> None:
    """Between the order and the request the person has lowered the limit; the job's own reservation is not counted."""
    reserve(store, "j", "5")
    store.write(lambda tx: ledger.recheck(tx, "j", "paid", 5_000_000))
    limit(store, "per_day_usd", "4")
    with pytest.raises(VideoError, match=r"\$0\.00 of the \$4\.00 a day"):
        store.write(lambda tx: ledger.recheck(tx, "j", "paid", 5_000_000))


def test_yesterdays_entry_stays_yesterdays(store: Store) -> None:
    reserve(store, "j", "5")
    store.write(lambda tx: tx.run("UPDATE ledger SET day = '2020-01-01'"))
    store.write(lambda tx: ledger.settle(tx, "j", 5_000_000, "computed"))
    assert ledger.totals(store).today == 0 and ledger.totals(store).settled == 5_000_000
    assert [(row["name"], row["settled"]) for row in ledger.bill(store, "day")] == [("2020-01-01", 5_000_000)]


def test_a_bill_above_the_reservation_is_told(store: Store) -> None:
    reserve(store, "j", "1")
    assert store.write(lambda tx: ledger.settle(tx, "j", 900_000, "reported")) == 0
    assert store.write(lambda tx: ledger.settle(tx, "j", 1_250_000, "reported")) == 250_000


@pytest.mark.parametrize(("billed", "stops"), [("1.00", False), ("1.25", True), ("-3", True), ("1e9", True)])
def test_a_bill_that_was_not_announced_stops_its_account(store: Store, billed: str, stops: bool) -> None:
    store.write(lambda tx: lanes.add_lane(tx, "paid|x|y", "paid", "remote"))
    reserve(store, "j", "1")
    job: Any = SimpleNamespace(id="j", provider="paid", model="paid/model", lane="paid|x|y", est_high=1_000_000)
    bill = reported_cost.judge(Decimal(billed), 1_000_000)
    assert bill is not None
    store.write(lambda tx: reported_cost.settle(tx, job, bill))
    lane = store.row("SELECT breaker, breaker_until FROM lanes")
    assert lane is not None and (lane["breaker_until"] > time.time()) is stops and bool(lane["breaker"]) is stops


def test_no_interleaving_of_clients_passes_a_wall(store: Store) -> None:
    """Twelve threads on three connections ask for $1 each, twice, and the limit is $7."""
    limit(store, "per_day_usd", "7")
    stores = [store, opened(store.home), opened(store.home)]
    barrier, taken, refused = threading.Barrier(12), list[int](), list[int]()

    def ask(number: int) -> None:
        barrier.wait(patient(10))
        for half in range(2):
            try:
                reserve(stores[number % 3], f"j{number}-{half}", "1")
                taken.append(number)
            except VideoError:
                refused.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patient(10))
    for one in stores[1:]:
        one.close()
    assert (len(taken), len(refused)) == (7, 17)
    assert ledger.totals(store).held == 7_000_000


def test_the_bill(store: Store) -> None:
    reserve(store, "a", "1")
    reserve(store, "b", "2")
    store.write(lambda tx: ledger.settle(tx, "a", 800_000, "reported"))
    (row,) = ledger.bill(store, "label")
    assert (row["name"], row["jobs"], row["settled"], row["held"]) == ("label", 2, 800_000, 2_000_000)
