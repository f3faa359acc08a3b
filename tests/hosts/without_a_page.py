"""papermill: a notebook run with parameters and no page. What is left shows the clip."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat import v4

from tests.hosts import environment
from tests.jobs.station import Station
from tests.notebook_ext.lab import jupyter_folders

MAKE = """\
from notebook_ext import studio
job = await studio.generate_video(prompt, model='animatic', duration_s=1, resolution='360p')
print(job.prompt, job.state)"""


def main(folder: Path) -> None:
    """AssertionError for what does not work."""
    station = Station(folder / "station")
    beside = folder / "notebooks"
    beside.mkdir(parents=True)
    given = v4.new_code_cell("prompt = 'a boat'", metadata={"tags": ["parameters"]})
    nbformat.write(v4.new_notebook(cells=[given, v4.new_code_cell(MAKE)], metadata=KERNEL), beside / "shot.ipynb")
    command = [sys.executable, "-m", "papermill", "shot.ipynb", "made.ipynb", "-p", "prompt", "a red kite"]
    env = environment(station, **jupyter_folders(station.root))
    try:
        run = subprocess.run(command, cwd=beside, env=env, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr[-3000:]
        outputs = nbformat.read(beside / "made.ipynb", 4).cells[-1].outputs
        said = "".join(one.get("text", "") for one in outputs)
        assert "a red kite succeeded" in said, said
        shown = "".join(one.data.get("text/html", "") for one in outputs if "data" in one)
        assert "<video controls" in shown and 'src="reelwright_outputs/' in shown, shown[:500]
    finally:
        station.close()


KERNEL = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}
