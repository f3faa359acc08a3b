"""An HTTP proxy on a loopback port, as a company's network has one: absolute-form requests, and CONNECT for TLS.

Its `names` are known to it alone, as inside such a network: a name or name:port, and the loopback port where it lives.
Everything else is answered with 502. `asked` holds the first line of every request.
"""

from __future__ import annotations

import base64
import select
import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """names: host, or host:port, to a loopback port. login: "user:password" that it asks for, "" for none."""

    def __init__(self, names: Mapping[str, int], login: str = "") -> None:
        self.names, self.login = dict(names), login
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://{f'{self.login}@' if self.login else ''}127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            one.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        try:
            self._answer(client)
        except OSError:  # either side has left
            pass
        finally:
            client.close()

    def _answer(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (part := client.recv(65536)):
                return
            head += part
        lines, _, body = head.partition(b"\r\n\r\n")
        first, *headers = lines.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        self.asked.append(first)
        wanted = f"proxy-authorization: basic {base64.b64encode(self.login.encode()).decode()}".lower()
        if self.login and wanted not in (line.lower() for line in headers):
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = parts.hostname or "", parts.port or 80
        there = self.names.get(f"{host}:{port}", self.names.get(host))
        if there is None:
            client.sendall(b"HTTP/1.1 502 No Such Host\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", there), 10) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection Established\r\n\r\n")
                server.sendall(body)
            else:
                path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
                kept = [line for line in headers if not line.lower().startswith(("proxy-", "connection:"))]
                told = "\r\n".join((f"{method} {path} {version}", *kept, "Connection: close"))
                server.sendall(told.encode("latin-1") + b"\r\n\r\n" + body)
            _both_ways(client, server)


def _both_ways(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes until either side ends."""
    while True:
        for ready in select.select([one, other], [], [])[0]:
            if not (part := ready.recv(65536)):
                return
            (other if ready is one else one).sendall(part)
