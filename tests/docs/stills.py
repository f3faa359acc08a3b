"""Draws the demonstration's two stills: a lake in the evening, with far mountains, hills, a house, a boat and reeds.

    python -m tests.docs.stills [FOLDER]

Drawn with Pillow alone and without chance, so that the same files come out again. Distances differ in colour and
contrast, so that a moving camera has a depth to show.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from mcp_server.demo import STILLS

SIZE = (1600, 900)
FINE = 2
"""Drawn twice as large and scaled down, which smooths every edge."""
W, H = SIZE[0] * FINE, SIZE[1] * FINE
SHORE = 0.56
"""Height of the far shore, as a share of the picture."""


Colour = tuple[int, int, int]
Point = tuple[float, float]


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Between two colours: 0 = one, 1 = other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return (red, green, blue)


def gradient(stops: Sequence[tuple[float, Colour]], height: int) -> Image.Image:
    """A picture as wide as the scene, shaded from top to bottom. stops: (0..1, colour), ascending."""
    column = Image.new("RGB", (1, height))
    for y in range(height):
        at = y / max(1, height - 1)
        low = max((stop for stop in stops if stop[0] <= at), key=lambda stop: stop[0], default=stops[0])
        high = min((stop for stop in stops if stop[0] >= at), key=lambda stop: stop[0], default=stops[-1])
        span = high[0] - low[0]
        column.putpixel((0, y), mix(low[1], high[1], (at - low[0]) / span if span else 0.0))
    return column.resize((W, height))


def glow(picture: Image.Image, centre: Point, radius: float, colour: Colour, strength: float) -> Image.Image:
    """Light added around a point, fading out with distance."""
    side = int(radius * 2)
    spot = ImageChops.invert(Image.radial_gradient("L")).resize((side, side))
    spot = spot.point([round(strength * 255 * max(0.0, value / 255 - 0.29) ** 1.6 * 1.7) for value in range(256)])
    mask = Image.new("L", (W, H))
    mask.paste(spot, (round(centre[0] - radius), round(centre[1] - radius)))
    light = Image.composite(Image.new("RGB", (W, H), colour), Image.new("RGB", (W, H)), mask)
    return ImageChops.screen(picture, light)


def ridge(seed: int, base: float, height: float, rough: float) -> Callable[[float], float]:
    """A mountain line: y for each x, both as shares of the picture. rough: how much small detail."""
    chance = random.Random(seed)
    waves = [(2.0**n, chance.uniform(0, math.tau), rough**n) for n in range(7)]
    total = sum(weight for _, _, weight in waves)

    def at(x: float) -> float:
        bumps = sum(weight * math.sin(x * math.pi * turns + phase) for turns, phase, weight in waves)
        return base - height * (0.5 + 0.5 * bumps / total)

    return at


def land(draw: ImageDraw.ImageDraw, line: Callable[[float], float], colour: Colour, bottom: float) -> None:
    points = [(x, line(x / W) * H) for x in range(0, W + FINE, FINE)]
    draw.polygon([(0, bottom * H), *points, (W, bottom * H)], fill=colour)


def slopes(picture: Image.Image, line: Callable[[float], float], colour: Colour, seed: int, bottom: float) -> None:
    """Light and dark flanks below a mountain line, and snow or grass texture for the eye (and the flow) to hold on."""
    chance = random.Random(seed)
    draw = ImageDraw.Draw(picture)
    for _ in range(900):
        x = chance.random()
        top = line(x)
        y = top + chance.random() ** 1.5 * (bottom - top)
        length = chance.uniform(0.004, 0.016)
        lean = chance.uniform(0.4, 1.1) * (1 if line(x + 0.01) > top else -1)
        if y + length < bottom and line(x + lean * length * 0.6) < y:
            shade = mix(colour, (255, 236, 205) if lean > 0 else (20, 24, 58), chance.uniform(0.03, 0.11))
            start, end = (x * W, y * H), ((x + lean * length * 0.6) * W, (y + length) * H)
            draw.line([start, end], fill=shade, width=chance.randint(2, 5))


def clouds(picture: Image.Image, drift: float, warm: Colour) -> Image.Image:
    """Flat evening clouds, lit from below."""
    chance = random.Random(11)
    for _ in range(9):
        x, y, wide = chance.uniform(-0.1, 1.05), chance.uniform(0.05, 0.31), chance.uniform(0.09, 0.24)
        puffs = [(chance.uniform(-1, 1), chance.random(), chance.uniform(0.25, 0.6)) for _ in range(16)]
        for shift, colour, strength in ((-0.008, (110, 104, 150), 120), (0.004, warm, 170)):
            mask = Image.new("L", (W, H))
            pen = ImageDraw.Draw(mask)
            for along, up, size in puffs:
                middle = ((x + drift + along * wide) * W, (y + shift - up * 0.022) * H)
                half = (wide * size * 0.5 * W, 0.016 * size * H * 1.6)
                box = (middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1])
                pen.ellipse(box, fill=strength)
            mask = mask.filter(ImageFilter.GaussianBlur(10 * FINE))
            picture = Image.composite(Image.new("RGB", (W, H), colour), picture, mask)
    return picture


def water(picture: Image.Image, sun: Point, low: Colour, high: Colour, light: Colour) -> Image.Image:
    """The lake: the sky's colours upside down, ripples that grow towards us, a path of light below the sun."""
    top = round(SHORE * H)
    mirrored = picture.crop((0, 0, W, top)).transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((W, H - top))
    shaded = gradient([(0, high), (1, low)], H - top)
    lake = Image.blend(mirrored.filter(ImageFilter.GaussianBlur(4 * FINE)), shaded, 0.55)
    draw = ImageDraw.Draw(lake)
    chance = random.Random(23)
    for _ in range(2600):
        near = chance.random() ** 1.4
        y = near * (H - top)
        length = (6 + 90 * near) * FINE * chance.uniform(0.4, 1.2)
        x = chance.uniform(-0.05, 1.05) * W
        on_path = abs(x - sun[0]) < (0.02 + 0.075 * near) * W and chance.random() < 0.85
        base = mix(high, low, near)
        bright = mix(base, light, 0.75) if on_path else mix(base, (225, 205, 205), chance.uniform(0.05, 0.26))
        shade = bright if on_path or chance.random() < 0.6 else mix(base, (16, 22, 54), chance.uniform(0.1, 0.35))
        draw.line([(x, y), (x + length, y)], fill=shade, width=max(1, round((0.6 + 3.2 * near) * FINE * 0.7)))
    picture.paste(lake, (0, top))
    return picture


