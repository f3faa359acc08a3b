"""What our stack adds to a bare client on a ComfyUI server: a loop of POST, history and view against `Studio`, in turn.

Against the server of COMFYUI_TEST_URL, else the fake with nodes of a second. Clips of ten seconds of one colour, whose
encoding is the work; the worker is warm, as it is within a minute of the last job.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import anyio

from backends.comfyui.binding import BUNDLED
from backends.request import build_request
from tests.comfyui.stand import fake, station

REAL = os.environ.get("COMFYUI_TEST_URL", "")
TIMES = 9
FRAMES = 240


def _ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def bare(url: str, color: int) -> float:
    """The graph posted, its history asked for every 20 ms, its file fetched; seconds."""
    graph = json.loads((BUNDLED / "smoke.json").read_text("utf-8"))
    graph["1"]["inputs"] |= {"batch_size": FRAMES, "color": color}
    graph["3"]["inputs"]["filename_prefix"] = f"bare/{color}"
    begun, name = time.perf_counter(), str(uuid.uuid4())
    _ask(f"{url}/prompt", {"prompt": graph, "prompt_id": name, "client_id": "bare"})
    while not (entry := json.loads(_ask(f"{url}/history/{name}")).get(name)):
        time.sleep(0.02)
    (file,) = entry["outputs"]["3"]["images"]
    query = urlencode({"filename": file["filename"], "subfolder": file["subfolder"], "type": file["type"]})
    assert _ask(f"{url}/view?{query}")[4:8] == b"ftyp"
    return time.perf_counter() - begun


def measure(url: str) -> dict[str, float]:
    home = station(Path(tempfile.mkdtemp(prefix="bench-comfyui-")), url, REELWRIGHT_WORKER_IDLE_S="60")
    studio = home.studio()

    def ours(color: int) -> float:
        begun = time.perf_counter()
        request = build_request(
            task="text_to_video",
            model="comfyui/smoke",
            duration_s=10,
            provider_options={"color": color},
        )
        job = studio.submit(request).job_id
        (done,) = anyio.run(lambda: studio.wait([job], timeout_s=300))
        assert done.state == "succeeded" and done.file and Path(done.file).exists(), done.error
        return time.perf_counter() - begun

    draw = random.SystemRandom().randrange
    try:
        ours(draw(1 << 24))  # starts the worker
        pairs = [(bare(url, draw(1 << 24)), ours(draw(1 << 24))) for _ in range(TIMES)]
    finally:
        home.close()
    mine, theirs = statistics.median(pair[1] for pair in pairs), statistics.median(pair[0] for pair in pairs)
    return {"bare_p50_s": round(theirs, 3), "ours_p50_s": round(mine, 3), "ratio": round(mine / theirs, 3)}


def main() -> None:
    if REAL:
        _tell(REAL, measure(REAL))
        return
    with fake(node_s=1.0) as server:
        _tell("the fake, nodes of 1 s", measure(server.url))


def _tell(server: str, found: dict[str, float]) -> None:
    print("| server | bare client, p50 | ours, p50 | ratio |\n|---|---|---|---|")
    print(f"| {server} | {found['bare_p50_s']:.3f} s | {found['ours_p50_s']:.3f} s | {found['ratio']:.3f} |")


if __name__ == "__main__":
    main()
