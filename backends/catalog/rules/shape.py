"""Size, aspect ratio and how an image is fitted: what the clip will measure, and what is cut away."""

from __future__ import annotations

import math
from fractions import Fraction

from backends.catalog.rules.fitting import Fitting
from backends.catalog.schema.span import Size, lines_of, ratio_value
from backends.facts import MediaFacts

CROP_LIMIT = 0.25
"""The largest share of an image that may be cut away unasked."""
SAME_RATIO = 0.01
"""Ratios closer than this are the same picture (fit="refuse")."""


def ratio_text(width: int, height: int) -> str:
    """1920x1080 is 16:9; a ratio of small numbers where one is exact, else the pixels themselves."""
    common = math.gcd(width, height)
    return f"{width // common}:{height // common}"


def near_ratio_text(value: float) -> str:
    """A short ratio near a number: 2.5 is 5:2."""
    short = Fraction(value).limit_denominator(50)
    return f"{short.numerator}:{short.denominator}"


def even(value: float) -> int:
    """Video sides are even."""
    return max(2, int(value / 2 + 0.5) * 2)


def lost(image: float, clip: float) -> float:
    """The share of an image of that ratio which a clip of that ratio cuts away, 0..1."""
    return 1 - min(image / clip, clip / image)


def judge_shape(fit: Fitting) -> None:
    """Settles resolution, aspect_ratio, width, height; notes the crop."""
    _judge_focus(fit)
    if fit.request.task in ("extend", "edit", "upscale") and fit.request.source_clip is not None:
        _judge_clip_shape(fit)
        return
    sizes = _of_resolution(fit)
    ratio, size = _judge_ratio(fit, sizes)
    if size is not None:
        _settle(fit, size, ratio)
    if ratio is not None:
        _judge_crop(fit, sizes, ratio)


def _of_resolution(fit: Fitting) -> list[Size]:
    """The sizes of the requested resolution; of the nearest one when it is none of the box's."""
    legal = fit.mode.resolutions
    asked = fit.request.resolution
    chosen = legal[0]
    if asked is not None:
        lines = lines_of(asked)
        exact = [name for name in legal if name.lower() == asked.strip().lower()]
        exact += [name for name in legal if lines is not None and "x" not in asked.lower() and lines_of(name) == lines]
        if exact:
            chosen = exact[0]
        else:
            chosen = _not_below(lines, legal)
            hint = " (give sizes by name, and the shape as aspect_ratio)" if "x" in asked.lower() else ""
            fit.wrong(
                "resolution",
                f"resolution {asked}: {fit.row.id} makes {', '.join(legal)}{hint}",
                {"resolution": chosen},
            )
    return [size for size in fit.mode.sizes if size.resolution == chosen]


def _not_below(asked: int | None, legal: tuple[str, ...]) -> str:
    """The smallest that shows no less than was requested; the largest where each shows less. The default for a word
    that nobody knows, or where the names say no size."""
    sizes = {name: lines for name in legal if (lines := lines_of(name)) is not None}
    if asked is None or not sizes:
        return legal[0]
    enough = [name for name, lines in sizes.items() if lines >= asked]
    return min(enough, key=sizes.__getitem__) if enough else max(sizes, key=sizes.__getitem__)


def _judge_ratio(fit: Fitting, sizes: list[Size]) -> tuple[float | None, Size | None]:
    """The clip's ratio (None while it follows an input that isn't known) and the size that gives it."""
    fixed = [size for size in sizes if size.rule == "fixed"]
    follows = next((size for size in sizes if size.rule != "fixed"), None)
    asked, picture = fit.request.aspect_ratio, fit.picture
    if asked is not None:
        return _asked_ratio(fit, ratio_value(asked), asked, fixed, follows)
    if follows is not None and fit.request.frames:
        return (_own_ratio(fit, picture), follows) if picture else (None, follows)
    if not fixed:
        return (_own_ratio(fit, picture) if picture else None, follows)
    if picture is None:
        return (None if fit.request.frames else fixed[0].shape), fixed[0]
    size = min(fixed, key=lambda size: abs(math.log(size.value / picture.ratio)))
    return size.shape, size


def _own_ratio(fit: Fitting, picture: MediaFacts) -> float:
    """The picture's ratio, or the nearest one that the service takes."""
    rule = fit.mode.frames
    ratio = picture.ratio
    if rule.ratio_high:
        ratio = min(max(ratio, rule.ratio_low), rule.ratio_high)
    return ratio


