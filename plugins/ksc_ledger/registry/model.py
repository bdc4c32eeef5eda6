"""What the offices decided, typed: units, servers, allocations, naming rules, each with its period.

Every record belongs to one estate. Days are Vietnamese calendar days, ``valid_to_date`` is the last
day in force (None = open). Order within a tuple is the files' order, estates by code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator

from ksc_ledger.errors import LedgerError
from ksc_ledger.registry.fields import (
    AllowedPart,
    Code,
    ConfirmCount,
    ConfirmMinutes,
    Day,
    DayCount,
    EntryId,
    Flag,
    Lines,
    MachineCount,
    MinuteCount,
    Moment,
    NameLength,
    Office,
    OptionalCode,
    OptionalCodes,
    OptionalDay,
    OptionalDayOfMonth,
    OptionalEndpointId,
    OptionalHours,
    OptionalLines,
    OptionalMonth,
    OptionalPrefix,
    OptionalSize,
    OptionalText,
    Order,
    PartCount,
    PublicKey,
    Seats,
    Separator,
    Size,
    Text,
    TimeOfDay,
    Year,
    choice,
    optional_choice,
    refused,
)
from ksc_ledger.rules.computer_names import DEFAULT_RULE, Rule
from ksc_ledger.rules.deadlines import ObligationKind, RollPolicy
from ksc_ledger.rules.links_model import (
    LONGEST_SILENCE,
    DelayUnit,
    Limits,
    NoticeKind,
    Window,
)
from ksc_ledger.rules.organisation import normalised_path


class ServerRole(StrEnum):
    PROVINCE = "province"
    DISTRICT = "district"


class EntryKind(StrEnum):
    GRANT = "grant"  # from outside, or handed down from from_unit_code
    TRANSFER = "transfer"
    RETURN = "return"
    EXPIRY = "expiry"


class CalendarKind(StrEnum):
    HOLIDAY = "holiday"
    WORKDAY = "workday"


class AppliesTo(StrEnum):
    """Whom an obligation binds, seen from its ``unit_code``."""

    SELF = "self"
    CHILDREN = "children"  # the units directly below
    BELOW = "below"  # every unit below, at any depth


class LetterForm(StrEnum):
    """The kinds of letter that can be written; a document of ours is of one of them."""

    DON_DOC = "don_doc"
    PHAN_BO = "phan_bo"
    TERM = "term"
    TRAINING = "training"


class Matter(StrEnum):
    """What a post can answer for."""

    INSTALLATION = "installation"  # head answerable: everything installed and rightly named
    REPORTING = "reporting"
    KSC_SERVER = "ksc_server"  # runs the unit's KSC server and its link


class RequestStatus(StrEnum):
    OPEN = "open"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


GROUP_KIND = "nhom"  # a unit that is only a heading over others: no office, nobody to oblige


class Record(BaseModel):
    """``MAY_BE_LEFT_OUT``: columns that a file need not have."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    MAY_BE_LEFT_OUT: ClassVar[frozenset[str]] = frozenset()

    estate_code: Code


class Dated(Record):
    """A record in force from ``valid_from_date`` to ``valid_to_date``, both included."""

    valid_from_date: Day
    valid_to_date: OptionalDay = None
    source_document: Text

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.valid_to_date is not None and self.valid_to_date < self.valid_from_date:
            raise refused(
                "Ngày hết hiệu lực đứng trước ngày bắt đầu hiệu lực.",
                "Sửa một trong hai ngày; bỏ trống valid_to_date nếu chưa biết ngày kết thúc.",
                "valid_to_date",
            )
        return self

    def is_in_force(self, day: date) -> bool:
        return self.valid_from_date <= day and (
            self.valid_to_date is None or day <= self.valid_to_date
        )


