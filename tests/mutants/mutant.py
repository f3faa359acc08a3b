"""What a mutant is, and how it is applied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class DoesNotApply(Exception):
    """The text that a mutant changes is no longer there, or is there more than once."""


@dataclass(frozen=True)
class Mutant:
    """One way to break the program.

    file: below the tree's root. old: a text that it holds exactly once; new: what stands there instead. loses: what a
    person would lose by it. tests: the files that must notice (with `::NAME` where one test is enough).
    """

    name: str
    file: str
    old: str
    new: str
    loses: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The file's text with the fault in it; DoesNotApply."""
        count = text.count(self.old)
        if count != 1:
            raise DoesNotApply(f"{self.name}: {self.file} holds its old text {count} times, not once")
        return text.replace(self.old, self.new)

    def check(self, root: Path) -> str:
        """Why it cannot be run against this tree, "" when it can."""
        path = root / self.file
        if not path.exists():
            return f"{self.name}: there is no {self.file}"
        missing = [test for test in self.tests if not (root / test.partition("::")[0]).exists()]
        if missing or not self.tests:
            return f"{self.name}: no such tests: {', '.join(missing) or 'none named'}"
        try:
            self.applied(path.read_text("utf-8"))
        except DoesNotApply as error:
            return str(error)
        return ""
