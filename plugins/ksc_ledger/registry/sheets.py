"""The rows of the officers' files, typed, each knowing where it stands; not yet a registry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ksc_ledger.registry.files import ESTATE_FILE
from ksc_ledger.registry.mistakes import Mistake
from ksc_ledger.registry.model import (
    AllocationEntry,
    AntivirusException,
    CalendarOverride,
    Dated,
    Difficulty,
    Directive,
    DutyReceipt,
    DutyWaiver,
    Estate,
    HardwareLimit,
    HardwareReturn,
    LetterDemand,
    LetterIssuer,
    LetterWords,
    LinkLimit,
    Maintenance,
    NamingRule,
    NoticeStep,
    Obligation,
    OfficeSpan,
    PushKey,
    ReceiptReading,
    Record,
    Registry,
    ResponsiblePost,
    SeatRequest,
    Server,
    ServerGroup,
    Silence,
    Succession,
    TrainingLine,
    Unit,
    UnitAlias,
)

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Line(Generic[R]):
    """A record and where it stands, so that a later check can point at it."""

    record: R
    file: str
    row: int


@dataclass(slots=True)
class Sheet(Generic[R]):
    """All lines of one kind of file, over all estates.

    ``broken`` holds the codes named in rows that were refused, by column: a reference to one of
    them is not told as a second mistake. ``is_whole`` is False when a file could not be read.
    """

    name: str
    model: type[R]
    lines: list[Line[R]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    is_whole: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """In the header in any order, the optional ones perhaps; the estate is the folder's name."""
        names = (name for name in self.model.model_fields if name != "estate_code")
        return tuple(sorted(names, key=lambda name: name in Dated.model_fields))

    @property
    def optional_columns(self) -> frozenset[str]:
        return self.model.MAY_BE_LEFT_OUT

    @property
    def records(self) -> tuple[R, ...]:
        return tuple(line.record for line in self.lines)


