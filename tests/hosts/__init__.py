"""The notebook extension in other hosts than Jupyter's own: `make hosts` (their packages are no part of the tests').

HOSTS names the folder of these packages, which a host's process finds last.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.jobs.station import Station

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(os.environ.get("HOSTS", ROOT / ".hosts"))


def environment(station: Station, **over: str) -> dict[str, str]:
    """What a host's process runs with: the station's, this tree, and the hosts' packages after the project's own."""
    found = station.environ(**over)
    path = os.pathsep.join((str(ROOT), found["PYTHONPATH"], str(Path(__file__).with_name("after"))))
    return found | {"PYTHONPATH": path, "HOSTS": str(PACKAGES), "JUPYTER_PATH": str(PACKAGES / "share" / "jupyter")}
