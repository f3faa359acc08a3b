"""Orders: a request and how it is to be treated, and the key by which the same request is the same job.

The key is the given request_key, or is made from the request as asked (inputs by hash, a model of the person's own by
what it is made of, before `auto` chooses) and the take.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal, Self

from backends.catalog.choose import Prefer
from backends.catalog.rules.tags import check_tags
from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.jobs.order.inputs import Inputs, Keep, Resolved
from backends.jobs.store.database import Row
from backends.plain import trouble
from backends.request import VideoRequest

Where = Literal["any", "local"]


@dataclass(frozen=True)
class Order:
    """A request and how it is to be treated. take: which attempt at it (1, 2, 3 ...). request_key: the caller's own
    name for the job. label: for people and the bill. confirmed: the person has agreed to the price. client: who asks,
    where one process asks for several ("" = the client that `Orders` was made for). promised: for a quote alone, what
    inputs will be that are not even ordered yet, by place."""

    request: VideoRequest
    prefer: Prefer = "quality"
    where: Where = "any"
    take: int = 1
    request_key: str | None = None
    label: str = ""
    confirmed: bool = False
    client: str = ""
    promised: Mapping[str, MediaFacts] = field(default_factory=dict[str, MediaFacts])

    def check(self) -> None:
        check_tags(self.request)
        if not 1 <= self.take <= 99:
            raise VideoError("invalid_request", f"take is 1 to 99, not {self.take}: it numbers attempts at one request")
        if len(self.label) > 80:
            raise VideoError("invalid_request", "label is longer than 80 characters")
        for name, text in (("label", self.label), ("request_key", self.request_key or "")):
            if why := trouble(text):
                raise VideoError("invalid_request", f"{name} is one line of plain text: it holds {why}")

    @property
    def asked(self) -> VideoRequest:
        """The request as it is kept in the job's row."""
        return self.request

    def resolve(self, inputs: Inputs, principal: str, keep: Keep = "copy") -> Resolved:
        """Its media, checked, and kept as `keep` says."""
        return inputs.resolve(self.request, principal, keep, self.promised)

    def digest(self, inputs: Resolved) -> str:
        asked = f"{self.request.digest(inputs.hashes)} {self.prefer} {self.where} {inputs.made_of}".rstrip()
        return hashlib.sha256(asked.encode()).hexdigest()

    def key(self, digest: str) -> str:
        return f"given {self.request_key} {self.take}" if self.request_key else f"made {digest} {self.take}"


@dataclass(frozen=True)
class Again(Order):
    """Another take of a job that is there: by the model that made it, from the copies of its inputs (the files may be
    gone). It is the same job as the original call with that take. of: the job's row."""

    of: Row = field(default_factory=dict[str, Any])

    @classmethod
    def take_of(cls, row: Row, take: int, max_cost_usd: Decimal | None) -> Self:
        request = VideoRequest.model_validate_json(row["request"])
        changes = {"model": row["model"], "max_cost_usd": max_cost_usd}
        return cls(request.model_copy(update=changes), take=take, label=row["label"], of=row)

    @property
    def asked(self) -> VideoRequest:
        kept = VideoRequest.model_validate_json(self.of["request"])
        return kept.model_copy(update={"max_cost_usd": self.request.max_cost_usd})

    def resolve(self, inputs: Inputs, principal: str, keep: Keep = "copy") -> Resolved:
        wire = json.loads(self.of["prepared"])["wire"]
        loras = inputs.same_loras(self.request, wire, self.of["id"])
        return replace(inputs.again(json.loads(self.of["inputs"]), principal, keep), loras=loras)

    def digest(self, inputs: Resolved) -> str:
        return str(self.of["digest"])

    def key(self, digest: str) -> str:
        return key_of_take(self.of, self.take)


def key_of_take(of: Row, take: int) -> str:
    """The key of another take of a job that is there, the one that the original call with that take would have."""
    return f"{str(of['request_key']).rpartition(' ')[0]} {take}"
