"""Reading what a file claims of itself, and whether it still is what was signed. Runs in the sandbox's child.

A damaged parent does not lower the state that the library gives to the file itself, so every ingredient is judged by
itself, down to the first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import c2pa  # pyright: ignore[reportMissingTypeStubs]
from cryptography import x509

from backends.media.magic import sniff
from backends.media.provenance import library
from backends.media.provenance.manifest import GENERATION, TERMS
from backends.provider.protocol import JsonObject

MOST_DEEP, MOST_NODES = 12, 200
MOST_TEXT = 300

UNTRUSTED = frozenset({"signingCredential.untrusted", "timeStamp.untrusted"})
"""Failures that say only that nobody here knows the signer."""

_NONE = ("no jumbf data found", "provenance not found in xmp", "must fetch remote manifests")
_BROKEN = ("asset could not be parsed", "could not detect", "unsupported")


def read(path: Path, sidecar: Path | None, anchors: Sequence[Path]) -> JsonObject:
    """What is known of a file's origin.

    state: "trusted" (signed with a certificate of `anchors`, and unchanged), "valid" (unchanged, signed by somebody
    else), "tampered" (its bytes or its manifest were changed), "invalid" (its signature does not count, as with a
    certificate that has ended), "missing" (no manifest), or "unreadable" (no file that can hold one, or a broken one).
    where: "file" or "sidecar". faults: codes of C2PA. Then, as far as they are there: manifest, title, generator,
    signer {name, organisation, time}, sources, made (our own assertion), actions, parts: the ingredients, each the same
    record with its `role`. more: True when there were too many to list.
    """
    trusted = _certificates(anchors)
    context = library.context(trusted)
    where, data = "file", None
    mime = sniff(path)
    if sidecar is not None and mime not in library.EMBEDS:
        where, data = "sidecar", sidecar.read_bytes()
    try:
        with path.open("rb") as file:
            reader = _reader(mime, file, data, context)
            if reader is None and sidecar is not None:
                where = "sidecar"
                file.seek(0)
                reader = _reader(mime, file, sidecar.read_bytes(), context)
            if reader is None:
                return {"state": "missing", "where": "", "faults": []}
            with reader:
                store = cast("dict[str, Any]", json.loads(reader.json()))
    except c2pa.C2paError as error:
        return _refused(str(error), where)
    return {"where": where, **_Walk(store).whole()}


def _reader(mime: str, file: Any, manifest: bytes | None, context: Any) -> Any:
    if manifest is None and mime not in library.EMBEDS:
        return None
    return c2pa.Reader.try_create(mime, file, manifest, context=context)


def _certificates(anchors: Sequence[Path]) -> list[bytes]:
    """The last certificate of each file: the top of its chain."""
    found: list[bytes] = []
    for path in anchors:
        try:
            pem = path.read_bytes()
            x509.load_pem_x509_certificates(pem)
        except (OSError, ValueError):
            continue
        begin = b"-----BEGIN CERTIFICATE-----"
        last = begin + pem.rpartition(begin)[2]
        found.append(last.partition(b"-----END CERTIFICATE-----")[0] + b"-----END CERTIFICATE-----\n")
    return found


def _refused(words: str, where: str) -> JsonObject:
    """What it means that the library gives no manifest at all."""
    said = words.lower()
    if any(text in said for text in _NONE):
        return {"state": "missing", "where": "", "faults": []}
    state = "unreadable" if any(text in said for text in _BROKEN) else "tampered"
    return {"state": state, "where": where, "faults": ["manifest.unreadable"], "why": words[:MOST_TEXT]}


class _Walk:
    """One manifest store, from its active manifest to the first ingredients."""

    def __init__(self, store: Mapping[str, Any]) -> None:
        self.manifests = cast("dict[str, dict[str, Any]]", store.get("manifests") or {})
        self.active = str(store.get("active_manifest") or "")
        self.results = cast("dict[str, Any]", store.get("validation_results") or {})
        self.later = _later(self.results)
        self.nodes = 0
        self.cut = False

    def whole(self) -> JsonObject:
        codes = _codes(self.results.get("activeManifest"), "failure")
        good = _codes(self.results.get("activeManifest"), "success")
        found: JsonObject = {
            "state": _state(codes, good),
            "faults": _faults(codes),
            **self._claims(self.active),
            "parts": self._parts(self.active, 0),
        }
        return found | ({"more": True} if self.cut else {})

    def _parts(self, label: str, depth: int) -> list[JsonObject]:
        if depth >= MOST_DEEP:
            self.cut = self.cut or bool(self.manifests.get(label, {}).get("ingredients"))
            return []
        found: list[JsonObject] = []
        for one in cast("list[dict[str, Any]]", self.manifests.get(label, {}).get("ingredients") or []):
            self.nodes += 1
            if self.nodes > MOST_NODES:
                self.cut = True
                break
            found.append(self._part(label, one, depth))
        return found

    def _part(self, owner: str, one: Mapping[str, Any], depth: int) -> JsonObject:
        inner = str(one.get("active_manifest") or "")
        record: JsonObject = {"role": _text(one.get("relationship")), "title": _text(one.get("title"))}
        results = cast("Mapping[str, Any]", one.get("validation_results") or {})
        codes = [
            *_codes(results.get("activeManifest"), "failure"),
            *(str(status.get("code")) for status in cast("list[dict[str, Any]]", one.get("validation_status") or [])),
            *self.later.get(f"/c2pa/{owner}/c2pa.assertions/{one.get('label')}", ()),
        ]
        if not inner and not codes:
            return {**record, "state": "missing", "faults": [], "parts": []}
        good = _codes(results.get("activeManifest"), "success")
        claims = {name: value for name, value in self._claims(inner).items() if name != "title"}
        return {
            **record,
            "state": _state(codes, good),
            "faults": _faults(codes),
            **claims,
            "parts": self._parts(inner, depth + 1),
        }

    def _claims(self, label: str) -> JsonObject:
        """What a manifest says, all of it the word of whoever signed it."""
        one = self.manifests.get(label, {})
        signature = cast("Mapping[str, Any]", one.get("signature_info") or {})
        generators = cast("list[dict[str, Any]]", one.get("claim_generator_info") or [])
        first = generators[0] if generators else {}
        generator = " ".join(_text(first.get(name)) for name in ("name", "version")).strip()
        actions = self._actions(one)
        return {
            "manifest": label,
            "title": _text(one.get("title")),
            "generator": generator or _text(one.get("claim_generator")),
            "signer": {
                "name": _text(signature.get("common_name")),
                "organisation": _text(signature.get("issuer")),
                "time": _text(signature.get("time")),
            },
            "actions": [_text(action.get("action")) for action in actions][:50],
            "sources": list(dict.fromkeys(kind for action in actions if (kind := _kind(action)))),
            "made": self._made(one),
        }

    def _assertions(self, one: Mapping[str, Any]) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", one.get("assertions") or [])

    def _actions(self, one: Mapping[str, Any]) -> list[dict[str, Any]]:
        lists = [
            cast("dict[str, Any]", assertion.get("data") or {}).get("actions")
            for assertion in self._assertions(one)
            if str(assertion.get("label")).startswith("c2pa.actions")
        ]
        return [action for listed in lists for action in cast("list[dict[str, Any]]", listed or [])]

    def _made(self, one: Mapping[str, Any]) -> JsonObject:
        for assertion in self._assertions(one):
            if assertion.get("label") == GENERATION and isinstance(assertion.get("data"), dict):
                data = cast("dict[str, Any]", assertion["data"])
                return {_text(name): value for name, value in data.items() if isinstance(value, str | int)}
        return {}


def _later(results: Mapping[str, Any]) -> dict[str, list[str]]:
    """Failures that were found in the ingredients now, by the ingredient: what its own record does not know."""
    found: dict[str, list[str]] = {}
    for delta in cast("list[dict[str, Any]]", results.get("ingredientDeltas") or []):
        where = str(delta.get("ingredientAssertionURI") or "").partition("jumbf=")[2]
        found.setdefault(where, []).extend(_codes(delta.get("validationDeltas"), "failure"))
    return found


def _codes(results: object, which: str) -> list[str]:
    if not isinstance(results, dict):
        return []
    statuses = cast("dict[str, list[dict[str, Any]]]", results).get(which) or []
    return [str(status.get("code")) for status in statuses]


def _faults(codes: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(code for code in codes if code not in UNTRUSTED))


def _state(codes: Sequence[str], good: Sequence[str]) -> str:
    faults = _faults(codes)
    if not faults:
        known = "signingCredential.trusted" in good and not set(codes) & UNTRUSTED
        return "trusted" if known else "valid"
    signature = all(code.startswith(("signingCredential.", "timeStamp.", "claimSignature.outside")) for code in faults)
    return "invalid" if signature else "tampered"


def _kind(action: Mapping[str, Any]) -> str:
    return _text(action.get("digitalSourceType")).removeprefix(TERMS)


def _text(value: object) -> str:
    return value[:MOST_TEXT] if isinstance(value, str) else ""
