"""What the manifest of a clip claims: what made it, from what, and what kind of source that makes it.

A manifest is public. So it holds a hash of the prompt, not the prompt (unless the user wants that), no picture of
the inputs, and no name of a file of the user's.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from backends.provider.protocol import JsonObject

GENERATION = "com.reelwright.generation"
"""The label of our own assertion: model, provider, task, seed, prompt_sha256, prompt, watermark."""

TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""IPTC's list of digital source types, whose terms C2PA uses."""

SourceType = Literal["trainedAlgorithmicMedia", "algorithmicMedia", "composite", "compositeWithTrainedAlgorithmicMedia"]

TRAINED = "trainedAlgorithmicMedia"
WITH_TRAINED = "compositeWithTrainedAlgorithmicMedia"


@dataclass(frozen=True)
class Made:
    """What is claimed of a clip.

    key: what this very manifest is known by (any text; the same text gives the same name). title: a name without a
    folder. engine: the program that has worked ("Reelwright 0.2.0"). when: RFC 3339. parent: the label of the
    ingredient that was gone on from, None when the clip is new. watermark: as the catalogue has it.
    """

    key: str
    title: str
    version: str
    model: str
    provider: str
    task: str
    source: SourceType
    when: str
    seed: int | None = None
    prompt: str = ""
    with_prompt: bool = False
    watermark: str = ""
    parent: str | None = None


@dataclass(frozen=True)
class Part:
    """Something a clip was made from. label: what actions call it. title: what it was for ("first frame"). path: its
    file."""

    label: str
    title: str
    path: str


def name_of(key: str) -> str:
    """The manifest's name, "urn:c2pa:<UUID>": the same for the same key, so that signing again is no second clip."""
    return f"urn:c2pa:{uuid.UUID(bytes=hashlib.sha256(key.encode()).digest()[:16], version=4)}"


def definition(made: Made, source: SourceType, mime: str, delivered: str | None, placed: Sequence[str]) -> JsonObject:
    """The manifest as c2pa's Builder takes it.

    delivered: the label of the service's own file where that has a manifest: then the clip is that file, handed on.
    placed: labels of the other ingredients, the parent left out.
    """
    return {
        "label": name_of(made.key),
        "claim_generator_info": [{"name": "Reelwright", "version": made.version}],
        "title": made.title,
        "format": mime,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": _actions(made, source, delivered, placed)}},
            {"label": GENERATION, "data": _generation(made)},
        ],
    }


def _actions(made: Made, source: SourceType, delivered: str | None, placed: Sequence[str]) -> list[JsonObject]:
    """The first one says where the clip begins: opened from something, or created. The kind of source stands with the
    action that has made it what it is."""
    agent: JsonObject = {"softwareAgent": {"name": made.model}, "when": made.when}
    kind: JsonObject = {"digitalSourceType": TERMS + source}
    opened = delivered or made.parent
    if opened is None:
        actions: list[JsonObject] = [{"action": "c2pa.created", **kind, **agent}]
    else:
        then = "c2pa.published" if delivered else "c2pa.edited"
        actions = [_of("c2pa.opened", [opened]), {"action": then, **kind, **agent}]
    return [*actions, _of("c2pa.placed", placed)] if placed else actions


def _of(action: str, labels: Sequence[str]) -> JsonObject:
    return {"action": action, "parameters": {"ingredientIds": list(labels)}}


def _generation(made: Made) -> JsonObject:
    data: JsonObject = {"model": made.model, "provider": made.provider, "task": made.task}
    if made.seed is not None:
        data["seed"] = made.seed
    if made.prompt:
        data["prompt_sha256"] = hashlib.sha256(made.prompt.encode()).hexdigest()
        if made.with_prompt:
            data["prompt"] = made.prompt
    if made.watermark:
        data["watermark"] = made.watermark
    return data


def with_ancestors(source: SourceType, trained: bool) -> SourceType:
    """The kind of source once its ingredients are known. trained: a generative model has made one of them."""
    return WITH_TRAINED if trained and source != TRAINED else source
