"""The forms that clips are written in: the container, the codecs and how they are set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Form:
    """suffix: of the file's name. container, codec, sound: FFmpeg's names. options: the encoder's; flags: the
    muxer's. tag: how the container names the codec, where FFmpeg's own choice is not played everywhere."""

    suffix: str
    container: str
    codec: str
    pix_fmt: str
    sound: str
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    flags: str = ""
    tag: str = ""


MP4 = Form(".mp4", "mp4", "libx264", "yuv420p", "aac", flags="+faststart")
"""H.264 and AAC with the index first: plays everywhere, while it loads. `encode` sets the encoder."""

HEVC = Form(
    ".mp4",
    "mp4",
    "libx265",
    "yuv420p",
    "aac",
    {"crf": "22", "preset": "fast", "x265-params": "log-level=error:keyint=48:frame-threads=1"},
    "+faststart",
    "hvc1",
)
"""H.265: half of H.264's size or less. Apple's players know it by this tag alone."""

AV1 = Form(".mp4", "mp4", "libsvtav1", "yuv420p", "aac", {"crf": "32", "preset": "8", "g": "48"}, "+faststart")
"""AV1: smaller still, played by browsers and newer devices."""

WEBM = Form(
    ".webm",
    "webm",
    "libvpx-vp9",
    "yuv420p",
    "libopus",
    {"crf": "30", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1", "g": "48"},
)
"""VP9 and Opus, for web pages."""

MOV = Form(".mov", "mov", "prores_ks", "yuv422p10le", "pcm_s16le", {"profile": "2", "vendor": "apl0"})
"""ProRes 422 and PCM, for an editor."""
