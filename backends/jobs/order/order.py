"""Orders: a request with its terms, and the key by which the same request is the same job.

The key is the given request_key, or is made from the request as written (inputs by hash, a user's own model by its
revision, before `auto` chooses) and the take.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self

from backends.catalog.rules.tags import check_tags
from backends.facts import MediaFacts
from backends.jobs.order.entries import Keep, Resolved
from backends.jobs.order.inputs import Inputs
from backends.jobs.store.stored_job import StoredJob
from backends.request import VideoRequest
from backends.terms import DEFAULT_TERMS, Terms


@dataclass(frozen=True)
class Order:
    """A request and its terms. confirmed: the user has approved the price. client: who asks, where one process serves
    several ("" = the client of `Orders`). promised: only for a quote: facts of inputs that are not ordered yet, by
    place."""

    request: VideoRequest
    terms: Terms = DEFAULT_TERMS
    confirmed: bool = False
    client: str = ""
    promised: Mapping[str, MediaFacts] = field(default_factory=dict[str, MediaFacts])

    def check(self) -> None:
        check_tags(self.request)
        self.terms.check()

    @property
    def as_written(self) -> VideoRequest:
        """The request in the form that the job's row keeps."""
        return self.request

    def resolve(self, inputs: Inputs, principal: str, keep: Keep = "copy") -> Resolved:
        """Its media, checked, and kept as `keep` says."""
        return inputs.resolve(self.request, principal, keep, self.promised)

    def digest(self, inputs: Resolved) -> str:
        return self._whole(self.request.digest(inputs.hashes), inputs)

    def _whole(self, digest: str, inputs: Resolved) -> str:
        """The order's digest, of the request's."""
        chosen = f"{self.terms.prefer} {self.terms.where}"
        return hashlib.sha256(f"{digest} {chosen} {inputs.made_of}".rstrip().encode()).hexdigest()

    def keys_as(self, models: Collection[str], inputs: Resolved) -> list[str]:
        """The keys that the order would have if it named each of these models."""
        return [self.key(self._whole(one, inputs)) for one in self.request.digests_as(models, inputs.hashes)]

    def key(self, digest: str) -> str:
        given, take = self.terms.request_key, self.terms.take
        return f"given {given} {take}" if given else f"made {digest} {take}"


@dataclass(frozen=True)
class Again(Order):
    """Another take of an existing job: by the model that made it, from the copies of its inputs (the files may be
    gone). It is the same job as the original call with that take. of: the job."""

    of: StoredJob = field(kw_only=True)

    @classmethod
    def take_of(cls, job: StoredJob, take: int, max_cost_usd: Decimal | None) -> Self:
        changes = {"model": job.model, "max_cost_usd": max_cost_usd}
        return cls(job.request.model_copy(update=changes), Terms(take=take, label=job.label), of=job)

    @property
    def as_written(self) -> VideoRequest:
        return self.of.request.model_copy(update={"max_cost_usd": self.request.max_cost_usd})

    def resolve(self, inputs: Inputs, principal: str, keep: Keep = "copy") -> Resolved:
        loras = inputs.same_loras(self.request, self.of.prepared_record["wire"], self.of.id)
        return replace(inputs.again(self.of.inputs, principal, keep), loras=loras)

    def digest(self, inputs: Resolved) -> str:
        return self.of.digest

    def key(self, digest: str) -> str:
        return key_of_take(self.of, self.terms.take)

    def keys_as(self, models: Collection[str], inputs: Resolved) -> list[str]:
        return [self.key(self.of.digest)]


def key_of_take(of: StoredJob, take: int) -> str:
    """The key of another take of an existing job: the one that the original call with that take would have."""
    return f"{of.request_key.rpartition(' ')[0]} {take}"
