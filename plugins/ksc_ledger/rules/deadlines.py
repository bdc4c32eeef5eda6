"""Official dates: from the wording of a document to the last instant still in time, and what became of it.

Everything here is pure: ``now``, the evidence and the calendar are arguments, nothing later than
``now`` is looked at, so a status of any past instant can be computed again. Days are Vietnamese
calendar days, instants are aware. docs/deadlines.md lists the wordings that are understood.
"""

from __future__ import annotations

import calendar as months
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.figures import count, share, written_date
from ksc_ledger.rules.text import nfc
from ksc_ledger.rules.working_days import VIETNAM, WorkingCalendar

LAST_SECOND = time(23, 59, 59)
ONE_SECOND = timedelta(seconds=1)

ACCEPTED_FORMS = (
    "«chậm nhất ngày 19/10/2022»",
    "«chậm nhất 17 giờ 00 ngày 19/10/2022»",
    "«đến hết ngày 19/10/2022»",
    "«trước ngày 16 tháng 01 năm 2024»",
    "«trong 05 ngày làm việc kể từ ngày 12/10/2022»",
    "«trong vòng 10 ngày kể từ ngày 12/10/2022»",
    "«01 năm (tính từ ngày 13/10/2023)»",
    "«bắt đầu lúc 08 giờ thứ Sáu, ngày 20/10/2023»",
)

# --- The wording --------------------------------------------------------------------------------


class Bound(StrEnum):
    """What the named day or hour is to the last instant still in time."""

    INCLUSIVE = "inclusive"  # "chậm nhất ngày": the day is still in time
    EXCLUSIVE = "exclusive"  # "trước ngày": the day is too late
    START = "start"  # "bắt đầu lúc": one has to be there at that instant


class RollPolicy(StrEnum):
    """What happens to a last day on which offices are closed."""

    NONE = "none"
    NEXT_WORKING_DAY = "next_working_day"  # Civil Code 2015, article 148 section 5


