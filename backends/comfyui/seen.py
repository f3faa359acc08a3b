"""What was found at each server when somebody last looked (`reelwright comfyui check`): which workflows lack a node or
a model file there. Kept in the data folder, since no server is contacted while models are listed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from backends.comfyui.binding import SUFFIX, files, load
from backends.comfyui.servers import data_folder
from backends.errors import VideoError
from backends.provider.answer import at, table, text

CHECK = "reelwright comfyui check"


@dataclass
class Looks:
    """why: by server and model, "" where nothing lacks. needing: the models that need files of weights."""

    path: Path
    why: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    env: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Looks:
        path = data_folder(env) / "servers.json"
        found: dict[str, dict[str, str]] = {}
        with suppress(OSError, ValueError):
            for url, said in table(json.loads(path.read_text("utf-8"))).items():
                found[url] = {model: text(why) for model, why in table(at(said, "models")).items()}
        return cls(path, found, env)

    def lacks(self, url: str, model: str) -> str | None:
        """Why a server cannot run a model; None when it can."""
        why = self.why.get(url, {}).get(model)
        if why is None:
            needs = self._needs(model)
            return f"nobody has looked yet whether {url} has what it needs: run {CHECK}" if needs else None
        return f"{why} (then run {CHECK})" if why else None

    def _needs(self, model: str) -> bool:
        name = model.partition("/")[2]
        for path in files(self.env):
            if path.name == f"{name}{SUFFIX}":
                with suppress(VideoError):
                    return bool(load(path).needs)
        return False

    def keep(self, url: str, models: Mapping[str, str]) -> None:
        """Write down what was found for these models."""
        whole = {**self.why, url: {**self.why.get(url, {}), **models}}
        told = {one: {"at": round(time.time()), "models": said} for one, said in whole.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(told, indent=1), "utf-8")
        part.replace(self.path)
        self.why = whole
