"""When a key's expiry is told of: at each stage once, by the key's own instant."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from ksc_ledger.rules.licence_terms import LATER_STAGES, days_left, licence_notice

EXPIRES = datetime.fromisoformat("2024-10-13T00:00:00+07:00")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+07:00")


def stage(now: str, sent: frozenset[str] = frozenset(), purchase_days: int = 180) -> int | None:
    notice = licence_notice("DT23", EXPIRES, at(now), sent, purchase_days)
    return notice.stage if notice else None


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2024-04-15T23:59:59", None),
        ("2024-04-16T00:00:00", 180),
        ("2024-07-14T23:59:59", 180),
        ("2024-07-15T00:00:00", 90),
        ("2024-08-13T23:59:59", 90),
        ("2024-08-14T00:00:00", 60),
        ("2024-09-13T00:00:00", 30),
        ("2024-09-29T00:00:00", 14),
        ("2024-10-05T23:59:59", 14),
        ("2024-10-06T00:00:00", 7),
        ("2024-10-12T23:59:59", 7),
        ("2024-10-13T00:00:00", None),
    ],
)
def test_a_stage_begins_on_its_vietnamese_day(now: str, expected: int | None) -> None:
    assert stage(now) == expected


def test_the_first_stage_is_a_setting() -> None:
    assert stage("2024-03-01T08:00:00") is None
    assert stage("2024-03-01T08:00:00", purchase_days=270) == 270


def test_each_stage_is_told_once_over_the_whole_term() -> None:
    sent: set[str] = set()
    told = []
    for day in range(400):
        now = at("2023-10-13T07:30:00") + timedelta(days=day)
        notice = licence_notice("DT23", EXPIRES, now, sent)
        if notice is not None:
            sent.add(notice.key)
            told.append(notice.stage)
    assert told == [180, *LATER_STAGES]


def test_a_renewed_key_is_told_of_anew() -> None:
    notice = licence_notice("DT23", EXPIRES, at("2024-10-06T08:00:00"), set())
    assert notice is not None
    later = licence_notice(
        "DT23", EXPIRES + timedelta(days=1), at("2024-10-07T08:00:00"), {notice.key}
    )
    assert later is not None
    assert later.stage == notice.stage


def test_days_are_vietnamese_calendar_days() -> None:
    assert days_left(EXPIRES, at("2024-10-12T00:00:00")) == 1
    assert days_left(EXPIRES, at("2024-10-12T23:59:59")) == 1
    assert days_left(EXPIRES, at("2024-10-14T00:00:00")) == -1
