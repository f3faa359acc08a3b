"""The instrument: a mutant that cannot be applied is an error, and a copy runs its own code in every process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.mutants.__main__ import MUTANTS
from tests.mutants.copy import ROOT, Copy
from tests.mutants.mutant import DoesNotApply, Mutant

ONE = Mutant("one", "a.py", "x = 1\n", "x = 2\n", "the number", ("tests/test_errors.py",))


def test_names_are_unique_and_each_says_what_is_lost() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names) and all(mutant.loses and mutant.tests for mutant in MUTANTS)


def test_every_mutant_still_finds_the_text_that_it_changes() -> None:
    assert [why for mutant in MUTANTS if (why := mutant.check(ROOT))] == []


def test_a_text_that_is_not_there_once_is_an_error(tmp_path: Path) -> None:
    assert ONE.applied("y = 0\nx = 1\n") == "y = 0\nx = 2\n"
    for text in ("", "x = 1\nx = 1\n"):
        with pytest.raises(DoesNotApply, match=r"one: a\.py holds its old text [02] times, not once"):
            ONE.applied(text)
    assert ONE.check(tmp_path) == "one: there is no a.py"
    (tmp_path / "a.py").write_text("x = 1\n")
    assert ONE.check(tmp_path) == "one: no such tests: tests/test_errors.py"


def test_a_copy_is_broken_for_every_process_and_then_whole_again(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    path = "backends/jobs/run/download.py"
    broken = Mutant("broken", path, "MAX_CLIP = 8 << 30\n", "MAX_CLIP = 9\n", "every clip", ("tests/test_errors.py",))

    def seen() -> str:  # as a detached worker starts: no folder of the caller's on its path
        code = "from backends.jobs.run import download; print(download.MAX_CLIP)"
        return subprocess.check_output([copy.python, "-P", "-c", code], text=True, cwd=tmp_path).strip()

    assert seen() == str(8 << 30)
    with copy.broken_by(broken):
        assert seen() == "9"
    assert seen() == str(8 << 30)
    assert copy.test(("tests/test_errors.py",)) == (True, "")