class TermUnit(StrEnum):
    WORKING_DAY = "working_day"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A wording understood. ``due_at`` (UTC) is the last whole second still in time.

    ``named_date`` is the day the wording itself names (the last day, the day after it, or the day
    a term is counted from); ``counted_from`` is set for terms only.
    """

    wording: str
    bound: Bound
    due_at: datetime
    roll: RollPolicy
    named_date: date | None = None
    counted_from: date | None = None

    @property
    def last_date(self) -> date:
        """The Vietnamese day in which the last instant lies."""
        return self.due_at.astimezone(VIETNAM).date()

    def is_in_time(self, at: datetime) -> bool:
        """Whether an instant is still in time; a fraction of the last second still is."""
        return _aware(at) < self.due_at + ONE_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class TermEnds:
    """The ends one term can defensibly have; the middle one is the Civil Code's (article 148).

    ``by_days`` counts 365 days to a year, 30 to a month (article 146). For a licence none of them
    is the truth: the key's own expiry is, these stand beside it.
    """

    by_days: date
    corresponding_day: date
    next_working_day: date


_WEEKDAYS = {
    "thứ hai": 0, "thứ 2": 0, "thứ ba": 1, "thứ 3": 1, "thứ tư": 2, "thứ 4": 2, "thứ năm": 3,
    "thứ 5": 3, "thứ sáu": 4, "thứ 6": 4, "thứ bảy": 5, "thứ bẩy": 5, "thứ 7": 5, "chủ nhật": 6,
}  # fmt: skip
_WEEKDAY_NAMES = ("thứ Hai", "thứ Ba", "thứ Tư", "thứ Năm", "thứ Sáu", "thứ Bảy", "Chủ nhật")
_TERM_UNITS = {
    "ngày làm việc": TermUnit.WORKING_DAY,
    "ngày": TermUnit.DAY,
    "tuần": TermUnit.WEEK,
    "tháng": TermUnit.MONTH,
    "năm": TermUnit.YEAR,
}
_DAYS_OF = {TermUnit.DAY: 1, TermUnit.WEEK: 7, TermUnit.MONTH: 30, TermUnit.YEAR: 365}
_MONTHS_OF = {TermUnit.MONTH: 1, TermUnit.YEAR: 12}

_LEADS = re.compile(
    r"(?:(?:hoàn thành|thực hiện|báo cáo|gửi|xong|thời gian|thời hạn|hạn)\s*:?\s+)+"
)
_SPELLED_DATE = re.compile(r"(\d{1,2}) tháng (\d{1,2}) năm (\d{4})")
_DASHED_DATE = re.compile(r"\b(\d{1,2})([-.])(\d{1,2})\2(\d{4})\b")
_BLANK_DAY = re.compile(r"ngày\s*[….]*\s*(?:tháng|/)\s*\d")

_DATE = r"(?:ngày )?(?P<day>\d{1,2}) ?/ ?(?P<month>\d{1,2}) ?/ ?(?P<year>\d{4})"
_WEEKDAY = "|".join(_WEEKDAYS)
# The minutes are two digits that no third digit or slash follows: "17 giờ 19/10/2022" has none.
_CLOCK = r"(?P<hour>\d{1,2}) ?(?:giờ|h|:) ?(?:(?P<minute>\d{2})(?![\d/])(?: ?phút)?)?"
_WHEN = rf"(?:(?P<weekday>{_WEEKDAY}),? )?{_DATE}(?: ?\((?P<weekday_after>{_WEEKDAY})\))?"
_WHEN_CLOCK = rf"(?:{_CLOCK},? ?)?{_WHEN}"

_NOT_AFTER = re.compile(
    rf"(?:chậm nhất|muộn nhất|không muộn hơn|không quá)(?: (?:là|vào|lúc|đến|hết|trong))* {_WHEN_CLOCK}"
)
_WITHIN_DAY = re.compile(
    rf"(?:(?:từ nay )?đến hết|hết|trong|trước hoặc trong|trong hoặc trước) {_WHEN}"
)
_BEFORE = re.compile(rf"(?:(?:chậm nhất|muộn nhất) (?:là )?)?(?:đến )?trước {_WHEN_CLOCK}")
_STARTS = (
    re.compile(rf"(?:bắt đầu |vào )?(?:lúc|từ) {_CLOCK},? {_WHEN}"),
    re.compile(rf"(?:0?1 (?:ngày|buổi) ?)?\(?{_WHEN}, ?bắt đầu (?:lúc|từ) {_CLOCK}\)?"),
)
_TERM = re.compile(
    r"(?:(?:chậm nhất|muộn nhất|tối đa|không quá) (?:là |sau )*)?"
    r"(?:trong (?:vòng |thời hạn |thời gian )?)?(?:(?:kích hoạt )?bản quyền )?"
    r"(?P<count>\d{1,4}) (?:\([^()]*\) )?(?P<unit>ngày làm việc|ngày|tuần|tháng|năm)"
    r"(?:,? ?\(?(?:kể|tính)(?: kể)? từ (?P<anchor>[^()]+)\)?)?"
)
_ANCHOR_DATE = re.compile(_DATE)


def read_deadline(
    wording: str,
    working_calendar: WorkingCalendar,
    *,
    counted_from: date | None = None,
    roll: RollPolicy | None = None,
) -> Deadline:
    """The last instant that a document's own words still allow.

    ``counted_from`` is the first day of a term whose wording names none ("kể từ ngày nhận được văn
    bản"); that day itself is not counted (Civil Code, article 147). ``roll`` None means: a day that
    a document names stays as it is, the end of a term rolls to the next working day.

    Raises LedgerError for a wording that is not one of ACCEPTED_FORMS, a day that does not exist, a
    weekday that is not that day's, or a term without a first day. Nothing is guessed.
    """
    shown = " ".join(nfc(wording).replace("*", "").split())
    text = _levelled(shown)
    for pattern, bound in (
        (_NOT_AFTER, Bound.INCLUSIVE),
        (_WITHIN_DAY, Bound.INCLUSIVE),
        (_BEFORE, Bound.EXCLUSIVE),
        (_STARTS[0], Bound.START),
        (_STARTS[1], Bound.START),
    ):
        if match := pattern.fullmatch(text):
            return _of_day(shown, match, bound, working_calendar, roll or RollPolicy.NONE)
    if match := _TERM.fullmatch(text):
        return _of_term(
            shown, match, counted_from, working_calendar, roll or RollPolicy.NEXT_WORKING_DAY
        )
    if _BLANK_DAY.search(text):
        raise _refused(
            "deadline_day_blank",
            f"Thời hạn «{shown}» để trống ngày.",
            "Ghi đủ ngày, tháng, năm theo bản đã ký của văn bản.",
        )
    raise _refused(
        "deadline_wording_unknown",
        f"Không hiểu cách ghi thời hạn «{shown}».",
        f"Ghi theo một trong các dạng: {'; '.join(ACCEPTED_FORMS)}.",
    )


def term_ends(
    start: date, number: int, unit: TermUnit, working_calendar: WorkingCalendar
) -> TermEnds:
    """Every end that a term of calendar time from ``start`` can be said to have."""
    end = _after(start, number, unit, working_calendar)
    return TermEnds(
        by_days=start + timedelta(days=number * _DAYS_OF[unit]),
        corresponding_day=end,
        next_working_day=working_calendar.on_or_after(end),
    )


def _levelled(shown: str) -> str:
    """The wording as the patterns want it: lower case, one form of dates, no lead and no end."""
    text = shown.lower().strip(" \"'«»“”").removesuffix("./.").rstrip(" .;,:")
    if lead := _LEADS.match(text):
        text = text[lead.end() :]
    text = _SPELLED_DATE.sub(r"\1/\2/\3", text)
    return _DASHED_DATE.sub(r"\1/\3/\4", text)


def _of_day(
    shown: str,
    match: re.Match[str],
    bound: Bound,
    working_calendar: WorkingCalendar,
    roll: RollPolicy,
) -> Deadline:
    named = _named_day(shown, match)
    clock = _clock(shown, match.groupdict())
    last = named if clock is not None or bound is not Bound.EXCLUSIVE else named - timedelta(days=1)
    if roll is RollPolicy.NEXT_WORKING_DAY and not working_calendar.is_working(last):
        if bound is not Bound.INCLUSIVE:
            raise _refused(
                "deadline_roll_contradicts",
                f"Thời hạn «{shown}» không dời sang ngày làm việc tiếp theo được: văn bản đã ấn "
                "định mốc không được vượt qua.",
                "Đặt roll_policy là none, hoặc ghi lại thời hạn theo văn bản gia hạn.",
            )
        last = working_calendar.on_or_after(last)
    if clock is None:
        due = datetime.combine(last, LAST_SECOND, VIETNAM)
    else:
        due = datetime.combine(last, time(0), VIETNAM) + clock
        if bound is Bound.EXCLUSIVE or clock == timedelta(days=1):
            due -= ONE_SECOND
    return Deadline(
        wording=shown, bound=bound, due_at=due.astimezone(UTC), roll=roll, named_date=named
    )


def _of_term(
    shown: str,
    match: re.Match[str],
    counted_from: date | None,
    working_calendar: WorkingCalendar,
    roll: RollPolicy,
) -> Deadline:
    anchor = match["anchor"]
    written = _ANCHOR_DATE.fullmatch(anchor.strip()) if anchor else None
    start = _named_day(shown, written) if written else counted_from
    if start is None or (anchor and written is None and re.search(r"\d", anchor)):
        raise _refused(
            "deadline_start_missing",
            f"Thời hạn «{shown}» không nêu rõ ngày bắt đầu tính.",
            "Điền ngày bắt đầu vào counted_from_date (ví dụ ngày nhận văn bản), hoặc ghi «kể từ "
            "ngày 12/10/2022».",
        )
    unit = _TERM_UNITS[match["unit"]]
    number = int(match["count"])
    try:
        if number == 0:
            raise ValueError("no term")
        last = _after(start, number, unit, working_calendar)
    except (ValueError, OverflowError) as error:
        raise _refused(
            "deadline_term_impossible",
            f"Thời hạn «{shown}» không cho ra một ngày có thật.",
            "Kiểm tra lại con số và ngày bắt đầu trong văn bản.",
        ) from error
    if roll is RollPolicy.NEXT_WORKING_DAY:
        last = working_calendar.on_or_after(last)
    return Deadline(
        wording=shown,
        bound=Bound.INCLUSIVE,
        due_at=datetime.combine(last, LAST_SECOND, VIETNAM).astimezone(UTC),
        roll=roll,
        named_date=start if written else None,
        counted_from=start,
    )


def _after(start: date, number: int, unit: TermUnit, working_calendar: WorkingCalendar) -> date:
    """The last day of a term; ``start`` is not counted. A month without that day ends the term."""
    if unit is TermUnit.WORKING_DAY:
        return working_calendar.add(start, number)
    if unit in _MONTHS_OF:
        year, month = divmod(start.year * 12 + start.month - 1 + number * _MONTHS_OF[unit], 12)
        last = months.monthrange(year, month + 1)[1]
        return date(year, month + 1, min(start.day, last))
    return start + timedelta(days=number * _DAYS_OF[unit])


def _named_day(shown: str, match: re.Match[str]) -> date:
    found = match.groupdict()
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError as error:
        raise _refused(
            "deadline_date_impossible",
            f"Thời hạn «{shown}» nêu một ngày không có thật.",
            "Kiểm tra lại ngày, tháng, năm theo thứ tự ngày/tháng/năm.",
        ) from error
    weekday = found.get("weekday") or found.get("weekday_after")
    if weekday is not None and _WEEKDAYS[weekday] != day.weekday():
        raise _refused(
            "deadline_weekday_wrong",
            f"Thời hạn «{shown}» mâu thuẫn: ngày {written_date(day)} là "
            f"{_WEEKDAY_NAMES[day.weekday()]}.",
            "Hỏi lại đơn vị ban hành ngày nào mới đúng rồi sửa dòng này.",
        )
    return day


def _clock(shown: str, found: dict[str, str | None]) -> timedelta | None:
    """The hour a wording names, since midnight; 24:00 is the end of the day."""
    if found.get("hour") is None:
        return None
    hour, minute = int(found["hour"] or 0), int(found.get("minute") or 0)
    if minute > 59 or hour > 24 or (hour == 24 and minute):
        raise _refused(
            "deadline_hour_impossible",
            f"Thời hạn «{shown}» nêu một giờ không có thật.",
            "Ghi giờ từ 00 giờ 00 đến 24 giờ 00.",
        )
    return timedelta(hours=hour, minutes=minute)


def _refused(code: str, text: str, remedy: str) -> LedgerError:
    return LedgerError(code, text, remedy)


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("an instant needs its offset")
    return at


# --- What was asked, and what is known of it ----------------------------------------------------


class ObligationKind(StrEnum):
    UNIT_REPORT = "unit_report"
    ROLL_UP = "roll_up"
    FULL_INSTALLATION = "full_installation"
    TRAINING = "training"
    HARDWARE_FEEDBACK = "hardware_feedback"
    ONE_OFF = "one_off"


class Status(StrEnum):
    PENDING = "pending"
    DUE_SOON = "due_soon"
    MET = "met"
    MET_LATE = "met_late"
    BREACHED = "breached"
    WAIVED = "waived"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """One duty of one unit. Evidence from before ``opens_at`` does not count (None: any does)."""

    obligation_code: str
    unit_code: str
    obligation_kind: ObligationKind
    deadline: Deadline
    opens_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.opens_at is not None and not self.deadline.is_in_time(self.opens_at):
            raise _refused(
                "deadline_before_document",
                f"Nghĩa vụ {self.obligation_code}: thời hạn «{self.deadline.wording}» đứng trước "
                f"ngày {written_date(_day(self.opens_at))} của văn bản.",
                "Kiểm tra lại ngày văn bản và thời hạn ghi trong danh mục.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A report or a written answer that came in; ``is_accepted``: it passed its checks."""

    received_at: datetime
    document: str
    is_accepted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A unit's figure at an instant, as fct_unit_coverage_daily has it.

    ``observed_at`` is the latest instant of the loads it rests on. ``exempt_count``: machines with a
    document that they are too weak, as long as the ledger has not taken their seats back.
    ``is_gated``: every load it rests on passed its gate; ``is_complete``: every server answered.
    """

    observed_at: datetime
    allocated_count: int
    installed_count: int
    gap_count: int
    snapshot_id: str
    exempt_count: int = 0
    is_complete: bool = True
    is_gated: bool = True

    @property
    def missing_count(self) -> int:
        """Seats still to be filled once documented weak machines are deducted."""
        return max(0, self.gap_count - self.exempt_count)

    @property
    def is_usable(self) -> bool:
        return self.is_complete and self.is_gated


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """A line of an attendance list, as an officer entered it."""

    training_date: date
    is_present: bool
    source_document: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakHardware:
    """How many of a unit's machines are below the minimum and have no document, at an instant."""

    observed_at: datetime
    undocumented_count: int
    snapshot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A document that frees the unit from the duty, from its day on."""

    waived_date: date
    source_document: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known about one obligation of one unit, in any order.

    ``received_until_at``: up to which instant everything that came in is among ``receipts`` (the
    newest whole reading of the inbox). That nothing came in can be said only up to there; None
    means it was never read.
    """

    receipts: Sequence[Receipt] = ()
    received_until_at: datetime | None = None
    sightings: Sequence[Sighting] = ()
    attendances: Sequence[Attendance] = ()
    weak_hardware: Sequence[WeakHardware] = ()
    waivers: Sequence[Waiver] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``near_deadline``: how far from the deadline a figure may lie to prove a breach."""

    working_calendar: WorkingCalendar
    due_soon_working_days: int = 3
    near_deadline: timedelta = timedelta(hours=24)
    remind_before: tuple[int, ...] = (3, 1)
    remind_after: tuple[int, ...] = (1,)
    remind_from: time = time(8, 0)


@dataclass(frozen=True, slots=True)
class ObligationStatus:
    """``overdue_days``: calendar days late, 0 unless met late or breached. ``evidence``: Vietnamese.

    ``met_at`` may stand beside UNDETERMINED: fulfilled by then, in time or late cannot be said.
    """

    status: Status
    met_at: datetime | None
    overdue_days: int
    evidence: str


def status_of(
    obligation: Obligation, evidence: Evidence, now: datetime, policy: Policy
) -> ObligationStatus:
    """What has become of an obligation at ``now``, on nothing that is later than ``now``.

    BREACHED is said only on what was really seen: a figure near the deadline that passed its gate,
    an inbox read past the deadline, an attendance list. Where that is missing, UNDETERMINED.
    """
    _aware(now)
    judge = _JUDGES[obligation.obligation_kind]
    found = judge(obligation, _known(obligation, evidence, now), now, policy)
    if found.status is Status.MET:
        return found
    waivers = [waiver for waiver in evidence.waivers if waiver.waived_date <= _day(now)]
    if waivers:
        first = min(waivers, key=lambda waiver: waiver.waived_date)
        text = f"Được miễn từ ngày {written_date(first.waived_date)} theo {first.source_document}."
        return ObligationStatus(Status.WAIVED, found.met_at, 0, text)
    return found


def _known(obligation: Obligation, evidence: Evidence, now: datetime) -> Evidence:
    """What was known at ``now`` and belongs to this obligation, oldest first."""

    def known(at: datetime) -> bool:
        opened = obligation.opens_at is None or obligation.opens_at <= _aware(at)
        return opened and at <= now

    read_until = evidence.received_until_at
    return Evidence(
        receipts=sorted(
            (one for one in evidence.receipts if known(one.received_at)),
            key=lambda one: one.received_at,
        ),
        received_until_at=min(read_until, now) if read_until is not None else None,
        sightings=sorted(
            (one for one in evidence.sightings if known(one.observed_at)),
            key=lambda one: one.observed_at,
        ),
        attendances=sorted(
            (one for one in evidence.attendances if one.training_date <= _day(now)),
            key=lambda one: one.training_date,
        ),
        weak_hardware=sorted(
            (one for one in evidence.weak_hardware if known(one.observed_at)),
            key=lambda one: one.observed_at,
        ),
    )


def _report(
    obligation: Obligation, evidence: Evidence, now: datetime, policy: Policy
) -> ObligationStatus:
    """A document is owed: a unit's report, the roll-up, any one-off answer."""
    deadline = obligation.deadline
    accepted = next((one for one in evidence.receipts if one.is_accepted), None)
    refused = next((one for one in evidence.receipts if not one.is_accepted), None)
    if accepted is not None:
        return _met(deadline, accepted.received_at, f"Nhận {accepted.document} lúc")
    if deadline.is_in_time(now):
        text = "Chưa nhận được văn bản hoặc tệp nào." if refused is None else _unusable(refused)
        return _open(obligation, now, policy, text)
    if refused is not None and deadline.is_in_time(refused.received_at):
        text = f"{_unusable(refused)} Tệp đến trong hạn nên chưa kết luận là quá hạn."
        return ObligationStatus(Status.UNDETERMINED, None, 0, text)
    read_until = evidence.received_until_at
    if read_until is None or deadline.is_in_time(read_until):
        until = f"mới đọc đến {written_instant(read_until)}" if read_until else "chưa đọc lần nào"
        text = f"Nơi nhận báo cáo {until}, chưa kết luận được là đơn vị không nộp trong hạn."
        return ObligationStatus(Status.UNDETERMINED, None, 0, text)
    text = f"Đến {written_instant(read_until)} chưa nhận được văn bản hoặc tệp nào."
    if refused is not None:
        text = f"{_unusable(refused)} Trong hạn không nhận được gì."
    return _breached(deadline, now, text)


def _unusable(receipt: Receipt) -> str:
    at = written_instant(receipt.received_at)
    return f"Đã nhận {receipt.document} lúc {at} nhưng không qua kiểm tra, cần người xử lý."


def _installation(
    obligation: Obligation, evidence: Evidence, now: datetime, policy: Policy
) -> ObligationStatus:
    deadline = obligation.deadline
    usable = [one for one in evidence.sightings if one.is_usable]
    filled = next((one for one in usable if not one.missing_count), None)
    if filled is not None and deadline.is_in_time(filled.observed_at):
        return _met(deadline, filled.observed_at, f"Đã cài đủ: {_figure(filled)} đọc lúc")
    last = f"Số liệu gần nhất: {_seen(usable[-1])}" if usable else _none_usable(evidence)
    if deadline.is_in_time(now):
        return _open(obligation, now, policy, last)
    witness = _witness(deadline, usable, policy)
    if witness is None:
        near = f"Không có lần đọc nào qua kiểm tra ở gần hạn {written_instant(deadline.due_at)}"
        if filled is None:
            text = f"{near}, chưa kết luận. {last}"
            return ObligationStatus(Status.UNDETERMINED, None, 0, text)
        text = f"Đã cài đủ: {_seen(filled)} {near}, không biết đủ từ trong hạn hay sau hạn."
        return ObligationStatus(Status.UNDETERMINED, filled.observed_at, 0, text)
    rests_on = f"Kết luận dựa trên {_seen(witness)}"
    if filled is not None:
        found = _met(deadline, filled.observed_at, f"Đã cài đủ: {_figure(filled)} đọc lúc")
        return ObligationStatus(
            found.status, found.met_at, found.overdue_days, f"{found.evidence} {rests_on}"
        )
    text = f"{rests_on} {last}" if witness is not usable[-1] else rests_on
    return _breached(deadline, now, text)


def _witness(deadline: Deadline, usable: Sequence[Sighting], policy: Policy) -> Sighting | None:
    """The figure near the deadline that shows seats unfilled: the last before, else the first after."""
    near = [one for one in usable if abs(one.observed_at - deadline.due_at) <= policy.near_deadline]
    before = [one for one in near if deadline.is_in_time(one.observed_at)]
    if before:
        return before[-1]
    return near[0] if near and near[0].missing_count else None


def _none_usable(evidence: Evidence) -> str:
    if not evidence.sightings:
        return "Chưa có số liệu nào của đơn vị."
    at = written_instant(evidence.sightings[-1].observed_at)
    return f"Chưa có số liệu nào đầy đủ và qua kiểm tra; lần đọc lúc {at} không dùng được."


def _figure(one: Sighting) -> str:
    text = f"{count(one.installed_count)}/{count(one.allocated_count)} máy"
    ratio = share(one.installed_count, one.allocated_count, has_blank=False)
    if ratio is not None:
        text += f" ({ratio})"
    if one.exempt_count:
        text += f", {count(one.exempt_count)} máy không đủ cấu hình đã có văn bản"
    return text


def _seen(one: Sighting) -> str:
    missing = f"còn thiếu {count(one.missing_count)} máy, " if one.missing_count else ""
    at = written_instant(one.observed_at)
    return f"{_figure(one)}, {missing}đọc lúc {at} (mã số liệu {one.snapshot_id})."


def _training(
    obligation: Obligation, evidence: Evidence, now: datetime, policy: Policy
) -> ObligationStatus:
    deadline = obligation.deadline
    held_on = deadline.last_date
    lines = [
        line
        for line in evidence.attendances
        if line.training_date >= held_on or deadline.bound is not Bound.START
    ]
    present = next((line for line in lines if line.is_present), None)
    if present is not None:
        day = present.training_date
        text = f"Có mặt theo {present.source_document}, buổi ngày {written_date(day)}"
        if day <= held_on:
            at = min(deadline.due_at, _start_of(day + timedelta(days=1)))
            return ObligationStatus(Status.MET, at, 0, f"{text}.")
        late = (day - held_on).days
        return ObligationStatus(
            Status.MET_LATE, _start_of(day), late, f"{text}, trễ {count(late)} ngày."
        )
    if _day(now) <= held_on:
        return _open(obligation, now, policy, "Chưa có danh sách điểm danh.")
    if lines:
        return _breached(deadline, now, f"Vắng mặt theo {lines[-1].source_document}.")
    text = f"Chưa nhập danh sách điểm danh của buổi ngày {written_date(held_on)}."
    return ObligationStatus(Status.UNDETERMINED, None, 0, text)


def _hardware_feedback(
    obligation: Obligation, evidence: Evidence, now: datetime, policy: Policy
) -> ObligationStatus:
    """An answer is owed only by units that have machines below the minimum."""
    found = _report(obligation, evidence, now, policy)
    if found.status not in {Status.BREACHED, Status.UNDETERMINED}:
        return found
    in_time = [
        one for one in evidence.weak_hardware if obligation.deadline.is_in_time(one.observed_at)
    ]
    if not in_time:
        text = "Chưa thu thập cấu hình máy trong hạn nên không biết đơn vị có máy phải phản hồi."
        return ObligationStatus(Status.UNDETERMINED, None, 0, f"{found.evidence} {text}")
    last = in_time[-1]
    seen = f"cấu hình đọc lúc {written_instant(last.observed_at)} (mã số liệu {last.snapshot_id})"
    if last.undocumented_count == 0:
        text = f"Không phát sinh: theo {seen} không có máy nào dưới cấu hình mà thiếu văn bản."
        return ObligationStatus(Status.MET, last.observed_at, 0, text)
    number = count(last.undocumented_count)
    text = f"{found.evidence} Theo {seen} có {number} máy dưới cấu hình chưa có văn bản phản hồi."
    return ObligationStatus(found.status, None, found.overdue_days, text)


_JUDGES = {
    ObligationKind.UNIT_REPORT: _report,
    ObligationKind.ROLL_UP: _report,
    ObligationKind.ONE_OFF: _report,
    ObligationKind.FULL_INSTALLATION: _installation,
    ObligationKind.TRAINING: _training,
    ObligationKind.HARDWARE_FEEDBACK: _hardware_feedback,
}


def _open(obligation: Obligation, now: datetime, policy: Policy, text: str) -> ObligationStatus:
    last = obligation.deadline.last_date
    soon = policy.working_calendar.add(last, -policy.due_soon_working_days)
    status = Status.DUE_SOON if _day(now) >= soon else Status.PENDING
    return ObligationStatus(status, None, 0, text)


def _met(deadline: Deadline, at: datetime, text: str) -> ObligationStatus:
    """``text`` ends where the instant follows."""
    shown = f"{text} {written_instant(at)}"
    if deadline.is_in_time(at):
        return ObligationStatus(Status.MET, at, 0, f"{shown}, trong hạn.")
    late = _days_late(deadline, at)
    lateness = f"trễ {count(late)} ngày" if late else "trễ trong ngày"
    return ObligationStatus(Status.MET_LATE, at, late, f"{shown}, {lateness}.")


def _breached(deadline: Deadline, now: datetime, text: str) -> ObligationStatus:
    return ObligationStatus(Status.BREACHED, None, _days_late(deadline, now), text)


def _days_late(deadline: Deadline, at: datetime) -> int:
    """Calendar days after the last day; 0 when it is late by hours on that day itself."""
    return (_day(at) - deadline.last_date).days


def written_instant(at: datetime) -> str:
    """An instant as evidence names it, in Vietnam: ``17:00 ngày 15/01/2024``; seconds if there are."""
    local = at.astimezone(VIETNAM)
    clock = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    return f"{clock} ngày {written_date(local.date())}"


def _day(at: datetime) -> date:
    return at.astimezone(VIETNAM).date()


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(0), VIETNAM).astimezone(UTC)


