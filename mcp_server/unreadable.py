"""Input on the stdio transport that is no valid message: it is answered, where the SDK only drops it.

A request that contains half of a cut emoji, or that is nested too deep to be read, would otherwise never be answered,
and its client would wait for ever.
"""

from __future__ import annotations

import json
import re
from types import TracebackType
from typing import Self, cast

from mcp.shared._stream_protocols import ReadStream, WriteStream  # pyright: ignore[reportPrivateImportUsage]
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError, RequestId
from pydantic import ValidationError

LOOKED_AT = 1 << 20
"""Characters of an unreadable line in which its id is looked for."""

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+')

Incoming = SessionMessage | Exception


class Answering:
    """The incoming messages of a transport; unreadable ones are answered on `outgoing` and skipped."""

    def __init__(self, incoming: ReadStream[Incoming], outgoing: WriteStream[SessionMessage]) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    @property
    def last_context(self) -> object:
        """The sender's context variables, as the SDK looks them up."""
        return getattr(self._incoming, "last_context", None)

    async def receive(self) -> Incoming:
        while isinstance(item := await self._incoming.receive(), Exception):
            await self._outgoing.send(SessionMessage(answer_to(item)))
        return item

    async def aclose(self) -> None:
        await self._incoming.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Incoming:
        async for item in self._incoming:
            if not isinstance(item, Exception):
                return item
            await self._outgoing.send(SessionMessage(answer_to(item)))
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


def answer_to(error: Exception) -> JSONRPCError:
    """The JSON-RPC error for an unreadable message, with the id of its request if that can be seen."""
    found = error.errors(include_url=False, include_context=False) if isinstance(error, ValidationError) else []
    for one in found:
        if one["type"] == "json_invalid" and isinstance(one["input"], str):
            words = (
                "not JSON that can be read: half of a character (a lone surrogate, as of a cut emoji), more than 200 "
                "levels of nesting, or broken off"
            )
            return _error(id_in(one["input"]), PARSE_ERROR, words)
        if isinstance(one["input"], dict):  # the whole message, where a part of it is missing
            message = cast("dict[str, object]", one["input"])
            number = message.get("id") if "method" in message else None
            return _error(_as_id(number), INVALID_REQUEST, "not a JSON-RPC 2.0 request, notification or response")
    return _error(None, INVALID_REQUEST, "not a JSON-RPC 2.0 message: one object a line")


def _error(number: RequestId | None, code: int, words: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=number, error=ErrorData(code=code, message=words))


def _as_id(value: object) -> RequestId | None:
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def id_in(line: str) -> RequestId | None:
    """The id of a request in a line that is not JSON as a whole; None when none can be seen."""
    depth, key, number, method = 0, "", None, False
    before = ""
    for found in TOKEN.finditer(line[:LOOKED_AT]):
        word = found[0]
        if depth == 1 and before == ":":
            if key == '"id"' and number is None:
                number = _value(word)
            method = method or key == '"method"'
        if word in ("{", "["):
            depth += 1
        elif word in ("}", "]"):
            depth -= 1
        elif depth == 1 and before in ("{", ","):
            key = word
        before = word
    return number if method else None


def _value(word: str) -> RequestId | None:
    try:
        value = _as_id(json.loads(word))
        str(value).encode()
    except (ValueError, RecursionError):  # UnicodeEncodeError is a ValueError
        return None
    return value
