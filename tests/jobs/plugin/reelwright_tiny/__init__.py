"""A local engine that costs next to nothing: it copies a clip, and misbehaves when its prompt says so.

Environment: TINY_CLIP (the MP4 to copy), TINY_GATE (a file: a prompt that begins with "wait" goes on once it exists).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio

from backends.errors import VideoError
from backends.provider import on_ray
from backends.provider.protocol import Access, LocalBackend, Output, Prepared, ProcessOver, Progress, Registration


class Tiny:
    """Copies the clip. Prompts: "crash ..." ends the process, "noise ..." prints, "over ..." fails and is its last job,
    "refuse ...", "break ..." and "wait ..." do what they say. "load NAME ..." is work for a process that keeps that
    model loaded."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.clip = Path(env["TINY_CLIP"])
        self.gate = Path(env.get("TINY_GATE", "/nonexistent"))

    async def run(self, prepared: Prepared, dest: Path, progress: Progress) -> Output:
        words = prepared.request.prompt.split(" ")
        word = words[2] if words[0] == "load" else words[0]
        progress(0.1, "copying")
        if word == "crash":
            os._exit(3)
        if word == "noise":
            print("a library that prints" * 50)
            os.write(1, b"and one that writes to the descriptor\n" * 50)
            sys.stderr.write("and to stderr\n")
        if word == "refuse":
            raise VideoError("invalid_request", "the tiny engine refuses: leave out the word refuse")
        if word == "over":
            raise ProcessOver(VideoError("provider", "the tiny engine can go on no more"))
        if word == "break":
            raise RuntimeError("a defect of the engine")
        while word == "wait" and not self.gate.exists():  # noqa: ASYNC110 - another process makes the file
            await anyio.sleep(0.02)
        target = dest / "clip.mp4"
        shutil.copyfile(self.clip, target)
        return Output(target, seed=7, sidecar={"tiny": True}, facts={"pid": os.getpid()}, notes=("copied",))


def access(env: Mapping[str, str]) -> Access:
    if (cluster := on_ray.access(env)) is not None:
        return cluster
    missing = () if env.get("TINY_CLIP") else ("TINY_CLIP",)
    return Access("tiny", "", missing)


def open_engine(env: Mapping[str, str], base_url: str) -> LocalBackend:
    del base_url
    return Tiny(env)


def warm(prepared: Prepared, env: Mapping[str, str]) -> str:
    del env
    words = prepared.request.prompt.split(" ")
    return words[1] if words[0] == "load" else ""


def register() -> Registration:
    rows = Path(__file__).with_name("tiny.toml")
    return Registration("tiny", "local", access, open_engine, rows, warm=warm)
