"""Tiny models, a home whose worker runs them on the processor, and rows that name them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backends.provider.registry import registry
from backends.studio import Studio
from tests.jobs.station import TINY, Station
from tests.local.rows import write_rows

FAULTY = Path(__file__).parent / "plugin"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every tiny model, built once by a process of its own. Whatever uses it needs torch."""
    folder = tmp_path_factory.mktemp("models")
    build = "import sys; from pathlib import Path; from tests.local.tiny import save_all; save_all(Path(sys.argv[1]))"
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    root = Path(__file__).parent.parent.parent
    done = subprocess.run([sys.executable, "-c", build, folder], cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    shutil.copytree(folder / "wan_t2v", folder / "wan_mine")
    write_files(folder)
    return folder


def write_files(folder: Path) -> None:
    """Single-file transformers: other weights of tiny Wan, another model's, and Wan's without the last block."""
    from tests.local import given

    other, wrong = given.other_weights(folder / "wan_t2v"), given.transformer_of(folder / "ltx_t2v")
    given.write(folder / "other.safetensors", other)
    given.write(folder / "ltx.safetensors", wrong)
    part = {key: value for key, value in other.items() if "blocks.1." not in key}
    given.write(folder / "part.safetensors", part)
    given.write_gguf(folder / "part.gguf", part)
    assert given.write_gguf(folder / "other.gguf", other) == 4
    assert given.write_gguf(folder / "ltx.gguf", wrong)


@pytest.fixture(scope="session")
def rows(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue folder with a row for each tiny model."""
    folder = tmp_path_factory.mktemp("rows")
    write_rows(folder / "tiny.toml", models)
    return folder


def local_env(rows: Path, **env: str) -> dict[str, str]:
    """Over a client's environment: the processor, one thread, the tiny rows, plug-ins with faults."""
    return {
        "PYTHONPATH": os.pathsep.join((str(FAULTY), str(TINY))),
        "REELWRIGHT_CATALOG": str(rows),
        "REELWRIGHT_LOCAL_DEVICE": "cpu",
        "REELWRIGHT_TORCH_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "TORCHDYNAMO_DISABLE": "1",  # torch.compile then does nothing: see test_local_compiled.py
        "REELWRIGHT_CPU_JOBS": "1",
        "REELWRIGHT_WARM_S": "60",
        **env,
    }


@pytest.fixture(scope="module", autouse=True)
def plugins() -> Iterator[None]:
    """The engine with faults, found by its entry point as a third party's would be."""
    for folder in (FAULTY, TINY):
        sys.path.insert(0, str(folder))
    registry.cache_clear()
    yield
    for folder in (FAULTY, TINY):
        sys.path.remove(str(folder))
    registry.cache_clear()


@pytest.fixture(scope="session")
def stand(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Station]]:
    """Make a home: stand("a", NAME="value"); all its workers end with the session."""
    with ExitStack() as stack:

        def make(name: str, **env: Any) -> Station:
            root = tmp_path_factory.mktemp(name)
            env.setdefault("REELWRIGHT_INPUT_ROOTS", str(root.parent))  # where the tests write their LoRAs
            station = Station(root, "", local_env(rows, **env))
            stack.callback(station.close)
            return station

        yield make


@pytest.fixture(scope="session")
def station(stand: Callable[..., Station]) -> Station:
    """One home, whose worker and engine serve all files: torch takes seconds to come up."""
    return stand("shared")


@pytest.fixture(scope="module")
def studio(station: Station) -> Iterator[Studio]:
    studio = station.studio()
    yield studio
    studio.close()
