"""Same request, same job: what belongs to "the same"."""

from __future__ import annotations

from collections.abc import Callable

from backends.jobs.context import Context
from backends.jobs.order.order import Order
from backends.jobs.order.place import Orders
from backends.terms import Terms
from tests.jobs.station import Station, text_request


def test_another_preference_or_place_or_take_is_another_job(stand: Callable[..., Station]) -> None:
    station = stand()
    station.url = "http://127.0.0.1:9"
    context = Context.open(station.settings())
    try:
        orders, asked = Orders(context, "test", "local"), text_request("a fox")
        first = orders.quote(Order(asked)).key
        assert orders.quote(Order(asked)).key == first
        others = [Order(asked, terms) for terms in (Terms(prefer="cheapest"), Terms(prefer="fastest"), Terms(take=2))]
        keys = {orders.quote(order).key for order in others}
        digests = {order.digest(order.resolve(context.inputs, "local")) for order in (Order(asked), *others)}
        elsewhere = Order(asked, Terms(where="local"))
        assert len(keys) == 3 and first not in keys
        assert elsewhere.digest(elsewhere.resolve(context.inputs, "local")) not in digests
    finally:
        context.close()


def test_two_principals_have_jobs_of_their_own(stand: Callable[..., Station]) -> None:
    station = stand()
    station.url = "http://127.0.0.1:9"
    context = Context.open(station.settings())
    try:
        placed = [Orders(context, "test", who).place(Order(text_request("a fox"))) for who in ("ann", "bob", "ann")]
        assert [one.replayed for one in placed] == [False, False, True]
        assert placed[0].job.id == placed[2].job.id != placed[1].job.id
    finally:
        context.close()
