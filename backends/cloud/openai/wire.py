"""A legal request as the body of a /v1/videos server, and what its row says of the server's dialect.

Keys of a row's `wire` besides the catalogue's own (all may be left out; a box's win over the row's):
  endpoint   videos | videos/extensions | videos/edits | videos/{id}/remix ({id}: the source clip's job there)
  model      the server's name for it; "" = the field is not sent (servers that hold one model)
  encoding   "multipart" (the SDK's way) | "json" (files inside as data: URIs)
  cancel     "none" (default: DELETE only forgets the record) | "delete" (DELETE really stops the work)
  progress   "percent" | "none" (the figure means nothing, as where it is only ever 0 or 100)
  repeat     true: the work costs nothing, so a submit without a clear answer may simply be sent again
  query      fields for every request's query, such as Azure's api-version
  result     where the finished job names its file ("url"); left out: GET videos/{id}/content
  variants   what is fetched besides the video: thumbnail, spritesheet
`fields` takes the catalogue's names; a media field is a file part ("input_reference"; a list becomes repeated parts),
or with a dotted name a data: URI ("input_reference.image_url"). Source clips that the server has made go by their id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote

from backends.errors import VideoError
from backends.provider.answer import table
from backends.provider.placing import inputs_by_field, named, place_media, plain_body, put, wire_text
from backends.provider.protocol import Handle, JsonObject, Prepared
from backends.request import VideoRequest

CHOICES = {"encoding": ("multipart", "json"), "cancel": ("none", "delete"), "progress": ("percent", "none")}
VARIANTS = ("thumbnail", "spritesheet")


@dataclass(frozen=True)
class Dialect:
    """How one server differs; kept in the job's handle, since a status or a cancel has no row at hand."""

    encoding: str = "multipart"
    cancel: str = "none"
    progress: str = "percent"
    repeat: bool = False
    result: str = ""
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    variants: tuple[str, ...] = ()

    @classmethod
    def read(cls, wire: Mapping[str, object], whose: str = "the job") -> Dialect:
        """VideoError("unsupported") names the key and its legal values."""
        words: dict[str, str] = {}
        for key, legal in CHOICES.items():
            words[key] = str(wire.get(key, legal[0]))
            if words[key] not in legal:
                raise VideoError("unsupported", f"{whose}: wire.{key} must be one of {', '.join(legal)}: fix the row")
        listed = wire.get("variants", ())
        variants = tuple(map(str, cast("list[object]", listed))) if isinstance(listed, list) else ()
        if any(variant not in VARIANTS for variant in variants):
            raise VideoError("unsupported", f"{whose}: wire.variants may name {', '.join(VARIANTS)}: fix the row")
        query = {key: str(value) for key, value in table(wire.get("query")).items()}
        result = wire.get("result")
        return cls(
            words["encoding"],
            words["cancel"],
            words["progress"],
            wire.get("repeat") is True,
            result if isinstance(result, str) else "",
            query,
            variants,
        )

    def to_json(self) -> JsonObject:
        """What `read` needs to make the same again."""
        return {
            "cancel": self.cancel,
            "progress": self.progress,
            "repeat": self.repeat,
            "result": self.result,
            "query": dict(self.query),
            "variants": list(self.variants),
        }


def videos_body(request: VideoRequest, prepared: Prepared, parent: Handle | None) -> tuple[JsonObject, str]:
    """(the body with its files marked, the path below /v1)."""
    endpoint = wire_text(prepared, "endpoint") or "videos"
    model = wire_text(prepared, "model")
    body: JsonObject = {"model": model} if model and endpoint == "videos" else {}
    body |= plain_body(prepared)
    if "{id}" in endpoint:
        if parent is None:
            raise VideoError(
                "unsupported",
                f"{prepared.model} takes only a clip that this server has made itself: give the id of its job",
            )
        endpoint = endpoint.replace("{id}", quote(parent.remote_id, safe=""))
        request = request.model_copy(update={"source_clip": None})
    elif parent is not None and request.source_clip is not None and named(prepared, "source_clip"):
        put(body, named(prepared, "source_clip"), {"id": parent.remote_id})
        request = request.model_copy(update={"source_clip": None})
    place_media(body, prepared, inputs_by_field(request, prepared))
    return body, endpoint


def wanted(prepared: Prepared) -> dict[str, str]:
    """What a listed job must show to be this one: prompt, size, seconds, model, as far as they were sent."""
    known: dict[str, str] = {}
    for ours, theirs in (("prompt", "prompt"), ("size", "size"), ("duration_s", "seconds")):
        value = prepared.body.get(named(prepared, ours))
        if isinstance(value, str | int | float):
            known[theirs] = str(value)
    if isinstance(model := prepared.body.get("model"), str):
        known["model"] = model
    if prepared.endpoint != "videos":
        known.pop("seconds", None)  # of an extension the list tells the whole clip's
    return known


def other_prompt(known: Mapping[str, str], job: Mapping[str, object]) -> bool:
    """Whether a listed job shows a prompt that is not this one's: the one thing that no proxy rewrites."""
    shown = job.get("prompt")
    return isinstance(shown, str) and "prompt" in known and shown.strip() != known["prompt"].strip()


def proves(known: Mapping[str, str], job: Mapping[str, object]) -> bool:
    """Whether a listed job shows this one's prompt, and nothing that contradicts its size, length or model."""
    if not isinstance(job.get("prompt"), str) or "prompt" not in known or other_prompt(known, job):
        return False
    return all(_agrees(key, value, job.get(key)) for key, value in known.items() if key != "prompt")


def _agrees(key: str, value: str, shown: object) -> bool:
    if not isinstance(shown, str | int | float) or shown == "":
        return True
    text = str(shown)
    return text == value or (key == "model" and (text.startswith(value) or text.endswith(f"/{value}")))
