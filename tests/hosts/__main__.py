"""`python -m tests.hosts [FOLDER]`: every host in turn, its pictures left in FOLDER; the first that fails ends it."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.hosts import PACKAGES, in_marimo, in_voila, without_a_page
from tests.notebook_ext.browser import Chromium


def main(folder: Path) -> None:
    browser = Chromium(folder)
    hosts: dict[str, Callable[[Path], None]] = {
        "marimo": lambda own: in_marimo.main(browser, own),
        "Voila": lambda own: in_voila.main(browser, own),
        "papermill": without_a_page.main,
    }
    try:
        for name, run in hosts.items():
            began = time.monotonic()
            run(folder / name.lower())
            print(f"{name}: works, {time.monotonic() - began:.0f} s", flush=True)
    finally:
        browser.close()


if __name__ == "__main__":
    if not PACKAGES.exists():
        sys.exit(f"{PACKAGES} is not there: make hosts")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="hosts-")))
