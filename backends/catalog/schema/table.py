"""Table: one TOML table read with care. Every mistake names the file, the row, the key and the legal values."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import NoReturn, TypeVar, cast

from backends.errors import VideoError

Word = TypeVar("Word", bound=str)

ALIKE = 0.8
"""How alike two keys are (difflib's ratio) for one to be a slip of the other: titel is one of title, tier is not."""


class Table:
    """A table and where it stands; each reader marks its key as known, `done` refuses what is left."""

    def __init__(self, data: Mapping[str, object], where: str) -> None:
        self._data = data
        self._known: set[str] = set()
        self.where = where

    def fail(self, key: str, wanted: str) -> NoReturn:
        """VideoError("storage"): the key cannot be used as it is."""
        shown = f", not {self._data[key]!r:.60}" if key in self._data else f" (it is missing{self._slip(key)})"
        raise VideoError("storage", f"{self.where}: {key} must be {wanted}{shown}. Fix the file or remove it.")

    def _slip(self, key: str) -> str:
        """The key that was written for one that is missing, where one looks like it."""
        near = difflib.get_close_matches(key, self._data, n=1, cutoff=ALIKE)
        return f"; did you write {near[0][:40]} for it?" if near else ""

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def raw(self, key: str) -> object:
        self._known.add(key)
        return self._data.get(key)

    def names(self) -> list[str]:
        """Every key, for tables whose keys are data."""
        self._known.update(self._data)
        return list(self._data)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.raw(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            self.fail(key, "text")
        return value

    def word(self, key: str, legal: Collection[Word], default: Word | None = None) -> Word:
        value = self.raw(key)
        if value is None and default is not None:
            return default
        if value not in legal:
            self.fail(key, "one of " + ", ".join(map(str, legal)))
        return cast("Word", value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.raw(key)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value,)
        items = cast("list[object]", value) if isinstance(value, list) else [None]
        if not all(isinstance(item, str) for item in items):
            self.fail(key, "a list of texts")
        return tuple(cast("list[str]", items))

    def words(self, key: str, legal: Collection[Word]) -> tuple[Word, ...]:
        found = self.texts(key)
        if wrong := [word for word in found if word not in legal]:
            self.fail(key, f"made of {', '.join(legal)} ({wrong[0]!r} is none of them)")
        return cast("tuple[Word, ...]", found)

    def number(self, key: str, default: float | None = None) -> float:
        value = self.raw(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            self.fail(key, "a number")
        return float(value)

    def fraction(self, key: str, default: float) -> float:
        """A number, or one that decimals cannot say: "1/6"."""
        value = self.raw(key)
        if not isinstance(value, str):
            return self.number(key, default)
        try:
            return float(Fraction(value))
        except (ValueError, ZeroDivisionError):
            self.fail(key, 'a number or a fraction such as "1/6"')

    def whole(self, key: str, default: int | None = None) -> int:
        value = self.raw(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(key, "a whole number")
        return value

    def numbers(self, key: str) -> tuple[float, ...]:
        value = self.raw(key)
        if value is None:
            return ()
        items = cast("list[object]", value) if isinstance(value, list) else [value]
        if any(isinstance(item, bool) or not isinstance(item, int | float | Decimal) for item in items):
            self.fail(key, "a list of numbers")
        return tuple(float(cast("int | float | Decimal", item)) for item in items)

    def flag(self, key: str, default: bool) -> bool:
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fail(key, "true or false")
        return value

    def day(self, key: str) -> date | None:
        value = self.raw(key)
        if value is not None and not isinstance(value, date):
            self.fail(key, "a date such as 2026-11-22 (without quotes)")
        return value

    def money(self, key: str) -> tuple[Decimal, Decimal]:
        """(low, high) from 0.05, "0.05" or "0.021-0.023"."""
        value = self.raw(key)
        try:
            if isinstance(value, str):
                low, _, high = value.partition("-")
                amounts = Decimal(low.strip()), Decimal((high or low).strip())
            elif isinstance(value, int | Decimal) and not isinstance(value, bool):
                amounts = Decimal(value), Decimal(value)
            else:
                raise InvalidOperation
        except InvalidOperation:
            self.fail(key, 'an amount in US dollars: 0.05 or "0.02-0.03"')
        if not 0 <= amounts[0] <= amounts[1] or not amounts[1].is_finite():
            self.fail(key, "an amount of at least 0, the smaller first")
        return amounts

    def table(self, key: str) -> Table:
        value = self.raw(key)
        if value is None:
            return Table({}, f"{self.where}, {key}")
        if not isinstance(value, dict):
            self.fail(key, "a table")
        return Table(cast("dict[str, object]", value), f"{self.where}, {key}")

    def tables(self, key: str) -> list[Table]:
        value = self.raw(key)
        if value is None:
            return []
        items = cast("list[object]", value) if isinstance(value, list) else [None]
        if not all(isinstance(item, dict) for item in items):
            self.fail(key, f"a list of tables ([[{key}]])")
        return [Table(cast("dict[str, object]", item), f"{self.where}, {key} {i + 1}") for i, item in enumerate(items)]

    def plain(self, key: str) -> Mapping[str, object]:
        """A table for somebody else to read (a back end), as it is."""
        value = self.raw(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.fail(key, "a table")
        return cast("dict[str, object]", value)

    def done(self) -> None:
        """VideoError("storage") when a key was left that nobody reads."""
        for key in self._data:
            if key not in self._known:
                near = difflib.get_close_matches(key, self._known, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                legal = ", ".join(sorted(self._known))
                raise VideoError(
                    "storage", f"{self.where}: {key} is no key here; {hint}The keys are {legal}. Fix the file."
                )
