"""ComfyUI's files: what is uploaded into its input folder, and what a run has left in its output folder."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from tests.fakes.script import Outcome
from tests.fakes.service import Service
from tests.fakes.wire import Reply, Request

PART = re.compile(rb'Content-Disposition: form-data; name="(\w+)"(?:; filename="([^"]*)")?', re.IGNORECASE)


class Files(Service):
    """folder: where their names are kept, since files outlive a restart."""

    folder: Path
    files: set[str]
    inputs: set[str]

    def _kept(self, name: str) -> set[str]:
        path = self.folder / name
        return set(path.read_text("utf-8").split("\n")) - {""} if path.exists() else set()

    def _keep(self, name: str, file: str) -> None:
        with (self.folder / name).open("a", encoding="utf-8") as log:
            log.write(f"{file}\n")

    def upload(self, request: Request, outcome: Outcome) -> Reply:
        if len(request.body) > self.knobs["max_upload"]:
            return Reply(413, {"content-type": "text/plain"}, b"413: Request Entity Too Large")
        edge = request.headers["content-type"].partition("boundary=")[2].encode()
        fields: dict[str, str] = {}
        name, data = "", b""
        for part in request.body.split(b"--" + edge):
            shape = PART.search(part)
            if shape is None:
                continue
            value = part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            if shape[2] is None:
                fields[shape[1].decode()] = value.decode()
            else:
                name, data = shape[2].decode(), value
        if not name or ".." in fields.get("subfolder", ""):
            return Reply(400)
        below = fields.get("subfolder", "")
        whole = f"{below}/{name}" if below else name
        self.inputs.add(whole)
        self._keep("input.txt", whole)
        self._count("uploaded_bytes")
        (self.folder / f"input_{hashlib.sha256(whole.encode()).hexdigest()[:12]}").write_bytes(data)
        return Reply.of({"name": name, "subfolder": below, "type": fields.get("type", "input")})

    def view(self, request: Request, outcome: Outcome) -> Reply:
        query = request.query
        whole = "/".join(part for part in (query.get("subfolder", ""), query.get("filename", "")) if part)
        if whole not in self.files:
            return Reply(404)
        data = self.shelf.bytes_of("")
        kind = {"content-type": "video/mp4", "accept-ranges": "bytes"}
        shape = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        if shape and int(shape[1]) < len(data):
            start = int(shape[1])
            kind["content-range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            return Reply(206, kind, data[start:])
        return Reply(200, kind, data)
