"""Clips whose every frame carries its number, and the script that reads it off a playing video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backends.media.encode import ClipWriter

BITS = 9


def counted_clip(path: Path, frames: int, fps: int = 24, tone: tuple[int, int, int] = (60, 90, 120)) -> Path:
    """An H.264 MP4 of 320x180; frame n shows n in binary as black and white blocks along its foot."""
    picture = np.full((180, 320, 3), tone, np.uint8)
    with ClipWriter(path, 320, 180, fps) as writer:
        for n in range(frames):
            picture[20:120] = tone
            picture[20:120, 8 + n * 2 % 280 : 28 + n * 2 % 280] = 230
            for bit in range(BITS):
                picture[132:180, bit * 32 : bit * 32 + 32] = 255 * (n >> bit & 1)
            writer.write(picture)
    return path


READ = """const shown = (video) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0, 320, 180);
  let n = 0;
  for (let bit = 0; bit < 9; bit++) n |= (context.getImageData(bit * 32 + 16, 156, 1, 1).data[1] > 127) << bit;
  return n;
};"""
"""shown(video): the number of the frame that is seen."""
