"""Converting requests, assets, handles and statuses to the JSON of rows, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from backends.facts import MediaFacts
from backends.provider.protocol import Asset, Handle, JsonObject, Output, Prepared, Ref, RemoteFile
from backends.request import VideoRequest


def facts_to_json(facts: MediaFacts) -> JsonObject:
    return asdict(facts)


def facts_from_json(data: Mapping[str, Any]) -> MediaFacts:
    return MediaFacts(**data)


def asset_to_json(asset: Asset) -> JsonObject:
    return {
        "sha256": asset.sha256,
        "path": str(asset.path),
        "facts": facts_to_json(asset.facts),
        "sidecar": asset.sidecar,
    }


def asset_from_json(place: str, data: Mapping[str, Any]) -> Asset:
    return Asset(
        place, data["sha256"], Path(data["path"]), facts_from_json(data["facts"]), dict(data.get("sidecar") or {})
    )


def prepared_to_json(prepared: Prepared, *, assets: bool = False) -> JsonObject:
    """For the row; with assets=True also the inputs' files, for an engine's process."""
    data: JsonObject = {
        "request": prepared.request.model_dump(mode="json"),
        "model": prepared.model,
        "width": prepared.width,
        "height": prepared.height,
        "wire": prepared.wire,
        "body": prepared.body,
        "endpoint": prepared.endpoint,
        "uploads": list(prepared.uploads),
        "notes": list(prepared.notes),
    }
    if assets:
        data["assets"] = {place: asset_to_json(asset) for place, asset in prepared.assets.items()}
    return data


def prepared_from_json(data: Mapping[str, Any]) -> Prepared:
    assets = cast("Mapping[str, Mapping[str, Any]]", data.get("assets", {}))
    return Prepared(
        request=VideoRequest.model_validate(data["request"]),
        model=data["model"],
        width=data["width"],
        height=data["height"],
        wire=data["wire"],
        body=data["body"],
        endpoint=data["endpoint"],
        uploads=tuple(data["uploads"]),
        assets={place: asset_from_json(place, asset) for place, asset in assets.items()},
        notes=tuple(data["notes"]),
    )


def with_assets(prepared: Prepared, assets: Mapping[str, Asset]) -> Prepared:
    return replace(prepared, assets=dict(assets))


def handle_to_json(handle: Handle) -> JsonObject:
    est = None if handle.est_cost_usd is None else str(handle.est_cost_usd)
    return {"remote_id": handle.remote_id, "data": handle.data, "est_cost_usd": est}


def handle_from_json(data: Mapping[str, Any]) -> Handle:
    est = data.get("est_cost_usd")
    return Handle(data["remote_id"], dict(data["data"]), None if est is None else Decimal(est))


def ref_to_json(ref: Ref) -> JsonObject:
    return {"value": ref.value, "expires_at": ref.expires_at}


def ref_from_json(data: Mapping[str, Any]) -> Ref:
    return Ref(data["value"], data.get("expires_at"))


def file_to_json(file: RemoteFile) -> JsonObject:
    return {**asdict(file), "path": None if file.path is None else str(file.path)}


def file_from_json(data: Mapping[str, Any]) -> RemoteFile:
    known = {name: value for name, value in data.items() if name != "path"}
    file = RemoteFile(**known)
    return file if data["path"] is None else replace(file, path=Path(data["path"]))


def output_to_json(output: Output) -> JsonObject:
    return {
        "path": str(output.path),
        "seed": output.seed,
        "sidecar": output.sidecar,
        "facts": output.facts,
        "notes": list(output.notes),
        "extras": [str(path) for path in output.extras],
        "export": str(output.export) if output.export else None,
    }


def output_from_json(data: Mapping[str, Any]) -> Output:
    export = data.get("export")
    return Output(
        Path(data["path"]),
        data["seed"],
        dict(data["sidecar"]),
        dict(data["facts"]),
        tuple(data["notes"]),
        tuple(Path(path) for path in data.get("extras", ())),
        Path(export) if export else None,
    )
