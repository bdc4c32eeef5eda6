"""What all find methods have in common: filter, order, and which fields may be asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from ksc_ledger.simulator import filters, wire
from ksc_ledger.simulator.filters import Row
from ksc_ledger.simulator.pxg import bad_argument

_Row = TypeVar("_Row", bound=Row)
Order = Sequence[tuple[str, bool]]


def select(
    rows: Iterable[_Row],
    *,
    text: str,
    order: Order,
    searchable: frozenset[str],
    now: datetime,
) -> list[_Row]:
    """The rows that pass the filter, sorted. BusinessError names an attribute nobody knows."""
    parsed = filters.parse(text)
    check_known(parsed.attributes, searchable, "filter")
    check_known([name for name, _ in order], searchable, "order")
    found = [row for row in rows if parsed.matches(row, now)]
    for name, is_ascending in reversed(order):
        found.sort(key=lambda row: _sort_key(row.get(name)), reverse=not is_ascending)
    return found


def check_known(names: Iterable[str], known: frozenset[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise bad_argument(f"Unknown attribute '{name}' in {where}", name)


def pick(row: Mapping[str, wire.Member], fields: Iterable[str]) -> dict[str, wire.Member]:
    """The asked fields that the row has."""
    return {name: row[name] for name in fields if name in row}


def _sort_key(value: filters.Value) -> tuple[int, int | float, str]:
    """Absent first, then by value; text without regard to case."""
    if isinstance(value, tuple):
        value = value[0] if value else None
    if value is None:
        return (0, 0, "")
    if isinstance(value, str):
        return (1, 0, value.casefold())
    if isinstance(value, wire.Long):
        return (1, value.value, "")
    if isinstance(value, wire.DateTime):
        return (1, value.value.timestamp(), "") if value.value else (0, 0, "")
    if isinstance(value, bool | int):
        return (1, int(value), "")
    raise bad_argument("This attribute cannot be sorted by", "order")
