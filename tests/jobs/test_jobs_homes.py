"""Where a store may live, by a mount table."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs.store.filesystems import MEMORY, check_paid, file_system, why_lost, why_unsafe
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request, tiny_request

TABLE = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:44 / /net/home rw,relatime - nfs4 server:/home rw,vers=4.2
31 30 8:2 / /net/home/local rw,relatime - xfs /dev/sdb1 rw
32 22 0:50 / /mnt/with\\040space rw - fuse.sshfs user@host: rw
33 22 0:51 / /win rw - 9p C: rw
34 22 0:52 / /smb rw - cifs //server/share rw
35 22 0:53 / /mnt/café\\134\\011x rw - nfs server:/x rw
36 22 0:54 / /mnt/memory rw - tmpfs tmpfs rw
37 22 0:55 / /mnt/ram rw - ramfs none rw
broken line
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)
    return table


@pytest.mark.parametrize(
    ("home", "kind"),
    [
        ("/var/lib/x", "ext4"),
        ("/net/home/me/.local", "nfs4"),
        ("/net/homely", "ext4"),
        ("/net/home/local/me", "xfs"),
        ("/mnt/with space/me", "fuse.sshfs"),
        ("/win/me", "9p"),
        ("/smb", "cifs"),
        ("/mnt/café\\\tx/me", "nfs"),
    ],
)
def test_the_longest_mount_point_counts(home: str, kind: str, mounts: Path) -> None:
    assert file_system(Path(home), mounts) == kind
    told = why_unsafe(Path(home), mounts)
    if kind in ("ext4", "xfs"):
        assert told == ""
    else:
        assert told == (
            f"the data folder {home} lies on a network file system ({kind}), where two machines could pay for the same "
            "job: set REELWRIGHT_HOME to a folder on a local disk"
        )


@pytest.mark.parametrize(("home", "kind"), [("/mnt/memory/me", "tmpfs"), ("/mnt/ram", "ramfs")])
def test_a_home_in_memory_is_told_and_not_refused(home: str, kind: str, mounts: Path) -> None:
    assert why_unsafe(Path(home), mounts) == ""
    assert why_lost(Path(home), mounts) == (
        f"the data folder {home} lies in memory ({kind}): a restart loses the kept clips, the record of spending "
        "and the jobs that are not finished, paid ones too: set REELWRIGHT_HOME to a folder on a disk"
    )
    assert why_lost(Path("/var/lib/x"), mounts) == ""


def test_paid_work_in_memory_says_so_in_the_ticket(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    """On a file system in memory that Linux always has."""
    if file_system(Path("/dev/shm")) not in MEMORY:
        pytest.fail("/dev/shm is no file system in memory here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        station = stand(serve(mode="none"), PAID_MODE="none", REELWRIGHT_HOME=memory, REELWRIGHT_WORKER="inline")
        studio = station.studio()
        paid, free = studio.submit(text_request("a fox")), studio.submit(tiny_request("a fox"))
        assert paid.notes == [why_lost(Path(memory))] and free.notes == []
        station.settled(studio, [paid.job_id, free.job_id])
        station.close()


def test_an_overlay_is_refused_in_a_container_only(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text("22 1 0:1 / / rw - overlay overlay rw\n")
    in_container = Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()
    assert ("vanishes with it: mount a volume" in why_unsafe(Path("/data"), table)) is in_container


def test_no_mount_table_is_no_objection(tmp_path: Path) -> None:
    assert file_system(tmp_path, tmp_path / "none") == "" and why_unsafe(tmp_path, tmp_path / "none") == ""


def test_paid_work_is_allowed_here(tmp_path: Path) -> None:
    try:
        check_paid(tmp_path)
    except VideoError as error:  # a machine whose temporary folder is a container's layer says so
        assert error.kind == "storage" and error.message.startswith("no paid work here: ")
        assert error.message.endswith("Free work (animatic) goes on as before")
        assert why_unsafe(tmp_path)
    else:
        assert why_unsafe(tmp_path) == ""
