"""From the words of a document to the last instant still in time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.deadlines import (
    ACCEPTED_FORMS,
    Bound,
    RollPolicy,
    TermUnit,
    read_deadline,
    term_ends,
)
from unit.rules.deadline_days import table_calendar

DAYS = st.dates(min_value=date(2022, 1, 3), max_value=date(2026, 11, 30))


def due(wording: str, **options: object) -> datetime:
    return read_deadline(wording, table_calendar(), **options).due_at  # type: ignore[arg-type]


def end_of(year: int, month: int, day: int) -> datetime:
    """23:59:59 +07:00, written in UTC."""
    return datetime(year, month, day, 16, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wording", "bound", "last"),
    [
        # Letter of Tháp Mười, items 2 and 3; the asterisks are the letter's bold type.
        ("chậm nhất ngày **19/10/2022**", Bound.INCLUSIVE, end_of(2022, 10, 19)),
        ("chậm nhất **ngày 20/10/2022**", Bound.INCLUSIVE, end_of(2022, 10, 20)),
        # Letter of Kon Plông, item 2, with the line break of the scan.
        ("Hoàn thành trước ngày 16 tháng 01 năm 2024", Bound.EXCLUSIVE, end_of(2024, 1, 15)),
        ("trước ngày 16 tháng 01 \n\nnăm 2024.", Bound.EXCLUSIVE, end_of(2024, 1, 15)),
        # Letter of the department of Đồng Tháp.
        (
            "Thời gian: 01 ngày (thứ Sáu, ngày 20/10/2023, bắt đầu lúc 08 giờ).",
            Bound.START,
            datetime(2023, 10, 20, 1, 0, tzinfo=UTC),
        ),
        (
            "bắt đầu lúc 08 giờ thứ Sáu, ngày 20/10/2023",
            Bound.START,
            datetime(2023, 10, 20, 1, 0, tzinfo=UTC),
        ),
        ("01 năm (tính từ ngày 13/10/2023)", Bound.INCLUSIVE, end_of(2024, 10, 14)),
        (
            "kích hoạt bản quyền 01 năm (tính từ ngày 13/10/2023)",
            Bound.INCLUSIVE,
            end_of(2024, 10, 14),
        ),
        # Other letters of the kind.
        ("đến hết ngày 19/10/2022", Bound.INCLUSIVE, end_of(2022, 10, 19)),
        ("trong ngày 19-10-2022", Bound.INCLUSIVE, end_of(2022, 10, 19)),
        ("muộn nhất là ngày 19.10.2022", Bound.INCLUSIVE, end_of(2022, 10, 19)),
        ("chậm nhất thứ Tư, ngày 19/10/2022", Bound.INCLUSIVE, end_of(2022, 10, 19)),
        ("chậm nhất là trước ngày 19/10/2022", Bound.EXCLUSIVE, end_of(2022, 10, 18)),
        (
            "chậm nhất 17 giờ 00 ngày 19/10/2022",
            Bound.INCLUSIVE,
            datetime(2022, 10, 19, 10, 0, tzinfo=UTC),
        ),
        # The minutes are not the day, and the day is not the minutes.
        (
            "chậm nhất 17 giờ 19/10/2022",
            Bound.INCLUSIVE,
            datetime(2022, 10, 19, 10, 0, tzinfo=UTC),
        ),
        (
            "trước 17h00 ngày 19/10/2022",
            Bound.EXCLUSIVE,
            datetime(2022, 10, 19, 9, 59, 59, tzinfo=UTC),
        ),
        ("trước 24 giờ ngày 19/10/2022", Bound.EXCLUSIVE, end_of(2022, 10, 19)),
        ("chậm nhất 24 giờ ngày 19/10/2022", Bound.INCLUSIVE, end_of(2022, 10, 19)),
        ("trước 00 giờ ngày 20/10/2022", Bound.EXCLUSIVE, end_of(2022, 10, 19)),
        (
            "trong 05 (năm) ngày làm việc, kể từ ngày 12/10/2022",
            Bound.INCLUSIVE,
            end_of(2022, 10, 19),
        ),
        ("trong vòng 07 ngày kể từ ngày 12/10/2022", Bound.INCLUSIVE, end_of(2022, 10, 19)),
        (
            "chậm nhất sau 02 tuần tính từ ngày 12/10/2022",
            Bound.INCLUSIVE,
            end_of(2022, 10, 26),
        ),
        ("12 tháng kể từ ngày 13/10/2023", Bound.INCLUSIVE, end_of(2024, 10, 14)),
    ],
)
def test_a_wording_gives_the_last_instant_still_in_time(
    wording: str, bound: Bound, last: datetime
) -> None:
    deadline = read_deadline(wording, table_calendar())
    assert (deadline.bound, deadline.due_at) == (bound, last)


def test_every_form_that_the_error_offers_is_understood() -> None:
    for form in ACCEPTED_FORMS:
        assert due(form)


def test_the_wording_is_kept_as_the_document_has_it() -> None:
    deadline = read_deadline(" Chậm nhất\nngày **19/10/2022** ", table_calendar())
    assert deadline.wording == "Chậm nhất ngày 19/10/2022"
    assert deadline.named_date == date(2022, 10, 19)


def test_a_decomposed_wording_is_the_same_wording() -> None:
    decomposed = "cha\u0302\u0323m nha\u0302\u0301t nga\u0300y 19/10/2022"
    assert due(decomposed) == due("chậm nhất ngày 19/10/2022")


@pytest.mark.parametrize(
    ("wording", "at", "is_in_time"),
    [
        ("chậm nhất ngày 19/10/2022", "2022-10-19T16:59:59+00:00", True),
        ("chậm nhất ngày 19/10/2022", "2022-10-19T16:59:59.999999+00:00", True),
        ("chậm nhất ngày 19/10/2022", "2022-10-19T17:00:00+00:00", False),
        ("chậm nhất ngày 20/10/2022", "2022-10-20T23:59:59+07:00", True),
        ("chậm nhất ngày 20/10/2022", "2022-10-21T00:00:00+07:00", False),
        ("trước ngày 16/01/2024", "2024-01-15T16:59:59+00:00", True),
        ("trước ngày 16/01/2024", "2024-01-15T17:00:00+00:00", False),
        ("bắt đầu lúc 08 giờ ngày 20/10/2023", "2023-10-20T08:00:00+07:00", True),
        ("bắt đầu lúc 08 giờ ngày 20/10/2023", "2023-10-20T08:00:01+07:00", False),
    ],
)
def test_the_boundary_to_the_second(wording: str, at: str, is_in_time: bool) -> None:
    deadline = read_deadline(wording, table_calendar())
    assert deadline.is_in_time(datetime.fromisoformat(at)) is is_in_time


def test_an_instant_without_an_offset_is_not_judged() -> None:
    deadline = read_deadline("chậm nhất ngày 19/10/2022", table_calendar())
    with pytest.raises(ValueError, match="offset"):
        deadline.is_in_time(datetime(2022, 10, 19))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    ("wording", "code", "named"),
    [
        ("thường xuyên", "deadline_wording_unknown", "«thường xuyên»"),
        ("ngay", "deadline_wording_unknown", "«ngay»"),
        ("ngày 19/10/2022", "deadline_wording_unknown", "«ngày 19/10/2022»"),
        ("chậm nhất ngày 19/10", "deadline_wording_unknown", "«chậm nhất ngày 19/10»"),
        ("chậm nhất ngày 19/10/22", "deadline_wording_unknown", "19/10/22"),
        ("sau ngày 19/10/2022", "deadline_wording_unknown", "sau ngày"),
        ("hết 17 giờ ngày 19/10/2022", "deadline_wording_unknown", "17 giờ"),
        (
            "báo cáo số liệu đến ngày 12/10/2022, chậm nhất ngày 19/10/2022",
            "deadline_wording_unknown",
            "12/10/2022",
        ),
        ("", "deadline_wording_unknown", "«»"),
        ("chậm nhất ngày     tháng 10 năm 2022", "deadline_day_blank", "tháng 10 năm 2022"),
        ("chậm nhất ngày /10/2022", "deadline_day_blank", "/10/2022"),
        ("trước ngày 31/02/2024", "deadline_date_impossible", "31/02/2024"),
        ("chậm nhất ngày 10/19/2022", "deadline_date_impossible", "10/19/2022"),
        ("chậm nhất thứ Năm, ngày 19/10/2022", "deadline_weekday_wrong", "thứ Tư"),
        ("chậm nhất 25 giờ ngày 19/10/2022", "deadline_hour_impossible", "25 giờ"),
        ("chậm nhất 17 giờ 60 ngày 19/10/2022", "deadline_hour_impossible", "17 giờ 60"),
        ("trong vòng 10 ngày", "deadline_start_missing", "10 ngày"),
        ("trong 05 ngày kể từ ngày nhận văn bản", "deadline_start_missing", "nhận văn bản"),
        ("trong 00 ngày kể từ ngày 12/10/2022", "deadline_term_impossible", "00 ngày"),
        ("9999 năm kể từ ngày 12/10/2022", "deadline_term_impossible", "9999 năm"),
    ],
)
def test_what_is_not_understood_is_named_and_never_guessed(
    wording: str, code: str, named: str
) -> None:
    with pytest.raises(LedgerError) as caught:
        due(wording)
    assert caught.value.code == code
    assert named in caught.value.text
    assert caught.value.remedy


def test_an_unknown_wording_offers_the_accepted_forms() -> None:
    with pytest.raises(LedgerError) as caught:
        due("càng sớm càng tốt")
    for form in ACCEPTED_FORMS:
        assert form in caught.value.remedy


def test_a_term_from_the_day_of_receipt_takes_that_day_from_the_registry() -> None:
    wording = "trong 05 ngày làm việc kể từ ngày nhận được văn bản này"
    assert due(wording, counted_from=date(2022, 10, 12)) == end_of(2022, 10, 19)


def test_the_day_in_the_wording_goes_before_the_registry_day() -> None:
    wording = "trong 05 ngày làm việc kể từ ngày 12/10/2022"
    assert due(wording, counted_from=date(2022, 1, 1)) == end_of(2022, 10, 19)


def test_a_start_half_written_is_not_replaced_by_the_registry_day() -> None:
    with pytest.raises(LedgerError, match="ngày bắt đầu"):
        due("trong 05 ngày kể từ ngày 12/10", counted_from=date(2022, 10, 12))


@pytest.mark.parametrize(
    ("wording", "roll", "last"),
    [
        # 22/10/2022 is a Saturday: a letter's own date stays.
        ("chậm nhất ngày 22/10/2022", None, end_of(2022, 10, 22)),
        ("chậm nhất ngày 22/10/2022", RollPolicy.NEXT_WORKING_DAY, end_of(2022, 10, 24)),
        # 10 days after 12/10/2022 is the same Saturday: the end of a term rolls.
        ("trong 10 ngày kể từ ngày 12/10/2022", None, end_of(2022, 10, 24)),
        ("trong 10 ngày kể từ ngày 12/10/2022", RollPolicy.NONE, end_of(2022, 10, 22)),
        # 13/10/2024 is a Sunday.
        ("01 năm (tính từ ngày 13/10/2023)", RollPolicy.NONE, end_of(2024, 10, 13)),
        ("01 năm (tính từ ngày 13/10/2023)", None, end_of(2024, 10, 14)),
        # The last day falls into Tết 2024 (8 to 14 February).
        ("trong 30 ngày kể từ ngày 10/01/2024", None, end_of(2024, 2, 15)),
        # Nothing to roll: the last day still in time is a working day.
        ("trước ngày 16/01/2024", RollPolicy.NEXT_WORKING_DAY, end_of(2024, 1, 15)),
    ],
)
def test_a_day_off_at_the_end_follows_the_roll_policy(
    wording: str, roll: RollPolicy | None, last: datetime
) -> None:
    assert due(wording, roll=roll) == last


@pytest.mark.parametrize("wording", ["trước ngày 17/10/2022", "bắt đầu lúc 08 giờ ngày 16/10/2022"])
def test_a_roll_beyond_the_named_day_contradicts_the_document(wording: str) -> None:
    with pytest.raises(LedgerError) as caught:
        due(wording, roll=RollPolicy.NEXT_WORKING_DAY)
    assert caught.value.code == "deadline_roll_contradicts"


def test_the_licence_term_of_the_letter_has_three_defensible_ends() -> None:
    ends = term_ends(date(2023, 10, 13), 1, TermUnit.YEAR, table_calendar())
    assert ends.by_days == date(2024, 10, 12)
    assert ends.corresponding_day == date(2024, 10, 13)
    assert ends.next_working_day == date(2024, 10, 14)


@pytest.mark.parametrize(
    ("start", "number", "unit", "end"),
    [
        (date(2024, 2, 29), 1, TermUnit.YEAR, date(2025, 2, 28)),
        (date(2023, 1, 31), 1, TermUnit.MONTH, date(2023, 2, 28)),
        (date(2023, 10, 31), 4, TermUnit.MONTH, date(2024, 2, 29)),
        (date(2023, 12, 15), 1, TermUnit.MONTH, date(2024, 1, 15)),
    ],
)
def test_a_month_without_that_day_ends_the_term_on_its_last(
    start: date, number: int, unit: TermUnit, end: date
) -> None:
    assert term_ends(start, number, unit, table_calendar()).corresponding_day == end


@given(day=DAYS)
def test_before_a_day_is_one_whole_day_less_than_at_latest_on_it(day: date) -> None:
    written = f"{day:%d/%m/%Y}"
    inclusive = due(f"chậm nhất ngày {written}")
    assert inclusive - due(f"trước ngày {written}") == timedelta(days=1)
    assert inclusive.utcoffset() == timedelta(0)
    assert (inclusive + timedelta(hours=7)).date() == day


@given(day=DAYS)
def test_both_ways_of_writing_a_date_are_one_date(day: date) -> None:
    spelled = f"trước ngày {day.day:02d} tháng {day.month:02d} năm {day.year}"
    assert due(spelled) == due(f"trước ngày {day.day}/{day.month}/{day.year}")


@given(day=DAYS, number=st.integers(min_value=1, max_value=400))
def test_a_rolled_term_ends_on_a_working_day_and_never_earlier(day: date, number: int) -> None:
    wording = f"trong vòng {number} ngày kể từ ngày {day:%d/%m/%Y}"
    rolled = read_deadline(wording, table_calendar())
    plain = read_deadline(wording, table_calendar(), roll=RollPolicy.NONE)
    assert plain.last_date == day + timedelta(days=number)
    assert rolled.last_date >= plain.last_date
    assert table_calendar().is_working(rolled.last_date)
    between = (plain.last_date + timedelta(days=n) for n in range(30))
    assert next(d for d in between if table_calendar().is_working(d)) == rolled.last_date


@given(text=st.text(max_size=60))
def test_any_other_text_is_refused_and_breaks_nothing(text: str) -> None:
    with pytest.raises(LedgerError) as caught:
        due(text + "!")  # no wording ends so
    assert caught.value.code.startswith("deadline_")
    assert caught.value.remedy
