"""A JSON-RPC client over stdio that shares no code with the MCP SDK: what it reads is what is on the wire."""

from __future__ import annotations

import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.patience import patient

LEGACY = "2025-11-25"
MODERN = "2026-07-28"
ERAS = (LEGACY, MODERN)
SERVE = (sys.executable, "-m", "mcp_server", "serve")
Person = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Answers a question (elicitation/create's parameters) with {action, content}, or None: not at all."""


class RawError(Exception):
    """The server answered with a JSON-RPC error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code: int = error["code"]
        self.data = error.get("data")


class RawClient:
    """One server process and a conversation with it, in either protocol era.

    env replaces the server's environment. Every wait has a deadline; `stderr` is what the server said beside.
    name: what the client calls itself. person: answers questions that the server asks while a handshake-era call
    waits; a client with one declares elicitation (a stateless-era call is `input_required` instead, see `call`).
    extensions: what it declares of those, by their names.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        *,
        era: str = LEGACY,
        command: Sequence[str] = SERVE,
        cwd: Path | str | None = None,
        name: str = "raw",
        person: Person | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        self.era = era
        self.extensions = extensions
        self.info = {"name": name, "version": "1"}
        self.person = person
        self.notes: list[dict[str, Any]] = []
        """Notifications, in the order of their arrival."""
        self.lines: list[dict[str, Any]] = []
        """All that came on stdout."""
        self._ids = itertools.count(1)
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._errors: list[str] = []
        self._noted = threading.Condition()
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            cwd=cwd,
            text=True,
            encoding="utf-8",
            bufsize=1,
        )
        self._threads = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self.server: dict[str, Any] = self.greet()

    def greet(self) -> dict[str, Any]:
        """The opening of the conversation: what the server says of itself."""
        if self.era == MODERN:
            return self.request("server/discover")
        hello = {"protocolVersion": self.era, "capabilities": self.capabilities, "clientInfo": self.info}
        answer = self.request("initialize", hello)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    @property
    def capabilities(self) -> dict[str, Any]:
        asks = {"elicitation": {"form": {}}} if self.person else {}
        return asks | ({"extensions": dict(self.extensions)} if self.extensions else {})

    def request(self, method: str, params: Mapping[str, Any] | None = None, timeout_s: float = 30) -> dict[str, Any]:
        """The result of one request. RawError when the server answers with an error."""
        return self.answer(self.ask(method, params), timeout_s)

    def ask(self, method: str, params: Mapping[str, Any] | None = None, *, progress: bool = False) -> int:
        """Send a request and don't wait; its id goes to `answer` or `cancel`."""
        number = next(self._ids)
        self._answers[number] = queue.Queue()
        meta: dict[str, Any] = {"progressToken": number} if progress else {}
        if self.era == MODERN:
            prefix = "io.modelcontextprotocol/"
            meta |= {
                prefix + "protocolVersion": MODERN,
                prefix + "clientCapabilities": self.capabilities,
                prefix + "clientInfo": self.info,
            }
        body = dict(params or {}) | ({"_meta": meta} if meta else {})
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": body})
        return number

    def answer(self, number: int, timeout_s: float = 30) -> dict[str, Any]:
        try:
            message = self._answers[number].get(timeout=patient(timeout_s))
        except queue.Empty:
            raise TimeoutError(
                f"no answer to request {number} in {patient(timeout_s):g} s; stderr: {self.stderr}"
            ) from None
        if "error" in message:
            raise RawError(message["error"])
        return message["result"]

    def progressed(self, number: int, beyond: float, timeout_s: float = 60) -> None:
        """Return once a request asked with `progress=True` has told of more than `beyond`."""

        def seen() -> bool:
            told = [note["params"] for note in self.notes if note["method"] == "notifications/progress"]
            return any(note["progressToken"] == number and note["progress"] > beyond for note in told)

        with self._noted:
            if not self._noted.wait_for(seen, patient(timeout_s)):
                raise TimeoutError(f"request {number} told of no progress in {patient(timeout_s):g} s: {self.notes}")

    def cancel(self, number: int) -> None:
        """Take a request back: it will not be answered."""
        self.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}})

    def call(self, tool: str, /, _timeout_s: float = 90, **arguments: Any) -> dict[str, Any]:
        """One tool's result, whether it is an error or not. What the server wants to know first, the person is asked
        and the call repeated with the answer, as a stateless-era client does."""
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        result = self.request("tools/call", params, _timeout_s)
        for _ in range(3):
            if result.get("resultType") != "input_required" or self.person is None:
                return result
            answers = {name: self.person(asked["params"]) for name, asked in result["inputRequests"].items()}
            again = params | {"inputResponses": answers, "requestState": result["requestState"]}
            result = self.request("tools/call", again, _timeout_s)
        raise AssertionError(f"{tool} goes on asking: {result}")

    def structured(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """A tool's structured result; AssertionError with its text when the tool refused."""
        result = self.call(tool, **arguments)
        assert not result.get("isError"), text_of(result)
        return result["structuredContent"]

    def refused(self, tool: str, /, **arguments: Any) -> str:
        """The text of a refusal; AssertionError when the tool did not refuse."""
        result = self.call(tool, **arguments)
        assert result.get("isError"), f"{tool} took {arguments}: {text_of(result)}"
        assert result["structuredContent"]["kind"] == text_of(result).partition(": ")[0]
        return text_of(result)

    def send(self, message: Mapping[str, Any] | str) -> None:
        assert self.process.stdin is not None
        line = message if isinstance(message, str) else json.dumps(message)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    @property
    def stderr(self) -> str:
        return "".join(self._errors)

    def close(self, timeout_s: float = 15) -> float:
        """Close the server's stdin, wait for its end; the seconds that took. Its exit code must be 0."""
        assert self.process.stdin is not None
        started = time.monotonic()
        self.process.stdin.close()
        code = self.process.wait(patient(timeout_s))
        took = time.monotonic() - started
        self._join()
        assert code == 0, f"the server ended with {code}: {self.stderr}"
        return took

    def kill(self) -> None:
        """SIGKILL, as a crashing host would."""
        self.process.kill()
        self.process.wait(patient(15))
        self._join()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(patient(5))
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self.process.poll() is not None:
            self._join()
        elif kind is None:
            self.close()
        else:
            self.kill()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)  # anything else on stdout is a defect, and ends the conversation
            self.lines.append(message)
            if "id" in message and ("result" in message or "error" in message):
                if message["id"] in self._answers:
                    self._answers[message["id"]].put(message)
            elif message.get("method") == "elicitation/create" and self.person:
                if (answer := self.person(message["params"])) is not None:
                    self.send({"jsonrpc": "2.0", "id": message["id"], "result": answer})
            else:
                with self._noted:
                    self.notes.append(message)
                    self._noted.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._errors.append(line)


def text_of(result: Mapping[str, Any]) -> str:
    return "\n".join(part["text"] for part in result["content"] if part["type"] == "text")


def home_env(home: Path, **more: str) -> dict[str, str]:
    """An environment for a server with a home, an output folder and input roots of its own, and no keys at all."""
    passed = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
    env = {name: os.environ[name] for name in passed if name in os.environ}
    return (
        env
        | {
            "HOME": str(home),
            "REELWRIGHT_HOME": str(home / "reelwright"),
            "REELWRIGHT_OUTPUT_DIR": str(home / "videos"),
        }
        | more
    )
