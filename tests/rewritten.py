"""`python -m tests.rewritten`: keep the test modules as pytest rewrites them, once and on all cores.

In a fresh clone every worker of pytest-xdist collects all files at the same moment, and each would rewrite them all for
itself. It writes the files that pytest's own `assertion.rewrite` would write, and leaves alone those that are current.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from _pytest.assertion import rewrite

CONFIG: Any = SimpleNamespace(getini=lambda name: False)
"""All that is asked of pytest's configuration: whether passing asserts are reported, which they are not here."""
STATE: Any = SimpleNamespace(trace=lambda text: None)


def keep(path: Path) -> bool:
    """Write one module's rewritten code; False where it was current."""
    folder = rewrite.get_cache_dir(path)
    kept = folder / (path.name.removesuffix(".py") + rewrite.PYC_TAIL)
    if rewrite._read_pyc(path, kept) is not None:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    source, code = rewrite._rewrite_test(path, CONFIG)
    rewrite._write_pyc(STATE, code, source, kept)
    return True


def main() -> None:
    root = Path(__file__).parent
    files = [*root.rglob("test_*.py"), *root.rglob("conftest.py")]
    with ProcessPoolExecutor() as pool:
        list(pool.map(keep, files, chunksize=8))


if __name__ == "__main__":
    main()
