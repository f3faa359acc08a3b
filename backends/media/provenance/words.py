"""What was found of a file's origin, in words. All names in it are what somebody else has written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from backends.plain import said

STATES: Mapping[str, str] = {
    "trusted": "trusted: signed with a certificate that is known here, and unchanged since",
    "valid": "valid: unchanged since it was signed; this machine does not know the signer, so the name is only a claim",
    "tampered": "tampered: it was changed after it was signed",
    "invalid": "invalid: its signature does not count",
    "missing": "missing: it holds no manifest (C2PA), so nothing is known of where it comes from",
    "unreadable": "unreadable: it is damaged, or no picture or clip that can hold a manifest",
}

SOURCES: Mapping[str, str] = {
    "trainedAlgorithmicMedia": "made by a generative model",
    "algorithmicMedia": "made by a program without a generative model",
    "composite": "put together from several clips",
    "compositeSynthetic": "put together, some of it synthetic",
    "compositeWithTrainedAlgorithmicMedia": "put together or changed, some of it made by a generative model",
    "digitalCapture": "taken with a camera",
    "computationalCapture": "taken with a camera that computes its pictures",
    "humanEdits": "edited by a person",
}
"""IPTC's terms, those that are met often."""

SHORT: Mapping[str, str] = {name: text.partition(":")[0] for name, text in STATES.items()}

PARTS_SHOWN = 20


def lines(found: Mapping[str, Any]) -> list[str]:
    """Every line about a file, from `reading.read`'s record."""
    told = [head(found)]
    if found.get("manifest"):
        told += [made_by(found), f"signer: {_signer(found)}"]
    told += _synthid(found)
    told += [f"{'  ' * depth}from {_part(part)}" for depth, part in _flat(found, 0)][:PARTS_SHOWN]
    hidden = len(list(_flat(found, 0))) - PARTS_SHOWN
    if hidden > 0 or found.get("more"):
        told.append("from further parts, which are not listed")
    return told


def brief(found: Mapping[str, Any]) -> list[str]:
    """The same in one line, or two."""
    if found["state"] == "missing":
        return ["provenance: missing (no manifest)"]
    if not found.get("manifest"):
        return [head(found)]
    parts = ["parents tampered"] if tampered_parts(found) else []
    told = [f"provenance: {'; '.join([SHORT[found['state']], made_by(found), *parts])}"]
    return told + _synthid(found)


def head(found: Mapping[str, Any]) -> str:
    state = str(found["state"])
    faults = cast("Sequence[str]", found.get("faults") or ())
    told = STATES[state]
    if state in ("tampered", "invalid") and faults:
        told += f" ({', '.join(said(code) for code in faults[:3])})"
    if found.get("why"):
        told += f": {said(str(found['why']))}"
    if found.get("where") == "sidecar":
        told += "; its manifest lies beside it"
    if bad := tampered_parts(found):
        told += f"; {len(bad)} of what it was made from was changed after it was signed"
    return f"provenance: {told}"


def tampered_parts(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The ingredients, at any depth, that are not what was signed."""
    return [part for _, part in _flat(found, 0) if part["state"] in ("tampered", "invalid")]


def made_by(found: Mapping[str, Any]) -> str:
    made = cast("Mapping[str, Any]", found.get("made") or {})
    generator = said(str(found.get("generator") or "")) or "an unnamed program"
    told = f"made by {said(str(made['model']))} ({generator})" if made.get("model") else f"made by {generator}"
    if "seed" in made:
        told += f", seed {said(str(made['seed']))}"
    sources = cast("Sequence[str]", found.get("sources") or ())
    return told + "".join(f", {SOURCES.get(source) or said(source)}" for source in sources[:3])


def claims_synthid(found: Mapping[str, Any]) -> bool:
    """Whether the maker claims Google's invisible mark, which only Google's own service can look for."""
    made = cast("Mapping[str, Any]", found.get("made") or {})
    signer = cast("Mapping[str, Any]", found.get("signer") or {})
    own = "synthid" in str(made.get("watermark", "")).lower() or "google" in str(signer.get("organisation", "")).lower()
    return own or any(claims_synthid(part) for part in cast("Sequence[Mapping[str, Any]]", found.get("parts") or ()))


def _synthid(found: Mapping[str, Any]) -> list[str]:
    return ["SynthID: claimed by the provider, not checkable here"] if claims_synthid(found) else []


def _signer(found: Mapping[str, Any]) -> str:
    signer = cast("Mapping[str, Any]", found.get("signer") or {})
    names = [said(str(signer.get(name) or "")) for name in ("name", "organisation")]
    told = ", ".join(name for name in names if name) or "no name"
    return f"{told}, {said(str(signer['time']))}" if signer.get("time") else told


def _part(part: Mapping[str, Any]) -> str:
    told = f"{said(str(part.get('title') or 'a part'))}: {SHORT[part['state']]}"
    if faults := cast("Sequence[str]", part.get("faults") or ()):
        told += f" ({', '.join(said(code) for code in faults[:3])})"
    return f"{told}; {made_by(part)}" if part.get("manifest") else told


def _flat(found: Mapping[str, Any], depth: int) -> list[tuple[int, Mapping[str, Any]]]:
    listed: list[tuple[int, Mapping[str, Any]]] = []
    for part in cast("Sequence[Mapping[str, Any]]", found.get("parts") or ()):
        listed += [(depth, part), *_flat(part, depth + 1)]
    return listed
