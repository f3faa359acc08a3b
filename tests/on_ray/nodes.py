"""A Ray cluster on 127.0.0.1: a head without a GPU, and nodes with two that are only said to be there."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(os.environ.get("RAY_PACKAGES", ROOT / ".ray"))

ENVIRONMENT = {
    # its own address is what it is told, not one of the machine's cards
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # patience with a busy machine, and none with a node that is gone
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "4000",
    "RAY_health_check_failure_threshold": "5",
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_gcs_server_request_timeout_seconds": "200",
    # whatever one node's disk or memory is, all of them share it
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_local_fs_capacity_threshold": "1",
}
STORE = 80 << 20
"""Bytes of a node's object store: no clip of a test is that large."""


class Nodes:
    """Started with it; `close` ends all of it. gpus: of each node."""

    def __init__(self, gpus: int = 2) -> None:
        self.gpus = gpus
        self.folder = tempfile.mkdtemp(prefix="on-ray-", dir="/tmp")  # short: sockets lie in it
        os.environ["RAY_TMPDIR"] = self.folder
        (Path(self.folder) / "ray").mkdir()
        self._made = 0
        _write_port_files()
        cluster = import_module("ray.cluster_utils").Cluster
        head = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False, **self._own()}
        self._cluster = cluster(initialize_head=True, head_node_args=head)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._cluster.address.rpartition(':')[2]}"

    def _own(self) -> dict[str, Any]:
        first = 21_000 + 20 * self._made  # below those that the system gives out
        self._made += 1
        names = ("dashboard_agent_listen_port", "metrics_agent_port", "runtime_env_agent_port", "metrics_export_port")
        ports = {name: first + number for number, name in enumerate(names)}
        return {"node_ip_address": "127.0.0.1", "object_store_memory": STORE, **ports}

    def add(self, **env: str) -> Any:
        """One more node. env: over that of this process."""
        before = {name: os.environ.get(name) for name in env}
        os.environ.update(env)
        try:
            return self._cluster.add_node(num_cpus=1, num_gpus=self.gpus, **self._own())
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    def kill(self, node: Any) -> None:
        """A SIGKILL for its raylet; what is left of it goes too."""
        self._cluster.remove_node(node, allow_graceful=False)

    def kill_head(self) -> None:
        """A SIGKILL for the process that knows the cluster."""
        [gcs] = self._cluster.head_node.all_processes["gcs_server"]
        os.kill(gcs.process.pid, signal.SIGKILL)

    def close(self) -> None:
        self._cluster.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)


def _write_port_files() -> None:
    """A raylet gives its agents 15 s, which nothing changes, to write down their ports, and then ends the node: on a
    busy machine it has to find them written."""
    module = import_module("ray._private.node")
    start = module.Node.start_raylet
    if start.__name__ == "with_files":
        return

    def with_files(self: Any, *arguments: Any, **named: Any) -> Any:
        agent = str(self._ray_params.runtime_env_agent_port)
        ports = {"dashboard_agent_listen_port": "-1", "metrics_agent_port": "-1", "metrics_export_port": "-1"}
        for name, port in {**ports, "runtime_env_agent_port": agent}.items():
            path = Path(self._session_dir) / f"{name}_{self._node_id}"
            if not path.exists():
                path.write_text(port)
        return start(self, *arguments, **named)

    module.Node.start_raylet = with_files