def house(draw: ImageDraw.ImageDraw, foot: Point, size: float, lamp: Colour) -> None:
    """A small house with a chimney and lit windows, on the headland at the right."""
    x, y = foot
    wall, roof, side = (196, 128, 96), (104, 44, 52), (150, 92, 80)
    draw.rectangle((x, y - size, x + size * 1.5, y), fill=wall)
    draw.rectangle((x + size * 1.5, y - size, x + size * 2.1, y), fill=side)
    ridge_y = y - size * 1.75
    draw.polygon(
        [(x - size * 0.12, y - size), (x + size * 0.75, ridge_y), (x + size * 1.62, y - size)],
        fill=mix(wall, roof, 0.25),
    )
    draw.polygon(
        [
            (x + size * 0.75, ridge_y),
            (x + size * 1.45, ridge_y),
            (x + size * 2.22, y - size),
            (x + size * 1.56, y - size),
        ],
        fill=roof,
    )
    draw.rectangle((x + size * 1.25, ridge_y - size * 0.4, x + size * 1.45, ridge_y + size * 0.25), fill=(88, 50, 50))
    for left in (0.2, 0.95):
        draw.rectangle((x + size * left, y - size * 0.78, x + size * (left + 0.32), y - size * 0.38), fill=lamp)
        middle = x + size * (left + 0.16)
        draw.line([(middle, y - size * 0.78), (middle, y - size * 0.38)], fill=roof, width=2 * FINE)
    draw.rectangle((x + size * 0.6, y - size * 0.62, x + size * 0.85, y), fill=(84, 48, 46))


