"""The catalogue: import, load, one estimate over every model, a page of list_models.

`python -m tests.bench.catalog` prints a Markdown table; medians of one run. No network, nothing is written.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from backends.catalog import compact, load, loader, rank
from backends.catalog.schema.row import Row
from backends.facts import MediaFacts
from backends.request import VideoRequest, build_request

RUNS = 50
IMPORTS = 9
PAGE = 20

IMPORT_CODE = (
    "import backends.request, time; t = time.process_time(); import backends.catalog; print(time.process_time() - t)"
)


def median_ms(work: Callable[[], object], runs: int = RUNS) -> float:
    times: list[float] = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def import_ms() -> float:
    """Processor time of importing the catalogue beyond the vocabulary (and pydantic with it)."""
    command = [sys.executable, "-P", "-c", IMPORT_CODE]
    times = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(IMPORTS)]
    return statistics.median(times) * 1000


def load_cold() -> None:
    loader._cache.clear()
    load()


def usable(row: Row) -> None:
    """As if every key were set."""


def requests() -> dict[str, tuple[VideoRequest, dict[str, MediaFacts]]]:
    photo = MediaFacts("image", "image/jpeg", 1600, 900, 500_000)
    text = build_request(task="text_to_video", prompt="a red kite over the sea", duration_s=5)
    image = build_request(
        task="image_to_video",
        prompt="she turns",
        frames=[{"image": "a.jpg"}],
        duration_s=5,
        camera=["dolly-in:0.4@0-2", "pan-left"],
        seed=7,
        resolution="1080p",
    )
    frames = build_request(task="interpolate", frames=[{"image": f"{i}.jpg"} for i in range(5)], duration_s=10)
    return {
        "text to video": (text, {}),
        "image to video, camera, seed, size": (image, {"frames[0].image": photo}),
        "five keyframes": (frames, {f"frames[{i}].image": photo for i in range(5)}),
    }


def pages() -> list[int]:
    """Bytes of every page of list_models, each row not available."""
    rows = [compact(row, "set GEMINI_API_KEY or GOOGLE_API_KEY") for row in load().search(limit=10_000)]
    return [
        len(json.dumps({"models": rows[start : start + PAGE], "more": len(rows)}))
        for start in range(0, len(rows), PAGE)
    ]


def main() -> None:
    catalog = load()
    boxes = sum(len(row.modes) for row in catalog.rows)
    lines = [
        f"{len(catalog)} rows, {boxes} boxes.",
        "",
        "| what | figure | limit |",
        "|---|---|---|",
        f"| import, processor time beyond pydantic | {import_ms():.1f} ms | 20 ms |",
        f"| load, files not read before | {median_ms(load_cold, 9):.1f} ms | |",
        f"| load again | {median_ms(load):.2f} ms | |",
    ]
    for name, (request, inputs) in requests().items():
        ms = median_ms(lambda request=request, inputs=inputs: rank(request, catalog, inputs, usable))
        lines.append(f"| estimate over the whole catalogue: {name} | {ms:.1f} ms | 50 ms |")
    lines.append(f"| largest page of list_models ({PAGE} rows) | {max(pages())} bytes | 8192 bytes |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
