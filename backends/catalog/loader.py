"""load() and Catalog: the rows of this package, of the registered back ends and of the person's own folders."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import cast

from backends.catalog.reading import read_row
from backends.catalog.row import Row
from backends.errors import VideoError
from backends.request import Task

OWN_FOLDER = Path(__file__).parent
NOT_INHERITED = frozenset(
    {"id", "title", "aliases", "state", "retire_on", "retire_checked", "successor", "why_retired", "like", "tested"}
)
"""What `like` does not take over: a row's own names and life."""

Raw = dict[str, object]
Stamp = tuple[tuple[str, int, int], ...]


def normal(name: str) -> str:
    """A name without case, spaces and punctuation: "Gen-4 Turbo", "gen4_turbo" and "gen4 turbo" are one."""
    return re.sub(r"[^a-z0-9/]+", "", name.lower())


class Catalog:
    """The rows by id, in the order of the files, and the names that lead to them."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows: tuple[Row, ...] = tuple(rows)
        self._by_id = {row.id: row for row in self.rows}
        self._names: dict[str, list[Row]] = {}
        self._aliases: dict[str, Row] = {}
        for row in self.rows:
            for name in {normal(row.id), normal(row.name)}:
                self._names.setdefault(name, []).append(row)
            for alias in row.aliases:
                other = self._aliases.setdefault(normal(alias), row)
                if other is not row:
                    raise VideoError("storage", f"{row.file}: alias {alias!r} of {row.id} already names {other.id}")

    def __len__(self) -> int:
        return len(self.rows)

    def find(self, name: str) -> Row | None:
        """The row that a name means: exact id, alias, or a bare name that only one row has. None otherwise."""
        if name in self._by_id:
            return self._by_id[name]
        key = normal(name)
        if key in self._aliases:
            return self._aliases[key]
        found = self._names.get(key, [])
        return found[0] if len(found) == 1 else None

    def get(self, name: str, *, include_retired: bool = False) -> Row:
        """The row that a name means. VideoError("not_found") with the nearest names; VideoError("model_retired")
        with the successor, its price and the argument to repeat the call with, unless include_retired."""
        row = self.find(name)
        if row is None:
            raise self._unknown(name)
        if row.state == "retired" and not include_retired:
            raise self._retired(row, name)
        return row

    def routes(self, row: Row) -> list[Row]:
        """The other rows that lead to the same model."""
        return [other for other in self.rows if other.family == row.family and other.id != row.id]

    def search(
        self, task: Task | None = None, query: str | None = None, include_retired: bool = False, limit: int = 20
    ) -> list[Row]:
        """Rows that do the task and hold every word of the query (in names, strengths, licence, notes ...)."""
        words = [normal(word) for word in (query or "").split()]
        found: list[Row] = []
        for row in self.rows:
            if row.state == "retired" and not include_retired:
                continue
            if task is not None and task not in row.tasks and not (row.state == "retired" and not row.tasks):
                continue
            if words and not all(word in self._searchable(row) for word in words):
                continue
            found.append(row)
        return found[:limit]

    @staticmethod
    def _searchable(row: Row) -> str:
        parts = [row.id, row.title, row.family, row.where, row.state, row.engine, row.licence, row.territory]
        parts += [*row.aliases, *row.strengths, *row.tasks, *row.compliance, *row.notes]
        return " ".join(normal(part) for part in parts)

    def _unknown(self, name: str) -> VideoError:
        key = normal(name)
        same = [row.id for row in self._names.get(key, [])]
        if len(same) > 1:
            text = f"model {name[:80]!r} has several routes: name one of {', '.join(same)}"
            return VideoError("not_found", text, nearest={"model": same[0]})
        known = {bare: rows[0].id for bare, rows in self._names.items()}
        known |= {alias: row.id for alias, row in self._aliases.items()}
        near = [known[match] for match in difflib.get_close_matches(key, known, n=5, cutoff=0.6)]
        near += [row.id for row in self.rows if len(key) > 2 and key in normal(row.id) and row.state != "retired"]
        unique = list(dict.fromkeys(near))[:3]
        hint = f"did you mean {' or '.join(unique)}? " if unique else ""
        text = f"model {name[:80]!r} is unknown: {hint}list_models shows all; model='auto' chooses"
        return VideoError("not_found", text, nearest={"model": unique[0]} if unique else {})

    def _retired(self, row: Row, name: str) -> VideoError:
        from backends.catalog.price import usual_price

        since = f" since {row.retire_on.isoformat()}" if row.retire_on else ""
        said = f"{row.title} ({row.id})" if normal(name) != normal(row.id) else row.id
        text = f"{said} cannot be used{since}: {row.why_retired or 'the provider has shut it down'}."
        nearest: dict[str, object] = {}
        successor = self.find(row.successor) if row.successor else None
        if successor is not None:
            nearest["model"] = successor.id
            text += f" Its successor is {successor.title}, {usual_price(successor)}."
            text += f' Repeat the call with model="{successor.id}".'
        others = [other.id for name_ in row.alternatives if (other := self.find(name_)) and other is not successor]
        if others:
            text += f" Others: {', '.join(others)}."
        if not nearest and not others:
            text += " list_models shows what can be used now."
        return VideoError("model_retired", text, nearest=nearest)


_cache: dict[Stamp, Catalog] = {}


def load(folders: Sequence[Path] = (), files: Sequence[Path] = ()) -> Catalog:
    """The catalogue: this package's files, then `files` (of registered back ends), then the *.toml of `folders`
    (the person's own: same id = override of the keys it names, new id = new row).

    Read again only when a file has changed. VideoError("storage") names file, row, key and legal values.
    """
    paths = sorted(OWN_FOLDER.glob("*.toml"))
    paths += [path for path in files if path.resolve() not in {own.resolve() for own in paths}]
    own = len(paths)
    for folder in folders:
        paths += sorted(folder.glob("*.toml")) if folder.is_dir() else []
    stamp = tuple(_stamp(path) for path in paths)
    if stamp not in _cache:
        _cache.clear()
        _cache[stamp] = _read(paths, own)
    return _cache[stamp]


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        facts = path.stat()
    except OSError:
        return (str(path), 0, 0)
    return (str(path), facts.st_mtime_ns, facts.st_size)


def _read(paths: Sequence[Path], own: int) -> Catalog:
    raws: dict[str, Raw] = {}
    origin: dict[str, str] = {}
    for number, path in enumerate(paths):
        for raw in _rows_of(path):
            name = str(raw.get("id", ""))
            if name in raws:
                if number < own:
                    raise VideoError("storage", f"{path.name}: row {name} stands twice in the catalogue")
                raw = _override(raws[name], raw)
            raws[name] = raw
            origin[name] = path.name
    whole = {name: _inherit(name, raws, origin, ()) for name in raws}
    return Catalog(read_row(raw, origin[name], origin[name]) for name, raw in whole.items())


def _rows_of(path: Path) -> list[Raw]:
    try:
        data = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise VideoError("storage", f"{path.name} cannot be read as TOML ({error}): mend or remove it") from None
    unknown = set(data) - {"provider", "sizes", "sources", "price", "model"}
    models = data.get("model", [])
    listed = cast("list[object]", models) if isinstance(models, list) else [models]
    if unknown or not all(isinstance(raw, dict) for raw in listed):
        wrong = ", ".join(sorted(unknown)) or "model"
        legal = "provider, [sizes.NAME], [sources.NAME], [price], [[model]]"
        raise VideoError("storage", f"{path.name}: {wrong}: a catalogue file holds {legal}. Mend the file.")
    rows = cast("list[Raw]", listed)
    for raw in rows:
        if not isinstance(raw.get("id"), str):
            raise VideoError("storage", f"{path.name}: each [[model]] needs an id such as provider/model")
        if "provider" in data:
            raw.setdefault("provider", data["provider"])
        _resolve_names(raw, data, f"{path.name}, row {raw['id']}")
    return rows


def _resolve_names(raw: Raw, data: Raw, where: str) -> None:
    """Puts in what a row takes from its file: named sizes, named sources, the price's defaults."""
    sizes = cast("Mapping[str, object]", data.get("sizes", {}))
    sources = cast("Mapping[str, object]", data.get("sources", {}))
    price = cast("Raw", data.get("price", {}))
    named = cast("list[object]", raw.get("sources", []))
    raw["sources"] = [_named(source, sources, f"{where}: sources") for source in named]
    modes = cast("list[object]", raw.get("mode", []))
    for box in (raw, raw.get("box"), *modes):
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
        raise VideoError("storage", f"{where} {value!r} must be one of {', '.join(known) or 'none'}. Mend the file.")
    return known[value]


def _override(base: Raw, change: Raw) -> Raw:
    """The keys that the change names; a new price holds for every box, since a person corrects prices by model."""
    merged = {**base, **change}
    if "price" in change and "mode" not in change:
        boxes = cast("list[Raw]", base.get("mode", []))
        merged["mode"] = [{key: value for key, value in box.items() if key != "price"} for box in boxes]
    return merged


def _inherit(name: str, raws: Mapping[str, Raw], origin: Mapping[str, str], seen: tuple[str, ...]) -> Raw:
    raw = raws[name]
    like = raw.get("like")
    if like is None:
        return raw
    if not isinstance(like, str) or like not in raws or like in seen or like == name:
        raise VideoError("storage", f"{origin[name]}, row {name}: like must be the id of another row, not {like!r}")
    base = _inherit(like, raws, origin, (*seen, name))
    kept = {key: value for key, value in base.items() if key not in NOT_INHERITED}
    own = {key: value for key, value in raw.items() if key != "like"}
    if not own.get("sources"):
        own.pop("sources", None)
    merged = _override(kept, own)
    for key in ("box", "wire", "facts"):
        if isinstance(kept.get(key), dict) and isinstance(own.get(key), dict):
            merged[key] = {**cast("Raw", kept[key]), **cast("Raw", own[key])}
    return merged
