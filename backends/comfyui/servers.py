"""The user's ComfyUI servers: COMFYUI_URL (several are parted by commas), and `[comfyui.NAME]` in config.toml.

A reverse proxy before a server may want an Authorization header. COMFYUI_AUTHORIZATION is sent to the servers of
COMFYUI_URL; a table's `authorization` names the variable that holds its server's ("COMFYUI_BOX"). Both come from the
environment or the key file, and are never written anywhere else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from backends.errors import VideoError
from backends.provider.account import fingerprint
from backends.provider.protocol import Access
from backends.settings import home_of, read_config

URL, AUTHORIZATION, KEYED = "COMFYUI_URL", "COMFYUI_AUTHORIZATION", "COMFYUI_"
KEYS = ("url", "authorization")


@dataclass(frozen=True)
class Server:
    """url: scheme, host and port, perhaps a path. authorization: the header's value, "" for none."""

    url: str
    name: str = ""
    authorization: str = field(default="", repr=False)

    @property
    def access(self) -> Access:
        """Its lane: jobs of one server wait for each other, those of two do not."""
        return Access(f"comfyui|{self.url}|{fingerprint(self.authorization)}", self.url)

    @property
    def is_near(self) -> bool:
        """Whether it runs on this very machine."""
        host = urlsplit(self.url).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def headers(self) -> Mapping[str, str]:
        return {"authorization": self.authorization} if self.authorization else {}


def data_folder(env: Mapping[str, str]) -> Path:
    """Where the user's workflows and what is known of the servers lie: `comfyui` in the data folder."""
    return home_of(env, Path.home()) / "comfyui"


def servers(env: Mapping[str, str]) -> tuple[Server, ...]:
    """Every server, each address once. VideoError("invalid_request") names the one that cannot be meant."""
    found: dict[str, Server] = {}
    for text in env.get(URL, "").split(","):
        if text.strip():
            server = Server(_address(text, URL), authorization=env.get(AUTHORIZATION, "").strip())
            found.setdefault(server.url, server)
    for name, table in _tables(env).items():
        where = f"[comfyui.{name}] in config.toml"
        if not isinstance(table, dict):
            raise _wrong(where, 'a table with url = "http://HOST:PORT"')
        values = cast("dict[str, object]", table)
        if unknown := [key for key in values if key not in KEYS]:
            raise _wrong(f"{where}, {unknown[0]}", f"one of {', '.join(KEYS)}")
        url = _address(str(values.get("url", "")), f"url of {where}")
        found.setdefault(url, Server(url, name, _secret(values, where, env)))
    return tuple(found.values())


def _tables(env: Mapping[str, str]) -> Mapping[str, object]:
    tables = read_config(home_of(env, Path.home())).get("comfyui", {})
    if not isinstance(tables, dict):
        raise _wrong("comfyui in config.toml", "tables such as [comfyui.box]")
    return cast("dict[str, object]", tables)


def _secret(values: Mapping[str, object], where: str, env: Mapping[str, str]) -> str:
    if "authorization" not in values:
        return ""
    name = str(values["authorization"])
    if not name.startswith(KEYED):
        raise _wrong(
            f"authorization of {where}", "the name of a variable that begins with COMFYUI_, not the value itself"
        )
    return env.get(name, "").strip()


def _address(text: str, where: str) -> str:
    whole = text.strip()
    whole = (whole if "://" in whole else f"http://{whole}").rstrip("/")
    try:
        parts = urlsplit(whole)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine, parts = False, urlsplit("")
    if not fine or parts.username or parts.query or parts.fragment or any(letter.isspace() for letter in whole):
        raise _wrong(where, "an address such as http://127.0.0.1:8188, without a password in it")
    return whole


def _wrong(where: str, legal: str) -> VideoError:
    return VideoError("invalid_request", f"{where} must be {legal}")


def server_at(env: Mapping[str, str], url: str) -> Server:
    """The server of that address, which a job was accepted for; without its header where it is no longer named."""
    return next((server for server in servers(env) if server.url == url), Server(url))
