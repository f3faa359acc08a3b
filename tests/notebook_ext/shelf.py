"""A loopback web server for a test's own files: folders, texts and clips, with byte ranges, as Jupyter serves them."""

from __future__ import annotations

import mimetypes
import re
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self
from urllib.parse import unquote, urlsplit

TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8", ".mp4": "video/mp4"}


class Shelf:
    """What is put on it can be fetched below `url` until it closes."""

    def __init__(self) -> None:
        self._folders: dict[str, Path] = {}
        self._texts: dict[str, bytes] = {}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.shelf = self
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), name="shelf", daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def folder(self, path: Path) -> str:
        """Serve a folder as it is at the time of each request; returns its URL, with a slash at the end."""
        name = next((name for name, known in self._folders.items() if known == path), f"f{len(self._folders)}")
        self._folders[name] = path
        return f"{self.url}/{name}/"

    def text(self, text: str, suffix: str) -> str:
        """Serve a text under a new name (".js", ".css", ".html"); returns its URL."""
        name = f"t{len(self._texts)}{suffix}"
        self._texts[name] = text.encode()
        return f"{self.url}/{name}"

    def find(self, path: str) -> tuple[bytes, str] | None:
        """The bytes and type of what lies at a URL's path."""
        first, _, rest = unquote(path.lstrip("/")).partition("/")
        if first in self._texts:
            return self._texts[first], kind(first)
        if first in self._folders:
            root = self._folders[first].resolve()
            file = (root / rest).resolve()
            if file.is_relative_to(root) and file.is_file():
                return file.read_bytes(), kind(file.name)
        return None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def kind(name: str) -> str:
    suffix = Path(name).suffix
    return TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


class _Server(ThreadingHTTPServer):
    shelf: Shelf

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a page that closes leaves its downloads half done
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/favicon.ico":  # every page asks; a 404 would be an error in its console
            return self._reply(HTTPStatus.NO_CONTENT, b"")
        found = self.server.shelf.find(path)
        if found is None:
            return self._reply(HTTPStatus.NOT_FOUND, b"nothing here")
        body, content_type = found
        headers = {"Content-Type": content_type, "Accept-Ranges": "bytes", "Cache-Control": "no-store"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return self._reply(HTTPStatus.OK, body, headers)
        start, end = int(asked[1]), min(int(asked[2] or len(body) - 1), len(body) - 1)
        if start > end:
            return self._reply(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", {"Content-Range": f"bytes */{len(body)}"}
            )
        headers["Content-Range"] = f"bytes {start}-{end}/{len(body)}"
        return self._reply(HTTPStatus.PARTIAL_CONTENT, body[start : end + 1], headers)

    def _reply(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Not on the tests' output."""
