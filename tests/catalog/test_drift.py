"""The rows against the vendors' installed SDKs: a box may not allow what the SDK's type does not, and every video
model that an SDK names has a row. When an SDK moves, this says what to change in the TOML files."""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from google.genai import models as genai_models
from openai.types import video_model, video_seconds, video_size
from openai.types.video_create_params import VideoCreateParams
from runwayml import types as runway_types
from runwayml._utils import PropertyInfo

from backends.catalog import check, load
from backends.catalog.schema.row import Mode, Row
from backends.request import Task
from tests.catalog import boxes

CATALOG = load()
RUNWAY_ENDPOINTS: dict[str, Any] = {
    "text_to_video": runway_types.TextToVideoCreateParams,
    "image_to_video": runway_types.ImageToVideoCreateParams,
    "video_to_video": runway_types.VideoToVideoCreateParams,
    "video_upscale": runway_types.VideoUpscaleCreateParams,
    "character_performance": runway_types.CharacterPerformanceCreateParams,
}
URI = "https://example.com/x"


def _hints(variant: Any) -> dict[str, tuple[Any, bool]]:
    """Wire name -> (type, required) of one TypedDict."""
    found: dict[str, tuple[Any, bool]] = {}
    for name, hint in get_type_hints(variant, include_extras=True).items():
        alias = name
        for _ in range(3):
            if get_origin(hint) in (typing.Required, typing.NotRequired) or "Required" in str(get_origin(hint)):
                hint = get_args(hint)[0]
            elif get_origin(hint) is typing.Annotated:
                inner, *notes = get_args(hint)
                alias = next((note.alias for note in notes if isinstance(note, PropertyInfo) and note.alias), alias)
                hint = inner
        found[alias] = (hint, name in variant.__required_keys__)
    return found


def _accepts(hint: Any, value: object) -> bool:
    """Whether a JSON value fits a type of the SDK."""
    origin = get_origin(hint)
    if hint is object or hint is Any:
        return True
    if origin is Literal:
        return any(value == legal and type(value) is type(legal) for legal in get_args(hint))
    if origin in (Union, types.UnionType):
        return any(_accepts(arm, value) for arm in get_args(hint))
    if origin is typing.Annotated:
        return _accepts(get_args(hint)[0], value)
    if origin is not None and issubclass(origin, typing.Iterable):
        return isinstance(value, list) and all(_accepts(get_args(hint)[0], item) for item in value)
    if typing.is_typeddict(hint) or hasattr(hint, "__required_keys__"):
        return isinstance(value, dict) and not list(_differences(hint, value))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _differences(variant: Any, body: Mapping[str, object]) -> Iterator[str]:
    """What a body holds that the type does not allow, and what it lacks."""
    hints = _hints(variant)
    for name, value in body.items():
        if name not in hints:
            yield f"{name}: the type has no such field (it has {', '.join(sorted(hints))})"
        elif not _accepts(hints[name][0], value):
            yield f"{name}={value!r}: the type allows {hints[name][0]}"
    for name, (_, required) in hints.items():
        if required and name not in body:
            yield f"{name}: the type requires it"


def _media(wire: Mapping[str, Any], body: dict[str, Any], request: Any, kinds: list[str]) -> None:
    """What the back end fills in, as the head of its models.toml says."""
    fields = wire["fields"]
    if request.frames and fields.get("images"):
        body[fields["images"]] = [{"uri": URI, "position": frame.role} for frame in request.frames]
    if request.frames and fields.get("keyframes"):
        body[fields["keyframes"]] = [{"uri": URI, "seconds": frame.at_s or 0.0} for frame in request.frames]
    if request.frames and fields.get("character"):
        body[fields["character"]] = {"type": "image", "uri": URI}
    if request.source_clip and fields.get("performance"):
        body[fields["performance"]] = {"type": "video", "uri": URI}
    if request.source_clip and fields.get("source_clip"):
        body[fields["source_clip"]] = URI
    if kinds.count("image"):
        body[fields["reference_images"]] = [{"uri": URI}] * kinds.count("image")
    if kinds.count("clip"):
        typed = {} if wire.get("reference_clip_form") == "uri" else {"type": "video"}
        body[fields["reference_clips"]] = [{**typed, "uri": URI}] * kinds.count("clip")


def _variants(endpoint: str) -> dict[str, Any]:
    """Model id -> its TypedDict at an endpoint."""
    union = RUNWAY_ENDPOINTS[endpoint]
    arms = get_args(union) or (union,)
    return {get_args(_hints(arm)["model"][0])[0]: arm for arm in arms}