def _asked_ratio(
    fit: Fitting, value: float, asked: str, fixed: list[Size], follows: Size | None
) -> tuple[float | None, Size | None]:
    for size in fixed:
        if abs(size.value / value - 1) < 1e-3:
            return size.shape, size
    rule = fit.mode.frames
    if follows is not None and fit.request.frames:
        if not rule.ratio_high or rule.ratio_low <= value <= rule.ratio_high:
            return value, follows
        low, high = near_ratio_text(rule.ratio_low), near_ratio_text(rule.ratio_high)
        near = low if value < rule.ratio_low else high
        fit.wrong("aspect_ratio", f"aspect_ratio {asked}: {fit.row.id} takes {low} to {high}", {"aspect_ratio": near})
        return ratio_value(near), follows
    if not fixed:
        fit.wrong(
            "aspect_ratio",
            f"aspect_ratio {asked}: {fit.row.id} does not let you set it here: leave it out",
            {"aspect_ratio": None},
            lacking=True,
        )
        return None, follows
    near = min(fixed, key=lambda size: abs(math.log(size.value / value)))
    legal = ", ".join(dict.fromkeys(size.ratio for size in fixed))
    fit.wrong("aspect_ratio", f"aspect_ratio {asked}: {fit.row.id} makes {legal}", {"aspect_ratio": near.ratio})
    return near.shape, near


def _settle(fit: Fitting, size: Size, ratio: float | None) -> None:
    fit.settled["resolution"] = size.resolution
    if ratio is None and size.rule == "fixed":
        fit.notes.append("the shape of the clip is settled when the image is known")
        return
    fit.size_wire = size.wire
    if size.rule == "fixed":
        fit.settled["aspect_ratio"] = size.ratio
        fit.width, fit.height = size.width, size.height
        return
    if ratio is None:
        return
    picture = fit.picture
    if size.rule == "same" and picture is not None:
        fit.width, fit.height = even(picture.width), even(picture.height)
    elif size.rule == "area":
        fit.width, fit.height = even(size.side * math.sqrt(ratio)), even(size.side / math.sqrt(ratio))
    else:
        side = size.side
        fit.width, fit.height = (even(side * ratio), side) if ratio >= 1 else (side, even(side / ratio))
    if fit.request.aspect_ratio is None and picture is not None and abs(ratio - picture.ratio) < 1e-9:
        fit.settled["aspect_ratio"] = ratio_text(picture.width, picture.height)
    elif fit.request.aspect_ratio is None:
        fit.settled["aspect_ratio"] = near_ratio_text(ratio)


def _judge_crop(fit: Fitting, sizes: list[Size], ratio: float) -> None:
    """Every frame's image against the clip's ratio. A crop that was requested may take any part of it."""
    asked = fit.request.fit
    for number in range(len(fit.request.frames)):
        image = fit.inputs.get(f"frames[{number}].image")
        if image is None or image.kind != "image":
            continue
        loss = lost(image.ratio, ratio)
        place = f"frames[{number}].image"
        if loss <= SAME_RATIO:
            continue
        if asked == "refuse" or (asked is None and loss > CROP_LIMIT):
            _refuse_shape(fit, sizes, image, loss, place)
        elif asked == "pad":
            fit.notes.append(f"{place}: the image is padded to the clip's shape with black bars (fit=pad)")
        elif asked == "blur":
            fit.notes.append(f"{place}: the whole image is shown over a blurred copy of itself (fit=blur)")
        else:
            fit.crop_loss = max(fit.crop_loss, loss)
            around = f", around focus {_pair(fit.request.focus)}" if fit.request.focus else ""
            fit.notes.append(f"{place}: {loss:.0%} of the image is cut away to fill the clip (fit=crop{around})")


def _pair(focus: list[float]) -> str:
    return f"[{focus[0]:g}, {focus[1]:g}]"


def _refuse_shape(fit: Fitting, sizes: list[Size], image: MediaFacts, loss: float, place: str) -> None:
    """Every way on, with what each loses. The one offered keeps the shape that was requested."""
    why = f"{loss:.0%} of it would be cut away" if fit.request.fit is None else "fit=refuse"
    limit = SAME_RATIO if fit.request.fit == "refuse" else CROP_LIMIT
    change: dict[str, object] = {"fit": "crop" if loss <= CROP_LIMIT else "blur"}
    ways = (
        f"fit=crop with focus=[x, y] (cuts {loss:.0%} away, around what you name), fit=blur (the whole image over a "
        "blurred copy of itself) or fit=pad (the whole image between black bars)"
    )
    if fit.request.aspect_ratio is not None:
        nearer = [size for size in sizes if size.rule == "fixed" and lost(image.ratio, size.shape) <= limit]
        if nearer:
            best = min(nearer, key=lambda size: lost(image.ratio, size.shape))
            ways += f"; or aspect_ratio={best.ratio}, which is near the image's own"
        elif any(size.rule != "fixed" for size in sizes):
            ways += "; or leave aspect_ratio out: the clip then has the image's own shape"
    text = f"{place} is {image.width}x{image.height}, the clip has another shape: {why}; take {ways}"
    fit.wrong("fit", text, change)