class Estate(Record):
    """``old_bases_days``: calendar days; ``stale_working_days``: working days.

    ``question_every_minutes``: how often the link watch may log in to the province to ask; more
    often only while a loss or a recovery waits to be confirmed.
    """

    estate_name: Text
    old_bases_days: DayCount = 15
    stale_working_days: DayCount = 7
    question_every_minutes: MinuteCount = 30


class Unit(Dated):
    unit_code: Code
    unit_name: Text
    unit_kind: Code
    official_code: OptionalText = None
    name_prefix: OptionalPrefix = None
    parent_unit_code: OptionalCode = None
    list_order: Order


class UnitAlias(Dated):
    alias: Text
    unit_code: Code


class SuccessionKind(StrEnum):
    """How a unit becomes another one. ``to_unit_code`` is its heir, save for REUSE."""

    MERGE = "merge"  # all of it goes into one other unit
    SPLIT = "split"  # a row for each unit that gets a part; it may itself go on
    RENAME = "rename"  # the same unit, told for the record: from and to are one code
    REUSE = "reuse"  # only the State's code passes on; nothing else does


class Succession(Record):
    """What became of a unit on ``effective_date``, the first day of the new order.

    ``seat_count`` (split only): how many of its seats the document gives to this part. On any day
    its seats are shared out in that proportion, to the last one. Blank in every row of a split: all
    seats go to the part named first.
    """

    MAY_BE_LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"seat_count"})

    succession_kind: Annotated[SuccessionKind, choice(SuccessionKind)]
    from_unit_code: Code
    to_unit_code: Code
    effective_date: Day
    seat_count: OptionalSize = None
    source_document: Text

    @model_validator(mode="after")
    def _has_its_sides(self) -> Self:
        is_same = self.from_unit_code == self.to_unit_code
        if is_same is not (self.succession_kind is SuccessionKind.RENAME):
            raise refused(
                "Đổi tên thì mã trước và mã sau là một; các trường hợp khác phải là hai mã.",
                "Sửa to_unit_code hoặc succession_kind.",
                "to_unit_code",
            )
        if self.seat_count is not None and self.succession_kind is not SuccessionKind.SPLIT:
            raise refused(
                "Chỉ khi chia tách mới ghi số bản quyền chia cho từng phần.",
                "Bỏ trống seat_count.",
                "seat_count",
            )
        return self


class Server(Dated):
    """A KSC server.

    ``console_name``: how the province's console calls a district's server; without it the
    province's word about that link cannot be heard.
    """

    MAY_BE_LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"console_name"})

    server_code: Code
    server_name: Text
    server_role: Annotated[ServerRole, choice(ServerRole)]
    unit_code: Code
    list_order: Order
    console_name: OptionalText = None


class ServerGroup(Dated):
    """The group's subgroups inherit its unit unless they are mapped themselves."""

    server_code: Code
    group_path: Text
    unit_code: Code


class PushKey(Dated):
    """The public half of the key by which a server's site signs what it sends by itself.

    A server with a key in force is never asked by the centre. Two keys may be in force at a time,
    so that one can follow the other.
    """

    server_code: Code
    public_key: PublicKey


class AllocationEntry(Dated):
    """``seat_count`` seats move from ``from_unit_code`` to ``to_unit_code`` while in force."""

    entry_id: EntryId
    entry_kind: Annotated[EntryKind, choice(EntryKind)]
    from_unit_code: OptionalCode = None
    to_unit_code: OptionalCode = None
    seat_count: Seats

    @model_validator(mode="after")
    def _has_its_sides(self) -> Self:
        if self.entry_kind in {EntryKind.GRANT, EntryKind.TRANSFER} and not self.to_unit_code:
            raise refused(
                f"Bút toán {self.entry_kind.value} không nêu đơn vị nhận.",
                "Điền mã đơn vị nhận vào to_unit_code.",
                "to_unit_code",
            )
        if self.entry_kind is not EntryKind.GRANT and not self.from_unit_code:
            raise refused(
                f"Bút toán {self.entry_kind.value} không nêu đơn vị giao.",
                "Điền mã đơn vị giao vào from_unit_code.",
                "from_unit_code",
            )
        if self.entry_kind is EntryKind.EXPIRY and self.to_unit_code:
            raise refused(
                "Bút toán expiry không có đơn vị nhận.", "Bỏ trống to_unit_code.", "to_unit_code"
            )
        if self.from_unit_code == self.to_unit_code:
            raise refused(
                "Đơn vị giao và đơn vị nhận là một.", "Sửa một trong hai mã.", "to_unit_code"
            )
        return self


