"""What is taken for an answer, and what each typed value becomes."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ksc_ledger.sources import wire
from ksc_ledger.sources.wire import NotTheWire


def refused(body: bytes) -> str:
    with pytest.raises(NotTheWire) as caught:
        wire.parse(body)
    return str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b"<html><body>login</body></html>",
        b"{} x",
        b"{}{}",
        b'{"a":1',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":01}',
        b'{"a":"line\nbreak"}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_body_that_is_not_strict_json_is_refused(body: bytes) -> None:
    assert refused(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"b":2,"a":1}',
        b'{"x":{"a":1,"a":2}}',
        b'{"x":[{"type":"long","value":1,"value":2}]}',
        b'{ "a" : 1, "a" : 2 }',
        rb'{"b":"\/","a":1,"a":2}',
        rb'{"a":1,"\u0061":2}',
        b'{"f":1.50,"a":1,"a":2}',
        b'{"f":123456789012345678901234567890,"a":1,"a":2}',
    ],
)
def test_two_members_of_one_name_are_refused_however_they_are_written(body: bytes) -> None:
    assert "trùng tên" in refused(body)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_STYLES = st.fixed_dictionaries(
    {"ensure_ascii": st.booleans(), "indent": st.sampled_from([None, 1])},
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(value=st.dictionaries(_TEXT, _VALUES, max_size=4), style=_STYLES)
def test_whatever_another_writer_writes_is_read_as_it_was_meant(
    value: dict[str, Any], style: dict[str, Any]
) -> None:
    assert wire.parse(json.dumps(value, **style).encode()).value == value


@settings(max_examples=200, derandomize=True, deadline=None)
@given(value=st.dictionaries(_TEXT, _VALUES, min_size=1, max_size=4), style=_STYLES, data=st.data())
def test_a_member_written_twice_is_never_overlooked(
    value: dict[str, Any], style: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(value)))
    twin = json.dumps({name: data.draw(_VALUES)}, **style)
    body = json.dumps(value, **style)
    cut = body.rindex("}")
    inner = twin[twin.index("{") + 1 : twin.rindex("}")]
    assert "trùng tên" in refused((body[:cut] + "," + inner + "}").encode())


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_an_answer_or_a_named_refusal(body: bytes) -> None:
    with suppress(NotTheWire):
        wire.parse(body)


def test_numbers_beyond_64_bits_are_kept() -> None:
    assert wire.parse(b'{"a":12345678901234567890123}').value == {"a": 12345678901234567890123}


def test_an_integer_of_thousands_of_digits_is_no_crash() -> None:
    body = b'{"a":' + b"9" * 10_000 + b"}"
    with suppress(NotTheWire):
        wire.parse(body)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"x\ud800y", "x\ufffdy"),
        (r"x\udc00y", "x\ufffdy"),
        (r"\ud800\ud83d\ude00", "\ufffd😀"),
        (r"\ud83d\ude00", "😀"),
        (r"\\ud800", r"\ud800"),
        (r"\\\ud800", "\\\ufffd"),
        (r"\u0000", "\0"),
    ],
)
def test_half_a_character_is_mended_and_nothing_else(written: str, read: str) -> None:
    """One name cut in the middle of a character must not make a whole server unreadable."""
    assert wire.parse(b'{"a":"%b"}' % written.encode()).value == {"a": read}


# --- the type rule ---


@pytest.mark.parametrize(
    ("wrapped", "plain"),
    [
        ({"type": "long", "value": 173278741}, 173278741),
        ({"type": "long", "value": "173278741"}, 173278741),
        ({"type": "long", "value": -(2**63)}, -(2**63)),
        (
            {"type": "datetime", "value": "2023-10-13T00:00:00Z"},
            datetime(2023, 10, 13, tzinfo=UTC),
        ),
        ({"type": "datetime", "value": "1601-01-01T00:00:00Z"}, datetime(1601, 1, 1, tzinfo=UTC)),
        ({"type": "datetime", "value": ""}, None),
        ({"type": "date", "value": "2023-10-13"}, date(2023, 10, 13)),
        ({"type": "date", "value": ""}, None),
        ({"type": "binary", "value": "c29tZXRleHQ="}, b"sometext"),
        ({"type": "float", "value": 1}, 1.0),
        ({"type": "double", "value": 1.5}, 1.5),
        ({"type": "params", "value": {"a": {"type": "long", "value": 1}}}, {"a": 1}),
        ([None, {"type": "params", "value": {"b": []}}], [None, {"b": []}]),
        ({"a": {"type": "double", "value": 2.1}}, {"a": 2.1}),
        ({"type": "long"}, {"type": "long"}),
        ({"type": "colour", "value": 1}, {"type": "colour", "value": 1}),
        ({"type": "long", "value": 1, "x": 2}, {"type": "long", "value": 1, "x": 2}),
        ({"type": ["long"], "value": 1}, {"type": ["long"], "value": 1}),
    ],
    ids=str,
)
def test_each_type_is_unwrapped(wrapped: Any, plain: Any) -> None:
    unwrapped = wire.unwrap(wrapped)
    assert unwrapped == plain
    assert type(unwrapped) is type(plain)


@pytest.mark.parametrize(
    "value",
    [
        {"type": "long", "value": "many"},
        {"type": "long", "value": 1.5},
        {"type": "long", "value": True},
        {"type": "long", "value": None},
        {"type": "datetime", "value": "2023-10-13 00:00:00"},
        {"type": "datetime", "value": "2023-10-13T00:00:00+07:00"},
        {"type": "datetime", "value": "2023-13-13T00:00:00Z"},
        {"type": "datetime", "value": 5},
        {"type": "date", "value": "13/10/2023"},
        {"type": "binary", "value": "%%%"},
        {"type": "double", "value": "nan"},
        {"type": "params", "value": [1]},
    ],
    ids=str,
)
def test_a_value_that_is_not_of_its_type_is_refused(value: Any) -> None:
    with pytest.raises(NotTheWire):
        wire.unwrap(value)


def test_nesting_beyond_reason_is_refused_and_within_it_is_read() -> None:
    def nested(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return value

    assert wire.unwrap(nested(64)) == nested(64)
    with pytest.raises(NotTheWire):
        wire.unwrap(nested(65))


# --- chunks ---


def split(body: bytes) -> wire.Chunk:
    return wire.split(wire.parse(body), "id")


def test_rows_come_out_as_the_server_typed_them() -> None:
    row = b'{"id":"a","n":{"type":"long","value":3},"t":"Ph\xc3\xb2ng"}'
    body = b'{"PxgRetVal":1,"pChunk":{"KLCSP_ITERATOR_ARRAY":[{"type":"params","value":%b}]}}' % row
    chunk = split(body)
    assert ([bytes(one) for one in chunk.rows], chunk.ids, chunk.returned) == ([row], ["a"], 1)


def test_a_row_printed_over_several_lines_becomes_one_line() -> None:
    rows = [{"type": "params", "value": {"id": "a b", "x": [1, 2]}}]
    body = json.dumps({"PxgRetVal": 1, "pChunk": {"KLCSP_ITERATOR_ARRAY": rows}}, indent=2)
    assert bytes(split(body.encode()).rows[0]) == b'{"id":"a b","x":[1,2]}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"PxgRetVal":0,"pChunk":{"KLCSP_ITERATOR_ARRAY":[]}}',
        b'{"PxgRetVal":0,"pChunk":{}}',
        b'{"PxgRetVal":0,"pChunk":null}',
        b'{"PxgRetVal":0}',
    ],
)
def test_an_empty_chunk_is_no_fault(body: bytes) -> None:
    assert split(body) == wire.Chunk(0, [], [])


@pytest.mark.parametrize(
    "item",
    [
        {"type": "params", "value": {"name": "x"}},
        {"type": "params", "value": {"id": ""}},
        {"type": "params", "value": {"id": None}},
        {"type": "params", "value": {"id": ["a"]}},
        {"type": "params", "value": []},
        {"type": "long", "value": {"id": "a"}},
        {"value": {"id": "a"}},
        {"id": "a"},
        "a",
        None,
    ],
    ids=str,
)
def test_a_row_without_its_id_or_wrapper_is_refused(item: Any) -> None:
    body = msgspec.json.encode({"PxgRetVal": 1, "pChunk": {"KLCSP_ITERATOR_ARRAY": [item]}})
    with pytest.raises(NotTheWire):
        split(body)


@pytest.mark.parametrize("returned", [None, -1, "1", True, 1.0])
def test_the_number_of_rows_must_be_a_number(returned: Any) -> None:
    body = msgspec.json.encode({"PxgRetVal": returned, "pChunk": {}})
    with pytest.raises(NotTheWire):
        split(body)


@pytest.mark.parametrize("chunk", [[], 5, {"KLCSP_ITERATOR_ARRAY": {}}])
def test_a_chunk_without_a_list_is_refused(chunk: Any) -> None:
    with pytest.raises(NotTheWire):
        split(msgspec.json.encode({"PxgRetVal": 0, "pChunk": chunk}))


# --- the short way through a usual chunk ---

SHAPE = wire.RowShape("id", ("id", "name", "at", "count"))
_MEMBERS = {
    "name": _TEXT,
    "at": st.fixed_dictionaries({"type": st.just("datetime"), "value": _TEXT}),
    "count": st.fixed_dictionaries({"type": st.just("long"), "value": st.integers(-(2**63), 2**63)})
    | st.integers()
    | st.booleans(),
}
_SHAPED = st.fixed_dictionaries({"id": _TEXT.filter(bool)}, optional=_MEMBERS)


def chunk_of(*rows: Any) -> dict[str, Any]:
    items = [{"type": "params", "value": row} for row in rows]
    return {"PxgRetVal": len(rows), "pChunk": {"KLCSP_ITERATOR_ARRAY": items}}


def told(chunk: wire.Chunk) -> tuple[int, list[bytes], list[str | int]]:
    return chunk.returned, [bytes(row) for row in chunk.rows], chunk.ids


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(_SHAPED, max_size=4), _STYLES)
def test_the_short_way_says_what_the_long_way_says_or_nothing(
    rows: list[dict[str, Any]], style: dict[str, Any]
) -> None:
    for body in (compact(chunk_of(*rows)), json.dumps(chunk_of(*rows), **style).encode()):
        short = SHAPE.split(body)
        assert short is None or told(short) == told(split(body))


def test_the_short_way_takes_the_usual_chunk_with_members_missing_and_in_any_order() -> None:
    rows = [
        {"name": 'Phòng "x" \n/', "id": "a", "count": {"type": "long", "value": 3}},
        {"id": "b", "at": {"type": "datetime", "value": ""}},
    ]
    body = msgspec.json.encode(chunk_of(*rows))
    short = SHAPE.split(body)
    assert short is not None
    assert told(short) == (2, [msgspec.json.encode(row) for row in rows], ["a", "b"])


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(_SHAPED, min_size=1, max_size=3), st.data())
def test_the_short_way_never_takes_a_row_with_a_member_twice(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    body = compact(chunk_of(*rows))
    row = compact(data.draw(st.sampled_from(rows)))
    name = data.draw(st.sampled_from(["id", "name", "at", "count"]))
    value = compact(data.draw(_MEMBERS.get(name, _TEXT)))
    twin = row[:-1] + b',"%b":%b,"%b":%b}' % (name.encode(), value, name.encode(), value)
    assert SHAPE.split(body.replace(row, twin, 1)) is None


@pytest.mark.parametrize(
    "value",
    [
        {"id": "a", "unknown": 1},
        {"id": "a", "count": 1.0},
        {"id": "a", "count": None},
        {"id": "a", "name": ["x"]},
        {"id": "a", "at": {"type": "long", "value": 1, "x": 2}},
        {"id": "a", "at": {"type": "double", "value": 1.5}},
        {"id": ""},
        {"id": True},
        {"name": "x"},
    ],
    ids=str,
)
def test_the_short_way_leaves_unusual_rows_to_the_long_one(value: Any) -> None:
    assert SHAPE.split(msgspec.json.encode(chunk_of(value))) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"PxgError":{"code":1}}',
        b'{"PxgRetVal":0}',
        b"[" * 100_000,
        b'{"PxgRetVal":1,"pChunk":{"KLCSP_ITERATOR_ARRAY":[{"type":"params","value":{"id":"\xff"}}]}}',
        b'{"PxgRetVal":1,"pChunk":{"KLCSP_ITERATOR_ARRAY":[{"type":"long","value":{"id":"a"}}]}}',
        rb'{"PxgRetVal":1,"pChunk":{"KLCSP_ITERATOR_ARRAY":[{"type":"params","value":{"id":"\ud800"}}]}}',
        b'{"PxgRetVal":-0,"pChunk":{"KLCSP_ITERATOR_ARRAY":[]}}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_the_short_way_raises_nothing(body: bytes) -> None:
    assert SHAPE.split(body) is None


# --- rows in other envelopes ---

ENVELOPES = {
    "chunk": (wire.CHUNK, {"PxgRetVal": 2}),
    "next items": (wire.NEXT_ITEMS, {"PxgRetVal": 2, "bEOF": False}),
    "next items, no mark": (wire.NEXT_ITEMS, {"PxgRetVal": 2}),
    "events": (wire.EVENTS, {}),
    "records": (wire.RECORDS, {}),
}


def enveloped(name: str, *rows: Any) -> bytes:
    envelope, beside = ENVELOPES[name]
    items = [{"type": "params", "value": row} for row in rows]
    return msgspec.json.encode({**beside, envelope.container: {envelope.items: items}})


@pytest.mark.parametrize("name", ENVELOPES)
def test_every_envelope_has_a_short_way_that_says_what_the_long_one_says(name: str) -> None:
    envelope, _ = ENVELOPES[name]
    rows = [{"id": "a", "name": "x"}, {"id": {"type": "long", "value": 918273}}]
    body = enveloped(name, *rows)
    short = wire.RowShape("id", ("id", "name"), envelope).split(body)
    assert short is None  # one id is text, the other a number: not the usual
    long = wire.split(wire.parse(body), "id", envelope)
    assert told(long) == (2, [msgspec.json.encode(row) for row in rows], ["a", 918273])
    same = enveloped(name, rows[1], {**rows[1], "id": {"type": "long", "value": 918274}})
    short = wire.RowShape("id", ("id", "name"), envelope).split(same)
    assert short is not None
    assert told(short) == told(wire.split(wire.parse(same), "id", envelope))
    assert short.ids == [918273, 918274]


@pytest.mark.parametrize("name", ENVELOPES)
def test_rows_are_looked_for_in_their_own_envelope_only(name: str) -> None:
    envelope, _ = ENVELOPES[name]
    for other in ENVELOPES:
        if ENVELOPES[other][0] is envelope:
            continue
        body = enveloped(other, {"id": "a"}, {"id": "b"})
        assert wire.RowShape("id", ("id",), envelope).split(body) is None


@pytest.mark.parametrize("name", ["events", "records"])
def test_where_nobody_counts_the_rows_are_counted(name: str) -> None:
    envelope, _ = ENVELOPES[name]
    empty = msgspec.json.encode({envelope.container: {}})
    assert wire.split(wire.parse(empty), "id", envelope) == wire.Chunk(0, [], [])
    assert wire.split(wire.parse(b"{}"), "id", envelope) == wire.Chunk(0, [], [])
    three = enveloped(name, {"id": 1}, {"id": 2}, {"id": 3})
    assert wire.split(wire.parse(three), "id", envelope).returned == 3


@pytest.mark.parametrize(
    "value", [{"type": "long", "value": ""}, {"type": "long", "value": None}, {"value": 1}, {}]
)
def test_a_wrapped_id_must_be_an_id(value: Any) -> None:
    body = enveloped("events", {"id": value})
    assert wire.RowShape("id", ("id",), wire.EVENTS).split(body) is None
    with pytest.raises(NotTheWire):
        wire.split(wire.parse(body), "id", wire.EVENTS)
