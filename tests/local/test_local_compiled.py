"""torch.compile itself, by inductor and a C compiler: about a minute on a processor, so `make slow` alone runs it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.jobs.station import Station
from tests.local.asking import asked, digest, facts, frames_of, made

pytestmark = pytest.mark.slow


def test_compiled_blocks_make_the_same_clip(stand: Callable[..., Station]) -> None:
    station = stand("compiled", TORCHDYNAMO_DISABLE="0")
    studio = station.studio()
    options = {"compile": True}
    plain = made(station, studio, asked("wan_t2v", prompt="compiled"))
    first = made(station, studio, asked("wan_t2v", prompt="compiled", provider_options=options), timeout_s=1200)
    second = made(station, studio, asked("wan_t2v", prompt="compiled", provider_options=options), anew=True)
    assert facts(station, first)["plan"]["compile"] is True
    assert facts(station, second)["warm"] is True and digest(second) == digest(first)
    assert facts(station, second)["seconds"] < facts(station, first)["seconds"] / 4, "it was compiled again"
    worst = max(np.abs(a.astype(int) - b).mean() for a, b in zip(frames_of(plain), frames_of(first), strict=True))
    assert worst < 3
    after = made(station, studio, asked("wan_t2v", prompt="compiled"), anew=True)
    assert digest(after) == digest(plain)