class NamingRule(Dated):
    """How computers in the subtree of ``unit_code`` are named; the nearest unit's rule counts."""

    rule_code: Code
    unit_code: Code
    separator: Separator
    max_length: NameLength
    allowed_part: AllowedPart
    min_parts: PartCount
    max_parts: PartCount

    @model_validator(mode="after")
    def _has_ordered_counts(self) -> Self:
        if self.max_parts < self.min_parts:
            raise refused(
                "Số phần nhiều nhất nhỏ hơn số phần ít nhất.",
                "Sửa min_parts hoặc max_parts; hai số này không tính phần mã đơn vị.",
                "max_parts",
            )
        return self

    @property
    def rule(self) -> Rule:
        """The same as the pure rule that judges names."""
        return Rule(
            rule_code=self.rule_code,
            separator=self.separator,
            max_length=self.max_length,
            allowed_part=self.allowed_part,
            min_parts=self.min_parts,
            max_parts=self.max_parts,
        )


class NoticeStep(Dated):
    """Who is told about what, and how long after the first notice could go out.

    ``after_unit`` and ``window`` as ``rules.links_model`` has them: an hour is an hour, a working
    hour counts in office hours only, and a window ``working`` waits for the next of them.
    """

    notice_kind: Annotated[NoticeKind, choice(NoticeKind)]
    step: Order
    role: Code
    after: Order
    after_unit: Annotated[DelayUnit, choice(DelayUnit)]
    window: Annotated[Window, choice(Window)]


class OfficeSpan(Dated):
    """One span of an office's working day, in Vietnamese local time."""

    from_time: TimeOfDay
    to_time: TimeOfDay

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.to_time <= self.from_time:
            raise refused(
                "Giờ kết thúc không sau giờ bắt đầu.", "Sửa một trong hai giờ.", "to_time"
            )
        return self


class Maintenance(Record):
    """A planned window of one server: a loss inside it is recorded and tells nobody."""

    server_code: Code
    from_at: Moment
    to_at: Moment
    reason: Text
    source_document: Text

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.to_at <= self.from_at:
            raise refused(
                "Thời điểm kết thúc không sau thời điểm bắt đầu.",
                "Sửa một trong hai thời điểm.",
                "to_at",
            )
        return self


class Silence(Record):
    """An office's decision to hear nothing of one server for a while; it always has an end.

    ``owner`` is an office or a function, never a person: people live in ``contacts.csv``.
    """

    server_code: Code
    from_at: Moment
    to_at: Moment
    owner: Office
    reason: Text
    source_document: Text

    @model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        if self.to_at <= self.from_at:
            raise refused(
                "Thời điểm kết thúc không sau thời điểm bắt đầu.",
                "Sửa một trong hai thời điểm.",
                "to_at",
            )
        if self.to_at - self.from_at > LONGEST_SILENCE:
            raise refused(
                f"Tạm ngừng cảnh báo quá {LONGEST_SILENCE.days} ngày.",
                "Chọn thời điểm kết thúc gần hơn; còn cần thì ghi dòng mới khi gần hết hạn. Máy chủ"
                " không còn dùng thì ghi valid_to_date trong servers.csv.",
                "to_at",
            )
        return self


