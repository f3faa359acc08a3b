"""docs/adding-a-provider.md, followed word for word, makes a provider that works. Only the port is another."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

from tests.docs import ROOT

PAGE = (ROOT / "docs" / "adding-a-provider.md").read_text("utf-8")
FILE = re.compile(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LONGEST = {"acme_fake.py": 50, "acme_video.py": 30, "acme.toml": 40}
"""Lines: what the page promises to be small stays small."""


def free_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def follow(folder: Path) -> str:
    """Write the files, then run the commands in order in one shell; everything that it printed."""
    for name, text in FILE.findall(PAGE):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    tools = folder / "bin"
    tools.mkdir()
    (tools / "reelwright").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m mcp_server "$@"\n')
    (tools / "reelwright").chmod(0o755)
    (tools / "python").symlink_to(sys.executable)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("REELWRIGHT_", "PYTHON"))}
    env |= {"PATH": f"{tools}:{env['PATH']}", "REELWRIGHT_WORKER_IDLE_S": "0", "REELWRIGHT_POLL_EVERY_S": "0.1"}
    script = "set -eux\n" + "\n".join(COMMANDS.findall(PAGE)).replace("8123", free_port())
    log = folder / "said.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            ["bash", "-c", script], cwd=folder, env=env, stdout=out, stderr=out, start_new_session=True
        ) as shell,
    ):
        try:
            code = shell.wait(timeout=120)
        finally:
            with suppress(ProcessLookupError):  # the page ends its fake itself, where all went well
                os.killpg(shell.pid, signal.SIGKILL)
    said = log.read_text("utf-8", "replace")
    assert code == 0, said
    return said


def test_the_page_followed_word_for_word_makes_a_clip(tmp_path: Path) -> None:
    said = follow(tmp_path)
    assert "ok\tback end\tacme (remote)" in said
    assert f"ok\tkey\tACME_API_KEY: {tmp_path / 'data' / 'keys.toml'}" in said
    (clip,) = (tmp_path / "clips").rglob("kite*.mp4")
    (sample,) = (tmp_path / "clips").rglob("sample*.mp4")
    assert clip.stat().st_size > 1000 and sample.stat().st_size > 1000
    assert "moderation_input" in said and "not that" in said and "refused, as it should be" in said
    assert "0.2" in said, "4 s at $0.05"


def test_what_the_page_shows_is_small_and_parses() -> None:
    files = dict(FILE.findall(PAGE))
    assert {name: len(files[name].splitlines()) <= most for name, most in LONGEST.items()} == dict.fromkeys(
        LONGEST, True
    )
    published = tomllib.loads(re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[-1])
    ((name, value),) = published["project"]["entry-points"]["reelwright.backends"].items()
    assert f"{name} = {value}" in files["acme_video-0.1.dist-info/entry_points.txt"]
