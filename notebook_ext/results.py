"""The results of listing and inspecting calls, as shown in a notebook: tables, and the picture of an inspection."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import Any

from backends.jobs.views import JobPage
from backends.studio import Inspection
from notebook_ext.figure import RULES
from notebook_ext.listing import Listing


class ModelList(Listing):
    columns: dict[str, str] = {  # noqa: RUF012  never changed
        "model": "model",
        "tasks": "tasks",
        "limits": "limits",
        "price": "price",
        "typical_s": "usually (s)",
        "available": "available",
        "end": "end",
        "why_not": "why not",
    }


class JobList(Listing):
    columns: dict[str, str] = {  # noqa: RUF012  never changed
        "job_id": "job",
        "state": "state",
        "model": "model",
        "label": "label",
        "take": "take",
        "prompt": "prompt",
        "cost_usd": "cost",
        "created_at": "started",
        "file": "file",
    }


class Models(dict[str, Any]):
    """models: compact rows; more: how many further ones match."""

    def _listing(self) -> ModelList:
        rows, more = self["models"], self["more"]
        return ModelList(
            rows,
            f"{len(rows)} model{'s' * (len(rows) != 1)}"
            + (f"; {more} more match: limit={len(rows) + more}" if more else ""),
        )

    def _repr_html_(self) -> str:
        return self._listing()._repr_html_()

    def __repr__(self) -> str:
        return repr(self._listing())


class Jobs(JobPage):
    """Rows, newest first, with the total spend."""

    def _listing(self) -> JobList:
        count, spend = len(self.jobs), self.spend
        title = f"{count} job{'s' * (count != 1)}; ${spend.today_usd:.2f} today, ${spend.total_usd:.2f} in all"
        more = f"; older ones: cursor={self.cursor!r}" if self.cursor else ""
        return JobList([row.model_dump(mode="json") for row in self.jobs], title + more)

    def _repr_html_(self) -> str:
        return self._listing()._repr_html_()

    def __repr__(self) -> str:
        return repr(self._listing())


class Look(Inspection):
    """text: facts and measures in words; facts: the same as numbers; jpeg, sheet: the contact sheet."""

    @classmethod
    def of(cls, found: Inspection) -> Look:
        return cls(found.text, found.sheet, found.jpeg, found.facts)

    @property
    def measures(self) -> Mapping[str, float | None]:
        """Sharpness, motion and the others by name; None where the clip has none."""
        return self.facts["measures"]

    def _repr_html_(self) -> str:
        source = base64.b64encode(self.jpeg).decode()
        picture = f'<img alt="Contact sheet" src="data:image/jpeg;base64,{source}">'
        words = escape(self.text).replace("\n", "<br>")
        return f'{RULES}<figure class="rw-figure">{picture}<figcaption>{words}</figcaption></figure>'

    def __repr__(self) -> str:
        return self.text