class LinkLimit(Dated):
    """When a server counts as lost and as back, where it is not the usual way.

    ``server_code`` blank: every server of the estate that has no row of its own. The reminders
    blank: the usual ones. What is not named here stays as ``rules.links_model.Limits`` has it.
    """

    MAY_BE_LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"reminder_hours"})

    server_code: OptionalCode = None
    loss_count: ConfirmCount
    loss_minutes: ConfirmMinutes
    return_count: ConfirmCount
    return_minutes: ConfirmMinutes
    reminder_hours: OptionalHours = ()

    @property
    def limits(self) -> Limits:
        """The same as the pure rule that judges links."""
        usual = Limits()
        return replace(
            usual,
            k_down=self.loss_count,
            t_down=timedelta(minutes=self.loss_minutes),
            k_up=self.return_count,
            t_up=timedelta(minutes=self.return_minutes),
            reminders=tuple(timedelta(hours=one) for one in self.reminder_hours) or usual.reminders,
        )


class Directive(Record):
    """A document that decides something. Number, month and day may be blank, as in drafts.

    ``based_on`` are the documents it rests on, in the order in which it cites them; ``cited_as`` is
    the word that introduces this one where others rest on it ("Căn cứ", "Thực hiện").
    """

    MAY_BE_LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"cited_as", "based_on"})

    directive_code: Code
    document_kind: Text
    number: OptionalText = None
    issued_year: Year
    issued_month: OptionalMonth = None
    issued_day: OptionalDayOfMonth = None
    issuer_name: Text
    unit_code: OptionalCode = None
    subject: Text
    cited_as: OptionalText = None
    based_on: OptionalCodes = ()
    source_document: Text

    @model_validator(mode="after")
    def _is_a_day(self) -> Self:
        if self.issued_day is not None:
            if self.issued_month is None:
                raise refused("Có ngày mà không có tháng.", "Điền issued_month.", "issued_month")
            try:
                date(self.issued_year, self.issued_month, self.issued_day)
            except ValueError:
                raise refused(
                    "Ngày ban hành không phải là một ngày có thật.",
                    "Kiểm tra issued_year, issued_month, issued_day.",
                    "issued_day",
                ) from None
        return self

    @property
    def first_date(self) -> date:
        """The first day on which the document can have been issued, from what is filled in."""
        return date(self.issued_year, self.issued_month or 1, self.issued_day or 1)


class Obligation(Record):
    """One duty that a document lays on units, with the document's own ``wording`` of the deadline.

    ``opens_date``: what happened before counts for nothing; blank = the first day on which the
    document can have been issued. ``roll_policy`` blank = the rule's own for this wording.
    """

    MAY_BE_LEFT_OUT: ClassVar[frozenset[str]] = frozenset(
        {"counted_from_date", "roll_policy", "opens_date"}
    )

    obligation_code: Code
    directive_code: Code
    unit_code: Code
    applies_to: Annotated[AppliesTo, choice(AppliesTo)]
    obligation_kind: Annotated[ObligationKind, choice(ObligationKind)]
    wording: Text
    counted_from_date: OptionalDay = None
    roll_policy: Annotated[RollPolicy | None, optional_choice(RollPolicy)] = None
    demand_text: Text
    opens_date: OptionalDay = None
    source_document: Text


class LetterDemand(Record):
    """One numbered demand of a letter. With an obligation its deadline is that obligation's.

    ``demand_text`` blank = the obligation's.
    """

    MAY_BE_LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"note", "details", "obligation_code"})

    directive_code: Code
    list_order: Order
    demand_text: OptionalText = None
    note: OptionalText = None
    details: OptionalLines = ()
    obligation_code: OptionalCode = None
    source_document: Text

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.demand_text is None and self.obligation_code is None:
            raise refused(
                "Yêu cầu không có nội dung.",
                "Điền demand_text, hoặc obligation_code của nghĩa vụ được nhắc lại.",
                "demand_text",
            )
        return self


