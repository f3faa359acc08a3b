"""The child of `sandbox`: reads one JSON request a line, decodes, answers one JSON line, and trusts nothing.

It ends when its stdin closes or nothing has come for a while. Started with `python -P -m`, never imported.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from backends.errors import OwnFault, VideoError
from backends.facts import MediaFacts
from backends.media.blame import own_fault

MEMORY_BYTES = 3 * 1024**3
CPU_S = 240  # a call: above what any legal input takes, below what a user waits for
FILE_BYTES = 256 * 1024**2
SIGNED_BYTES = 8 * 1024**3
"""The largest file that is written, and the largest signed copy of a clip: no decoder fills the disk."""
OPEN_FILES = 64

Reply = dict[str, Any]


def main(idle_s: float) -> None:
    os.umask(0o077)  # what it writes is for this user alone
    requests, replies = _private_pipes()
    _limit_process()
    idle = threading.Timer(0, lambda: None)
    while True:
        idle = threading.Timer(idle_s, os._exit, [0])
        idle.daemon = True
        idle.start()
        line = requests.readline()
        idle.cancel()
        if not line:
            return
        _limit_cpu()
        replies.write(json.dumps(_answer(json.loads(line))).encode() + b"\n")
        replies.flush()


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """stdin and stdout for the protocol alone: whatever a library prints goes to stderr."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, replies


def _limit_process() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    for kind, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, SIGNED_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or hard > value:
            try:
                resource.setrlimit(kind, (value, value))
            except (OSError, ValueError):  # macOS refuses some
                continue
    _limit_files(FILE_BYTES)


def _limit_files(size: int) -> None:
    """The largest file that may be written from now on, as far as the hard limit allows."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))


def _limit_cpu() -> None:
    """CPU_S more from now on."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    limit = int(used.ru_utime + used.ru_stime) + CPU_S
    if hard == resource.RLIM_INFINITY or limit <= hard:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _answer(request: dict[str, Any]) -> Reply:
    try:
        return {"ok": _CALLS[request["call"]](request)}
    except OwnFault as fault:
        return {"own_fault": fault.message}
    except VideoError as error:
        return {"error": error.to_json()}
    except Exception as error:  # what the bytes cause has been told above, where they are decoded
        return {"own_fault": own_fault(error).message}


def _check(request: dict[str, Any]) -> Reply:
    path = Path(request["path"])
    return asdict(_heard(path) if request["sound"] else _checked(path))


def _heard(path: Path) -> MediaFacts:
    """A clip with a picture counts as a clip."""
    from backends.media.hear import check_sound

    facts = check_sound(path)
    if facts.mime.startswith("video/"):
        try:
            return _checked(path)
        except VideoError:  # sound alone in a clip's container
            return facts
    return facts


def _heard_until(request: dict[str, Any]) -> Reply:
    from backends.media.hear import heard_until

    return {"seconds": heard_until(Path(request["path"]), request["most_s"])}


def _checked(path: Path) -> MediaFacts:
    from backends.media.magic import CLIP_FORMATS, IMAGE_FORMATS, in_words, read_head, sniff_bytes

    head = read_head(path)
    mime = sniff_bytes(head)
    if mime in IMAGE_FORMATS:
        from backends.media.images import check_image

        return check_image(path)
    if mime in CLIP_FORMATS:
        from backends.media.probe import probe_clip

        return probe_clip(path)
    raise VideoError(
        "asset", f"the file is {in_words(mime, head)}: give a PNG, JPEG or WebP image, or an MP4, MOV, WebM or MKV clip"
    )


def _still(request: dict[str, Any]) -> Reply:
    from backends.media.frames import frame_at, last_frame
    from backends.media.images import check_image
    from backends.media.probe import hdr_note
    from backends.media.stills import save_png

    path, dest = Path(request["path"]), Path(request["dest"])
    save_png(last_frame(path) if request["part"] == "last_frame" else frame_at(path, request["t"]), dest)
    return {"facts": asdict(check_image(dest)), "note": hdr_note(path, still=True)}


def _poster(request: dict[str, Any]) -> Reply:
    from backends.media.poster import frame_poster, poster

    path, dest, t = Path(request["path"]), Path(request["dest"]), request["t"]
    if t is None:
        poster(path, dest)
    else:
        frame_poster(path, t, dest)
    return {}


def _inspect(request: dict[str, Any]) -> Reply:
    path, dest, against = Path(request["path"]), Path(request["dest"]), request["against"]
    facts = _checked(path)
    if facts.kind == "image":
        if against is not None:
            raise VideoError("asset", "an image has nothing to compare: against is for two clips")
        from backends.media.grid import coordinate_grid

        coordinate_grid(path, dest)
        return {"facts": asdict(facts), "sheet": str(dest)}
    from backends.media.look import look_at, look_at_both

    if against is None:
        return look_at(path, facts, request["frames"], dest)
    other = _checked(Path(against))
    if other.kind == "image":
        raise VideoError("asset", "against names an image, and a clip is compared with a clip")
    return look_at_both((path, facts), (Path(against), other), request["frames"], dest)


def _sign(request: dict[str, Any]) -> Reply:
    from backends.media.provenance.manifest import Made, Part
    from backends.media.provenance.signing import sign

    parts = [Part(**part) for part in request["parts"]]
    _limit_files(SIGNED_BYTES)
    try:
        return asdict(
            sign(Path(request["path"]), Path(request["dest"]), Made(**request["made"]), parts, request["keys"])
        )
    finally:
        _limit_files(FILE_BYTES)


def _provenance(request: dict[str, Any]) -> Reply:
    from backends.media.provenance.reading import read

    sidecar = Path(request["sidecar"]) if request["sidecar"] else None
    return read(Path(request["path"]), sidecar, [Path(anchor) for anchor in request["anchors"]])


_CALLS: dict[str, Callable[[dict[str, Any]], Reply]] = {
    "check": _check,
    "heard": _heard_until,
    "still": _still,
    "poster": _poster,
    "inspect": _inspect,
    "sign": _sign,
    "provenance": _provenance,
}

if __name__ == "__main__":
    main(float(sys.argv[1]))
