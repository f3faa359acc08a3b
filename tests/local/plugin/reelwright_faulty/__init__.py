"""The real engine with a real fault in the middle of a step, as the prompt says; a file of FAULT_FOLDER counts them.

Prompts: "segfault N", "hang N", "oom N", "noise N", "slow": the fault happens N times, then all goes well.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from backends.local import register as register_local
from backends.local.engine import Diffusers
from backends.provider.protocol import LocalBackend, Output, Prepared, Progress, Registration

SILENCE_S = 10.0
"""Enough for a step, the decoding and the loading of a tiny model on a busy machine; imports are told of."""


class Faulty:
    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env

    async def run(self, prepared: Prepared, dest: Path, progress: Progress) -> Output:
        """Puts a hook into torch's linear layer for this job, in this process."""
        word, _, count = prepared.request.prompt.partition(" ")
        tally = Path(self.env["FAULT_FOLDER"]) / word
        times = int(count or 1)

        def due() -> bool:
            happened = len(tally.read_bytes()) if tally.exists() else 0
            if happened < times:
                with tally.open("ab") as file:
                    file.write(b"x")
            return happened < times

        with heard(progress):
            import diffusers
            import torch

            diffusers.WanPipeline  # noqa: B018 - its modules load at the first use
        main = threading.get_ident()

        def fault(*_: Any) -> None:
            if threading.get_ident() != main:
                return
            if word == "slow":
                time.sleep(0.002)
            elif word == "noise":
                print("a library that prints" * 20)
                os.write(1, b'{"output": "not from us"}\n')
            elif word in ("segfault", "hang", "oom") and due():
                if word == "segfault":
                    ctypes.string_at(0)
                if word == "oom":
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
                while True:
                    time.sleep(1)

        hook = torch.nn.modules.module.register_module_forward_hook(fault)
        try:
            return await Diffusers(self.env).run(replace(prepared), dest, progress)
        finally:
            hook.remove()


@contextmanager
def heard(progress: Progress) -> Generator[None]:
    """Tells that the process lives while it imports, so that a hang can be seen in seconds."""
    done = threading.Event()

    def tell() -> None:
        while not done.wait(1.0):
            progress(0.0, "importing")

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def register() -> Registration:
    def open_engine(env: Mapping[str, str], base_url: str) -> LocalBackend:
        del base_url
        return Faulty(env)

    return replace(register_local(), provider="faulty", open=open_engine, silence_s=SILENCE_S)
