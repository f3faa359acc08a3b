"""Calls that a cell can make without a studio: they use the process's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backends.request import VideoRequest
from notebook_ext import kernel
from notebook_ext.client import NotebookStudio, the_studio
from notebook_ext.prices import Prices, prices
from notebook_ext.views.board import ROWS, Board


def estimate(
    what: str | VideoRequest | Mapping[str, Any] = "",
    *,
    client: NotebookStudio | None = None,
    count: int = 1,
    limit: int = 50,
    **given: Any,
) -> Prices:
    """The price of a request by every model that can do exactly it, before anything is spent.

    what: a prompt (with further arguments of the starting call), a VideoRequest, or those arguments as a mapping.
    """
    return prices(client or the_studio(), what, given, count, limit)


def board(client: NotebookStudio | None = None, *, limit: int = ROWS) -> Board | str:
    """All jobs of the store: who started each, its state and cost, filters, and the spend against your limits.

    Where no page draws it, the rows as text.
    """
    client = client or the_studio()
    if not kernel.draws():
        return repr(client.table())
    return Board(client, limit=limit)
