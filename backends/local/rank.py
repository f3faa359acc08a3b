"""The process of one more card that works on a clip: it does what the first process does, and saves nothing.

in: pickled `Order`s of the process that started it; it ends when they do. out: a JSON line when a job has begun
({"begun"}), when it is done ({}), or why it has failed: {"error"}, {"lost"} (its card is gone), {"memory"} (of its card
has run out).
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import threading
from queue import SimpleQueue
from typing import IO, Any

from backends.errors import VideoError
from backends.local.families import variant
from backends.local.ranks import Order
from backends.local.weights import counted, find, missing, repo_of


def _read(stream: IO[bytes], orders: SimpleQueue[Order]) -> None:
    """On a thread, so that the first process' end ends this one in mid-work too."""
    try:
        while True:
            orders.put(pickle.load(stream))
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


class _Rank:
    joined = False

    def work(self, order: Order) -> None:
        prepared = order.prepared
        kind, model = variant(str(prepared.wire.get("variant"))), find(prepared.wire, os.environ)
        if model is None:
            raise missing(kind, repo_of(prepared.wire), prepared.model)
        kind = counted(model, kind)

        import torch

        from backends.local import parallel
        from backends.local.call import Call
        from backends.local.generate import generate
        from backends.local.loaded import loaded

        if threads := os.environ.get("REELWRIGHT_TORCH_THREADS", ""):
            torch.set_num_threads(int(threads))
        call = Call.of(kind, prepared)
        if not self.joined:
            parallel.join(order.rank, order.world, order.device, order.port)
            self.joined = True
        kept, _ = loaded(kind, model, order.plan, order.device)
        generate(kept.pipe, call, order.plan, order.seed, order.device, lambda done, phase: None)


def _failure(error: BaseException) -> dict[str, Any]:
    from backends.local.device import is_lost

    if isinstance(error, VideoError):
        return {"error": error.to_json()}
    if "torch" in sys.modules and isinstance(error, sys.modules["torch"].OutOfMemoryError):
        return {"memory": str(error)[:300]}
    if is_lost(error):
        return {"lost": str(error)[:300]}
    text = f"a process of this clip failed: {type(error).__name__}: {error}"
    return {"error": VideoError("provider", text[:600]).to_json()}


def main() -> None:
    """Keep the real stdout for answers, and give libraries that print the log instead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    orders: SimpleQueue[Order] = SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, orders), daemon=True).start()
    rank = _Rank()
    while True:
        order = orders.get()
        print('{"begun": true}', file=out, flush=True)
        try:
            rank.work(order)
        except BaseException as error:
            print(json.dumps(_failure(error)), file=out, flush=True)
            os._exit(1)
        print("{}", file=out, flush=True)


if __name__ == "__main__":
    main()
