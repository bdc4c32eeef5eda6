from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from ksc_ledger.simulator import wire
from ksc_ledger.simulator.wire import WireError

INSTANT = datetime(2023, 10, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "inside", "at_top"),
    [
        ("abc", "abc", "abc"),
        (5, 5, 5),
        (True, True, True),
        (wire.Long(123), {"type": "long", "value": 123}, 123),
        (
            wire.DateTime(INSTANT),
            {"type": "datetime", "value": "2023-10-13T00:00:00Z"},
            "2023-10-13T00:00:00Z",
        ),
        (wire.DateTime(None), {"type": "datetime", "value": ""}, ""),
        (wire.Date(date(2023, 10, 13)), {"type": "date", "value": "2023-10-13"}, "2023-10-13"),
        (wire.Binary(b"sometext"), {"type": "binary", "value": "c29tZXRleHQ="}, "c29tZXRleHQ="),
        (wire.Float(1.5), {"type": "float", "value": 1.5}, 1.5),
        (wire.Double(1.5), {"type": "double", "value": 1.5}, 1.5),
        (wire.Params({"a": 1}), {"type": "params", "value": {"a": 1}}, {"a": 1}),
        (wire.Array([1, None, wire.Long(2)]), [1, None, {"type": "long", "value": 2}], None),
    ],
)
def test_a_value_is_wrapped_inside_containers_and_bare_at_the_top(
    value: wire.Member, inside: object, at_top: object
) -> None:
    assert json.loads(wire.encode_member(value)) == inside
    if at_top is not None:
        assert json.loads(wire.encode_top(value)) == at_top


def test_a_container_in_a_container_at_the_top_is_wrapped_once() -> None:
    answer = wire.Answer(wire.Params({"inner": wire.Params({"n": wire.Long(1)})}))
    assert json.loads(wire.encode_answer(answer)) == {
        "PxgRetVal": {"inner": {"type": "params", "value": {"n": {"type": "long", "value": 1}}}}
    }


def test_a_void_answer_is_an_empty_object_and_null_is_only_possible_at_the_top() -> None:
    assert wire.encode_answer(wire.Answer()) == b"{}"
    assert json.loads(wire.encode_answer(wire.Answer(None, {"tm": None}))) == {
        "PxgRetVal": None,
        "tm": None,
    }


def test_an_instant_is_sent_in_utc_by_the_second() -> None:
    vietnamese = datetime(2023, 10, 13, 6, 59, 59, 999_999, timezone(timedelta(hours=7)))
    assert wire.instant_text(wire.DateTime(vietnamese)) == "2023-10-12T23:59:59Z"


@pytest.mark.parametrize(
    "value",
    [
        2**31,
        -(2**31) - 1,
        1.5,
        None,
        INSTANT,
        date(2023, 10, 13),
        b"bytes",
        {"a": 1},
        [1],
        wire.Long(2**63),
        wire.DateTime(datetime(2023, 10, 13)),  # noqa: DTZ001 - without a zone on purpose
    ],
)
def test_a_value_without_a_wire_type_is_refused_inside_containers(value: Any) -> None:
    with pytest.raises(WireError):
        wire.encode_member(wire.Params({"a": value}))


@pytest.mark.parametrize("value", [2**31 - 1, -(2**31)])
def test_the_ends_of_32_bits_are_ints(value: int) -> None:
    assert wire.encode_member(value) == str(value).encode()


def test_vietnamese_text_is_utf_8_and_a_lone_surrogate_is_an_escape() -> None:
    assert wire.encode_text("Phòng Nội vụ") == '"Phòng Nội vụ"'.encode()
    assert wire.encode_text("PC-\ud83d") == b'"PC-\\ud83d"'
