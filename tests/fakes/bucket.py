"""An S3 server as obstore 0.12 speaks to it (path style): what is put there lies in memory, by key.

    PUT    /BUCKET/KEY [If-None-Match: *]   200 with an ETag; 412 where something lies there
    PUT    /BUCKET/KEY?partNumber&uploadId  one part; POST ?uploads begins, POST ?uploadId ends, DELETE ?uploadId drops
    GET    /BUCKET/KEY [Range]              also HEAD; 404 NoSuchKey
    DELETE /BUCKET/KEY                      204, whether it was there or not
    GET    /BUCKET?list-type=2&prefix       ListBucketResult, in pages of `page` keys

Another bucket than "clips" is a 404 NoSuchBucket; another key id than the knob `key_id` a 403. Knobs: `conditional`
(False: the condition of a PUT is not known, 501), `age_s` (how long ago everything was put), `page`.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape

from tests.fakes.media import ranged
from tests.fakes.script import Outcome
from tests.fakes.service import Handler, Service
from tests.fakes.wire import Reply, Request

KEY = "/(?P<bucket>[^/]+)/(?P<key>.+)"
_SIGNED_BY = re.compile(r"Credential=([^/]+)/")


class S3(Service):
    def __init__(self, config: dict[str, Any]) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        super().__init__(config)

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("put", "PUT", KEY, self._put),
            ("upload", "POST", KEY, self._upload),
            ("get", "GET", KEY, self._get),
            ("delete", "DELETE", KEY, self._delete),
            ("list", "GET", "/{bucket}/?", self._list),
        ]

    def knobs_of_its_own(self) -> dict[str, Any]:
        return {"key_id": "AKIDTEST", "conditional": True, "age_s": 0, "page": 1000}

    def error(self, status: int, outcome: Outcome) -> Any:
        return {"Code": outcome.get("code", "InternalError")}

    def _refused(self, request: Request, bucket: str) -> Reply | None:
        signed = _SIGNED_BY.search(request.headers.get("authorization", ""))
        if signed is None or signed[1] != self.knobs["key_id"]:
            return _error(403, "InvalidAccessKeyId")
        return None if bucket == "clips" else _error(404, "NoSuchBucket")

    def _put(self, request: Request, outcome: Outcome, bucket: str, key: str) -> Reply:
        if refused := self._refused(request, bucket):
            return refused
        if "uploadId" in request.query:
            self.parts[request.query["uploadId"]][int(request.query["partNumber"])] = request.body
        elif request.headers.get("if-none-match") == "*" and not self.knobs["conditional"]:
            return _error(501, "NotImplemented")
        elif request.headers.get("if-none-match") == "*" and key in self.objects:
            return _error(412, "PreconditionFailed")
        else:
            self.objects[key] = request.body
        return Reply(200, {"etag": _etag(request.body)})

    def _upload(self, request: Request, outcome: Outcome, bucket: str, key: str) -> Reply:
        if refused := self._refused(request, bucket):
            return refused
        if "uploads" in request.query:
            name = f"upload{len(self.parts)}"
            self.parts[name] = {}
            return _xml("InitiateMultipartUploadResult", f"<UploadId>{name}</UploadId>")
        parts = self.parts.pop(request.query["uploadId"])
        self.objects[key] = b"".join(parts[number] for number in sorted(parts))
        return _xml("CompleteMultipartUploadResult", f"<ETag>{escape(_etag(self.objects[key]))}</ETag>")

    def _get(self, request: Request, outcome: Outcome, bucket: str, key: str) -> Reply:
        if refused := self._refused(request, bucket):
            return refused
        if key not in self.objects:
            return _error(404, "NoSuchKey")
        body = self.objects[key]
        headers = {"etag": _etag(body), "last-modified": self._at().strftime("%a, %d %b %Y %H:%M:%S GMT")}
        return ranged(request.headers.get("range"), headers, body)

    def _delete(self, request: Request, outcome: Outcome, bucket: str, key: str) -> Reply:
        if refused := self._refused(request, bucket):
            return refused
        if "uploadId" in request.query:
            self.parts.pop(request.query["uploadId"], None)
        else:
            self.objects.pop(key, None)
        return Reply(204)

    def _list(self, request: Request, outcome: Outcome, bucket: str) -> Reply:
        if refused := self._refused(request, bucket):
            return refused
        after = request.query.get("continuation-token", "")
        keys = [key for key in sorted(self.objects) if key.startswith(request.query.get("prefix", "")) and key > after]
        page = keys[: self.knobs["page"]]
        at = self._at().strftime("%Y-%m-%dT%H:%M:%S.000Z")
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{at}</LastModified><Size>{len(self.objects[key])}</Size>"
            f"<ETag>{escape(_etag(self.objects[key]))}</ETag></Contents>"
            for key in page
        )
        more = len(keys) > len(page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        return _xml("ListBucketResult", f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}")

    def _at(self) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=self.knobs["age_s"])

    def do_keys(self) -> list[str]:
        """Everything that lies there."""
        return sorted(self.objects)

    def do_spoil(self, name: str, keep: int) -> int:
        """Leave only so many bytes of every object whose key holds the name, and change the first; how many."""
        found = [key for key in self.objects if name in key]
        for key in found:
            self.objects[key] = b"!" + self.objects[key][1:keep]
        return len(found)


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def _xml(name: str, inside: str) -> Reply:
    body = f'<?xml version="1.0"?><{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inside}</{name}>'
    return Reply(200, {"content-type": "application/xml"}, body.encode())


def _error(status: int, code: str) -> Reply:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Reply(status, {"content-type": "application/xml"}, body.encode())


SERVICE = S3
