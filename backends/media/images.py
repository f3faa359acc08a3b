"""Stills in: checked, upright, 8-bit sRGB.

Only Pillow reads untrusted images (cv2 accepts a 256-megapixel bomb of 31 KB), with the one decoder that the magic
bytes name, and the size is checked before a pixel is decoded. What a phone, a camera or an editor saves is put right:
EXIF orientation, colour profiles, CMYK, 16 bits, palettes, greyscale. Transparent parts are shown over mid-grey,
on which black and white artwork are both seen.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError, features

from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.media.blame import FILE_FAULTS, is_machines, own_fault
from backends.media.magic import CLIP_FORMATS, IMAGE_FORMATS, in_words, read_head, sniff_bytes
from backends.media.pixels import Picture

MAX_IMAGE_PIXELS = 40_000_000
MAX_PHOTO_PIXELS = 80_000_000
"""Of a JPEG, as telephones save them: above MAX_IMAGE_PIXELS it is decoded at half its size, which JPEG can."""
MIN_SIDE = 16
MAX_RATIO = 10.0
BACKDROP = 128
"""What transparent parts are shown over: mid-grey, 0..255."""

OPTIONAL_CODECS = {"image/webp": "webp", "image/avif": "avif"}
"""Pillow's names of the decoders that a build of it may lack."""

_PILLOWS = (SyntaxError, IndexError, RuntimeError)
"""What Pillow raises for bytes beside `FILE_FAULTS`: for a broken header, from its GIF reader, from its AVIF reader."""

TAKEN = "give a PNG, JPEG or WebP image"

Mask = np.ndarray[Any, np.dtype[np.float32]]
"""float32, height x width, 0..1."""

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def check_image(path: Path) -> MediaFacts:
    """Size as displayed, and the format, of a still that can be used; it is decoded in full to prove that.

    VideoError("asset"), saying what to do, for animations, bombs (above 40 megapixels; a JPEG: 80), sides below 16
    pixels, ratios above 10:1, and whatever is truncated or not an image at all. OwnFault where the failure is this
    program's own.
    """
    with _opened(path) as (image, mime):
        whole = image.size
        halved = _drafted(image)
        image.load()
        width, height = ImageOps.exif_transpose(image).size
        if halved:
            width, height = whole if (width > height) == (whole[0] > whole[1]) else whole[::-1]
        return MediaFacts(kind="image", mime=mime, width=width, height=height, bytes=path.stat().st_size)


def is_see_through(path: Path) -> bool:
    """Whether any part of a still is transparent. Errors as for `check_image`."""
    with _opened(path) as (image, _):
        if not image.has_transparency_data:
            return False
        lowest, _ = cast("tuple[int, int]", image.convert("RGBA").getchannel("A").getextrema())
        return lowest < 255


def load_image(path: Path) -> Picture:
    """uint8 RGB, height x width x 3, upright, sRGB; of a JPEG above 40 megapixels at half its size.
    VideoError("asset") as for `check_image`."""
    with _opened(path) as (image, _):
        _drafted(image)
        return np.array(_over(_straight(image), BACKDROP), np.uint8)


def load_mask(path: Path) -> Mask:
    """float32, height x width, 0 (still) to 1 (moves): the luma of the image over black.

    VideoError("asset") as for `check_image`, and for a mask without any light part.
    """
    with _opened(path) as (image, _):
        _drafted(image)
        mask = np.array(_over(_straight(image), 0).convert("L"), np.float32) / np.float32(255)
    if mask.max() < 0.02:
        raise VideoError("asset", "the mask is wholly black, so nothing would move: paint the moving part white")
    return mask


@contextmanager
def _opened(path: Path) -> Generator[tuple[Image.Image, str]]:
    mime = ""
    try:
        head = read_head(path)
        mime = sniff_bytes(head)
        if mime not in IMAGE_FORMATS:
            raise VideoError("asset", _not_taken(mime, head))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=[IMAGE_FORMATS[mime]]) as image:
                _check(image)
                yield image, mime
    except VideoError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:  # before our own check is reached
        pixels = re.search(r"\((\d+) pixels", str(error))
        raise VideoError("asset", _too_large(int(pixels[1]) if pixels else 10**9)) from None
    except MemoryError as error:
        raise own_fault(error, "image") from None
    except UnidentifiedImageError:
        if mime in OPTIONAL_CODECS and not features.check(OPTIONAL_CODECS[mime]):
            raise own_fault(LookupError(f"Pillow was built without {OPTIONAL_CODECS[mime]}"), "image") from None
        raise VideoError("asset", f"the image is damaged: its header cannot be read; {TAKEN} saved again") from None
    except (*FILE_FAULTS, *_PILLOWS) as error:
        if is_machines(error):
            raise own_fault(error, "image") from None
        raise _undecodable(error) from None
    except Exception as error:
        if isinstance(error, TypeError | KeyError) and _from_a_reader(error):
            raise _undecodable(error) from None
        raise own_fault(error, "image") from None


