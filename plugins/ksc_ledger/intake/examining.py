"""From a document to what it tells: a report's figures by unit, or a console's list of devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from ksc_ledger.clock import vietnamese_date
from ksc_ledger.intake.device_list import DeviceList, recognise_devices
from ksc_ledger.intake.document import Document
from ksc_ledger.intake.placing import UnitFigures, place
from ksc_ledger.intake.reasons import Finding
from ksc_ledger.intake.report_form import recognise
from ksc_ledger.intake.report_header import headers_of
from ksc_ledger.intake.units import AliasLike, UnitIndex, UnitLike


class Content(StrEnum):
    REPORT = "report"
    DEVICES = "devices"


def _nothing_known(_: date) -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, slots=True)
class Directory:
    """What is known of units. ``allocated`` gives the seats of each unit on a day, if it can."""

    index: UnitIndex
    allocated: Callable[[date], Mapping[str, int]] = _nothing_known

    @classmethod
    def of(
        cls,
        units: Iterable[UnitLike],
        aliases: Iterable[AliasLike] = (),
        allocated: Callable[[date], Mapping[str, int]] = _nothing_known,
    ) -> Directory:
        """The directory of a registry's units and aliases."""
        return cls(UnitIndex(units, aliases), allocated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """``figures`` and ``devices`` count only where nothing is to be mended."""

    content: Content | None
    report_date: date | None = None
    figures: tuple[UnitFigures, ...] = ()
    devices: DeviceList | None = None
    findings: tuple[Finding, ...] = ()
    alias_rows: tuple[dict[str, str], ...] = field(default=())
    modified_at: datetime | None = None

    @property
    def is_acceptable(self) -> bool:
        return self.content is not None and all(one.is_note for one in self.findings)


def examine(
    document: Document,
    directory: Directory,
    *,
    sender: str,
    received_at: datetime,
    source: str,
) -> Examined:
    """What a file of the unit ``sender`` says; ``source`` names the file where it is quoted."""
    has_report = any(headers_of(sheet) for sheet in document.sheets if not sheet.is_hidden)
    if not has_report:
        found = recognise_devices(document)
        if found.devices is not None:
            return Examined(
                content=Content.DEVICES,
                devices=found.devices,
                findings=found.findings,
                modified_at=document.modified_at,
            )
    recognised = recognise(document, vietnamese_date(received_at))
    report = recognised.report
    if report is None or report.as_of_date is None:
        return Examined(content=None, findings=recognised.findings)
    placed = place(
        report,
        directory.index,
        sender=sender,
        day=report.as_of_date,
        allocated=directory.allocated(report.as_of_date),
        source=source,
    )
    return Examined(
        content=Content.REPORT,
        report_date=report.as_of_date,
        figures=placed.figures,
        findings=(*recognised.findings, *placed.findings),
        alias_rows=placed.alias_rows,
        modified_at=document.modified_at,
    )
