"""What the offices decided, read from their files: checked, versioned, the last good one in force.

``reader`` reads rows, ``checks`` lays them side by side, ``versions`` keeps what was used,
``workdays`` makes the working calendar; docs/registry.md describes the files.
"""

from __future__ import annotations

from ksc_ledger.registry.mistakes import Mistake, RegistryError
from ksc_ledger.registry.model import (
    AllocationEntry,
    AppliesTo,
    CalendarKind,
    CalendarOverride,
    Directive,
    DutyReceipt,
    DutyWaiver,
    EntryKind,
    Estate,
    HardwareReturn,
    LetterDemand,
    LetterForm,
    LetterIssuer,
    LetterWords,
    Maintenance,
    NamingRule,
    NoticeStep,
    Obligation,
    OfficeSpan,
    ReceiptReading,
    Registry,
    RequestStatus,
    SeatRequest,
    Server,
    ServerGroup,
    ServerRole,
    TrainingLine,
    Unit,
    UnitAlias,
)
from ksc_ledger.registry.reader import load
from ksc_ledger.registry.report import check
from ksc_ledger.registry.versions import InForce, in_force, version
from ksc_ledger.registry.workdays import working_calendar

__all__ = [
    "AllocationEntry",
    "AppliesTo",
    "CalendarKind",
    "CalendarOverride",
    "Directive",
    "DutyReceipt",
    "DutyWaiver",
    "EntryKind",
    "Estate",
    "HardwareReturn",
    "InForce",
    "LetterDemand",
    "LetterForm",
    "LetterIssuer",
    "LetterWords",
    "Maintenance",
    "Mistake",
    "NamingRule",
    "NoticeStep",
    "Obligation",
    "OfficeSpan",
    "ReceiptReading",
    "Registry",
    "RegistryError",
    "RequestStatus",
    "SeatRequest",
    "Server",
    "ServerGroup",
    "ServerRole",
    "TrainingLine",
    "Unit",
    "UnitAlias",
    "check",
    "in_force",
    "load",
    "version",
    "working_calendar",
]