def _from_a_reader(error: BaseException) -> bool:
    """Whether one of Pillow's format readers raised it, as the TIFF one raises a TypeError where a page has no size.
    A call of ours that a function does not take is raised in our own frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name: object = trace.tb_frame.f_globals.get("__name__") if trace is not None else None
    return isinstance(name, str) and name.startswith("PIL.") and name.endswith("ImagePlugin")


def _undecodable(error: BaseException) -> VideoError:
    return VideoError(
        "asset",
        f"the image cannot be decoded ({type(error).__name__}): it is truncated or damaged; copy or download it again, "
        "or save it again as PNG",
    )


def _not_taken(mime: str, head: bytes) -> str:
    if mime in CLIP_FORMATS:
        return f"the file is a clip ({mime}), not an image: {TAKEN}, or use it where a clip is needed"
    return f"the file is {in_words(mime, head)}: {TAKEN}"


def _too_large(pixels: int, most: int = MAX_IMAGE_PIXELS) -> str:
    limit = most // 1_000_000
    return f"the image has {pixels / 1e6:.0f} megapixels; at most {limit} are taken: scale it down"


def _drafted(image: Image.Image) -> bool:
    """Have a JPEG above MAX_IMAGE_PIXELS decoded at half its size; whether it is."""
    width, height = image.size
    if width * height <= MAX_IMAGE_PIXELS:
        return False
    image.draft(None, (-(-width // 2), -(-height // 2)))  # pyright: ignore[reportUnknownMemberType]
    return True


def _check(image: Image.Image) -> None:
    width, height = image.size
    most = MAX_PHOTO_PIXELS if image.format in ("JPEG", "MPO") else MAX_IMAGE_PIXELS
    if width * height > most:
        raise VideoError("asset", _too_large(width * height, most))
    if min(width, height) < MIN_SIDE:
        raise VideoError(
            "asset", f"the image is {width}x{height} pixels; at least {MIN_SIDE} a side are needed: give a larger one"
        )
    if max(width, height) > MAX_RATIO * min(width, height):
        raise VideoError(
            "asset", f"the image is {width}x{height}, more than {MAX_RATIO:.0f}:1: crop it to the part that matters"
        )
    # MPO is a JPEG with further pictures behind it (depth, gain map), as many phones save: the first one counts.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        what = (
            "has several pages: save one of them" if image.format == "TIFF" else "is an animation: give a single image"
        )
        raise VideoError("asset", f"the image {what}{'' if image.format == 'TIFF' else ' or a clip (MP4)'}")


def _straight(image: Image.Image) -> Image.Image:
    """Upright, in RGB or RGBA, in sRGB."""
    profile: bytes | None = image.info.get("icc_profile")
    transparent = image.has_transparency_data
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        upright = Image.fromarray((np.asarray(upright, np.uint16) >> 8).astype(np.uint8))
    elif upright.mode in ("I", "F"):
        raise VideoError("asset", "the image has 32 bits a channel: save it with 8 or 16")
    if upright.mode == "P" or upright.mode == "PA":
        upright = upright.convert("RGBA" if transparent else "RGB")
    if profile:
        upright = _to_srgb(upright, profile)
    return upright.convert("RGBA" if transparent else "RGB")


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Through the embedded profile; a profile that cannot be used is left out, as viewers do."""
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    base = image.convert({"RGBA": "RGB", "LA": "L"}.get(image.mode, image.mode)) if alpha else image
    if base.mode not in ("RGB", "CMYK", "L"):
        return image
    try:
        converted = ImageCms.profileToProfile(
            base, ImageCms.ImageCmsProfile(io.BytesIO(profile)), _SRGB, outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    if converted is None:
        return image
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _over(image: Image.Image, level: int) -> Image.Image:
    if image.mode != "RGBA":
        return image
    backdrop = Image.new("RGBA", image.size, (level, level, level, 255))
    return Image.alpha_composite(backdrop, image).convert("RGB")
