"""How a set's rows differ from what was asked for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ksc_ledger.sources import wire
from ksc_ledger.sources.drift import ODD_AT_MOST, Drift, Kind, kind_of

KINDS = {"id": Kind.TEXT, "count": Kind.NUMBER, "is_on": Kind.FLAG, "at": Kind.INSTANT}
WHOLE = {
    "id": "a",
    "count": {"type": "long", "value": 5},
    "is_on": True,
    "at": {"type": "datetime", "value": "2022-10-12T01:00:00Z"},
}


def read(*rows: dict[str, Any]) -> tuple[dict[str, int], bool]:
    """What is found in rows that came in one chunk, and whether they went the short way."""
    shape = wire.RowShape("id", KINDS)
    shape.begin()
    items = [{"type": "params", "value": row} for row in rows]
    body = msgspec.json.encode({"PxgRetVal": len(rows), "pChunk": {"KLCSP_ITERATOR_ARRAY": items}})
    is_short = shape.split(body) is not None
    if not is_short:
        shape.split_unusual(wire.parse(body))
    assert shape.drift is not None
    return shape.drift.found(), is_short


def test_rows_as_asked_for_take_the_short_way_and_show_nothing() -> None:
    assert read(WHOLE, {**WHOLE, "id": "b", "count": 7}) == ({}, True)


@pytest.mark.parametrize("name", ["count", "is_on", "at"])
def test_an_attribute_is_missing_only_when_no_row_has_it(name: str) -> None:
    without = {key: value for key, value in WHOLE.items() if key != name}
    assert read(without, {**without, "id": "b"}) == ({f"missing.{name}": 2}, True)
    assert read(without, {**WHOLE, "id": "b"}) == ({}, True)


def test_null_is_not_there() -> None:
    assert read({**WHOLE, "count": None}) == ({"missing.count": 1}, False)


def test_an_attribute_nobody_asked_for_is_counted_in_the_rows_that_have_it() -> None:
    assert read(WHOLE, {**WHOLE, "id": "b", "more": 1.5}) == ({"new.more": 1}, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 5),
        ("count", "5"),
        ("count", True),
        ("count", 5.0),
        ("count", {"type": "long", "value": None}),
        ("count", {"type": "datetime", "value": "2022-10-12T01:00:00Z"}),
        ("is_on", 1),
        ("is_on", "true"),
        ("at", "2022-10-12T01:00:00Z"),
        ("at", {"type": "long", "value": 5}),
        ("at", {"type": "datetime", "value": 5}),
        ("at", {"type": ["x"], "value": 5}),
    ],
    ids=str,
)
def test_a_value_of_another_kind_is_counted(name: str, value: Any) -> None:
    found, is_short = read({**WHOLE, name: value}, {**WHOLE, "id": "b"})
    assert (found, is_short) == ({f"retyped.{name}": 1}, False)


def test_a_new_set_forgets_the_one_before() -> None:
    drift = Drift(KINDS)
    drift.unusual([{"more": 1}])
    drift.begin()
    assert drift.found() == {}
    drift.unusual([WHOLE])
    assert drift.found() == {}


def test_names_from_a_server_are_few_and_fit_for_a_log() -> None:
    drift = Drift({})
    drift.unusual([{f"a\n{number}" + "x" * 500: 1 for number in range(ODD_AT_MOST + 1)}])
    found = drift.found()
    assert len(found) == ODD_AT_MOST
    assert all(len(name) <= len("new.") + 64 and "\n" not in name for name in found)


def test_what_is_none_of_the_kinds_has_none() -> None:
    assert [kind_of(value) for value in (None, 1.5, [], {}, {"type": "params", "value": {}})] == [
        None
    ] * 5