class LetterWords(Record):
    """What a letter of ours says besides its figures and demands.

    ``unit_code``: the unit whose figures it is about. ``term_wording``: of the licence, where the
    letter states it.
    """

    MAY_BE_LEFT_OUT: ClassVar[frozenset[str]] = frozenset(
        {"accountable_to", "contact", "copies", "term_wording"}
    )

    directive_code: Code
    letter_kind: Annotated[LetterForm, choice(LetterForm)]
    unit_code: Code
    issuer_code: Code
    recipients: Lines
    accountable: Text
    accountable_to: OptionalText = None
    contact: OptionalText = None
    copies: OptionalLines = ()
    filed_by: Text
    report_to: Text
    term_wording: OptionalText = None
    source_document: Text


class LetterIssuer(Dated):
    """A letterhead: lines of the heading, the symbol behind the number, by which right is signed."""

    MAY_BE_LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"parent_heading"})

    issuer_code: Code
    issuer_name: Text
    parent_heading: OptionalText = None
    heading: Lines
    symbol: Text
    place: Text
    area: Text
    verb: Text
    signature: Lines


class DutyWaiver(Record):
    """A document that frees a unit from an obligation, from ``waived_date`` on."""

    obligation_code: Code
    unit_code: Code
    waived_date: Day
    source_document: Text


class DutyReceipt(Record):
    """A report or answer that an officer entered by hand: what came in, and when.

    ``is_accepted`` False: it came, but cannot be used until somebody has dealt with it.
    """

    MAY_BE_LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"is_accepted"})

    obligation_code: Code
    unit_code: Code
    received_at: Moment
    document: Text
    is_accepted: Flag = True
    source_document: Text


class ReceiptReading(Record):
    """Up to ``read_until_at`` everything that came in for this obligation has been entered."""

    obligation_code: Code
    read_until_at: Moment
    source_document: Text


class TrainingLine(Record):
    """One unit's line of an attendance list; the absent are entered as well."""

    obligation_code: Code
    unit_code: Code
    training_date: Day
    is_present: Flag
    source_document: Text


class HardwareReturn(Dated):
    """Machines too weak to be installed, with the unit's document, until the seats are taken back.

    ``endpoint_id``: the one machine that the document names, where a server knows it.
    """

    MAY_BE_LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"endpoint_id"})

    return_id: EntryId
    unit_code: Code
    machine_count: MachineCount
    endpoint_id: OptionalEndpointId = None

    @model_validator(mode="after")
    def _names_one_machine(self) -> Self:
        if self.endpoint_id is not None and self.machine_count != 1:
            raise refused(
                f"Dòng nêu một máy cụ thể nhưng ghi {self.machine_count} máy.",
                "Mỗi máy có mã ghi một dòng với machine_count là 1.",
                "machine_count",
            )
        return self


class HardwareLimit(Dated):
    """What a machine of the estate must have at least; less is weak."""

    memory_mb: Size
    disk_gb: Size


class AntivirusException(Dated):
    """A program that KSC lists as incompatible and that is no second antivirus all the same.

    ``product_text``: a part of its name, of its name in KSC's list or of its maker's name.
    """

    product_text: Text


class SeatRequest(Record):
    """Seats that a unit asks for beyond what it has."""

    request_id: EntryId
    unit_code: Code
    seat_count: MachineCount
    requested_date: Day
    status: Annotated[RequestStatus, choice(RequestStatus)]
    source_document: Text


