"""From a request and the facts of its inputs to a Prepared: what exactly will be made."""

from __future__ import annotations

from collections.abc import Mapping

from backends.catalog.rules.check import check
from backends.catalog.rules.checked import Checked
from backends.catalog.schema.row import Row as ModelRow
from backends.facts import MediaFacts
from backends.provider.protocol import Prepared
from backends.request import VideoRequest


def prepare(checked: Checked) -> Prepared:
    return Prepared(
        request=checked.request,
        model=checked.row.id,
        width=checked.width,
        height=checked.height,
        wire=dict(checked.wire),
        notes=checked.notes,
    )


def recheck(request: VideoRequest, row: ModelRow, facts: Mapping[str, MediaFacts]) -> Checked:
    """Check the same request again, when inputs that were pending at submit are known."""
    return check(request.model_copy(update={"model": row.id}), row, facts)
