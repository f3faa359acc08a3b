"""`python -m tests.mutants [NAME...]`: which mutants the tests kill, which survive, which no longer apply.

Ends with 1 when one survives or does not apply. `--list` only looks whether all apply; `--clean` first runs the tests
without any mutant, since a test that fails anyway kills nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants import jobs, media, wire
from tests.mutants.copy import ROOT, Copy
from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (*jobs.MUTANTS, *wire.MUTANTS, *media.MUTANTS)


def chosen(names: list[str]) -> list[Mutant]:
    known = {mutant.name: mutant for mutant in MUTANTS}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no mutant is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(MUTANTS)


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--clean", action="store_true")
    asked = parser.parse_args()
    mutants = chosen(asked.names)
    stale = [why for mutant in mutants if (why := mutant.check(ROOT))]
    for why in stale:
        print(f"does not apply  {why}", flush=True)
    if asked.list:
        print(f"{len(mutants) - len(stale)} of {len(mutants)} apply")
        return 1 if stale else 0
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        copy = Copy(Path(folder))
        if asked.clean:
            files = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
            passed, said = copy.test(files)
            if not passed:
                print(f"the tests fail without any mutant:\n{said}")
                return 1
        survivors = [mutant.name for mutant in mutants if not mutant.check(ROOT) and not killed(copy, mutant)]
    if survivors:
        print(f"{len(survivors)} survived: {', '.join(survivors)}")
    return 1 if survivors or stale else 0


def killed(copy: Copy, mutant: Mutant) -> bool:
    begun = time.monotonic()
    with copy.broken_by(mutant):
        passed, said = copy.test(mutant.tests)
    took = time.monotonic() - begun
    words = f"survived  {mutant.name}: {mutant.loses}" if passed else f"killed    {mutant.name}"
    first = said.splitlines()[-1][:150] if said else ""
    print(f"{words}  ({took:.0f} s{'; ' + first if first else ''})", flush=True)
    return not passed


if __name__ == "__main__":
    sys.exit(main())