def _judge_focus(fit: Fitting) -> None:
    """focus says around what an image is cropped: where nothing can be, it would be dropped without a word."""
    focus, task, asked = fit.request.focus, fit.request.task, fit.request.fit
    if focus is None:
        return
    if not fit.request.frames:
        text = f"focus: an image that the clip starts from is cropped around it; {task} has none here: leave it out"
        fit.wrong("focus", text, {"focus": None})
    elif asked not in (None, "crop"):
        text = f"focus: it sets what a crop keeps, and fit={asked} crops nothing: take fit=crop, or none"
        fit.wrong("focus", text, {"focus": None})


def _judge_clip_shape(fit: Fitting) -> None:
    """extend, edit and upscale: size and ratio come from the source clip, unless the box has sizes of its own."""
    clip, sizes = fit.clip, fit.mode.sizes
    if fit.request.task in ("edit", "upscale") and sizes[0].rule != "same":
        _judge_made_from_clip(fit)
        return
    for name, own in (
        ("aspect_ratio", clip and ratio_text(clip.width, clip.height)),
        ("resolution", clip and f"{min(clip.width, clip.height)}p"),
    ):
        asked = getattr(fit.request, name)
        if asked is not None and asked != own:
            text = f"{name} {asked}: it comes from the source clip{f' ({own})' if own else ''}: leave it out"
            fit.wrong(name, text, {name: None}, lacking=True)
    if clip is None:
        return
    fit.width, fit.height = clip.width // 2 * 2, clip.height // 2 * 2
    fit.settled["aspect_ratio"] = ratio_text(clip.width, clip.height)
    fit.settled["resolution"] = f"{min(clip.width, clip.height)}p"
    fixed = [size for size in sizes if size.rule == "fixed"]
    if not fixed:
        return
    match = [size for size in fixed if (size.width, size.height) == (clip.width, clip.height)]
    if match:
        fit.settled["aspect_ratio"], fit.settled["resolution"] = match[0].ratio, match[0].resolution
        fit.size_wire = match[0].wire
        return
    legal = ", ".join(f"{size.width}x{size.height}" for size in fixed)
    text = f"source_clip is {clip.width}x{clip.height}: {fit.row.id} takes clips of {legal}"
    fit.wrong("source_clip", text)


def _judge_made_from_clip(fit: Fitting) -> None:
    """A box with its own sizes: the ratio is the requested one, else the legal one nearest to the clip."""
    sizes = _of_resolution(fit)
    fixed = [size for size in sizes if size.rule == "fixed"]
    follows = next((size for size in sizes if size.rule != "fixed"), None)
    clip, asked = fit.clip, fit.request.aspect_ratio
    if asked is not None and fixed:
        value, size = _asked_ratio(fit, ratio_value(asked), asked, fixed, None)
        if size is not None:
            _settle(fit, size, value)
        return
    if asked is not None and asked != (clip and ratio_text(clip.width, clip.height)):
        own = f" ({ratio_text(clip.width, clip.height)})" if clip else ""
        text = f"aspect_ratio {asked}: it comes from the source clip{own}: leave it out"
        fit.wrong("aspect_ratio", text, {"aspect_ratio": None}, lacking=True)
    if follows is not None or clip is None:
        size = follows or fixed[0]
        fit.settled["resolution"], fit.size_wire = size.resolution, size.wire
        if clip is not None:
            wide = clip.ratio
            side = size.side or min(clip.width, clip.height)
            pair = (even(side * wide), even(side)) if wide >= 1 else (even(side), even(side / wide))
            if size.rule == "area":
                pair = (even(side * math.sqrt(wide)), even(side / math.sqrt(wide)))
            fit.width, fit.height = pair
            fit.settled["aspect_ratio"] = ratio_text(clip.width, clip.height)
        return
    size = min(fixed, key=lambda size: abs(math.log(size.value / clip.ratio)))
    _settle(fit, size, size.shape)
