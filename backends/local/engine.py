"""Diffusers: one job on a pipeline that stays loaded in this process. Only the engine's own process imports this."""

# torch and diffusers ship partial types, and their models are built at run time.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from backends.errors import VideoError
from backends.local import device as devices
from backends.local.cards import refused
from backends.local.families import Variant, variant
from backends.local.loaded import drop, loaded
from backends.local.memory import vae_gib, weights_gib
from backends.local.plan import Machine, Planned, Wish, fitting, ran_out, refusal
from backends.local.ranks import OutOfMemory, Ranks
from backends.local.weights import Model, check_safe, counted, find, missing, repo_of
from backends.provider.protocol import (
    DeviceLost,
    JsonObject,
    Output,
    Prepared,
    ProcessOver,
    Progress,
    RunAgain,
    Stopped,
)
from backends.settings import load_settings

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""The engine never reaches for the network: weights come by `reelwright models pull` alone."""


_ranks: list[Ranks] = []
"""At most one: the other processes, when several cards work on a clip."""


class Diffusers:
    """The engine. Same request, seed and plan: same decoded frames."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env

    async def run(self, prepared: Prepared, dest: Path, progress: Progress) -> Output:
        """Write `dest/clip.mp4`. RunAgain with a cheaper plan when the card's memory runs out, once.

        VideoError("unsupported") for what no plan fits, VideoError("asset") for weights that are missing or unsafe.
        DeviceLost when the card is gone or broken. ProcessOver for a clip on several cards that has failed or been
        cancelled.
        """
        progress(0.0, "starting")
        places = devices.devices(self.env)
        if why := devices.why_not(self.env):
            raise VideoError("unsupported", why)
        _quiet(places)
        kind = variant(str(prepared.wire.get("variant")))
        model = find(prepared.wire, self.env)
        if model is None:
            raise missing(kind, repo_of(prepared.wire), prepared.model)
        check_safe(model, kind)
        try:
            return _Run(self.env, counted(model, kind), model, places, prepared, dest, progress).made()
        except Exception as error:
            if devices.is_lost(error):
                raise DeviceLost(str(error.__cause__ or error)) from error
            raise


def _quiet(places: tuple[devices.Device, ...]) -> None:
    """Set before the first import of torch or a hub client: no network, these GPUs alone, no drawn progress bars."""
    os.environ.update(OFFLINE)
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(place.uuid for place in places)


