"""`python -m tests.gpu --minutes 8 --out DIR`: measure what there is time for; measured.json and report.md in DIR."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.gpu.clock import Clock
from tests.gpu.report import report
from tests.gpu.results import Results
from tests.gpu.supervise import supervise


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=__doc__)
    parser.add_argument("--minutes", type=float, default=8.0, help="when to stop, the report included")
    parser.add_argument("--out", type=Path, default=Path("gpu-output"), help="folder of the results")
    parser.add_argument("--device", default="cuda:0", help="torch's name of the card; cpu with --tiny tries the script")
    parser.add_argument("--tiny", action="store_true", help="tiny models: no figure of theirs says anything of a card")
    asked = parser.parse_args()
    clock = Clock.of(asked.minutes)
    results = Results(asked.out, asked.minutes, asked.tiny)

    def command(start: int) -> list[str]:
        words = ["--folder", asked.out, "--until", clock.until, "--start", start, "--device", asked.device]
        return [sys.executable, "-m", "tests.gpu.child", *map(str, words), *(["--tiny"] if asked.tiny else [])]

    supervise(command, clock, results)
    (asked.out / "report.md").write_text(report(results.as_json()), "utf-8")
    print(f"{results.path}\n{asked.out / 'report.md'}")


if __name__ == "__main__":
    main()