class Difficulty(Record):
    """What keeps a unit from doing its duty ("khó khăn, vướng mắc"), who sees to it, what came of it.

    ``owner_post``: the post that has to answer. With an answer the matter is closed from
    ``answered_date`` on.
    """

    MAY_BE_LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"answer_text", "answered_date"})

    difficulty_id: EntryId
    unit_code: Code
    raised_date: Day
    difficulty_text: Text
    owner_post: Text
    answer_text: OptionalText = None
    answered_date: OptionalDay = None
    source_document: Text

    @model_validator(mode="after")
    def _is_answered_whole(self) -> Self:
        if (self.answer_text is None) != (self.answered_date is None):
            raise refused(
                "Trả lời và ngày trả lời phải có cùng nhau.",
                "Điền cả answer_text và answered_date, hoặc bỏ trống cả hai.",
                "answered_date",
            )
        if self.answered_date is not None and self.answered_date < self.raised_date:
            raise refused(
                "Ngày trả lời đứng trước ngày nêu vướng mắc.",
                "Sửa một trong hai ngày.",
                "answered_date",
            )
        return self

    def is_open_on(self, day: date) -> bool:
        return self.raised_date <= day and (self.answered_date is None or day < self.answered_date)


class ResponsiblePost(Dated):
    """The post that answers for a matter in a unit; whoever holds it stands in contacts.csv."""

    unit_code: Code
    matter: Annotated[Matter, choice(Matter)]
    post_title: Text


class CalendarOverride(Record):
    date: Day
    kind: Annotated[CalendarKind, choice(CalendarKind)]
    name: Text
    source_document: Text


