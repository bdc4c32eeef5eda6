"""What the offices decided, typed: units, servers, allocations, naming rules, each with its period.

Every record belongs to one estate. Days are Vietnamese calendar days, ``valid_to_date`` is the last
day in force (None = open). Order within a tuple is the files' order, estates by code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator

from ksc_ledger.errors import LedgerError
from ksc_ledger.registry.fields import (
    AllowedPart,
    Code,
    Day,
    DayCount,
    EntryId,
    MinuteCount,
    Moment,
    NameLength,
    OptionalCode,
    OptionalDay,
    OptionalPrefix,
    OptionalText,
    Order,
    PartCount,
    Seats,
    Separator,
    Text,
    TimeOfDay,
    choice,
    refused,
)
from ksc_ledger.rules.computer_names import DEFAULT_RULE, Rule
from ksc_ledger.rules.links_model import DelayUnit, NoticeKind, Window
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
    servers: tuple[Server, ...] = ()
    server_groups: tuple[ServerGroup, ...] = ()
    allocations: tuple[AllocationEntry, ...] = ()
    naming_rules: tuple[NamingRule, ...] = ()
    calendar_overrides: tuple[CalendarOverride, ...] = ()
    notice_steps: tuple[NoticeStep, ...] = ()
    office_spans: tuple[OfficeSpan, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()

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

    def groups_on(self, server_code: str, day: date) -> dict[str, str]:
        """A server's mapped groups: ``normalised_path`` to unit_code, for ``unit_of_group``."""
        return {
            normalised_path(group.group_path): group.unit_code
            for group in self.server_groups
            if group.server_code == server_code and group.is_in_force(day)
        }

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
