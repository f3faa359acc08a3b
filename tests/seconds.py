"""`python -m tests.seconds RUN.xml`: keep what each file of tests took, from the JUnit report of a run.

`tests/conftest.py` orders the files of a run by it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

KEPT = Path(__file__).with_name("seconds.json")


def main(report: str) -> None:
    kept: dict[str, float] = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    told: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        if name := case.get("classname"):
            told[name.replace(".", "/") + ".py"] += float(case.get("time", "0"))
    root = KEPT.parents[1]
    there = {name: round(took, 1) for name, took in {**kept, **told}.items() if (root / name).exists()}
    KEPT.write_text(json.dumps(dict(sorted(there.items())), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
