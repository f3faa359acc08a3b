"""Every benchmark, one after the other: `make bench`. Each prints a Markdown table of figures and ratios of one run."""

from __future__ import annotations

import importlib
import sys

BENCHES = ("server", "catalog", "jobs", "growth", "local", "again", "notebook", "signing", "film", "comfyui")


def main(names: list[str]) -> None:
    for name in names or BENCHES:
        print(f"\n## {name}\n", flush=True)
        importlib.import_module(f"tests.bench.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
