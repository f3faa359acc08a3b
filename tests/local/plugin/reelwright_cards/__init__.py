"""A local engine on a GPU that is not there: it keeps what it has read, and nobody else may be on its card.

Environment: CARD (a UUID, or several with commas between; access needs it), CARD_FOLDER (a folder: NAME.weights of each
model; a file INSIDE-UUID while a job works there; LOADS gets a line for each loading; a card with a file LOST-UUID is
gone; GATE lets prompts that begin with "wait" go on), CARD_CLIP (the MP4 to copy). A prompt that ends in "on two" works
on two cards.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import anyio

from backends.errors import VideoError
from backends.provider.protocol import (
    POOL,
    Access,
    DeviceLost,
    LocalBackend,
    Output,
    Prepared,
    Progress,
    Registration,
)

_loaded: dict[str, bytes] = {}


class Card:
    def __init__(self, env: Mapping[str, str]) -> None:
        self.card = env["REELWRIGHT_LOCAL_DEVICE"]
        self.folder = Path(env["CARD_FOLDER"])
        self.clip = Path(env["CARD_CLIP"])

    async def run(self, prepared: Prepared, dest: Path, progress: Progress) -> Output:
        """Facts: pid, and whether the model was loaded already."""
        name = prepared.model.partition("/")[2]
        inside = [self.folder / f"INSIDE-{card}" for card in self.card.split(",")]
        try:
            for one in inside:
                os.close(os.open(one, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            raise VideoError("provider", f"two jobs are on {self.card} at once") from None
        try:
            warm = name in _loaded
            if not warm:
                try:
                    _loaded[name] = (self.folder / f"{name}.weights").read_bytes()
                except FileNotFoundError:
                    raise VideoError("asset", f"the weights of {name} are gone") from None
                with (self.folder / "LOADS").open("a") as loads:
                    loads.write(f"{self.card} {name}\n")
            progress(0.5, "at work")
            while prepared.request.prompt.startswith("wait") and not (self.folder / "GATE").exists():
                progress(0.5, "waiting")
                if (self.folder / f"LOST-{self.card}").exists():
                    raise DeviceLost("it has fallen off the bus")
                await anyio.sleep(0.02)
            target = dest / "clip.mp4"
            shutil.copyfile(self.clip, target)
        finally:
            for one in inside:
                one.unlink()
        return Output(target, seed=1, facts={"pid": os.getpid(), "warm": warm})


def access(env: Mapping[str, str]) -> Access:
    cards = tuple(f"gpu:{card}" for card in env.get("CARD", "").split(","))
    return Access(cards[0] if len(cards) == 1 else POOL, why="" if env.get("CARD") else "no such card", devices=cards)


def open_engine(env: Mapping[str, str], base_url: str) -> LocalBackend:
    del base_url
    return Card(env)


def devices(prepared: Prepared, env: Mapping[str, str], count: int) -> int:
    del env, count
    return 2 if prepared.request.prompt.endswith("on two") else 1


def forecast(prepared: Prepared, env: Mapping[str, str]) -> str:
    return f"{prepared.model} runs on {env['CARD']}"


def register() -> Registration:
    rows = Path(__file__).with_name("cards.toml")
    return Registration(
        "cards",
        "local",
        access,
        open_engine,
        rows,
        warm=lambda prepared, _: prepared.model,
        devices=devices,
        forecast=forecast,
    )
