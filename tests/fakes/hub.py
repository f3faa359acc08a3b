"""The model hub's HTTP API as huggingface_hub 2.4 speaks it: commits, file lists, HEAD with ETags, large files on
another host with ranges.

    GET  /api/models/OWNER/NAME/revision/REVISION   {"sha": ...}
    GET  /api/models/OWNER/NAME/tree/COMMIT         [{"type", "path", "size", "oid", "lfs"}], in pages (Link)
    HEAD /OWNER/NAME/resolve/COMMIT/PATH            small: 200 with ETag and length; large: 302 to /cdn/SHA256
    GET  the same; /cdn/SHA256 with Range

Knobs: `repos` (name -> folder), `commit` (what main is), `gated` (True: 403 without a token), `large` (bytes from which
a file lies on the other host), `page` (entries of a list a page), `claims` (path -> bytes that the list tells). Hosts
differ by name (127.0.0.1 and localhost), so a token that went to the second one would be seen.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tests.fakes.media import ranged
from tests.fakes.script import Outcome
from tests.fakes.service import Handler, Service
from tests.fakes.wire import Reply, Request

REPO = "/{owner}/{name}"


class Hub(Service):
    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("info", "GET", f"/api/models{REPO}/revision/{{revision}}", self._info),
            ("tree", "GET", f"/api/models{REPO}/tree/{{revision}}", self._tree),
            ("resolve", "GET", f"{REPO}/resolve/{{revision}}/(?P<path>.+)", self._resolve),
            ("cdn", "GET", "/cdn/{sha}", self._cdn),
        ]

    def knobs_of_its_own(self) -> dict[str, Any]:
        return {"repos": {}, "commit": "0" * 40, "gated": False, "large": 10_000, "page": 10, "claims": {}}

    def _refused(self, request: Request, owner: str, name: str, revision: str) -> Reply | None:
        if f"{owner}/{name}" not in self.knobs["repos"]:
            return _error(404, "RepoNotFound")
        if self.knobs["gated"] and "authorization" not in request.headers:
            return _error(403, "GatedRepo")
        if revision not in ("main", self.knobs["commit"]):
            return _error(404, "RevisionNotFound")
        return None

    def _files(self, owner: str, name: str) -> dict[str, Path]:
        root = Path(self.knobs["repos"][f"{owner}/{name}"])
        return {str(path.relative_to(root)): path for path in sorted(root.rglob("*")) if path.is_file()}

    def _info(self, request: Request, outcome: Outcome, owner: str, name: str, revision: str) -> Reply:
        if refused := self._refused(request, owner, name, revision):
            return refused
        names = [{"rfilename": path} for path in self._files(owner, name)]
        return Reply.of({"id": f"{owner}/{name}", "sha": self.knobs["commit"], "siblings": names, "private": False})

    def _tree(self, request: Request, outcome: Outcome, owner: str, name: str, revision: str) -> Reply:
        if refused := self._refused(request, owner, name, revision):
            return refused
        files = self._files(owner, name)
        folders = {str(parent) for path in files for parent in Path(path).parents if str(parent) != "."}
        entries: list[dict[str, Any]] = [{"type": "directory", "path": one, "oid": "d" * 40} for one in sorted(folders)]
        for path, file in files.items():
            size, digest = file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest()
            size = self.knobs["claims"].get(path, size)
            entry: dict[str, Any] = {"type": "file", "path": path, "size": size, "oid": digest[:40]}
            if size >= self.knobs["large"]:
                entry["lfs"] = {"oid": digest, "size": size, "pointerSize": 134}
            entries.append(entry)
        start, page = int(request.query.get("cursor", "0")), self.knobs["page"]
        reply = Reply.of(entries[start : start + page])
        if start + page < len(entries):
            host = f"http://{request.headers['host']}{request.path}"
            reply.headers["link"] = f'<{host}?recursive=True&expand=False&cursor={start + page}>; rel="next"'
        return reply

    def _resolve(self, request: Request, outcome: Outcome, owner: str, name: str, revision: str, path: str) -> Reply:
        if refused := self._refused(request, owner, name, revision):
            return refused
        file = self._files(owner, name).get(path)
        commit = {"x-repo-commit": self.knobs["commit"]}
        if file is None:
            return Reply(404, {**commit, "x-error-code": "EntryNotFound"})
        body = file.read_bytes()
        digest = hashlib.sha256(body).hexdigest()
        if len(body) < self.knobs["large"]:
            return ranged(request.headers.get("range"), {**commit, "etag": f'"{digest[:40]}"'}, body)
        port = request.headers["host"].rpartition(":")[2]
        linked = {"x-linked-size": str(len(body)), "x-linked-etag": f'"{digest}"'}
        return Reply(302, {**commit, **linked, "location": f"http://localhost:{port}/cdn/{digest}"})

    def _cdn(self, request: Request, outcome: Outcome, sha: str) -> Reply:
        for repo in self.knobs["repos"]:
            for file in self._files(*repo.split("/")).values():
                body = file.read_bytes()
                if hashlib.sha256(body).hexdigest() == sha:
                    return ranged(request.headers.get("range"), {"accept-ranges": "bytes"}, body)
        return Reply(404)


def _error(status: int, code: str) -> Reply:
    return Reply(status, {"x-error-code": code, "x-error-message": code})


SERVICE = Hub
