"""How the rows of a set differ in shape from what was asked for: attributes gone, new, or retyped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from ksc_ledger.sources import faults

ODD_AT_MOST = 50  # kinds of oddity kept of one set; names come from the server


class Kind(StrEnum):
    """What an attribute is on the wire."""

    TEXT = "text"
    NUMBER = "number"  # bare, or wrapped as a long
    FLAG = "flag"
    INSTANT = "instant"  # wrapped as a datetime


class Drift:
    """Counts while the rows of one set pass by. A member that is null is one that is not there.

    An attribute whose kind is None may be anything.
    """

    def __init__(self, kinds: Mapping[str, Kind | None]) -> None:
        self._kinds = kinds
        self.begin()

    def begin(self) -> None:
        """A set begins; what was counted before belongs to a lost one."""
        self._rows = 0
        self._unmet = set(self._kinds)
        self._odd: Counter[str] = Counter()

    def usual(self, rows: Sequence[msgspec.Struct]) -> None:
        """Rows that have no attribute but those asked for, each of its own kind."""
        self._rows += len(rows)
        # As a rule all are met in the first few rows, and no later row is looked at.
        for name in tuple(self._unmet):
            if any(getattr(row, name) is not msgspec.UNSET for row in rows):
                self._unmet.remove(name)

    def unusual(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows of any shape, wrappers left as they are."""
        kinds = self._kinds
        met: set[str] = set()
        new: Counter[str] = Counter()
        retyped: Counter[str] = Counter()
        for row in rows:
            self._rows += 1
            for name, value in row.items():
                if value is None:
                    continue
                met.add(name)
                if name not in kinds:
                    new[name] += 1
                elif (kind := kinds[name]) is not None and kind_of(value) is not kind:
                    retyped[name] += 1
        for name, count in new.items():
            self._note(f"new.{faults.one_line(name, 64)}", count)
        for name, count in retyped.items():
            self._note(f"retyped.{name}", count)
        self._unmet -= met

    def found(self) -> dict[str, int]:
        """How many rows, by ``missing.<attribute>`` (in all of them), ``new.…`` and ``retyped.…``."""
        if not self._rows:
            return {}
        missing = {f"missing.{name}": self._rows for name in self._unmet}
        return dict(sorted({**missing, **self._odd}.items()))

    def _note(self, code: str, count: int) -> None:
        if code in self._odd or len(self._odd) < ODD_AT_MOST:
            self._odd[code] += count


def kind_of(value: Any) -> Kind | None:
    """The kind of a member as the wire has it; None when it is none of them."""
    if type(value) is dict and len(value) == 2 and "value" in value:
        name = value.get("type")
        kind = _WRAPPED.get(name) if isinstance(name, str) else None
        return kind if type(value["value"]) in _INSIDE.get(kind, ()) else None
    return _BARE.get(type(value))


_BARE: dict[type, Kind] = {str: Kind.TEXT, int: Kind.NUMBER, bool: Kind.FLAG}
_WRAPPED: dict[str, Kind] = {"long": Kind.NUMBER, "datetime": Kind.INSTANT}
_INSIDE: dict[Kind | None, tuple[type, ...]] = {Kind.NUMBER: (int, str), Kind.INSTANT: (str,)}
