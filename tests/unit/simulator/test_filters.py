from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksc_ledger.simulator import filters, wire
from ksc_ledger.simulator.pxg import BusinessError, Symbol

NOW = datetime(2023, 10, 20, 1, 0, 0, tzinfo=UTC)
ROW: dict[str, Any] = {
    "name": 'TM-VP some "pc" 01',
    "group": 17,
    "status": 0x15,
    "long": wire.Long(2**40),
    "is_on": True,
    "seen": wire.DateTime(NOW - timedelta(days=1)),
    "never": wire.DateTime(None),
    "ancestors": (17, 16, 0),
}


def holds(text: str) -> bool:
    return filters.parse(text).matches(ROW, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("   ", True),
        ('(name="tm-vp*")', True),
        ('(name="*VP*")', True),
        ('(name="VP")', False),
        ('(name="TM-VP some ""pc"" 01")', True),
        ('(name="TM-VP some ?pc? 0?")', True),
        ('(name="TM-VP*0[0-3]")', True),
        ('(name="TM-VP*0[^0-3]")', False),
        ('(name<>"TM-VP*")', True),  # wildcards work with = only
        ("(group=17)", True),
        ("(group<>17)", False),
        ("(group>16)", True),
        ("(group>17)", False),
        ("(group>=17)", True),
        ("(group<17)", False),
        ("(group<=17)", True),
        ("(group=0x11)", True),
        ("(group>-1)", True),
        ("(status & 0x4 <> 0)", True),
        ("(status&16<>0)", True),
        ("(status&2<>0)", False),
        ("(status&21=21)", True),
        ("(long>1099511627775)", True),
        ("(long>1099511627776)", False),
        ("(is_on=1)", True),
        ("(is_on=0)", False),
        ('(seen=T"2023-10-19 01:00:00")', True),
        ('(seen<T"2023-10-19 01:00:00")', False),
        ('(seen<=T"2023-10-19 01:00:00")', True),
        ("(seen>CURTIME(-86401))", True),
        ("(seen>CURTIME(-86400))", False),
        ("(seen<CURTIME(+1))", True),
        ("group=17", True),
        (" group = 17 ", True),
        ("(ancestors=16)", True),
        ("(ancestors=3)", False),
        ("(ancestors<>16)", False),
        ("(ancestors<>3)", True),
        ('(&(group=17)(name="*"))', True),
        ("(&(group=17)(group=18))", False),
        ("(|(group=17)(group=18))", True),
        ("(|(group=18)(group=19))", False),
        ("(!(group=18))", True),
        ("(!(group=17))", False),
        ('(&(|(group=18)(status&1<>0))(!(name="x*"))(group>0))', True),
        ("(&(group=17))", True),
    ],
)
def test_a_filter_lets_the_right_rows_pass(text: str, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize(
    "text",
    ["(absent=1)", "(absent<>1)", "(!(absent=1))", "(never<CURTIME(0))", "(&(group=17)(absent=1))"],
)
def test_a_test_of_an_absent_attribute_never_holds_nor_does_its_negation(text: str) -> None:
    assert holds(text) is False


def test_an_absent_attribute_does_not_hide_the_true_half_of_an_or() -> None:
    assert holds("(|(absent=1)(group=17))")


@pytest.mark.parametrize(
    "text",
    [
        "(",
        "()",
        "(group)",
        "(group=)",
        "(group=17",
        "group=17)",
        "(group=17))",
        "(group==17)",
        "(&)",
        "(!)",
        "(!(group=17)(group=18))",
        "((group=17))",
        "(group=abc)",
        '(name="open)',
        '(seen=T"2023-13-01 00:00:00")',
        '(seen=T"2023-10-01")',
        "(seen>CURTIME(x))",
        "(17=group)",
        "(status & <> 0)",
        "(group=17) or 1",
        "(!" * 70 + "(group=1)" + ")" * 70,
        "(group=1; drop table hosts)",
        "(name='x')",
    ],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(BusinessError) as raised:
        filters.parse(text)
    assert raised.value.symbol is Symbol.BADFORMAT


@pytest.mark.parametrize(
    "text",
    ['(group="17")', "(name=17)", "(seen=17)", '(seen="2023")', '(group=T"2023-10-01 00:00:00")',
     "(name&1<>0)"],
)  # fmt: skip
def test_a_value_of_another_type_than_the_attribute_is_refused(text: str) -> None:
    with pytest.raises(BusinessError):
        holds(text)


def test_a_filter_tells_which_attributes_it_asks_for() -> None:
    parsed = filters.parse('(&(a=1)(|(b="x")(!(c&1<>0))))')
    assert parsed.attributes == {"a", "b", "c"}


@given(st.text(alphabet='()&|!=<>"T*?[]^- 0x19aCURTIME+_', max_size=60))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    with suppress(BusinessError):
        filters.parse(text).matches({}, NOW)


@given(st.text(max_size=20))
def test_a_text_always_equals_itself_when_its_wildcards_are_not_read_as_such(text: str) -> None:
    if any(mark in text for mark in "*?["):
        return
    quoted = text.replace('"', '""')
    assert filters.parse(f'(n="{quoted}")').matches({"n": text}, NOW)
