"""A WebSocket (RFC 6455) from a server's side, by hand: text and binary out, pings answered."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from tests.fakes.wire import Reply, Request

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def handshake(request: Request, take: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> Reply:
    key = request.headers["sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()
    return Reply(101, {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-accept": accept}, take=take)


class Socket:
    """One client. flags: its first message's. sent: messages so far."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.flags: dict[str, Any] = {}
        self.sent = 0

    def send_json(self, word: str, data: dict[str, Any]) -> None:
        self.send(TEXT, json.dumps({"type": word, "data": data}).encode())

    def send(self, kind: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = struct.pack(">BB", 0x80 | kind, size)
        elif size < 1 << 16:
            head = struct.pack(">BBH", 0x80 | kind, 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | kind, 127, size)
        if not self.writer.is_closing():
            self.writer.write(head + data)
            self.sent += 1

    def cut(self) -> None:
        self.writer.transport.abort()

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Until the client goes."""
        while True:
            first, second = await reader.readexactly(2)
            kind, size = first & 15, second & 127
            if size == 126:
                (size,) = struct.unpack(">H", await reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", await reader.readexactly(8))
            mask = await reader.readexactly(4)
            raw = await reader.readexactly(size)
            data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(raw))
            if kind == CLOSE:
                self.send(CLOSE, data[:2])
                return
            if kind == PING:
                self.send(PONG, data)
            elif kind == TEXT:
                message = json.loads(data)
                if message.get("type") == "feature_flags":
                    self.flags = message["data"]
                    self.send_json("feature_flags", {"supports_preview_metadata": True, "max_upload_size": 104857600})