class _Run:
    """One job."""

    def __init__(
        self,
        env: Mapping[str, str],
        kind: Variant,
        model: Model,
        places: tuple[devices.Device, ...],
        prepared: Prepared,
        dest: Path,
        progress: Progress,
    ) -> None:
        self.env = env
        self.kind = kind
        self.model = model
        self.place, self.places = places[0], places
        self.wish = Wish.of(prepared.request.provider_options, str(prepared.wire.get("after", "")))
        # On a processor a card is a process: as many as are asked for.
        self.cards = max(1, self.wish.cards) if self.place.torch == "cpu" else len(places)
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
            return self._together(call, planned, seed)
        except (torch.OutOfMemoryError, OutOfMemory):
            self._drop(planned)
            again = self._again(planned, call.frames)
            raise self._over(planned, again) from None
        except (VideoError, Stopped) as error:
            raise self._over(planned, error) from None
        except (DeviceLost, RunAgain):
            raise
        except Exception as error:  # diffusers may raise anything
            self._drop(planned)
            text = f"{self.kind.pipeline} failed under plan {planned.plan.name}: {type(error).__name__}: {error}"
            raise self._over(planned, VideoError("provider", text[:600])) from error

    def _drop(self, planned: Planned) -> None:
        """Give the memory back. Not on several cards: a collective may still run there, and the process ends anyway."""
        if planned.plan.cards == 1:
            drop()

    def _over(self, planned: Planned, error: BaseException) -> BaseException:
        """The same, or that of a process that cannot go on: its group is broken."""
        if planned.plan.cards == 1 or not isinstance(error, VideoError | Stopped):
            return error
        return ProcessOver(error if isinstance(error, VideoError) else None)

    def _together(self, call: Any, planned: Planned, seed: int) -> Output:
        """Made here, or with the processes of the other cards."""
        cards = planned.plan.cards
        if _ranks and (_ranks[0].world != cards or not _ranks[0].is_whole):
            raise RunAgain("the processes of the job before are gone", {})
        if cards == 1:
            return self._generated(call, planned, seed, self.progress)
        if not _ranks:
            _ranks.append(Ranks(cards, self.place.torch))
        ranks = _ranks[0]

        def work(progress: Progress) -> Output:
            ranks.join()
            return self._generated(call, planned, seed, progress)

        return ranks.run(self.prepared, planned.plan, seed, work, self.progress)

    def _generated(self, call: Any, planned: Planned, seed: int, progress: Progress) -> Output:
        from backends.local.generate import generate, save

        progress(0.0, "loading the model")
        before = time.monotonic()
        kept, warm = loaded(self.kind, self.model, planned.plan, self.place.torch)
        load_s = 0.0 if warm else time.monotonic() - before
        result = generate(kept.pipe, call, planned.plan, seed, self.place.torch, progress)
        made = save(result, call, self.dest, progress)
        notes = [*call.notes, *made.notes, *(lora.note for lora in result.loras if lora.note)]
        if planned.plan.cache == "mag":
            notes.append(f"cache mag is not calibrated for {self.kind.id}: it skips up to three steps of every four")
        if self.prepared.wire.get("after"):
            notes.append(f"the first try ran out of GPU memory; made under the plan {planned.plan.name}")
        if note := self._note(planned):
            notes.append(note)
        return Output(
            path=made.path,
            seed=seed,
            sidecar={"engine": "local", "model": self.prepared.model, "frames": made.frames},
            facts={
                **self._facts(planned, made.frames, load_s, warm),
                "arguments": call.recorded(),
                "loras": [asdict(lora) for lora in result.loras],
                "transformer": kept.sha256 and {"file": str(self.model.transformer), "sha256": kept.sha256},
                "step_s": round(sum(result.step_s) / len(result.step_s), 3) if result.step_s else None,
            },
            notes=tuple(notes),
        )

    def _note(self, planned: Planned) -> str:
        """What several cards did, or one that does not hold all weights at once; "" for all on one card."""
        plan = planned.plan
        if plan.cards > 1:
            what = "processes" if self.place.torch == "cpu" else "GPUs"
            return f"{plan.cards} {what} made this clip together, each with all weights ({plan.name})"
        if plan.offload == "none" or self.wish.rung or self.wish.after:
            return ""
        _, every, encoders, _ = weights_gib(self.kind, plan)
        gib = every + encoders + vae_gib(self.kind)
        text = f"the weights ({gib:.0f} GiB) wait in host memory for their turn on the GPU"
        return f"made under the plan {plan.name}: {text}"

    def _planned(self, frames: int) -> Planned:
        size = (self.prepared.width, self.prepared.height)
        fps = self.prepared.request.fps or 0.0
        machine = self._machine()
        if failed := refused(self.kind, size, frames, machine, self.wish):
            raise self._whole(failed)
        if (found := fitting(self.kind, size, frames, machine, self.wish)) is None:
            raise self._whole(refusal(self.kind, size, frames, machine, self.wish, self._sizes(), fps))
        return found

    def _whole(self, failed: VideoError) -> VideoError:
        """With all provider_options of the nearest request, not just the changed ones."""
        if changed := failed.nearest.get("provider_options"):
            options = {**self.prepared.request.provider_options, **changed}
            failed.nearest["provider_options"] = {
                name: value
                for name, value in options.items()
                if (name, value) not in (("cards", 1), ("memory", "auto"))
            }
        return failed

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
            return Machine("cpu", ram / self.cards, ram / self.cards, cards=self.cards)
        if not torch.cuda.is_available():
            if devices.is_gone(self.place.uuid):
                raise DeviceLost("nvidia-smi cannot reach it")
            raise VideoError(
                "unsupported",
                f"torch {torch.__version__} cannot use {self.place.uuid}: install a build for the card's driver "
                "(https://pytorch.org/get-started/locally/)",
            )
        if torch.cuda.device_count() < len(self.places):
            for place in self.places:
                if devices.is_gone(place.uuid):
                    raise DeviceLost(f"nvidia-smi cannot reach {place.uuid}")
        free, _ = torch.cuda.mem_get_info()
        return Machine(
            "cuda",
            (free + torch.cuda.memory_reserved()) / 2**30,
            ram,
            torch.cuda.get_device_capability(),
            holders=devices.holders(self.place.uuid),
            cards=self.cards,
        )

    def _again(self, planned: Planned, frames: int) -> Exception:
        """What to do after the memory has run out: once more with the next cheaper plan, unless the user chose this
        one; else say what would do."""
        name, wish, machine = planned.plan.name, self.wish, self._machine()
        size = (self.prepared.width, self.prepared.height)
        if not wish.after and not wish.rung and fitting(self.kind, size, frames, machine, replace(wish, after=name)):
            return RunAgain(f"out of memory under the plan {name}", {"after": name})
        fps = self.prepared.request.fps or 0.0
        return self._whole(ran_out(self.kind, size, frames, planned, machine, wish, self._sizes(), fps))

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
