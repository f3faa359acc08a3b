"""REELWRIGHT_ARTIFACTS: the URL of the bucket that keeps a store's bytes, and how to reach it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import urlsplit

from backends.errors import VideoError

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_=-][A-Za-z0-9_.=-]*)*/?")

WRONG = (
    "REELWRIGHT_ARTIFACTS is no URL of a bucket: write s3://BUCKET/PREFIX (letters, digits, - and _; the keys go into "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or leave it empty for files in the data folder"
)

CONFIG: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_REGION": "region",
    "AWS_DEFAULT_REGION": "default_region",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "virtual_hosted_style_request",
    "AWS_SKIP_SIGNATURE": "skip_signature",
}
"""Environment variables and obstore's names for them. obstore reads further ones (roles of a cluster) from the
environment itself."""

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class BucketUrl:
    """s3://name/prefix. prefix: "" or PART/PART."""

    name: str
    prefix: str

    @classmethod
    def parse(cls, text: str) -> BucketUrl:
        """VideoError("storage") for anything else. The message never shows the text, since it may contain a key."""
        try:
            url = urlsplit(text)
            wrong = url.query or url.fragment or "@" in url.netloc or url.port is not None
        except ValueError:
            raise VideoError("storage", WRONG) from None
        if url.scheme != "s3" or wrong or not _NAME.fullmatch(url.netloc) or not _PREFIX.fullmatch(url.path):
            raise VideoError("storage", WRONG)
        return cls(url.netloc, url.path.strip("/"))

    @property
    def text(self) -> str:
        return f"s3://{self.name}/{self.prefix}" if self.prefix else f"s3://{self.name}"


def check(text: str, env: Mapping[str, str]) -> BucketUrl:
    """The bucket that the text names. VideoError("storage") in one sentence where the URL is wrong, where its client is
    not installed, or where its bytes would cross a network unencrypted."""
    url = BucketUrl.parse(text)
    if find_spec("obstore") is None:
        raise VideoError("storage", "files in a bucket need its client: pip install 'reelwright[s3]'")
    if not may_be_reached(endpoint(env), env):
        raise VideoError(
            "storage",
            "the bucket's address (AWS_ENDPOINT_URL) is neither https nor on this machine: write https://HOST, or set "
            "AWS_ALLOW_HTTP=true where that network is yours",
        )
    return url


def endpoint(env: Mapping[str, str]) -> str:
    """The address of an S3-compatible server; "" for Amazon's own."""
    return next((env[name] for name in ENDPOINTS if env.get(name)), "")


def may_be_reached(address: str, env: Mapping[str, str]) -> bool:
    """Whether requests may go to that address: by https, or by http on this machine or where the user allows it."""
    if not address:
        return True
    try:
        url = urlsplit(address)
        host = url.hostname
    except ValueError:
        return False
    if url.scheme == "https":
        return bool(host)
    return url.scheme == "http" and (host in _HERE or (bool(host) and allows_http(env)))


def allows_http(env: Mapping[str, str]) -> bool:
    return env.get("AWS_ALLOW_HTTP", "").strip().lower() in ("1", "true", "yes")
