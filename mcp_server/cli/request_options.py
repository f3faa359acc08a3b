"""The options of `estimate` and `make` that describe a request, made from the one list of names
(`backends.vocabulary`)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from backends import vocabulary
from backends.errors import VideoError, listing
from backends.problems import refuse
from backends.request import TASKS, VideoRequest
from backends.terms import CHOOSING, DEFAULT_TERMS, Terms, build_terms
from backends.vocabulary import Argument
from mcp_server.cli.options import key, meanings, taking

TOGETHER = "max_cost_usd"
"""An option that each command defines itself: for one clip, or for all of them together."""


@dataclass(frozen=True)
class Given:
    """The requested clip, by the names of `backends.vocabulary`. Missing from `fields` = not given."""

    fields: Mapping[str, object] = field(default_factory=dict[str, object])
    task: str | None = None
    terms: Terms = DEFAULT_TERMS

    def request(self) -> VideoRequest:
        """The request. VideoError("invalid_request") with every problem, each under the option's field name."""
        from backends.verbs import contradictions, request_of
        from mcp_server.problems import called

        if found := contradictions(self.fields):
            raise refuse(f"{name}: {sentence}" for name, sentence in found.items())
        try:
            request = request_of("estimate_cost", self.fields)
        except VideoError as error:
            raise refuse(problem.named(called(self.fields)) for problem in error.problems) from None
        if self.task is None:
            return request
        if self.task not in TASKS:
            raise refuse([f"task: one of {', '.join(TASKS)}, not {self.task[:40]!r}"])
        return request.model_copy(update={"task": self.task})

    @contextmanager
    def named(self) -> Generator[None]:
        """Inside, a VideoError names each field as the user wrote it."""
        from mcp_server.problems import called

        try:
            yield
        except VideoError as error:
            names = called(self.fields)
            error.problems = tuple(problem.named(names) for problem in error.problems)
            error.nearest = {names.get(name, name): value for name, value in error.nearest.items()}
            if error.lead is not None:
                error.message = listing(error.lead, error.problems)
                error.message += f" {error.aside}" if error.aside else ""
            raise


def offered() -> list[Argument]:
    """The arguments of a request, in the order of the help text: prompt, model, task, then the others."""
    known = dict(vocabulary.asked())
    first = [known.pop("prompt"), known.pop("model"), vocabulary.task()]
    return [*first, *(one for one in known.values() if one.name != TOGETHER)]


def given_by(values: dict[str, Any]) -> Given:
    """The meaning of a command's options; they are removed from `values`."""
    fields = meanings(offered(), values)
    task = cast("str | None", fields.pop("task", None))
    named = {one.name: values.pop(key(one)) for one in vocabulary.terms().values() if key(one) in values}
    return Given(fields, task, build_terms(**named))


def takes_request(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a request and of choosing a model; their meaning becomes its first argument,
    `given`."""
    return taking(command, [*offered(), *(vocabulary.terms()[name] for name in CHOOSING)], given_by)


def takes_order(command: Callable[..., None]) -> Callable[..., None]:
    """The same with all terms of an order."""
    return taking(command, [*offered(), *vocabulary.terms().values()], given_by)
