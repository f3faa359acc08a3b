"""From TOML tables to rows: the file format of the catalogue.

A file holds `provider` (default of its rows), `[sizes.NAME]` tables that boxes name, `[sources.NAME]` tables that
rows name, `[price]` (defaults of its prices: date, source, credit_usd) and `[[model]]` rows. A row holds its facts,
`[model.box]` (what its boxes share), `[[model.mode]]` boxes, `[model.price]` (of boxes without their own) and
`[model.wire]`. `like = "ID"` starts from another row's data (all but its names and life state).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast, get_args

from backends.camera import CAMERA_MOVES
from backends.catalog.schema.row import Audio, Engine, LifeState, Limits, LoopHow, Mode, Row, Source, Typical, Where
from backends.catalog.schema.span import Camera, CameraHow, FrameRule, Option, ReferenceRule, Size, SourceRule, Span
from backends.catalog.schema.table import Table
from backends.catalog.schema.tariff import UNKNOWN_PRICE, Price, Rate, Surcharge, Unit
from backends.request import TASKS

RATIO = re.compile(r"[1-9][0-9]{0,3}(\.[0-9]+)?:[1-9][0-9]{0,3}")
PIXELS = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")
FOLLOWS = re.compile(r"(same)|(short|area) ([1-9][0-9]{1,4})")


def read_row(data: Mapping[str, object], where: str, file: str) -> Row:
    """A row from its merged table. VideoError("storage") names what is wrong and what is legal."""
    top = Table(data, where)
    name = top.text("id")
    top.where = f"{where}, row {name}"
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*(/[A-Za-z0-9][A-Za-z0-9._/-]*)?", name):
        top.fail("id", "provider/model in letters, digits and . _ -")
    price = _price(top.table("price")) if "price" in top else UNKNOWN_PRICE
    shared = top.plain("box")
    modes = tuple(
        _mode(Table({**shared, **cast("dict[str, object]", item)}, f"{top.where}, mode {i + 1}"), price)
        for i, item in enumerate(cast("list[object]", top.raw("mode") or []))
    )
    state = top.word("state", get_args(LifeState), "active")
    if not modes and state != "retired":
        top.fail("mode", "given at least once ([[model.mode]]) unless the row is retired")
    typical = top.table("typical")
    limits = top.table("limits")
    row = Row(
        id=name,
        provider=top.text("provider", name.partition("/")[0]),
        title=top.text("title"),
        engine=top.word("engine", get_args(Engine), "generative"),
        where=top.word("where", get_args(Where), "cloud"),
        state=state,
        family=top.text("family", name),
        aliases=top.texts("aliases"),
        retire_on=top.day("retire_on"),
        retire_checked=top.flag("retire_checked", True),
        successor=top.text("successor", "") or None,
        why_retired=top.text("why_retired", ""),
        alternatives=top.texts("alternatives"),
        licence=top.text("licence", ""),
        territory=top.text("territory", ""),
        typical=Typical(typical.number("base_s", 0), typical.number("per_second", 0)) if "typical" in top else None,
        watermark=top.text("watermark", ""),
        strengths=top.texts("strengths"),
        tier=top.whole("tier", 3),
        compliance=top.texts("compliance"),
        tested=top.text("tested", ""),
        limits=Limits(
            limits.whole("concurrency", 0) or None,
            limits.whole("per_minute", 0) or None,
            limits.whole("per_day", 0) or None,
        ),
        list_complete=_list_complete(top),
        wire=top.plain("wire"),
        facts=top.plain("facts"),
        notes=top.texts("notes"),
        modes=modes,
        sources=tuple(_source(table) for table in top.tables("sources")),
        file=file,
    )
    for table in (typical, limits, top):
        table.done()
    return row


def _list_complete(top: Table) -> str:
    """list = "complete" needs list_source, on whose word it is."""
    if not top.text("list", ""):
        return ""
    top.word("list", ("complete",), "complete")
    return top.text("list_source")


def _source(table: Table) -> Source:
    day = table.day("date")
    if day is None:
        table.fail("date", "a date such as 2026-11-22 (without quotes)")
    source = Source(table.text("about"), table.text("text"), day, table.flag("verified", True))
    table.done()
    return source


def _mode(table: Table, price: Price) -> Mode:
    tasks = table.words("tasks", TASKS)
    if not tasks:
        table.fail("tasks", "at least one of " + ", ".join(TASKS))
    follows = table.raw("durations") == "source"
    options = table.table("options")
    mode = Mode(
        tasks=frozenset(tasks),
        durations=None if follows else _span(table, "durations"),
        sizes=_sizes(table),
        fps=_span(table, "fps") if "fps" in table else None,
        fps_times=table.whole("fps_times", 0),
        audio=table.word("audio", get_args(Audio), "never"),
        audio_default=table.flag("audio_default", True),
        frames=_frames(table.table("frames")),
        references=_references(table.table("references")),
        source=_source_rule(table.table("source")),
        camera=_camera(table),
        motion=table.whole("motion", 0),
        loop=table.word("loop", get_args(LoopHow), "none"),
        effects=table.texts("effects"),
        effect_required=table.flag("effect_required", False),
        styles=table.texts("styles"),
        loras=table.whole("loras", 0),
        seed=table.flag("seed", False),
        seed_default=table.whole("seed_default", -1) if "seed_default" in table else None,
        seed_max=table.whole("seed_max", 2**32 - 1),
        prompt_required=table.flag("prompt_required", True),
        prompt_followed=table.flag("prompt_followed", True),
        prompt_max=table.whole("prompt_max", 32_000),
        prompt_utf16=table.flag("prompt_utf16", False),
        negative_max=table.whole("negative_max", 0),
        options={key: _option(options.table(key)) for key in options.names()},
        wire=table.plain("wire"),
        price=_price(table.table("price")) if "price" in table else price,
    )
    table.done()
    return mode


def _span(table: Table, key: str) -> Span:
    """`[4, 6, 8]` (the first is the default), or `{min, max, step, default}`."""
    value = table.raw(key)
    if isinstance(value, dict):
        inner = table.table(key)
        low, high = inner.number("min"), inner.number("max")
        if high < low or low <= 0:
            table.fail(key, "a range whose min is above 0 and not above its max")
        default = inner.number("default", low)
        span = Span(low=low, high=high, step=inner.fraction("step", 0), default=default, also=inner.numbers("also"))
        inner.done()
        if not span.holds(default):
            table.fail(key, "a range that holds its default")
        return span
    values = table.numbers(key)
    if not values or min(values) <= 0:
        table.fail(key, 'a list of numbers above 0, a table {min, max, step, default}, or "source"')
    return Span(values=values, default=values[0])


def _sizes(table: Table) -> tuple[Size, ...]:
    """`{"720p" = {"16:9" = "1280x720", input = "short 720"}}`; a value may be {px, wire}; the first is the default."""
    sizes: list[Size] = []
    outer = table.table("sizes")
    for resolution in outer.names():
        inner = outer.table(resolution)
        for ratio in inner.names():
            value = inner.raw(ratio)
            wire = ""
            if isinstance(value, dict):
                pair = inner.table(ratio)
                value, wire = pair.text("px"), pair.text("wire", "")
                pair.done()
            sizes.append(_size(inner, resolution, ratio, value, wire))
    if not sizes:
        table.fail("sizes", 'a table such as {"720p" = {"16:9" = "1280x720"}}')
    return tuple(sizes)


def _size(table: Table, resolution: str, ratio: str, value: object, wire: str) -> Size:
    text = value if isinstance(value, str) else ""
    if ratio == "input":
        if (shape := FOLLOWS.fullmatch(text)) is None:
            table.fail(ratio, '"same", "short PIXELS" or "area SIDE"')
        if shape[1]:
            return Size(resolution, ratio, rule="same", wire=wire)
        return Size(resolution, ratio, rule="short" if shape[2] == "short" else "area", side=int(shape[3]), wire=wire)
    if not RATIO.fullmatch(ratio):
        table.fail(ratio, 'keyed by a ratio such as "16:9", or by input')
    if (pixels := PIXELS.fullmatch(text)) is None:
        table.fail(ratio, 'a size such as "1280x720"')
    return Size(resolution, ratio, int(pixels[1]), int(pixels[2]), wire=wire)


def _frames(table: Table) -> FrameRule:
    rule = FrameRule(
        low=table.whole("min", 0),
        high=table.whole("max", 0),
        timed=table.flag("timed", False),
        gap_s=table.fraction("gap_s", 0),
        grid_s=table.fraction("grid_s", 0),
        whole=table.flag("whole", False),
        prompts=table.flag("prompts", False),
        holds=table.flag("holds", False),
        ratio_low=table.number("ratio_min", 0),
        ratio_high=table.number("ratio_max", 0),
        min_side=table.whole("min_side", 0),
    )
    table.done()
    return rule


def _references(table: Table) -> ReferenceRule:
    images, clips = table.whole("images", 0), table.whole("clips", 0)
    rule = ReferenceRule(
        low=table.whole("min", 0),
        high=table.whole("max", images + clips),
        images=images,
        clips=clips,
        clip_max_s=table.number("clip_max_s", 0),
    )
    table.done()
    return rule


def _source_rule(table: Table) -> SourceRule:
    rule = SourceRule(table.number("min_s", 0), table.number("max_s", 0), table.number("total_max_s", 0))
    table.done()
    return rule


def _camera(table: Table) -> Camera:
    """`camera = "words"`, or {how = "native", moves = "all" | [...], timed, max, unasked, left_out}."""
    if isinstance(table.raw("camera"), str) or "camera" not in table:
        return Camera(table.word("camera", get_args(CameraHow), "none"))
    inner = table.table("camera")
    how = inner.word("how", get_args(CameraHow))
    moves = (
        frozenset(CAMERA_MOVES) if inner.raw("moves") == "all" else frozenset(inner.words("moves", tuple(CAMERA_MOVES)))
    )
    tokens = inner.table("tokens")
    words = {move: tokens.text(move) for move in CAMERA_MOVES if move in tokens}
    tokens.done()
    unasked, left_out = inner.text("unasked", ""), inner.text("left_out", "")
    if unasked and not left_out:
        inner.fail("left_out", "what is said before the move is made that nobody requested")
    camera = Camera(how, moves, inner.flag("timed", False), inner.whole("max", 20), words, unasked, left_out)
    inner.done()
    return camera


def _option(table: Table) -> Option:
    kind = table.word("type", ("boolean", "integer", "number", "text"))
    raw = table.raw("values")
    values = cast("list[str | int | float | bool]", raw) if isinstance(raw, list) else []
    option = Option(
        kind,
        tuple(values),
        table.number("min") if "min" in table else None,
        table.number("max") if "max" in table else None,
        table.text("about", ""),
        table.text("why", ""),
    )
    table.done()
    return option


def _price(table: Table) -> Price:
    unit = table.word("unit", get_args(Unit))
    price = Price(
        unit=unit,
        rates=tuple(_rate(rate) for rate in table.tables("rates")),
        minimum_s=table.number("minimum_s", 0),
        step_s=table.number("step_s", 0),
        hold_s=table.number("hold_s", 0),
        credit_usd=table.money("credit_usd")[0] if "credit_usd" in table else UNKNOWN_PRICE.credit_usd,
        surcharges=tuple(
            Surcharge(extra.money("usd")[0], extra.whole("over_images")) for extra in table.tables("surcharges")
        ),
        bills=table.word("bills", ("added", "total"), "added"),
        bills_references=table.flag("bills_references", False),
        day=table.day("date"),
        source=table.text("source", ""),
        verified=table.flag("verified", False),
    )
    if unit in ("per_second", "per_clip") and (not price.rates or price.day is None or not price.source):
        table.fail("rates", "given together with date and source for a price per second or per clip")
    table.done()
    return price


def _rate(table: Table) -> Rate:
    low, high = table.money("usd")
    rate = Rate(
        low,
        high,
        resolutions=frozenset(table.texts("resolution")),
        audio=table.flag("audio", False) if "audio" in table else None,
        durations=table.numbers("duration_s"),
        tasks=frozenset(table.words("tasks", TASKS)),
    )
    table.done()
    return rate
