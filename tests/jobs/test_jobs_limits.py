"""The person's limits: what raising one means, and that every change is on record and told for a day."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs.money import limits
from backends.jobs.money.limits import is_raised
from backends.jobs.store.database import Store
from tests.jobs.stores import opened

KNOWN = ["paid", "other"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = opened(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("key", ["per_job_usd", "per_day_usd", "per_day_usd.paid", "confirm_above_usd"])
def test_a_larger_amount_or_none_at_all_is_a_raise(key: str) -> None:
    assert is_raised(key, "5", "5.01") and is_raised(key, "5", "none")
    assert not any((is_raised(key, "5", "5"), is_raised(key, "5", "4.99"), is_raised(key, "none", "1000")))
    assert not is_raised(key, "none", "none")


def test_another_provider_or_an_unknown_price_is_a_raise() -> None:
    assert is_raised("allow_providers", "paid", "all") and is_raised("allow_providers", "paid", "other")
    assert is_raised("allow_providers", "paid,other", "paid,third")
    assert not is_raised("allow_providers", "all", "paid") and not is_raised("allow_providers", "paid,other", "other")
    assert is_raised("allow_unknown_price", "false", "true") and not is_raised("allow_unknown_price", "true", "false")


def test_every_change_is_on_record_with_how_and_who(store: Store) -> None:
    limits.set_limit(store, "per_day_usd", "$50", KNOWN, how="terminal", who="ann")
    limits.set_limit(store, "per_day_usd", "50.00", KNOWN, how="terminal", who="ann")  # the same: no change
    limits.set_limit(store, "allow_providers", "paid", KNOWN, how="script")
    limits.unset_limit(store, "per_day_usd", how="script", who="bob")
    found = limits.changes(store, 0.0)
    assert [(one.key, one.old, one.new, one.how, one.who) for one in found] == [
        ("per_day_usd", "50", "20", "script", "bob"),
        ("allow_providers", "all", "paid", "script", ""),
        ("per_day_usd", "20", "50", "terminal", "ann"),
    ]
    assert limits.changes(store, time.time() + 1) == []


def test_changes_are_told_for_a_day(store: Store) -> None:
    limits.set_limit(store, "per_day_usd", "50", KNOWN)
    limits.set_limit(store, "allow_providers", "paid", KNOWN, how="script")
    limits.set_limit(store, "allow_providers", "paid,other", KNOWN)
    limits.set_limit(store, "per_day_usd", "2.5", KNOWN)
    at = limits.changes(store, 0.0)[0].at
    assert limits.recent(store, at + 185) == [
        "spending limit per_day_usd lowered from $50 to $2.50 3 minutes ago",
        "spending limit allow_providers widened from paid to paid,other 3 minutes ago",
        "spending limit allow_providers narrowed from all to paid 3 minutes ago by a script",
        "spending limit per_day_usd raised from $20 to $50 3 minutes ago",
    ]
    assert limits.recent(store, at + 3700)[0].endswith(" 1 hour ago")
    assert limits.recent(store, at)[0].endswith(" just now")
    assert limits.recent(store, at + limits.SHOWN_S + 2) == []


def test_what_is_no_limit_is_told(store: Store) -> None:
    with pytest.raises(VideoError, match="there is no setting 'per_job'; the settings are per_job_usd, "):
        limits.value_of(store, "per_job")
    with pytest.raises(VideoError, match="there is no setting 'per_job'"):
        limits.unset_limit(store, "per_job")
    assert limits.changes(store, 0.0) == []
