"""The certificate that clips are signed with: one of this data folder's own, made at first use, or the user's.

The own one is a root and a leaf (ECDSA P-256) that nobody outside knows: elsewhere a viewer says "unknown signer", here
it is trusted. The root's key is thrown away, so nothing else can ever be issued under it. There is no time stamp
service in this, so a signature counts for as long as its certificate lasts: LASTS.
"""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from backends.errors import VideoError
from backends.media.provenance import CHAIN, KEY, ROOT

LASTS = timedelta(days=30 * 365)
OTHERS = 0o077
MOST_BYTES = 1 << 20

_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Credential:
    """chain: PEM, leaf first. key: PEM (PKCS 8). algorithm: as C2PA names it ("es256"). top: the last of the chain,
    PEM: what a reader here trusts."""

    chain: bytes
    key: bytes
    algorithm: str
    top: bytes


def own(folder: Path) -> Credential:
    """This data folder's own, made when it is not there yet. OSError from the disk."""
    if not (folder / KEY).exists():
        _make(folder)
    return Credential((folder / CHAIN).read_bytes(), (folder / KEY).read_bytes(), "es256", (folder / ROOT).read_bytes())


def _make(folder: Path) -> None:
    """The folder and its files appear together; of several processes that make them at once one wins."""
    made = folder.with_name(f".{folder.name}-{secrets.token_hex(8)}")
    made.mkdir(mode=0o700, parents=True)
    try:
        for name, pem in zip((CHAIN, KEY, ROOT), _issue(), strict=True):
            fd = os.open(made / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
        try:
            made.rename(folder)
        except OSError:
            if not (folder / KEY).exists():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _issue() -> tuple[bytes, bytes, bytes]:
    """A fresh chain, its leaf's key and its root, PEM."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ours, theirs = root_key.public_key(), key.public_key()
    root_name = _name(f"Reelwright root {secrets.token_hex(4)}")
    root = (
        _dated(root_name, root_name, ours)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ours), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        _dated(_name("Reelwright clip signing"), root_name, theirs)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(theirs), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    top = root.public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return leaf.public_bytes(Encoding.PEM) + top, secret, top


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Reelwright (certificate of one machine)"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _dated(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # another machine's clock may be behind
        .not_valid_after(now + LASTS)
    )


def _usage(*on: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in on for name in _USAGES})


def of_person(certificate: Path, key: Path | None = None) -> Credential:
    """The user's own. key: left out where the certificate's file holds it too.

    VideoError("auth") in words that name the file: it cannot be read, others may read the key, it is no PEM, the two
    do not belong together, or no C2PA algorithm fits the key.
    """
    pem = _read(certificate)
    secret = pem if key is None else _read(key)
    where = certificate if key is None else key
    if os.name == "posix" and where.stat().st_mode & OTHERS:
        raise VideoError("auth", f"{where} holds a private key and can be read by others: run chmod 600 on it")
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise VideoError("auth", f"{certificate} holds no certificate in PEM form") from None
    try:
        private = load_pem_private_key(secret, None)
    except (ValueError, TypeError):
        hint = ": where its key lies is set first (sign_key)" if key is None else ""
        raise VideoError("auth", f"{where} holds no private key in PEM form without a password{hint}") from None
    if _public(private) != found[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise VideoError("auth", f"the key in {where} does not belong to the first certificate in {certificate}")
    if found[0].not_valid_after_utc < datetime.now(UTC):
        raise VideoError("auth", f"the certificate in {certificate} ended on {found[0].not_valid_after_utc:%Y-%m-%d}")
    chain = [one.public_bytes(Encoding.PEM) for one in found]
    plain = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Credential(b"".join(chain), plain, _algorithm(private, where), chain[-1])


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError as error:
        raise VideoError("auth", f"{path} cannot be read ({error.strerror})") from None


def _public(private: PrivateKeyTypes) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _algorithm(private: PrivateKeyTypes, where: Path) -> str:
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _CURVES:
        return _CURVES[private.curve.name]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    raise VideoError("auth", f"the key in {where} is none that C2PA signs with: use ECDSA P-256, Ed25519 or RSA")