class Registry(BaseModel):
    """One version of the registry; ``sha256`` identifies it (over the files as levelled)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sha256: str
    estates: tuple[Estate, ...] = ()
    units: tuple[Unit, ...] = ()
    unit_aliases: tuple[UnitAlias, ...] = ()
    successions: tuple[Succession, ...] = ()
    servers: tuple[Server, ...] = ()
    server_groups: tuple[ServerGroup, ...] = ()
    push_keys: tuple[PushKey, ...] = ()
    allocations: tuple[AllocationEntry, ...] = ()
    naming_rules: tuple[NamingRule, ...] = ()
    calendar_overrides: tuple[CalendarOverride, ...] = ()
    notice_steps: tuple[NoticeStep, ...] = ()
    office_spans: tuple[OfficeSpan, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    silences: tuple[Silence, ...] = ()
    link_limits: tuple[LinkLimit, ...] = ()
    directives: tuple[Directive, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    letter_demands: tuple[LetterDemand, ...] = ()
    letter_words: tuple[LetterWords, ...] = ()
    letter_issuers: tuple[LetterIssuer, ...] = ()
    waivers: tuple[DutyWaiver, ...] = ()
    receipts: tuple[DutyReceipt, ...] = ()
    receipt_readings: tuple[ReceiptReading, ...] = ()
    training_lines: tuple[TrainingLine, ...] = ()
    hardware_returns: tuple[HardwareReturn, ...] = ()
    hardware_limits: tuple[HardwareLimit, ...] = ()
    antivirus_exceptions: tuple[AntivirusException, ...] = ()
    seat_requests: tuple[SeatRequest, ...] = ()
    difficulties: tuple[Difficulty, ...] = ()
    responsible_posts: tuple[ResponsiblePost, ...] = ()

    def estate(self, estate_code: str) -> Estate:
        """Raises LedgerError when the registry has no such estate."""
        for estate in self.estates:
            if estate.estate_code == estate_code:
                return estate
        raise LedgerError(
            "estate_unknown",
            f"Danh mục không có địa bàn {estate_code}.",
            "Kiểm tra mã địa bàn và thư mục danh mục đang dùng.",
        )

    def estate_of(self, code: str) -> str | None:
        """The estate of a unit or a server; codes are unique over estates and time."""
        for unit in self.units:
            if unit.unit_code == code:
                return unit.estate_code
        for server in self.servers:
            if server.server_code == code:
                return server.estate_code
        return None

    def units_on(self, day: date) -> tuple[Unit, ...]:
        return tuple(unit for unit in self.units if unit.is_in_force(day))

    def servers_on(self, day: date) -> tuple[Server, ...]:
        """By estate, then in the order of the officers' list."""
        found = (server for server in self.servers if server.is_in_force(day))
        return tuple(sorted(found, key=lambda one: (one.estate_code, one.list_order)))

    def children_on(self, unit_code: str, day: date) -> tuple[Unit, ...]:
        """The units directly below, in the order of the officers' list."""
        found = (unit for unit in self.units_on(day) if unit.parent_unit_code == unit_code)
        return tuple(sorted(found, key=lambda unit: unit.list_order))

    def offices_below(self, unit_code: str, day: date, *, is_deep: bool) -> tuple[Unit, ...]:
        """The units directly below, or all below, in the order of the officers' lists.

        A unit that is only a heading is no office: those below it stand in its place.
        """
        found: list[Unit] = []
        for unit in self.children_on(unit_code, day):
            if unit.unit_kind != GROUP_KIND:
                found.append(unit)
            if is_deep or unit.unit_kind == GROUP_KIND:
                found += self.offices_below(unit.unit_code, day, is_deep=is_deep)
        return tuple(found)

    def directive(self, directive_code: str) -> Directive:
        """Raises LedgerError when the registry has no such document."""
        for one in self.directives:
            if one.directive_code == directive_code:
                return one
        raise LedgerError(
            "directive_unknown",
            f"Danh mục không có văn bản {directive_code}.",
            "Kiểm tra directives.csv.",
        )

    def opens_date(self, obligation: Obligation) -> date:
        """The first day of which anything counts for an obligation."""
        return obligation.opens_date or self.directive(obligation.directive_code).first_date

    def obliged_units(self, obligation: Obligation) -> tuple[Unit, ...]:
        """The units an obligation binds: those in force on the day on which it opens."""
        day = self.opens_date(obligation)
        if obligation.applies_to is AppliesTo.SELF:
            return tuple(u for u in self.units_on(day) if u.unit_code == obligation.unit_code)
        is_deep = obligation.applies_to is AppliesTo.BELOW
        return self.offices_below(obligation.unit_code, day, is_deep=is_deep)

    def groups_on(self, server_code: str, day: date) -> dict[str, str]:
        """A server's mapped groups: ``normalised_path`` to unit_code, for ``unit_of_group``."""
        return {
            normalised_path(group.group_path): group.unit_code
            for group in self.server_groups
            if group.server_code == server_code and group.is_in_force(day)
        }

    def push_keys_on(self, server_code: str, day: date) -> tuple[str, ...]:
        """The public keys that a server's site may sign with that day; none: it is asked."""
        return tuple(
            key.public_key
            for key in self.push_keys
            if key.server_code == server_code and key.is_in_force(day)
        )

    def pushing_on(self, day: date) -> frozenset[str]:
        """The servers that are not asked that day because their sites send by themselves."""
        return frozenset(key.server_code for key in self.push_keys if key.is_in_force(day))

    def prefixes_on(self, estate_code: str, day: date) -> dict[str, frozenset[str]]:
        """Which units of an estate use a prefix that day, for ``computer_names.judge``."""
        found: dict[str, frozenset[str]] = {}
        for unit in self.units_on(day):
            if unit.estate_code == estate_code and unit.name_prefix:
                owners = found.get(unit.name_prefix, frozenset())
                found[unit.name_prefix] = owners | {unit.unit_code}
        return found

    def naming_rules_on(self, day: date) -> dict[str, Rule]:
        """The rule in force for every unit of that day: its own, else its nearest ancestor's.

        Where nobody above has one, the default rule.
        """
        own = {rule.unit_code: rule.rule for rule in self.naming_rules if rule.is_in_force(day)}
        parents = {unit.unit_code: unit.parent_unit_code for unit in self.units_on(day)}
        return {
            unit_code: next(
                (own[code] for code in _ancestry(unit_code, parents) if code in own), DEFAULT_RULE
            )
            for unit_code in parents
        }


def _ancestry(unit_code: str, parents: Mapping[str, str | None]) -> Iterable[str]:
    """The unit, its parent, and so on; a checked registry has no cycle."""
    code: str | None = unit_code
    while code is not None:
        yield code
        code = parents.get(code)