def pine(draw: ImageDraw.ImageDraw, foot: Point, height: float, colour: Colour, seed: int) -> None:
    """A pine of ragged tiers."""
    chance = random.Random(seed)
    x, y = foot
    draw.rectangle((x - height * 0.02, y - height * 0.15, x + height * 0.02, y), fill=mix(colour, (40, 20, 20), 0.5))
    for tier in range(8):
        top = y - height + tier * height * 0.11
        half = height * (0.05 + 0.034 * tier)
        left, right = half * chance.uniform(0.85, 1.15), half * chance.uniform(0.85, 1.15)
        bottom = top + height * 0.2
        shade = mix(colour, (255, 190, 120), 0.035 * (tier % 3))
        draw.polygon([(x, top), (x + right, bottom), (x, bottom - height * 0.035), (x - left, bottom)], fill=shade)


def boat(picture: Image.Image, foot: Point, size: float) -> Image.Image:
    """A sailing boat and its broken reflection."""
    x, y = foot
    pen = ImageDraw.Draw(picture)
    for step in range(26):
        wide = size * (0.95 - step * 0.031) * (0.75 + 0.25 * math.sin(step * 2.1))
        level = y + size * (0.05 + step * 0.05)
        shade = (206, 178, 176) if step % 2 else (140, 88, 92)
        pen.line([(x - wide * 0.42, level), (x + wide * 0.3, level)], fill=shade, width=round(size * 0.018))

    def at(right: float, up: float) -> Point:
        """A point of the boat, in lengths of it from the mast's foot at the water."""
        return (x + size * right, y - size * up)

    pen.polygon([at(-0.62, 0.13), at(0.66, 0.16), at(0.46, -0.06), at(-0.46, -0.06)], fill=(150, 44, 40))
    pen.line([at(-0.62, 0.13), at(0.66, 0.16)], fill=(244, 228, 206), width=round(size * 0.035))
    pen.line([at(0, 0.1), at(0, 1.72)], fill=(72, 48, 42), width=round(size * 0.035))
    pen.polygon([at(0.03, 1.66), at(0.62, 0.3), at(0.03, 0.24)], fill=(250, 240, 222))
    pen.polygon([at(0.03, 1.66), at(0.26, 0.27), at(0.03, 0.24)], fill=(228, 206, 190))
    for level in (0.62, 0.95, 1.25):
        reach = 0.59 * (1.66 - level) / 1.36
        pen.line([at(0.03, level), at(0.03 + reach, level - 0.02)], fill=(206, 178, 166), width=FINE)
    pen.polygon([at(-0.04, 1.5), at(-0.56, 0.24), at(-0.05, 0.3)], fill=(214, 92, 62))
    pen.polygon([at(0, 1.72), at(-0.17, 1.66), at(0, 1.6)], fill=(214, 60, 56))
    return picture


