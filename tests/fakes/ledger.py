"""What a fake has charged: an append-only file, written before the answer is sent.

One write(2) a line on an O_APPEND descriptor, so that a line outlives a SIGKILL of the fake and of its clients (it is
not synced to the platter: power cuts are not what it stands for).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any


class Ledger:
    """Charges and refunds in US dollars, by job key and account.

    Lines: {"event": "charge" | "refund", "at", "job", "key", "account", "usd", "record"}. An existing file is read
    again, so that a restarted fake knows what it has charged.
    """

    def __init__(self, path: Path) -> None:
        self.lines: list[dict[str, Any]] = []
        if path.exists():
            self.lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.by_key: Counter[str] = Counter()
        self.by_account: dict[str, Decimal] = {}
        self.charged: dict[str, Decimal] = {}
        self.refunded: set[str] = set()
        for line in self.lines:
            self._count(line)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __del__(self) -> None:
        os.close(self._fd)

    def charge(self, at: float, job: str, key: str, account: str, usd: Decimal, record: dict[str, Any]) -> None:
        """Book a job. record: whatever the service needs to know the job again after a restart."""
        self._append(
            {
                "event": "charge",
                "at": at,
                "job": job,
                "key": key,
                "account": account,
                "usd": str(usd),
                "record": record,
            }
        )

    def refund(self, at: float, job: str) -> None:
        """Give a job's whole charge back; once."""
        if job in self.refunded:
            return
        line = next(line for line in self.lines if line["job"] == job)
        self._append({**line, "event": "refund", "at": at, "record": {}})

    def cost(self, job: str) -> Decimal:
        """What a job costs now: 0 after a refund."""
        return Decimal(0) if job in self.refunded else self.charged[job]

    def totals(self) -> dict[str, Any]:
        """charges, refunds (counts), charged_usd (net), by key and by account (net)."""
        return {
            "charges": sum(self.by_key.values()),
            "refunds": len(self.refunded),
            "charged_usd": str(sum(self.by_account.values(), Decimal(0))),
            "charges_by_key": dict(self.by_key),
            "usd_by_account": {account: str(usd) for account, usd in self.by_account.items()},
        }

    def _append(self, line: dict[str, Any]) -> None:
        os.write(self._fd, json.dumps(line).encode() + b"\n")
        self.lines.append(line)
        self._count(line)

    def _count(self, line: dict[str, Any]) -> None:
        usd = Decimal(line["usd"])
        if line["event"] == "charge":
            self.by_key[line["key"]] += 1
            self.charged[line["job"]] = usd
        else:
            self.refunded.add(line["job"])
            usd = -usd
        self.by_account[line["account"]] = self.by_account.get(line["account"], Decimal(0)) + usd
