"""The published schemas of structured results, derived from the views so that they always match."""

from __future__ import annotations

from typing import cast

from pydantic import BaseModel

from backends.jobs.views import Job, JobPage, JobRow, Ticket

Schema = dict[str, object]

NOTES: Schema = {"type": "array", "items": {"type": "string"}}
ROWS: Schema = {"type": "array", "items": {"type": "object"}}


def published(model: type[BaseModel]) -> Schema:
    """A view's schema made small: no titles, defaults, descriptions, null branches or references.

    An absent property means empty or unknown: results omit those (see `text.plain`).
    """
    full = cast(Schema, model.model_json_schema(mode="serialization"))
    definitions = cast("dict[str, Schema]", full.get("$defs", {}))
    always = [name for name, field in model.model_fields.items() if field.is_required()]
    return cast(Schema, _small(full, definitions)) | {"required": always}


def _small(node: object, definitions: dict[str, Schema]) -> object:
    if isinstance(node, list):
        return [_small(item, definitions) for item in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    schema = cast(Schema, node)
    if isinstance(reference := schema.get("$ref"), str):
        return _small(definitions[reference.rpartition("/")[2]], definitions)
    if isinstance(branches := schema.get("anyOf"), list):
        return _small(next(b for b in cast("list[Schema]", branches) if b.get("type") != "null"), definitions)
    small: Schema = {}
    for name, value in schema.items():
        if name == "properties":
            fields = cast("dict[str, object]", value)
            small[name] = {field: _small(inner, definitions) for field, inner in fields.items()}
        elif name in ("type", "items"):
            small[name] = _small(value, definitions)
    return small


def ticket() -> Schema:
    return published(Ticket)


def job() -> Schema:
    return published(Job)


def jobs() -> Schema:
    """The result of wait_for_job: jobs in full, or rows that hold some of a job's fields; told: its end was shown
    before. notes: shared by all jobs that are shown in full."""
    job = published(Job)
    job |= {
        "properties": cast(Schema, job["properties"]) | {"told": {"type": "boolean"}},
        "required": ["job_id", "state"],
    }
    properties: Schema = {"jobs": {"type": "array", "items": job}, "notes": NOTES, "next": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": ["jobs"]}


def page() -> Schema:
    return published(JobPage) | {"required": ["jobs", "spend"]}


def models() -> Schema:
    """The result of list_models: left_out says which of the user's own rows cannot be used, and why."""
    properties: Schema = {"models": ROWS, "more": {"type": "integer"}, "left_out": NOTES}
    return {"type": "object", "properties": properties, "required": ["models"]}


def estimate() -> Schema:
    properties = {"fits": ROWS, "misfits": {"type": "integer"}, "why": {"type": "object"}, "next": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": ["fits", "misfits"]}


def stopped() -> Schema:
    """The result of cancel_job: a row of list_jobs with the two fields that say what was stopped."""
    schema = published(JobRow)
    extra: Schema = {"notes": NOTES, "next": {"type": "string"}}
    return schema | {"properties": cast(Schema, schema["properties"]) | extra}
