"""Diffusers: one job on a pipeline that stays loaded in this process. Only the engine's own process imports this."""

# torch and diffusers ship partial types, and their models are built at run time.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import gc
import hashlib
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from backends.errors import VideoError
from backends.local import device as devices
from backends.local.families import Variant, variant
from backends.local.plan import Machine, Planned, Wish, fitting, ran_out, refusal
from backends.local.weights import Model, check_safe, counted, find, missing, repo_of
from backends.provider.protocol import DeviceLost, JsonObject, Output, Prepared, Progress, RunAgain
from backends.settings import load_settings

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""The engine never reaches for the network: weights come by `reelwright models pull` alone."""


@dataclass
class Loaded:
    """What this process keeps. key: everything that decides how it was loaded. sha256: of a transformer's own file."""

    key: tuple[object, ...]
    pipe: Any
    sha256: str | None = None


_loaded: list[Loaded] = []
"""At most one; the next job of the same model finds it here."""


class Diffusers:
    """The engine. Same request, seed and plan: same decoded frames."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env

    async def run(self, prepared: Prepared, dest: Path, progress: Progress) -> Output:
        """Write `dest/clip.mp4`. RunAgain with a cheaper plan when the card's memory runs out, once.

        VideoError("unsupported") for what no plan fits, VideoError("asset") for weights that are missing or unsafe.
        DeviceLost when the card is gone or broken.
        """
        progress(0.0, "starting")
        place = devices.device(self.env)
        if why := devices.why_not(self.env):
            raise VideoError("unsupported", why)
        _quiet(place)
        kind = variant(str(prepared.wire.get("variant")))
        model = find(prepared.wire, self.env)
        if model is None:
            raise missing(kind, repo_of(prepared.wire), prepared.model)
        check_safe(model, kind)
        try:
            return _Run(self.env, counted(model, kind), model, place, prepared, dest, progress).made()
        except Exception as error:
            if devices.is_lost(error):
                raise DeviceLost(str(error.__cause__ or error)) from error
            raise


def _quiet(place: devices.Device) -> None:
    """Set before the first import of torch or a hub client: no network, this GPU alone, no drawn progress bars."""
    os.environ.update(OFFLINE)
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    os.environ["CUDA_VISIBLE_DEVICES"] = place.uuid


class _Run:
    """One job."""

    def __init__(
        self,
        env: Mapping[str, str],
        kind: Variant,
        model: Model,
        place: devices.Device,
        prepared: Prepared,
        dest: Path,
        progress: Progress,
    ) -> None:
        self.env = env
        self.kind = kind
        self.model = model
        self.place = place
        self.prepared = prepared
        self.dest = dest
        self.progress = progress
        self.started = time.monotonic()

    def made(self) -> Output:
        from backends.local.call import Call

        call = Call.of(self.kind, self.prepared)  # before anything heavy is loaded: it may be refused
        self.progress(0.0, "loading torch")
        import torch

        if threads := self.env.get("REELWRIGHT_TORCH_THREADS", ""):
            torch.set_num_threads(int(threads))
        planned = self._planned(call.frames)
        seed = self.prepared.request.seed
        seed = secrets.randbelow(2**32) if seed is None else seed
        try:
            return self._generated(call, planned, seed)
        except torch.OutOfMemoryError:
            _drop()
            raise self._again(planned, call.frames) from None
        except (VideoError, RunAgain):
            raise
        except Exception as error:  # diffusers may raise anything
            _drop()
            text = f"{self.kind.pipeline} failed under plan {planned.plan.name}: {type(error).__name__}: {error}"
            raise VideoError("provider", text[:600]) from error

    def _generated(self, call: Any, planned: Planned, seed: int) -> Output:
        from backends.local.generate import generate, save

        self.progress(0.0, "loading the model")
        before = time.monotonic()
        loaded, warm = self._pipe(planned)
        load_s = 0.0 if warm else time.monotonic() - before
        result = generate(loaded.pipe, call, planned.plan, seed, self.place.torch, self.progress)
        made = save(result, call, self.dest, self.progress)
        notes = [*call.notes, *made.notes, *(lora.note for lora in result.loras if lora.note)]
        if planned.plan.cache == "mag":
            notes.append(f"cache mag is not calibrated for {self.kind.id}: it skips up to three steps of every four")
        if self.prepared.wire.get("after"):
            notes.append(f"the first try ran out of GPU memory; made under the plan {planned.plan.name}")
        return Output(
            path=made.path,
            seed=seed,
            sidecar={"engine": "local", "model": self.prepared.model, "frames": made.frames},
            facts={
                **self._facts(planned, made.frames, load_s, warm),
                "arguments": call.recorded(),
                "loras": [asdict(lora) for lora in result.loras],
                "transformer": loaded.sha256 and {"file": str(self.model.transformer), "sha256": loaded.sha256},
                "step_s": round(sum(result.step_s) / len(result.step_s), 3) if result.step_s else None,
            },
            notes=tuple(notes),
        )

    def _pipe(self, planned: Planned) -> tuple[Loaded, bool]:
        """The loaded pipeline, and whether it was there already."""
        from backends.local.loading import load

        plan = planned.plan
        own, sha256 = self.model.transformer, None
        where = (str(self.model.folder), str(own))
        key = (self.kind.pipeline, *where, plan.offload, plan.quant, plan.compile, self.place.torch)
        for one in _loaded:
            if one.key == key:
                return one, True
        _drop()
        if own is not None:
            with own.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        loaded = Loaded(key, load(self.kind, self.model, plan, self.place.torch), sha256)
        _loaded.append(loaded)
        return loaded, False

    def _wish(self) -> Wish:
        options = self.prepared.request.provider_options

        def word(name: str) -> str:
            value = str(options.get(name, ""))
            return "" if value == "auto" else value

        return Wish(
            rung=word("memory"),
            after=str(self.prepared.wire.get("after", "")),
            quant=word("weights"),
            cache=word("cache"),
            attention=word("attention"),
            compile=bool(options.get("compile", False)),
        )

    def _planned(self, frames: int) -> Planned:
        size = (self.prepared.width, self.prepared.height)
        fps = self.prepared.request.fps or 0.0
        machine = self._machine()
        wish = self._wish()
        if (found := fitting(self.kind, size, frames, machine, wish)) is None:
            raise refusal(self.kind, size, frames, machine, wish, self._sizes(), fps)
        return found

    def _sizes(self) -> list[tuple[int, int]]:
        """The sizes of the model's row, for the nearest request that fits."""
        from backends.catalog.loader import load

        row = load(load_settings(self.env).catalog).find(self.prepared.model)
        modes = row.modes if row is not None else ()
        return [(size.width, size.height) for mode in modes for size in mode.sizes if size.width]

    def _machine(self) -> Machine:
        import torch

        ram = devices.available_ram_gib()
        if self.place.torch == "cpu":
            return Machine("cpu", ram, ram)
        if not torch.cuda.is_available():
            if devices.is_gone(self.place.uuid):
                raise DeviceLost("nvidia-smi cannot reach it")
            raise VideoError(
                "unsupported",
                f"torch {torch.__version__} cannot use {self.place.uuid}: install a build for the card's driver "
                "(https://pytorch.org/get-started/locally/)",
            )
        free, _ = torch.cuda.mem_get_info()
        return Machine(
            "cuda",
            (free + torch.cuda.memory_reserved()) / 2**30,
            ram,
            torch.cuda.get_device_capability(),
            holders=devices.holders(self.place.uuid),
        )

    def _again(self, planned: Planned, frames: int) -> Exception:
        """What to do after the memory has run out: once more with the next cheaper plan, unless the user chose this
        one; else say what would do."""
        name, wish, machine = planned.plan.name, self._wish(), self._machine()
        size = (self.prepared.width, self.prepared.height)
        if not wish.after and not wish.rung and fitting(self.kind, size, frames, machine, replace(wish, after=name)):
            return RunAgain(f"out of memory under the plan {name}", {"after": name})
        fps = self.prepared.request.fps or 0.0
        failed = ran_out(self.kind, size, frames, planned, machine, wish, self._sizes(), fps)
        if cheaper := failed.nearest.get("provider_options"):
            failed.nearest["provider_options"] = {**self.prepared.request.provider_options, **cheaper}
        return failed

    def _facts(self, planned: Planned, frames: int, load_s: float, warm: bool) -> JsonObject:
        """What is needed to make the same clip again, and what it took."""
        import torch

        from backends.local.loading import versions

        facts: JsonObject = {
            "plan": {**asdict(planned.plan), "dtype": self.kind.dtypes(self.place.torch)},
            "expected_gib": [round(planned.peak.low, 2), round(planned.peak.high, 2)],
            "pipeline": self.kind.pipeline,
            "variant": self.kind.id,
            "repo": self.model.repo,
            "revision": self.model.revision,
            "frames": frames,
            "device": self.place.torch,
            "warm": warm,
            "pid": os.getpid(),
            "load_s": round(load_s, 2),
            "seconds": round(time.monotonic() - self.started, 2),
            "versions": dict(versions()),
        }
        if self.place.torch != "cpu":
            facts["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        return facts


def _drop() -> None:
    """Forget what is loaded."""
    import torch

    _loaded.clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
