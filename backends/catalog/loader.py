"""load() and Catalog: the rows of the registered back ends, of further files and of the user's own folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backends.catalog.names import gone, guesses, normal, unknown
from backends.catalog.schema.files import Raw, ids_in, inherit, override, read_file
from backends.catalog.schema.reading import read_row
from backends.catalog.schema.row import Row
from backends.errors import VideoError
from backends.provider.registry import registry
from backends.request import Task

PRODUCT = Path(__file__).resolve().parents[1]
"""Where every file lies that ships with the program: a mistake in one of them is ours, and fatal."""

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Broken:
    """What was left out of the catalogue, and why: a row of the user's or a plug-in's file, or the whole file.

    path: the file. row: the id of the row ("" = the file as a whole). why: file, row, key and legal values in words.
    served: another file has a row of that id, which is used.
    """

    path: Path
    row: str
    why: str
    served: bool = False


class Catalog:
    """The rows by id, in the order of the files, and the names that lead to them.

    broken: what was left out of files that are not the program's own; everything else works.
    """

    def __init__(self, rows: Iterable[Row], broken: Iterable[Broken] = ()) -> None:
        self.rows: tuple[Row, ...] = tuple(rows)
        self.broken: tuple[Broken, ...] = tuple(broken)
        self.broken_names = {normal(name): one for one in self.broken for name in _names_of(one.row) if name}
        self._by_id = {row.id: row for row in self.rows}
        self._names: dict[str, list[Row]] = {}
        self._aliases: dict[str, Row] = {}
        for row in self.rows:
            for name in {normal(row.id), normal(row.name)}:
                self._names.setdefault(name, []).append(row)
            for alias in row.aliases:
                self._aliases.setdefault(normal(alias), row)

    @property
    def left_out(self) -> list[str]:
        """What was left out, a sentence a mistake."""
        return list(dict.fromkeys(one.why for one in self.broken))

    def __len__(self) -> int:
        return len(self.rows)

    def find(self, name: str) -> Row | None:
        """The row that a name means: exact id, exact bare id of one row, alias, or a bare name that only one row has.
        None otherwise."""
        if name in self._by_id:
            return self._by_id[name]
        exact = [row for row in self.rows if row.name == name]
        if len(exact) == 1:
            return exact[0]
        key = normal(name)
        if key in self._aliases:
            return self._aliases[key]
        found = self._names.get(key, [])
        return found[0] if len(found) == 1 else None

    def get(self, name: str, *, include_retired: bool = False) -> Row:
        """The row that a name means. VideoError("not_found") with the names like it; VideoError("model_retired") with
        the successor and its price, unless include_retired."""
        row = self.find(name)
        if row is None and (left_out := self.broken_names.get(normal(name))) is not None:
            raise VideoError("storage", f"model {name[:80]!r} is left out of the catalogue: {left_out.why}")
        if row is None:
            raise unknown(name, guesses(name, self))
        if row.state == "retired" and not include_retired:
            raise gone(self, row, name)
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


_cache: dict[Stamp, Catalog] = {}


def load(folders: Sequence[Path] = (), files: Sequence[Path] = ()) -> Catalog:
    """The catalogue: the file of each registered back end (`Registration.catalog`), the program's own first, then
    `files`, then the *.toml of `folders` (the user's own: same id = override of the keys it names, new id = new row).

    Read again only when a file has changed. A row of a plug-in, of `files` or `folders` that cannot be used is left
    out, and so is one of ours that it was to change: what the user meant to correct is not known. `Catalog.broken`
    says what is wrong. VideoError("storage") for a mistake in the program's own files only.
    """
    named = tuple(entry.catalog for entry in registry().values() if entry.catalog is not None)
    own = _own(named)
    plugins = list(dict.fromkeys(file for path in (*named, *files) if not _ships(path) for file in _files(path)))
    persons = [path for folder in folders if folder.is_dir() for path in _files(folder)]
    stamp = tuple(_stamp(path) for path in (*own, *plugins, *persons))
    if stamp not in _cache:
        _cache.clear()
        _cache[stamp] = _read(own, plugins, persons)
    return _cache[stamp]


@cache
def _ships(path: Path) -> bool:
    return path.resolve().is_relative_to(PRODUCT)


@cache
def _own(named: tuple[Path, ...]) -> tuple[Path, ...]:
    """The files that ship with the program, in their order: which ones there are never changes while it runs."""
    return tuple(sorted(dict.fromkeys(file for path in named if _ships(path) for file in _files(path)), key=_subject))


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.toml")) if path.is_dir() else [path]


def _subject(path: Path) -> str:
    """What orders our own files: the folder where a file has the name of many, else its own name."""
    if path.parent.name == "workflows":
        return path.parent.parent.name
    return path.parent.name if path.name == "models.toml" else path.stem


def _short(path: Path) -> str:
    """A file of our own as messages name it: "cloud/fal/models.toml"."""
    return path.relative_to(PRODUCT).as_posix() if path.is_relative_to(PRODUCT) else path.name


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        facts = path.stat()
    except OSError:
        return (str(path), 0, 0)
    return (str(path), facts.st_mtime_ns, facts.st_size)


def _names_of(row: str) -> tuple[str, str]:
    return row, row.partition("/")[2]


@dataclass(frozen=True)
class _Layer:
    """A row of a file that is not the program's own, laid over what was there."""

    path: Path
    raw: Raw

    @property
    def id(self) -> str:
        return str(self.raw["id"])


def _read(own: Sequence[Path], plugins: Sequence[Path], persons: Sequence[Path]) -> Catalog:
    base: dict[str, tuple[Raw, Path]] = {}
    for path in own:
        where = _short(path)
        file = read_file(path, where)
        for number in range(len(file.rows)):
            raw = file.row(number, where)
            name = str(raw["id"])
            if name in base:
                raise VideoError("storage", f"{where}: row {name} is in the catalogue twice")
            base[name] = (raw, path)
    layers: list[_Layer] = []
    broken: list[Broken] = []
    for path in (*plugins, *persons):
        found, bad = _layers(path)
        broken += bad
        for layer in found:
            taken = layer.id in base or any(layer.id == other.id for other in layers)
            if path in plugins and taken:
                why = f"{path}, row {layer.id}: the row is in the catalogue twice; the other one is used"
                broken.append(Broken(path, layer.id, why, served=True))
            else:
                layers.append(layer)
    return _settled(base, layers, broken)


def _layers(path: Path) -> tuple[list[_Layer], list[Broken]]:
    """The rows of a file of somebody else's, and what of it cannot be used."""
    try:
        file = read_file(path, str(path))
    except VideoError as error:
        rows = [Broken(path, name, error.message) for name in ids_in(path)]
        return [], [Broken(path, "", error.message), *rows]
    layers: list[_Layer] = []
    broken: list[Broken] = []
    for number, raw in enumerate(file.rows):
        try:
            layers.append(_Layer(path, file.row(number, str(path))))
        except VideoError as error:
            broken.append(Broken(path, str(raw.get("id", "")), error.message))
    return layers, broken


def _settled(base: dict[str, tuple[Raw, Path]], layers: list[_Layer], broken: list[Broken]) -> Catalog:
    """The rows with all layers that can be used; one that makes any row unusable is left out, and reported."""
    while True:
        raws = {name: raw for name, (raw, _) in base.items()}
        origin = {name: path for name, (_, path) in base.items()}
        laid: dict[str, _Layer] = {}
        for layer in layers:
            raws[layer.id] = override(raws[layer.id], layer.raw) if layer.id in raws else layer.raw
            origin[layer.id] = layer.path
            laid[layer.id] = layer
        rows: list[Row] = []
        named: dict[str, Row] = {}
        bad: dict[int, Broken] = {}
        for name in raws:
            where = str(origin[name]) if name in laid else _short(origin[name])
            row: Row | None = None
            try:
                row = read_row(inherit(name, raws, where, ()), where, origin[name].name)
                culprit, why = _alias_taken(row, named, laid, where)
            except (VideoError, TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
                culprit = _culprit(name, raws, laid)
                if culprit is None:
                    raise
                why = error.message if isinstance(error, VideoError) else f"{where}, row {name}: {error}. Fix the file."
            if culprit is not None:
                bad.setdefault(id(culprit), Broken(culprit.path, culprit.id, why))
            elif row is not None:
                rows.append(row)
        if not bad:
            left_out = {one.row for one in broken if not one.served}
            return Catalog((row for row in rows if row.id not in left_out), broken)
        broken = [*broken, *bad.values()]
        layers = [layer for layer in layers if id(layer) not in bad]


def _culprit(name: str, raws: dict[str, Raw], laid: dict[str, _Layer]) -> _Layer | None:
    """The layer that makes a row unusable: its own, else that of a row which it is like."""
    seen: set[str] = set()
    while name not in seen:
        if name in laid:
            return laid[name]
        seen.add(name)
        name = str(raws.get(name, {}).get("like", name))
    return None


def _alias_taken(row: Row, named: dict[str, Row], laid: dict[str, _Layer], where: str) -> tuple[_Layer | None, str]:
    """Whose layer gives a row's alias to a second model, and the words for it."""
    for alias in row.aliases:
        other = named.setdefault(normal(alias), row)
        if other is not row:
            why = f"{where}: alias {alias!r} of {row.id} already names {other.id}"
            culprit = laid.get(row.id) or laid.get(other.id)
            if culprit is None:
                raise VideoError("storage", why)
            return culprit, why
    return None, ""
