"""What several servers tell together."""

from __future__ import annotations

from datetime import date

import pytest

from ksc_ledger.doctor import Finding, Verdict, estates
from ksc_ledger.registry import Server, ServerRole
from ksc_ledger.sources.client import ChildServer


def codes(findings: list[Finding]) -> dict[str, str]:
    return {one.subject: one.code for one in findings}


@pytest.mark.parametrize(
    ("seconds", "code", "verdict"),
    [
        (0, "ok", Verdict.OK),
        (120, "ok", Verdict.OK),
        (-121, "clock_skewed", Verdict.WARN),
        (600, "clock_skewed", Verdict.WARN),
        (601, "clock_wrong", Verdict.FAIL),
        (-86_400, "clock_wrong", Verdict.FAIL),
    ],
)
def test_a_clock_is_judged_by_how_far_it_is_off(seconds: int, code: str, verdict: Verdict) -> None:
    (found,) = estates.clocks({"dtp": seconds})
    assert (found.code, found.verdict) == (code, verdict)


@pytest.mark.parametrize(
    ("skews", "expected"),
    [
        ({"a": 900, "b": 910, "c": 940}, {"": "own_clock"}),
        ({"a": 900, "b": 910, "c": 970}, dict.fromkeys("abc", "clock_wrong")),  # no one cause
        ({"a": 900, "b": 910}, dict.fromkeys("ab", "clock_wrong")),  # two may err alike
        ({"a": 10, "b": 12, "c": 11}, dict.fromkeys("abc", "ok")),
        ({"a": 900, "b": -900, "c": 900}, dict.fromkeys("abc", "clock_wrong")),
        ({}, {}),
    ],
)
def test_it_is_our_own_clock_only_when_all_servers_are_off_together(
    skews: dict[str, int], expected: dict[str, str]
) -> None:
    assert codes(estates.clocks(skews)) == expected


def a_server(code: str, role: ServerRole, console_name: str | None = None) -> Server:
    return Server(
        estate_code="dong_thap",
        server_code=code,
        server_name=code,
        server_role=role,
        unit_code=code,
        list_order=0,
        console_name=console_name,
        valid_from_date=date(2022, 1, 1),
        source_document="Văn bản thử",
    )


PROVINCE = a_server("dtp", ServerRole.PROVINCE)


def child(name: str, status: int = 1) -> ChildServer:
    return ChildServer(server_id=1, display_name=name, status=status)


@pytest.mark.parametrize(
    ("console_name", "children", "expected"),
    [
        ("KSC-THAPMUOI", [child("KSC-THAPMUOI")], {"dtp": "ok"}),
        ("ksc-thapmuoi ", [child("KSC-THAPMUOI")], {"dtp": "ok"}),
        ("KSC-THAPMUOI", [child("KSC-THAPMUOI", 0)], {"dtp_872": "district_inactive"}),
        (None, [], {"dtp_872": "console_name_missing"}),
        ("KSC-THAPMUOI", [], {"dtp_872": "district_unknown"}),
        (
            "KSC-THAPMUOI",
            [child("KSC-THAPMUOI"), child("KSC-LAPVO")],
            {"dtp": "secondaries_unlisted"},
        ),
    ],
)
def test_a_province_is_asked_whether_it_knows_its_districts(
    console_name: str | None, children: list[ChildServer], expected: dict[str, str]
) -> None:
    below = a_server("dtp_872", ServerRole.DISTRICT, console_name)
    found = estates.districts([PROVINCE, below], {"dtp": children})
    assert codes(found) == expected


def test_of_a_province_that_was_not_heard_nothing_is_said() -> None:
    below = a_server("dtp_872", ServerRole.DISTRICT)
    assert estates.districts([PROVINCE, below], {}) == []


def test_a_province_without_districts_has_nothing_to_complain_of() -> None:
    assert estates.districts([PROVINCE], {"dtp": []}) == []
