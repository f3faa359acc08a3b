"""A legal request as an interaction with Gemini Omni: content blocks, and the prompt's tags that say what each is for.

The Interactions API has no fields for the parts that media play: tags in the prompt bind them, by position among the
images and among the clips (ai.google.dev/gemini-api/docs/omni, "tags", as of 2026-09-18):
    <FIRST_FRAME> <LAST_FRAME>            simple: the images of the input, in this order
    <IMAGE_REF_0> <VIDEO_REF_0>           references, where the prompt speaks of them
    [# Sources <FIRST_FRAME>@Image1 <LAST_FRAME>@Image1]   declared, at the beginning: here one image as both
    [# References <IMAGE_REF_0>@Image1]
A clip that this account made with Omni is named by its interaction, and is not sent again.
"""

from __future__ import annotations

import re
import time

from backends.errors import VideoError
from backends.provider.answer import number, table
from backends.provider.placing import asset_mark, inputs_by_field, named, plain_body, wire_text
from backends.provider.protocol import Handle, JsonObject, Prepared
from backends.request import VideoRequest

MADE_HERE = "interactions"
"""What marks the handle of an interaction."""
KEPT_S = 50 * 86400.0
"""Interactions are kept for 55 days (ai.google.dev/gemini-api/docs/interactions, paid tier)."""
UPLOAD_MAX_S = {"extend": 10.0}
"""Longest clip that was not made by Omni itself, seconds (ai.google.dev/gemini-api/docs/omni, limits)."""
EXTENDED = "Google does not say whether it gives back the whole clip or the new part alone; a part alone is joined here"
LOOP = "Use this image as the first frame and the last frame."


def previous(request: VideoRequest, parent: Handle | None) -> str:
    """The interaction that made the source clip; "" when it was made elsewhere, or is too old to be kept."""
    if parent is None or request.source_clip is None or parent.data.get("api") != MADE_HERE:
        return ""
    born = number(parent.data.get("born"))
    return parent.remote_id if born is not None and time.time() - born < KEPT_S else ""


def omni_body(request: VideoRequest, prepared: Prepared, parent: Handle | None) -> tuple[JsonObject, tuple[str, ...]]:
    """(the body with its media marked, notes). VideoError("unsupported") for an input that the row has no field for,
    and for a clip too long to be sent."""
    earlier = previous(request, parent)
    if earlier and not named(prepared, "source_clip"):
        earlier = ""
    if not earlier:
        _check_upload(request, prepared)
    asked = request.model_copy(update={"source_clip": None}) if earlier else request
    inputs = inputs_by_field(asked, prepared)
    clips = [*inputs.get("source_clip", ()), *inputs.get("reference_clips", ())]
    images = [*inputs.get("images", ()), *inputs.get("reference_images", ())]
    text, notes = _prompt(request, inputs, source=bool(inputs.get("source_clip")))
    content: list[JsonObject] = [asset_mark(place) for place in (*clips, *images)]
    if text:
        content.append({"type": "text", "text": text})
    body: JsonObject = {
        "model": wire_text(prepared, "model"),
        **plain_body(prepared),
        "background": True,
        "store": True,
    }
    body["input"] = [{"type": "user_input", "content": content}]
    if task := wire_text(prepared, "task"):
        body["generation_config"] = {**table(body.get("generation_config")), "video_config": {"task": task}}
    if earlier:
        body["previous_interaction_id"] = earlier
        notes = (*notes, "Google still has the clip from its own job: it is not sent again")
    return body, (*notes, EXTENDED) if request.task == "extend" else notes


def _check_upload(request: VideoRequest, prepared: Prepared) -> None:
    longest = UPLOAD_MAX_S.get(request.task)
    source = prepared.assets.get("source_clip")
    if longest is None or source is None or source.facts.duration_s is None:
        return
    if source.facts.duration_s > longest + 0.1:
        raise VideoError(
            "unsupported",
            f"{prepared.model} extends clips of at most {longest:g} s that it has not made itself; this one has "
            f"{source.facts.duration_s:.1f} s: give the job id of a clip that it made, or extend with another model",
        )


def _prompt(request: VideoRequest, inputs: dict[str, tuple[str, ...]], *, source: bool) -> tuple[str, tuple[str, ...]]:
    """The prompt with the tags that bind the media. A prompt that declares sources or references itself is left be."""
    text, tags = request.prompt.strip(), _tags(request, inputs)
    if "[# " in text:
        return text, ()
    text, used = _named(text, tags)
    notes = tuple(f"@{tag} goes into the prompt as {theirs}" for tag, theirs in tags.items() if tag in used)
    frames = inputs.get("images", ())
    if frames and request.loop and len(frames) == 1:
        return f"[# Sources <FIRST_FRAME>@Image1 <LAST_FRAME>@Image1] {text} {LOOP}".replace("  ", " "), notes
    if frames and "<FIRST_FRAME>" not in text:
        roles = "<FIRST_FRAME> <LAST_FRAME>" if len(frames) > 1 else "<FIRST_FRAME>"
        text = f"{roles} {text}".strip()
    if tags and (source or len(used) < len(tags)):
        text = f"{_declared(tags, source)} {text}".strip()
    return text, notes


def _tags(request: VideoRequest, inputs: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """Our tag -> theirs, counted from 0 among the image references and among the clips."""
    tags: dict[str, str] = {}
    for number_, reference in enumerate(request.references):
        place = f"references[{number_}].media"
        for ours, word in (("reference_images", "IMAGE"), ("reference_clips", "VIDEO")):
            if place in inputs.get(ours, ()):
                tags[reference.tag] = f"<{word}_REF_{inputs[ours].index(place)}>"
    return tags


def _named(text: str, tags: dict[str, str]) -> tuple[str, set[str]]:
    """The text with our @tags in their words, and which of them it spoke of."""
    used: set[str] = set()

    def theirs(match: re.Match[str]) -> str:
        used.add(match[1])
        return tags[match[1]]

    if not tags:
        return text, used
    longest_first = "|".join(sorted(map(re.escape, tags), key=len, reverse=True))
    return re.sub(rf"@({longest_first})(?![A-Za-z0-9_-])", theirs, text), used


def _declared(tags: dict[str, str], source: bool) -> str:
    """Every reference by its position; a clip to start from stands before the reference clips."""
    bound: list[str] = []
    for theirs in tags.values():
        kind, _, index = theirs.strip("<>").partition("_REF_")
        first = 2 if kind == "VIDEO" and source else 1
        bound.append(f"{theirs}@{kind.title()}{int(index) + first}")
    sources = "[# Sources <VIDEO_0>@Video1] " if source else ""
    return f"{sources}[# References {' '.join(bound)}]"