def reeds(draw: ImageDraw.ImageDraw, seed: int) -> None:
    """Grass and reeds close to us, along the bottom and up the left corner."""
    chance = random.Random(seed)
    for _ in range(900):
        x = chance.random() ** 1.25
        rise = 0.05 + 0.2 * max(0.0, 1 - x * 2.4) + 0.09 * max(0.0, (x - 0.8) * 4)
        height = rise * chance.uniform(0.45, 1.15)
        lean = chance.uniform(-0.02, 0.035)
        colour = mix((26, 34, 30), (112, 96, 52), chance.random() ** 2)
        start, tip = (x * W, 1.01 * H), ((x + lean) * W, (1.0 - height) * H)
        bend = ((x + lean * 0.3) * W, (1.0 - height * 0.6) * H)
        draw.line([start, bend, tip], fill=colour, width=chance.randint(2, 5) * FINE // 2, joint="curve")
        if chance.random() < 0.07:
            draw.line([tip, (tip[0], tip[1] + 0.03 * H)], fill=(92, 58, 36), width=5 * FINE)


def scene(late: float) -> Image.Image:
    """The picture; late 0 = evening, 1 = dusk."""
    sun = (0.285 * W, (SHORE - 0.215 + 0.03 * late) * H)
    top, middle = mix((66, 112, 176), (46, 62, 128), late), mix((240, 186, 146), (226, 128, 104), late)
    horizon, light = mix((255, 224, 168), (252, 176, 104), late), mix((255, 240, 200), (255, 200, 132), late)
    sky = gradient([(0, top), (0.55, middle), (1, horizon)], round(SHORE * H))
    picture = Image.new("RGB", (W, H), horizon)
    picture.paste(sky, (0, 0))
    picture = glow(picture, sun, 0.42 * W, light, 0.75)
    disc = 0.021 * W
    ImageDraw.Draw(picture).ellipse((sun[0] - disc, sun[1] - disc, sun[0] + disc, sun[1] + disc), fill=(255, 246, 214))
    picture = clouds(picture, 0.012 * late, mix((255, 214, 180), (250, 150, 112), late))
    haze = mix(horizon, middle, 0.5)
    for seed, height, rough, nearness in ((3, 0.27, 0.62, 0.32), (8, 0.17, 0.6, 0.55), (14, 0.085, 0.56, 0.8)):
        line = ridge(seed, SHORE + 0.01, height, rough)
        far = mix((74, 84, 128), (52, 50, 96), late)
        near = mix((58, 82, 74), (40, 50, 66), late)
        colour = mix(haze, far if nearness < 0.7 else near, nearness)
        land(ImageDraw.Draw(picture), line, colour, SHORE + 0.01)
        slopes(picture, line, colour, seed + 50, SHORE + 0.008)
    picture = water(picture, sun, mix((40, 70, 116), (28, 38, 84), late), mix(haze, (120, 130, 160), 0.3), light)
    draw = ImageDraw.Draw(picture)
    headland = [
        (0.62, 0.585),
        (0.7, 0.56),
        (0.79, 0.535),
        (0.9, 0.525),
        (1.01, 0.51),
        (1.01, 0.66),
        (0.86, 0.64),
        (0.72, 0.61),
    ]
    draw.polygon([(x * W, y * H) for x, y in headland], fill=mix((74, 92, 62), (48, 56, 56), late))
    house(draw, (0.8 * W, 0.556 * H), 0.042 * W, mix((255, 216, 128), (255, 226, 130), late))
    for number, (x, y, tall) in enumerate(
        ((0.745, 0.58, 0.15), (0.775, 0.57, 0.2), (0.925, 0.556, 0.25), (0.965, 0.566, 0.31))
    ):
        pine(draw, (x * W, y * H), tall * H, mix((38, 66, 54), (26, 38, 48), late), number)
    picture = boat(picture, ((0.42 + 0.026 * late) * W, (0.735 + 0.004 * late) * H), 0.105 * W)
    for number, (x, tall) in enumerate(((0.045, 0.78), (0.135, 0.6))):
        pine(ImageDraw.Draw(picture), (x * W, 1.0 * H), tall * H, mix((24, 42, 40), (18, 24, 36), late), 40 + number)
    reeds(ImageDraw.Draw(picture), 77)
    return picture.resize(SIZE, Image.Resampling.LANCZOS)


def main(folder: Path) -> None:
    """Write both stills."""
    for name, late in (("lake_evening.jpg", 0.0), ("lake_dusk.jpg", 0.7)):
        scene(late).save(folder / name, quality=88, optimize=True, progressive=True, subsampling=0)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else STILLS[0].parent)
