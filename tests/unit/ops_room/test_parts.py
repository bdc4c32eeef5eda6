"""The small parts of the page: words, the map of users, drawings."""

from __future__ import annotations

import stat
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.ops_room import charts, tokens, words
from ksc_ledger.ops_room.access import Role, read_users
from ksc_ledger.rules.computer_names import NameReason


def a_user(**changed: str) -> dict[str, str]:
    return {"user_name": "an", "role": "ops", "unit_code": ""} | changed


def test_the_map_gives_each_person_a_role() -> None:
    users = read_users([a_user(), a_user(user_name="binh", role="unit_officer", unit_code="tm")])
    assert users["an"].role is Role.OPS
    assert users["binh"].unit_code == "tm"
    assert not users["binh"].may_act


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([a_user(role="boss")], id="no such role"),
        pytest.param([a_user(user_name="")], id="nobody"),
        pytest.param([a_user(), a_user(role="auditor")], id="twice"),
        pytest.param([a_user(role="unit_officer")], id="an officer of no unit"),
        pytest.param([a_user(unit_code="tm")], id="a unit that would be ignored"),
    ],
)
def test_a_map_with_a_wrong_row_lets_nobody_in(rows: list[dict[str, str]]) -> None:
    with pytest.raises(LedgerError, match="dòng"):
        read_users(rows)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (timedelta(seconds=59), "dưới 1 phút"),
        (timedelta(minutes=1), "1 phút"),
        (timedelta(minutes=295), "4 giờ 55 phút"),
        (timedelta(days=1), "1 ngày"),
        (timedelta(days=3, hours=2, minutes=7), "3 ngày 2 giờ"),
        (timedelta(seconds=-5), "dưới 1 phút"),
        (None, "–"),
    ],
)
def test_how_long_is_said_in_two_units(size: timedelta | None, said: str) -> None:
    assert words.lasted(size) == said


def test_instants_are_vietnamese() -> None:
    assert words.instant(datetime(2024, 1, 10, 17, 10, tzinfo=UTC)) == "11/01/2024 00:10"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A&B", "A&amp;B"),
        ("a\u00a0b", "⟦00A0⟧"),
        ("a\nb", "⟦000A⟧"),
        ("\u2066x", "⟦2066⟧"),
        ("\ud800", "�"),
        ("x" * 500, "…"),
        ("Xã Mỹ Đông", "Xã Mỹ Đông"),
    ],
)
def test_text_from_outside_hides_nothing(text: str, shown: str) -> None:
    assert shown in words.shown(text)


def test_every_reason_has_words() -> None:
    assert all(words.reason(code.value) != code.value for code in NameReason)
    assert words.reasons("EMPTY,NEW_ONE") == ["Không có tên", "NEW_ONE"]


def a_row(**changed: Any) -> dict[str, Any]:
    return {"allocated_count": 10, "installed_count": 5, "correctly_named_count": 4} | changed


@pytest.mark.parametrize(
    ("row", "widths"),
    [
        (a_row(), (40, 50, 0)),
        (a_row(installed_count=12), (40, 100, 20)),
        (a_row(installed_count=90), (40, 100, 25)),
        (a_row(correctly_named_count=None), (0, 50, 0)),
    ],
)
def test_a_bar_is_measured_against_the_allocation(
    row: dict[str, Any], widths: tuple[float, float, float]
) -> None:
    bar = charts.coverage_bar(row)
    assert bar is not None
    assert (bar.named, bar.installed, bar.over) == widths


@pytest.mark.parametrize("row", [a_row(allocated_count=0), a_row(installed_count=None)])
def test_no_bar_without_seats_or_source(row: dict[str, Any]) -> None:
    assert charts.coverage_bar(row) is None


def test_the_parts_of_a_gap_fill_the_bar() -> None:
    pieces = charts.gap_pieces({"ok": 3, "wrong_name": 1, "over_allocated": -2})
    assert [(one.at, one.width) for one in pieces] == [(0, 75), (75, 25)]
    assert charts.gap_pieces({}) == ()


def test_a_trend_runs_from_the_first_day_to_the_last() -> None:
    rows = [
        {
            "snapshot_date": date(2022, 10, day),
            "allocated_count": 330,
            "installed_count": None if day == 2 else 250 + day,
            "correctly_named_count": 0,
            "protected_count": 1,
        }
        for day in (1, 2, 3)
    ]
    drawn = charts.trend(rows)
    assert drawn is not None
    assert [word for _, word in drawn.ticks] == ["0", "100", "200", "300", "400"]
    installed = next(line for line in drawn.lines if line.name == "Đã cài")
    assert len(installed.points.split()) == 2
    assert installed.last == "253"
    assert charts.trend(rows[:1]) is None


def test_the_secret_is_made_once_and_nobody_else_reads_it(tmp_path: Path) -> None:
    first = tokens.secret_of(tmp_path)
    assert tokens.secret_of(tmp_path) == first
    assert len(first) == 32
    assert stat.S_IMODE((tmp_path / "page_secret").stat().st_mode) == 0o600
