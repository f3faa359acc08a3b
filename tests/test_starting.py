"""What a process of ours leaves out while it starts."""

from __future__ import annotations

import json
import subprocess
import sys

AT_START = """
import gc, json, sys
from backends import starting
with starting.imports():
    during = gc.isenabled()
    import mcp_server.transports, backends.jobs.run.worker_loop, httpx
frozen = gc.get_freeze_count() > 50_000
print(json.dumps([during, gc.isenabled(), frozen, "rich" in sys.modules, httpx.Client.__name__]))
"""


def test_a_start_looks_for_no_garbage_and_draws_in_no_command_line() -> None:
    said = subprocess.run([sys.executable, "-c", AT_START], capture_output=True, check=True, timeout=60).stdout
    assert json.loads(said) == [False, True, True, False, "Client"]