RUNWAY = [row for row in CATALOG.rows if row.provider == "runway" and row.modes]


@pytest.mark.parametrize("row", RUNWAY, ids=lambda row: row.id)
def test_runway_bodies_fit_the_types_of_the_sdk(row: Row) -> None:
    wrong: list[str] = []
    for _, mode, task in boxes.cases((row,)):
        for name, draft in boxes.at_limits(mode, task):
            checked = check(draft.request(), row, draft.inputs)
            wire: Mapping[str, Any] = checked.wire
            endpoint = wire["endpoint"]
            assert endpoint in RUNWAY_ENDPOINTS, f"{row.id}: endpoint {endpoint}"
            variant = _variants(endpoint).get(wire["model"])
            if variant is None:
                wrong.append(f"{endpoint}: the SDK has no {wire['model']} there")
                continue
            body = {**json.loads(json.dumps(wire["body"])), "model": wire["model"]}
            kinds = [draft.inputs[f"references[{i}].media"].kind for i in range(len(checked.request.references))]
            _media(wire, body, checked.request, kinds)
            wrong += [f"{task} {name}: {difference}" for difference in _differences(variant, body)]
    assert not wrong, f"{row.id} and runwayml disagree:\n" + "\n".join(dict.fromkeys(wrong))


def test_every_video_model_of_runway_has_a_row() -> None:
    named = {model for endpoint in RUNWAY_ENDPOINTS for model in _variants(endpoint)}
    known = {row.name for row in CATALOG.rows if row.provider == "runway" and row.state != "retired"}
    assert named - known == set(), "the SDK names models without a row"
    assert known - named == set(), "rows name models that the SDK no longer has"


@pytest.mark.parametrize("row", RUNWAY, ids=lambda row: row.id)
def test_runway_rows_serve_every_endpoint_that_the_sdk_has_for_the_model(row: Row) -> None:
    served = {str({**row.wire, **mode.wire}["endpoint"]) for mode in row.modes}
    assert served == {endpoint for endpoint in RUNWAY_ENDPOINTS if row.name in _variants(endpoint)}


@pytest.mark.parametrize("row", RUNWAY, ids=lambda row: row.id)
def test_runway_rows_offer_every_size_that_the_sdk_has(row: Row) -> None:
    """The reverse direction: a size that the SDK allows and no box offers is a row that fell behind."""
    offered: set[object] = set()
    for _, mode, task in boxes.cases((row,)):
        for _, draft in boxes.at_limits(mode, task):
            body = check(draft.request(), row, draft.inputs).wire["body"]
            assert isinstance(body, dict)
            offered |= {body.get("ratio"), body.get("resolution")}
    allowed: set[object] = set()
    for endpoint in {str({**row.wire, **mode.wire}["endpoint"]) for mode in row.modes}:
        for name, (hint, _) in _hints(_variants(endpoint)[row.name]).items():
            if name in ("ratio", "resolution") and get_origin(hint) is Literal:
                allowed |= {value for value in get_args(hint) if not str(value).endswith(("P", "2K"))}
    # adaptive needs an image there; auto_* at a text endpoint follows references, whose shape the box names instead
    assert {str(value) for value in allowed - offered if not str(value).startswith("auto_")} == set()


def test_sora_bodies_fit_the_types_of_openai() -> None:
    seconds, sizes = get_args(video_seconds.VideoSeconds), get_args(video_size.VideoSize)
    rows = [row for row in CATALOG.rows if row.provider == "openai"]
    sent: dict[str, set[str]] = {"seconds": set(), "size": set()}
    for row, mode, task in boxes.cases(tuple(rows)):
        for name, draft in boxes.at_limits(mode, task):
            checked = check(draft.request(), row, draft.inputs)
            wire: Mapping[str, Any] = checked.wire
            body = wire["body"]
            assert body["seconds"] in seconds, f"{row.id} {name}"
            assert body["size"] in sizes, f"{row.id} {name}"
            assert {*body, wire["fields"]["first"]} - {"model"} <= set(VideoCreateParams.__annotations__)
            for key, values in sent.items():
                values.add(body[key])
    assert sent == {"seconds": set(seconds), "size": set(sizes)}


def test_every_video_model_of_openai_resolves() -> None:
    arms = get_args(video_model.VideoModel)
    names = [name for arm in arms for name in get_args(arm)]
    assert {"sora-2", "sora-2-pro"} <= set(names)
    for name in names:
        row = CATALOG.get(name, include_retired=True)
        assert row.provider == "openai", name