# --- Who has to be reminded ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """One notice to send. A notice whose ``key`` is known was sent; an extension makes new keys.

    ``stage`` is ``t-3``, ``t-1``, ``t+1`` (working days from ``last_date``) or ``breach``;
    ``notice_date`` is the day it is of, earlier than today where the watch stood still.
    """

    obligation_code: str
    unit_code: str
    last_date: date
    stage: str
    notice_date: date
    key: str = field(init=False)

    def __post_init__(self) -> None:
        parts = (self.obligation_code, self.unit_code, self.last_date.isoformat(), self.stage)
        object.__setattr__(self, "key", "/".join(parts))


def reminders_due(
    obligation: Obligation,
    status: ObligationStatus,
    now: datetime,
    policy: Policy,
    sent: Collection[str] = (),
) -> tuple[Reminder, ...]:
    """The notices to send at ``now``, without those whose key is in ``sent``.

    Before the deadline only the newest stage that has come is sent: after a standstill nobody gets
    two at once, and a later stage makes an earlier one void. A breach is told as soon as it is
    judged, the other stages from ``policy.remind_from`` on their day. What is met, met late or
    waived reminds nobody; what is undetermined gets the stages after the deadline, but no breach.
    """
    if status.status in {Status.MET, Status.MET_LATE, Status.WAIVED}:
        return ()
    stages: list[tuple[str, date]] = []
    if status.status in {Status.PENDING, Status.DUE_SOON}:
        stages += _newest(_reached(obligation, now, policy, [-n for n in policy.remind_before]))
    else:
        if status.status is Status.BREACHED:
            stages.append(("breach", obligation.deadline.last_date + timedelta(days=1)))
        stages += _newest(_reached(obligation, now, policy, policy.remind_after))
    found = (
        Reminder(
            obligation_code=obligation.obligation_code,
            unit_code=obligation.unit_code,
            last_date=obligation.deadline.last_date,
            stage=stage,
            notice_date=day,
        )
        for stage, day in stages
    )
    return tuple(reminder for reminder in found if reminder.key not in sent)


def _reached(
    obligation: Obligation, now: datetime, policy: Policy, offsets: Iterable[int]
) -> Iterator[tuple[str, date]]:
    for offset in sorted(offsets):
        day = policy.working_calendar.add(obligation.deadline.last_date, offset)
        if datetime.combine(day, policy.remind_from, VIETNAM) <= now:
            yield f"t{offset:+d}", day


def _newest(stages: Iterator[tuple[str, date]]) -> list[tuple[str, date]]:
    return list(stages)[-1:]
