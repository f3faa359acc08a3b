"""One pipeline in several processes: how they find each other, and how their transformers share the work (Ulysses)."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateImportUsage=false, reportMissingTypeStubs=false

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from backends.errors import VideoError

HOST = "127.0.0.1"
WAIT = timedelta(minutes=30)
"""The longest that one process waits for another: weights may come from a slow disk. An end is seen at once."""


def interfaces(platform: str) -> Mapping[str, str]:
    """Variables that keep the processes' own connections on this machine."""
    name = "lo0" if platform == "darwin" else "lo"
    return {"GLOO_SOCKET_IFNAME": name, "NCCL_SOCKET_IFNAME": name}


def listener() -> socket.socket:
    """Where rank 0 tells the others how to reach each other; bound to this machine alone."""
    found = socket.socket()
    found.bind((HOST, 0))
    found.listen()
    return found


def join(rank: int, world: int, device: str, port: int, listening: socket.socket | None = None) -> None:
    """Wait for all processes of the group. listening: rank 0's own, None for the others."""
    import torch
    import torch.distributed as dist

    if device == "cpu":
        torch.accelerator.__dict__["device_count"] = lambda: 1  # diffusers divides by it, and a processor has none
    else:
        torch.cuda.set_device(device)
    own: dict[str, Any] = {} if listening is None else {"master_listen_fd": listening.detach()}
    store = dist.TCPStore(HOST, port, world, listening is not None, WAIT, wait_for_workers=False, **own)
    kind = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
    dist.init_process_group(kind, store=store, rank=rank, world_size=world, timeout=WAIT)


def split(transformers: list[Any], cards: int) -> None:
    """From here on each process computes its share of every clip's tokens. VideoError("unsupported") for a model whose
    attention heads cannot be shared evenly."""
    import diffusers

    for one in transformers:
        heads = int(one.config.num_attention_heads)
        if heads % cards:
            text = f"cards={cards}: {heads} attention heads of {type(one).__name__} cannot be shared evenly"
            raise VideoError("unsupported", text)
        one.enable_parallelism(config=diffusers.ContextParallelConfig(ulysses_degree=cards))
