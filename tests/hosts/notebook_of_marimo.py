"""A notebook of marimo's: every view, and a clip that is made. `in_marimo` opens it in a browser."""

import marimo

app = marimo.App()


@app.cell
def _():
    import numpy as np

    from notebook_ext import board, brush, camera, show, studio

    rng = np.random.default_rng(1)
    still = np.kron(rng.integers(40, 220, (9, 16, 3)), np.ones((40, 40, 1))).astype(np.uint8)
    shot = {"model": "animatic", "camera": ["dolly-in:0.4"], "duration_s": 2, "resolution": "360p"}
    return board, brush, camera, shot, show, still, studio


@app.cell
def _(brush, still):
    painted = brush(still, model="animatic", name="marimo")
    painted
    return (painted,)


@app.cell
def _(camera, still):
    move = camera(still, model="animatic", name="marimo")
    move
    return (move,)


@app.cell
async def _(shot, still, studio):
    job = await studio.image_to_video(still, "a slow push", **shot)
    return (job,)


@app.cell
def _(job):
    job
    return


@app.cell
def _(job, show):
    show(job.file)
    return


@app.cell
def _(board, job):
    job.state
    board()
    return


if __name__ == "__main__":
    app.run()