def _omni_literals() -> tuple[set[str], dict[str, set[str]], set[str]]:
    from google.genai._gaos.types.interactions import model, videoconfig, videoresponseformat

    def literals(hint: Any) -> set[str]:
        return {value for arm in get_args(hint) for value in get_args(arm) if isinstance(value, str)}

    ids = {name for name in literals(model.Model) if "omni" in name or "veo" in name}
    formats = {
        "aspect_ratio": literals(videoresponseformat.VideoResponseFormatAspectRatio),
        "resolution": literals(videoresponseformat.Resolution),
    }
    return ids, formats, literals(videoconfig.Task)


def test_omni_bodies_fit_the_types_of_google_genai() -> None:
    _, formats, tasks = _omni_literals()
    from google.genai._gaos.types.interactions.videoresponseformat import VideoResponseFormatParam

    rows = [row for row in CATALOG.rows if row.provider == "gemini" and row.modes]
    sent: dict[str, set[str]] = {"aspect_ratio": set(), "resolution": set()}
    for row, mode, task in boxes.cases(tuple(rows)):
        for name, draft in boxes.at_limits(mode, task):
            wire: Mapping[str, Any] = check(draft.request(), row, draft.inputs).wire
            form = wire["body"]["response_format"]
            assert set(form) <= set(VideoResponseFormatParam.__annotations__), f"{row.id} {name}: {form}"
            assert wire["task"] in tasks
            for key, values in sent.items():
                if key in form:
                    assert form[key] in formats[key], f"{row.id} {name}"
                    values.add(form[key])
    assert sent == formats, "google-genai allows values that no box offers"


def test_every_video_model_of_google_genai_has_a_row() -> None:
    ids, _, _ = _omni_literals()
    known = {row.name for row in CATALOG.rows if row.provider == "gemini"}
    assert len(ids) >= 3
    assert ids <= known


def test_veo_parameters_are_those_that_google_genai_writes() -> None:
    """The wire's names, from the SDK's own converter of its configuration."""
    source = inspect.getsource(genai_models._GenerateVideosConfig_to_vertex)
    parameters = set(re.findall(r"\['parameters', '(\w+)'\]", source))
    assert {"sampleCount", "durationSeconds", "generateAudio"} <= parameters
    rows = [row for row in CATALOG.rows if row.provider == "vertex"]
    for row, mode, task in boxes.cases(tuple(rows)):
        for name, draft in boxes.at_limits(mode, task):
            wire: Mapping[str, Any] = check(draft.request(), row, draft.inputs).wire
            assert set(wire["body"]["parameters"]) <= parameters, f"{row.id} {name}"
            assert set(wire["body"].get("instances", {})) <= {"prompt"}


def _duration_words(row: Row, mode: Mode, task: Task) -> set[object]:
    """The durations of a box as they go out."""
    words: set[object] = set()
    for name, draft in boxes.at_limits(mode, task):
        if name.startswith("duration"):
            wire: Mapping[str, Any] = check(draft.request(), row, draft.inputs).wire
            field = str(wire["fields"]["duration_s"]).split(".")
            value = wire["body"]
            for part in field:
                value = value[part]
            words.add(value)
    return words


@pytest.mark.parametrize(
    ("row_id", "words"),
    [
        ("kling/kling-v2-5-turbo", {"5", "10"}),
        ("fal/kling-v2.5-turbo-pro", {"5", "10"}),
        ("fal/hailuo-02-standard", {"6", "10"}),
        ("fal/veo3.1", {"4s", "6s", "8s"}),
        ("gemini/gemini-omni-1.2-flash", {"3s", "8s", "15s"}),
        ("vertex/veo-3.1-generate-001", {4, 6, 8}),
        ("minimax/MiniMax-H3", {5, 15}),
        ("openai/sora-2", {"4", "8", "12"}),
        ("replicate/kling-v2.5-turbo-pro", {5, 10}),
        ("runway/gen4_turbo", {2, 5, 10}),
    ],
)
def test_durations_go_out_in_the_form_that_each_service_takes(row_id: str, words: set[object]) -> None:
    row = CATALOG.get(row_id, include_retired=True)
    sent = _duration_words(row, row.modes[0], sorted(row.modes[0].tasks)[0])
    assert sent == words
    assert {type(word) for word in sent} == {type(word) for word in words}
