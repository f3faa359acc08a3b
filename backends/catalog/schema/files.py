"""The tables of catalogue files: named sizes, sources and prices put in, overrides and `like` resolved."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import cast

from backends.errors import VideoError

NOT_INHERITED = frozenset(
    {"id", "title", "aliases", "state", "retire_on", "retire_checked", "successor", "why_retired", "like", "tested"}
)
"""What `like` does not take over: a row's own names and life."""

SHARED = ("sizes", "sources", "price")
"""The tables that a file's rows share."""

BIND = "bind"
"""The table of a row's workflow: the ComfyUI back end reads it."""

Raw = dict[str, object]


@dataclass(frozen=True)
class RawFile:
    """A file's rows as they stand in it, and its shared tables."""

    path: Path
    rows: tuple[Raw, ...]
    shared: Raw

    def row(self, number: int, where: str) -> Raw:
        """A row with what it takes from its file. VideoError("storage") names file, row and key."""
        raw = dict(self.rows[number])
        if not isinstance(raw.get("id"), str):
            raise VideoError(
                "storage",
                f"{where}: each [[model]] needs an id such as provider/model, and number {number + 1} has none",
            )
        if "provider" in self.shared:
            raw.setdefault("provider", self.shared["provider"])
        _resolve_names(raw, self.shared, f"{where}, row {raw['id']}")
        return raw


def read_file(path: Path, where: str) -> RawFile:
    """A file's tables; VideoError("storage") where it cannot be read or holds something else."""
    try:
        data = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        raise VideoError("storage", f"{where} is not there: a package must install it beside its module") from None
    except (OSError, ValueError, RecursionError) as error:
        raise VideoError("storage", f"{where} cannot be read as TOML ({error}): fix or remove it") from None
    unknown = set(data) - {"provider", *SHARED, "model", BIND}
    models = data.get("model", [])
    listed = cast("list[object]", models) if isinstance(models, list) else [models]
    wrong = [name for name in SHARED if not isinstance(data.get(name, {}), dict)]
    if unknown or wrong or not all(isinstance(raw, dict) for raw in listed):
        said = ", ".join([*sorted(unknown), *wrong]) or "model"
        legal = "provider, [sizes.NAME], [sources.NAME], [price], [[model]]"
        raise VideoError("storage", f"{where}: {said}: a catalogue file holds {legal}. Fix the file.")
    return RawFile(path, tuple(cast("list[Raw]", listed)), data)


def ids_in(path: Path) -> tuple[str, ...]:
    """The ids that an unreadable file seems to be about, as far as its lines show."""
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return ()
    return tuple(dict.fromkeys(re.findall(r"""^\s*id\s*=\s*["']([^"'\n]+)["']""", text, re.M)))


def _resolve_names(raw: Raw, data: Raw, where: str) -> None:
    """Puts in what a row takes from its file: named sizes, named sources, the price's defaults."""
    sizes = cast("Mapping[str, object]", data.get("sizes", {}))
    sources = cast("Mapping[str, object]", data.get("sources", {}))
    price = cast("Raw", data.get("price", {}))
    if isinstance(named := raw.get("sources"), list):
        raw["sources"] = [_named(source, sources, f"{where}: sources") for source in cast("list[object]", named)]
    if "mode" in raw:
        boxes = cast("list[object]", raw["mode"]) if isinstance(raw["mode"], list) else [None]
        if not all(isinstance(box, dict) for box in boxes):
            raise VideoError("storage", f"{where}: mode must be a list of tables ([[model.mode]]). Fix the file.")
        raw["mode"] = [dict(cast("Raw", box)) for box in boxes]
    if isinstance(raw.get("box"), dict):
        raw["box"] = dict(cast("Raw", raw["box"]))
    for box in (raw, raw.get("box"), *cast("list[object]", raw.get("mode", []))):
        if not isinstance(box, dict):
            continue
        table = cast("Raw", box)
        if "sizes" in table:
            table["sizes"] = _named(table["sizes"], sizes, f"{where}: sizes")
        own = table.get("price")
        if isinstance(own, dict):
            table["price"] = {**price, **cast("Raw", own)}


def _named(value: object, known: Mapping[str, object], where: str) -> object:
    """A text stands for the file's table of that name."""
    if not isinstance(value, str):
        return value
    if value not in known:
        raise VideoError("storage", f"{where} {value!r} must be one of {', '.join(known) or 'none'}. Fix the file.")
    return known[value]


def override(base: Raw, change: Raw) -> Raw:
    """The keys that the change names; a new price holds for every box, since users correct prices by model."""
    merged = {**base, **change}
    if "price" in change and "mode" not in change:
        boxes = cast("list[Raw]", base.get("mode", []))
        merged["mode"] = [{key: value for key, value in box.items() if key != "price"} for box in boxes]
    return merged


def inherit(name: str, raws: Mapping[str, Raw], where: str, seen: tuple[str, ...]) -> Raw:
    raw = raws[name]
    like = raw.get("like")
    if like is None:
        return raw
    if not isinstance(like, str) or like not in raws or like in seen or like == name:
        raise VideoError("storage", f"{where}, row {name}: like must be the id of another row, not {like!r}")
    base = inherit(like, raws, where, (*seen, name))
    kept = {key: value for key, value in base.items() if key not in NOT_INHERITED}
    own = {key: value for key, value in raw.items() if key != "like"}
    if not own.get("sources"):
        own.pop("sources", None)
    merged = override(kept, own)
    for key in ("box", "wire", "facts"):
        if isinstance(kept.get(key), dict) and isinstance(own.get(key), dict):
            merged[key] = {**cast("Raw", kept[key]), **cast("Raw", own[key])}
    return merged
