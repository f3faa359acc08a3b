"""The home is its owner's alone, whatever the umask and whoever made it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backends.jobs.files.private import private_home, rights_of_others, why_not_narrowed
from backends.jobs.lanes import pulse
from backends.jobs.store.sqlite import SqliteStore
from tests.cli.shell import Shell
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request, tiny_request


@pytest.fixture
def open_umask() -> Iterator[None]:
    """The umask of a process that wants everybody to write to what it makes."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_sign_of_life_is_its_owners_too(open_umask: None, tmp_path: Path) -> None:
    pulse.touch(tmp_path / "lane.pulse")
    assert mode(tmp_path / "lane.pulse") == 0o600


def test_nothing_in_the_home_is_for_others(
    open_umask: None, serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    """After a paid and a local clip, made by a worker of its own, and a look at one of them."""
    station = stand(serve(mode="none"), PAID_MODE="none")
    studio = station.studio()
    jobs = station.settled(
        studio, [studio.submit(text_request("a fox")).job_id, studio.submit(tiny_request("x")).job_id]
    )
    assert [job.state for job in jobs] == ["succeeded", "succeeded"]
    studio.inspect(jobs[0].job_id)
    wide = {
        f"{path.relative_to(station.root)} {mode(path):o}"
        for path in (station.home, *station.home.rglob("*"))
        if mode(path) & 0o077 and path.exists()
    }
    assert wide == set()
    assert jobs[0].file is not None and mode(Path(jobs[0].file)) == 0o666, "what is published is as the person has it"


def test_a_home_of_an_earlier_version_is_narrowed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    SqliteStore(home / "reelwright.db").close()
    home.chmod(0o755)
    (home / "reelwright.db").chmod(0o644)
    assert rights_of_others(home) == "755"
    SqliteStore(home / "reelwright.db").close()
    assert (mode(home), mode(home / "reelwright.db"), rights_of_others(home)) == (0o700, 0o600, "")


def test_a_folder_for_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    """A home may be set to a folder that holds more than a store: its rights are the person's."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    (shared / "theirs.txt").touch()
    assert why_not_narrowed(shared) == "it holds other things than a store"
    private_home(shared)
    assert mode(shared) == 0o755
    (shared / "reelwright.db").touch()
    shared.chmod(0o1777)
    assert why_not_narrowed(shared) == "it is a folder for other things too"
    private_home(shared)
    assert mode(shared) == 0o1777


@pytest.fixture
def shell(stand: Callable[..., Station], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(stand(), monkeypatch)


def test_doctor_tells_of_a_home_that_others_may_read(shell: Shell) -> None:
    home = shell.station.home
    shell.done("jobs")
    home.chmod(0o755)
    told = shell.done("doctor", "--quick").lines
    assert f"note\tdata folder\tother users had access to {home} (755); this was removed (700)" in told
    assert mode(home) == 0o700
    home.chmod(0o1755)
    told = shell.done("doctor", "--quick").lines
    remedy = f"set REELWRIGHT_HOME to a folder of its own, or run chmod 700 {home}"
    why = "and it is a folder for other things too"
    assert f"note\tdata folder\tother users have access to {home} (1755), {why}: {remedy}" in told
