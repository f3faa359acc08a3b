"""The user's preferences beside the spending limits: signing, and how much may be kept. Kept in the store's settings.

No tool of an agent reaches this. Each change is an event without a job (kind "preference").
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from backends.errors import VideoError
from backends.jobs.store.database import Store, Transaction, add_event

MEANINGS: Mapping[str, str] = {
    "sign": "whether every clip that leaves is signed (C2PA): on or off",
    "sign_prompt": "whether the signed manifest, which is public, holds the prompt itself: on or off (its hash alone)",
    "sign_certificate": "your own certificate (PEM, the whole chain), or own: a certificate that Reelwright makes",
    "sign_key": "the key of that certificate (PEM, chmod 600), or same: the certificate's file holds it",
    "keep_gb": "warn when more than so many GB of clips and inputs are kept, or none",
}

DEFAULTS: Mapping[str, str] = {
    "sign": "on",
    "sign_prompt": "off",
    "sign_certificate": "own",
    "sign_key": "same",
    "keep_gb": "none",
}

KIND = "preference"
GB = 1_000_000_000


@dataclass(frozen=True)
class Signing:
    """on: whether clips are signed. prompt: whether the manifest holds it. certificate, key: the user's files."""

    on: bool
    prompt: bool
    certificate: Path | None
    key: Path | None

    def keys(self, folder: Path) -> dict[str, str]:
        """The keys as the sandbox's `sign` takes them. folder: of our own certificate."""
        if self.certificate is None:
            return {"folder": str(folder)}
        key = {} if self.key is None else {"key": str(self.key)}
        return {"certificate": str(self.certificate), **key}


def is_known(key: str) -> bool:
    return key in DEFAULTS


def value_of(source: Store | Transaction, key: str) -> str:
    row = source.row("SELECT value FROM settings WHERE key = ?", (key,))
    return DEFAULTS[key] if row is None else str(row["value"])


def signing(store: Store) -> Signing:
    certificate, key = value_of(store, "sign_certificate"), value_of(store, "sign_key")
    return Signing(
        on=value_of(store, "sign") != "off",
        prompt=value_of(store, "sign_prompt") == "on",
        certificate=None if certificate == "own" else Path(certificate),
        key=None if key == "same" else Path(key),
    )


def keep_bytes(store: Store) -> int | None:
    """How much may be kept before the user is warned; None for any amount."""
    value = value_of(store, "keep_gb")
    return None if value == "none" else int(Decimal(value) * GB)


def checked(key: str, text: str, cwd: Path) -> str:
    """The value as kept. VideoError("invalid_request") with the legal values. cwd: the base of relative paths."""
    value = text.strip()
    if key in ("sign", "sign_prompt"):
        if value.lower() not in ("on", "off"):
            raise VideoError("invalid_request", f"{key} is on or off, not {text[:40]!r}")
        return value.lower()
    if key == "keep_gb":
        return _amount(text)
    if value == DEFAULTS[key]:
        return value
    path = (cwd / Path(value).expanduser()).resolve()
    if not path.is_file():
        raise VideoError("invalid_request", f"{key} names a PEM file, or {DEFAULTS[key]}: there is no file {path}")
    return str(path)


def _amount(text: str) -> str:
    value = text.strip().lower().removesuffix("gb").strip()
    if value == "none":
        return value
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount <= 0:
        raise VideoError(
            "invalid_request", f"keep_gb is a number of GB above 0, such as 50, or none, not {text[:40]!r}"
        )
    return format(amount.normalize(), "f")


def put(store: Store, key: str, value: str | None, *, how: str, who: str) -> str:
    """Keep a value that was `checked`, None for the default; returns the new value."""
    new = DEFAULTS[key] if value is None else value

    def write(tx: Transaction) -> None:
        old = value_of(tx, key)
        if value is None:
            tx.run("DELETE FROM settings WHERE key = ?", (key,))
        else:
            tx.run(
                "INSERT INTO settings(key, value, at) VALUES (?, ?, ?) "
                "ON CONFLICT(key) DO UPDATE SET value = excluded.value, at = excluded.at",
                (key, value, time.time()),
            )
        if old != new:
            add_event(tx, "", KIND, {"key": key, "from": old, "to": new, "how": how, "who": who})

    store.write(write, durable=True)
    return new


def as_set(store: Store) -> dict[str, tuple[str, bool]]:
    """Every preference with its value, and whether the user has set it."""
    known = {str(row["key"]): str(row["value"]) for row in store.rows("SELECT key, value FROM settings")}
    return {key: (known.get(key, default), key in known) for key, default in DEFAULTS.items()}
