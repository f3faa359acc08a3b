"""A loopback service that answers too much: gzip bombs, endless bodies, false lengths; it counts what it has sent."""

from __future__ import annotations

import gzip
import http.server
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

CHUNK = b" " * 65536


@cache
def bomb(megabytes: int, kind: str = "gzip") -> bytes:
    """JSON of so many megabytes, packed a thousandfold."""
    if kind == "gzip":
        engine = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    else:
        engine = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS if kind == "deflate" else -zlib.MAX_WBITS)
    parts = [engine.compress(b'{"status": "RUNNING", "pad": "')]
    parts += [engine.compress(b"x" * 2**20) for _ in range(megabytes)]
    return b"".join([*parts, engine.compress(b'"}'), engine.flush()])


@dataclass
class Spill:
    """headers, body: what every request is answered with. endless: the body goes on until the client leaves.
    sent: bytes of bodies so far; asked: (method, path)."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b"{}"
    endless: bool = False
    sent: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def packed(self, text: bytes, kind: str = "gzip") -> None:
        self.headers, self.body = {"content-encoding": kind}, gzip.compress(text) if kind == "gzip" else text


@contextmanager
def spilling() -> Iterator[Spill]:
    told = Spill()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            told.asked.append((self.command, self.path))
            self.rfile.read(int(self.headers.get("content-length", "0")))
            self.send_response(told.status)
            headers = {"content-type": "application/json", "connection": "close", **told.headers}
            if not told.endless:
                headers.setdefault("content-length", str(len(told.body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.close_connection = True
            try:
                self.wfile.write(told.body)
                told.sent += len(told.body)
                while told.endless:
                    self.wfile.write(CHUNK)
                    told.sent += len(CHUNK)
            except OSError:  # the client has seen enough
                pass

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
