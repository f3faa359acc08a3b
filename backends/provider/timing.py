"""How long the calls to a paid service may take, and how many are under way at a time."""

from __future__ import annotations

from dataclasses import dataclass

CONNECT_S = 10.0
PAID_TOTAL_S = 75.0
"""For the whole paid POST. Below the 90 s after which a look-up of an unclear one is believed."""
FREE_TOTAL_S = 60.0
UPLOAD_TOTAL_S = 600.0

PAID_AT_ONCE = 4
"""Paid POSTs on one lane: what a kill can leave unclear. A back end has a connection for each, so that none waits for
one with its intent already written down."""
FREE_AT_ONCE = 8
"""Free requests on one lane at a time, each with a connection: httpx searches its whole queue for each request."""


@dataclass
class Timing:
    """Seconds for a whole call. read: without a byte. Tests shorten them."""

    paid_s: float = PAID_TOTAL_S
    free_s: float = FREE_TOTAL_S
    upload_s: float = UPLOAD_TOTAL_S
    read_s: float = PAID_TOTAL_S
    connect_s: float = CONNECT_S
