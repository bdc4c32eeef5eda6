"""What a letter says, as plain data; the offices' words are given, only figures are worked out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from ksc_ledger.errors import LedgerError

_CODE = re.compile(r"[a-z0-9_]{2,32}")


class LetterKind(StrEnum):
    DON_DOC = "don_doc"  # reminder: how far everybody has come, what is due when
    PHAN_BO = "phan_bo"  # allocation: who gets how many seats, for which term
    TERM = "term"  # licence term: when the key expires, and which machines go dark then
    TRAINING = "training"  # who attended the training, who did not


class Presence(StrEnum):
    """What is known of a unit's attendance at a training."""

    PRESENT = "present"
    ABSENT = "absent"
    WAIVED = "waived"
    UNKNOWN = "unknown"  # the unit is on no attendance list


class GapReason(StrEnum):
    """The parts of rpt_coverage_gap, in its order."""

    WRONG_NAME = "wrong_name"
    NOT_PROTECTED = "not_protected"
    STALE = "stale"
    OK = "ok"
    AGENT_ONLY = "agent_only"
    EXEMPT_HARDWARE = "exempt_hardware"
    NOT_INSTALLED = "not_installed"
    OVER_ALLOCATED = "over_allocated"  # zero or negative


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A document's date; the day, or the day and the month, may still be blank."""

    year: int
    month: int | None = None
    day: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as a letter cites it; ``subject`` begins with "về việc"."""

    document_kind: str
    number: str | None
    issued: PartialDate
    issuer: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """A document the letter rests on, introduced by ``lead`` ("Căn cứ", "Thực hiện")."""

    lead: str
    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who issues the letter, and the words that depend on it.

    ``heading`` are the lines at the top, ``parent_heading`` the body above (None for a people's
    committee, which names none); ``symbol`` stands behind the number; ``verb`` is "yêu cầu" to
    those below, "đề nghị" to the others; ``signature`` are the lines above the signature.
    """

    name: str
    heading: tuple[str, ...]
    symbol: str
    place: str
    area: str
    verb: str
    signature: tuple[str, ...]
    parent_heading: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One numbered demand: ``text``, in bold ``due`` (its wording), in brackets and italics ``note``.

    None of them ends with a stop. ``due_at`` is the last instant still in time, as rules.deadlines
    reads the wording; it goes into the proof only. ``details`` are lines below, each with a dash.
    """

    text: str
    due: str = ""
    note: str = ""
    due_at: datetime | None = None
    obligation_code: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    """One line of the annex. None: not known, the cell stays empty.

    ``gap_count`` and ``over_count`` are fct_unit_coverage_daily's: for a unit above others they are
    sums of what its units lack and exceed. Left out, the unit is taken to hold its seats itself.
    """

    unit_code: str
    unit_name: str
    allocated_count: int
    snapshot_id: str
    installed_count: int | None = None
    correctly_named_count: int | None = None
    computer_count: int | None = None
    weak_count: int | None = None
    requested_count: int | None = None
    difficulties: str = ""
    note: str = ""
    gap_count: int | None = None
    over_count: int | None = None
    presence: Presence | None = None

    @property
    def gap(self) -> int:
        own = max(0, self.allocated_count - (self.installed_count or 0))
        return own if self.gap_count is None else self.gap_count

    @property
    def over(self) -> int:
        own = max(0, (self.installed_count or 0) - self.allocated_count)
        return own if self.over_count is None else self.over_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the annex with its own numbering and, if titled, its own sum.

    ``noun`` is how the letter counts the rows: "sở, ban, ngành tỉnh".
    """

    rows: tuple[UnitRow, ...]
    title: str = ""
    noun: str = "cơ quan, đơn vị"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The issuer's own figures of the as-of day, as fct_unit_coverage_daily has them."""

    allocated_count: int
    snapshot_id: str
    installed_count: int | None = None
    correctly_named_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """On how many servers the figures rest; ``oldest_observed_at`` is the oldest figure among them."""

    servers_expected_count: int
    servers_observed_count: int
    oldest_observed_at: datetime | None = None
    is_provisional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A licence term: the document's wording, and the key's own expiry, which is the truth."""

    wording: str
    key_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One letter of any kind. ``unit_code`` is the unit whose figures it is about.

    Raises LedgerError where the annex and the figures of the text contradict each other: a letter
    that does not add up is not written.
    """

    estate_code: str
    unit_code: str
    kind: LetterKind
    as_of_date: date
    issued: PartialDate
    issuer: Issuer
    subject: str
    recipients: tuple[str, ...]
    bases: tuple[Basis, ...]
    totals: Totals
    sections: tuple[Section, ...]
    demands: tuple[Demand, ...]
    accountable: str
    accountable_to: str = ""
    contact: str = ""
    copies: tuple[str, ...] = ()
    filed_by: str = ""
    sources: Sources | None = None
    term: Term | None = None

    def __post_init__(self) -> None:
        check_code(self.estate_code)
        check_code(self.unit_code)
        if not self.rows:
            raise LedgerError(
                "letter_without_rows",
                f"Công văn của {self.unit_code} không có đơn vị nào trong phụ lục.",
                "Kiểm tra danh mục đơn vị có hiệu lực trong ngày lấy số liệu.",
            )
        if self.kind is not LetterKind.TRAINING:  # it counts offices, not seats
            self._check_sum("allocated_count", "bản quyền được phân bổ")
        if self.kind in {LetterKind.DON_DOC, LetterKind.TERM}:
            if self.totals.installed_count is None:
                raise LedgerError(
                    "letter_without_figures",
                    f"Công văn {self.kind} của {self.unit_code} không có số máy đã cài đặt.",
                    "Chờ lần đọc máy chủ đầu tiên, hoặc chọn ngày lấy số liệu muộn hơn.",
                )
            self._check_sum("installed_count", "máy đã cài đặt")
            self._check_sum("correctly_named_count", "máy đặt đúng tên")

    @property
    def rows(self) -> tuple[UnitRow, ...]:
        return tuple(row for section in self.sections for row in section.rows)

    def _check_sum(self, figure: str, name: str) -> None:
        total = getattr(self.totals, figure)
        values = [getattr(row, figure) for row in self.rows]
        if total is None and all(value is None for value in values):
            return
        found = sum(value or 0 for value in values)
        if found != total:
            raise LedgerError(
                "letter_sum_wrong",
                f"Phụ lục cộng lại {found} {name}, số liệu chung của {self.unit_code} là {total}.",
                "Không gửi công văn này; kiểm tra danh mục đơn vị và số liệu của ngày đó.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """One machine to be renamed; names are personal data and stay within the unit."""

    display_name: str
    reason: str
    suggested_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offender:
    """One machine that is installed and yet not in order, or half installed; ``problems`` in words."""

    display_name: str
    problems: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSheet:
    """The one-pager of a unit. ``parts`` is its row set of rpt_coverage_gap (missing = 0).

    ``renames`` and ``offenders`` may be cut to what fits a page; ``more_renames`` and
    ``more_offenders`` are how many were left out. ``responsible``: the post that answers for it.
    """

    estate_code: str
    unit_code: str
    unit_name: str
    parent_name: str
    as_of_date: date
    totals: Totals
    parts: Mapping[GapReason, int]
    renames: tuple[Rename, ...] = ()
    more_renames: int = 0
    offenders: tuple[Offender, ...] = ()
    more_offenders: int = 0
    responsible: str = ""
    duties: tuple[str, ...] = ()
    sources: Sources | None = None

    def __post_init__(self) -> None:
        check_code(self.estate_code)
        check_code(self.unit_code)
        if sum(self.parts.values()) != self.totals.allocated_count:
            raise LedgerError(
                "unit_sheet_sum_wrong",
                f"Các phần của {self.unit_code} cộng lại {sum(self.parts.values())}, số được phân "
                f"bổ là {self.totals.allocated_count}.",
                "Không gửi phiếu này; dựng lại số liệu của ngày đó.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportForm:
    """The form a unit fills in: what is known stands in it, the rest is blank."""

    estate_code: str
    unit_code: str
    unit_name: str
    as_of_date: date
    rows: tuple[UnitRow, ...]
    recipient: str
    due: str = ""

    def __post_init__(self) -> None:
        check_code(self.estate_code)
        check_code(self.unit_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One printed figure: ``name`` as the mart's column, ``shown`` as the paper has it."""

    unit_code: str
    name: str
    value: int | str | None
    shown: str
    snapshot_id: str


def check_code(code: str) -> None:
    """Codes become parts of file names; anything else is refused."""
    if not _CODE.fullmatch(code):
        raise LedgerError(
            "letter_code_wrong",
            f"Mã {code!r} không hợp lệ.",
            "Mã gồm 2 đến 32 chữ thường không dấu, chữ số hoặc gạch dưới.",
        )
