"""Inputs as a service takes them: the file itself where it fits, else a picture in the clip's shape, upright and small.

The catalogue says how an image of another shape is put into the clip (`fit`); a service that takes its
shape from the image would else make another clip than the one that was agreed on. Heavy imports load on first use.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from anyio import to_thread

from backends.errors import VideoError
from backends.provider.protocol import Asset, Prepared

QUALITIES = (95, 90, 80, 70, 60)


@dataclass(frozen=True)
class Takes:
    """What a service reads. images: MIME types. image_bytes, clip_bytes: largest file."""

    images: frozenset[str] = frozenset({"image/jpeg", "image/png", "image/webp"})
    image_bytes: int = 10 << 20
    clip_bytes: int = 200 << 20


async def sendable(prepared: Prepared, asset: Asset, takes: Takes) -> tuple[bytes, str]:
    """(bytes, MIME type) to send for an input. VideoError("asset") for what cannot be made to fit."""
    if asset.facts.kind == "clip":
        if asset.facts.bytes > takes.clip_bytes:
            most = f"{takes.clip_bytes / 1e6:.0f} MB"
            raise VideoError("asset", f"{asset.place} has {asset.facts.bytes / 1e6:.0f} MB; at most {most}: shorten it")
        return await to_thread.run_sync(_read, asset), asset.facts.mime
    return await to_thread.run_sync(_still, prepared, asset, takes)


async def data_uri(prepared: Prepared, asset: Asset, takes: Takes) -> str:
    """An input inside the request itself, as a data: URI."""
    data, mime = await sendable(prepared, asset, takes)
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _read(asset: Asset) -> bytes:
    try:
        return asset.path.read_bytes()
    except OSError as error:
        raise VideoError("storage", f"{asset.place} cannot be read ({error.strerror}): call the tool again") from None


def _still(prepared: Prepared, asset: Asset, takes: Takes) -> tuple[bytes, str]:
    facts = asset.facts
    size = _shape(prepared, asset)
    plain = facts.mime in takes.images and facts.bytes <= takes.image_bytes
    if size is None and plain and (facts.mime != "image/jpeg" or _is_upright(asset)):
        return _read(asset), facts.mime
    from PIL import Image

    from backends.media.fit import fit_image
    from backends.media.images import load_image

    picture = load_image(asset.path)
    if size is not None:
        picture, _ = fit_image(picture, *size, prepared.request.fit, prepared.request.focus)
    return _encoded(Image.fromarray(picture), takes)


def _shape(prepared: Prepared, asset: Asset) -> tuple[int, int] | None:
    """The size that a keyframe is cropped or filled up to, at its own scale; None when it has the clip's shape."""
    width, height = asset.facts.width, asset.facts.height
    if not asset.place.startswith("frames[") or not (prepared.width and prepared.height):
        return None
    ratio, wanted = width / height, prepared.width / prepared.height
    if 1 - min(ratio, wanted) / max(ratio, wanted) <= 0.01:
        return None
    if (ratio > wanted) == (prepared.request.fit not in ("pad", "blur")):
        return max(2, round(height * wanted)), height
    return width, max(2, round(width / wanted))


def _is_upright(asset: Asset) -> bool:
    """Whether a JPEG is stored as it is shown: not every service heeds the EXIF orientation."""
    from PIL import Image

    try:
        with Image.open(asset.path, formats=["JPEG", "MPO"]) as image:
            return image.getexif().get(0x0112, 1) == 1
    except (OSError, ValueError, SyntaxError):
        return True


def _encoded(image: object, takes: Takes) -> tuple[bytes, str]:
    """PNG where it fits, else the best JPEG that does, smaller if need be."""
    from PIL import Image

    assert isinstance(image, Image.Image)
    data = _bytes(image, "PNG", compress_level=4)
    if len(data) <= takes.image_bytes and "image/png" in takes.images:
        return data, "image/png"
    while True:
        for quality in QUALITIES:
            data = _bytes(image, "JPEG", quality=quality)
            if len(data) <= takes.image_bytes:
                return data, "image/jpeg"
        image = image.resize((max(16, image.width * 3 // 4), max(16, image.height * 3 // 4)), Image.Resampling.LANCZOS)


def _bytes(image: object, kind: str, **options: int) -> bytes:
    from PIL import Image

    assert isinstance(image, Image.Image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