@dataclass(slots=True)
class Reading:
    """What was read, before it is known to be right. ``mistakes`` are those of single rows."""

    sha256: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    estates: Sheet[Estate] = field(default_factory=lambda: Sheet(ESTATE_FILE, Estate))
    units: Sheet[Unit] = field(default_factory=lambda: Sheet("units.csv", Unit))
    aliases: Sheet[UnitAlias] = field(default_factory=lambda: Sheet("unit_aliases.csv", UnitAlias))
    successions: Sheet[Succession] = field(
        default_factory=lambda: Sheet("successions.csv", Succession)
    )
    servers: Sheet[Server] = field(default_factory=lambda: Sheet("servers.csv", Server))
    groups: Sheet[ServerGroup] = field(
        default_factory=lambda: Sheet("server_groups.csv", ServerGroup)
    )
    push_keys: Sheet[PushKey] = field(default_factory=lambda: Sheet("push_keys.csv", PushKey))
    allocations: Sheet[AllocationEntry] = field(
        default_factory=lambda: Sheet("allocations.csv", AllocationEntry)
    )
    naming_rules: Sheet[NamingRule] = field(
        default_factory=lambda: Sheet("naming_rules.csv", NamingRule)
    )
    calendar: Sheet[CalendarOverride] = field(
        default_factory=lambda: Sheet("calendar.csv", CalendarOverride)
    )
    notice_steps: Sheet[NoticeStep] = field(
        default_factory=lambda: Sheet("notice_steps.csv", NoticeStep)
    )
    office_spans: Sheet[OfficeSpan] = field(
        default_factory=lambda: Sheet("office_hours.csv", OfficeSpan)
    )
    maintenance: Sheet[Maintenance] = field(
        default_factory=lambda: Sheet("maintenance.csv", Maintenance)
    )
    silences: Sheet[Silence] = field(default_factory=lambda: Sheet("silences.csv", Silence))
    link_limits: Sheet[LinkLimit] = field(
        default_factory=lambda: Sheet("link_limits.csv", LinkLimit)
    )
    directives: Sheet[Directive] = field(default_factory=lambda: Sheet("directives.csv", Directive))
    obligations: Sheet[Obligation] = field(
        default_factory=lambda: Sheet("obligations.csv", Obligation)
    )
    demands: Sheet[LetterDemand] = field(default_factory=lambda: Sheet("demands.csv", LetterDemand))
    letters: Sheet[LetterWords] = field(default_factory=lambda: Sheet("letters.csv", LetterWords))
    issuers: Sheet[LetterIssuer] = field(default_factory=lambda: Sheet("issuers.csv", LetterIssuer))
    waivers: Sheet[DutyWaiver] = field(default_factory=lambda: Sheet("waivers.csv", DutyWaiver))
    receipts: Sheet[DutyReceipt] = field(default_factory=lambda: Sheet("receipts.csv", DutyReceipt))
    readings: Sheet[ReceiptReading] = field(
        default_factory=lambda: Sheet("receipt_readings.csv", ReceiptReading)
    )
    training: Sheet[TrainingLine] = field(
        default_factory=lambda: Sheet("training.csv", TrainingLine)
    )
    returns: Sheet[HardwareReturn] = field(
        default_factory=lambda: Sheet("hardware_returns.csv", HardwareReturn)
    )
    limits: Sheet[HardwareLimit] = field(
        default_factory=lambda: Sheet("hardware_limits.csv", HardwareLimit)
    )
    exceptions: Sheet[AntivirusException] = field(
        default_factory=lambda: Sheet("antivirus_exceptions.csv", AntivirusException)
    )
    requests: Sheet[SeatRequest] = field(
        default_factory=lambda: Sheet("seat_requests.csv", SeatRequest)
    )
    difficulties: Sheet[Difficulty] = field(
        default_factory=lambda: Sheet("difficulties.csv", Difficulty)
    )
    posts: Sheet[ResponsiblePost] = field(
        default_factory=lambda: Sheet("responsible_posts.csv", ResponsiblePost)
    )

    @property
    def tables(self) -> tuple[Sheet[Any], ...]:
        return (
            self.units,
            self.aliases,
            self.successions,
            self.servers,
            self.groups,
            self.push_keys,
            self.allocations,
            self.naming_rules,
            self.calendar,
            self.notice_steps,
            self.office_spans,
            self.maintenance,
            self.silences,
            self.link_limits,
            self.directives,
            self.obligations,
            self.demands,
            self.letters,
            self.issuers,
            self.waivers,
            self.receipts,
            self.readings,
            self.training,
            self.returns,
            self.limits,
            self.exceptions,
            self.requests,
            self.difficulties,
            self.posts,
        )

    def registry(self) -> Registry:
        return Registry(
            sha256=self.sha256,
            estates=self.estates.records,
            units=self.units.records,
            unit_aliases=self.aliases.records,
            successions=self.successions.records,
            servers=self.servers.records,
            server_groups=self.groups.records,
            push_keys=self.push_keys.records,
            allocations=self.allocations.records,
            naming_rules=self.naming_rules.records,
            calendar_overrides=self.calendar.records,
            notice_steps=self.notice_steps.records,
            office_spans=self.office_spans.records,
            maintenance=self.maintenance.records,
            silences=self.silences.records,
            link_limits=self.link_limits.records,
            directives=self.directives.records,
            obligations=self.obligations.records,
            letter_demands=self.demands.records,
            letter_words=self.letters.records,
            letter_issuers=self.issuers.records,
            waivers=self.waivers.records,
            receipts=self.receipts.records,
            receipt_readings=self.readings.records,
            training_lines=self.training.records,
            hardware_returns=self.returns.records,
            hardware_limits=self.limits.records,
            antivirus_exceptions=self.exceptions.records,
            seat_requests=self.requests.records,
            difficulties=self.difficulties.records,
            responsible_posts=self.posts.records,
        )
