"""Lists of devices that a unit exports from its KSC console, recognised by their headings.

Consoles speak Vietnamese, English or Russian and show what their operator chose, so that only the
device's name is asked for, and one more column that no other list has. Names are kept sign by sign:
whether a name is right is judged where all names are judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ksc_ledger.intake.columns import heading_key
from ksc_ledger.intake.document import Cell, CellKind, Document, Sheet
from ksc_ledger.intake.reasons import Finding, Reason, finding
from ksc_ledger.intake.report_form import text_findings
from ksc_ledger.intake.values import CellFault, day_of, name_of, plain

_HEADER_ROWS = 60


class DeviceColumn(StrEnum):
    NAME = "computer_name"
    GROUP = "group_path"
    IP = "ip"
    OS = "os_name"
    AGENT = "nagent_version"
    PRODUCT = "av_product"
    PRODUCT_VERSION = "av_version"
    BASES = "bases_time"
    STATUS = "status"
    STATUS_REASON = "status_reason"
    CONNECTED = "last_connected"
    VISIBLE = "last_visible"
    SCANNED = "last_full_scan"
    VIRUSES = "virus_count"
    DOMAIN = "domain"


# A table that has none of these beside a name may be about anything.
_TELLING = {
    DeviceColumn.GROUP,
    DeviceColumn.IP,
    DeviceColumn.OS,
    DeviceColumn.AGENT,
    DeviceColumn.BASES,
    DeviceColumn.STATUS,
    DeviceColumn.CONNECTED,
    DeviceColumn.VISIBLE,
    DeviceColumn.DOMAIN,
}
_INSTANTS = (
    DeviceColumn.BASES,
    DeviceColumn.CONNECTED,
    DeviceColumn.VISIBLE,
    DeviceColumn.SCANNED,
)

# Keys of ``heading_key``; Russian ones keep their letters' remains, so they are given whole below.
_HEARD: dict[DeviceColumn, frozenset[str]] = {
    DeviceColumn.NAME: frozenset(
        {
            "computer name", "device", "device name", "host name", "hostname", "name",
            "netbios name", "ten may", "ten may tinh", "ten thiet bi", "thiet bi", "may tinh",
        }
    ),
    DeviceColumn.GROUP: frozenset(
        {"group", "group name", "administration group", "nhom", "ten nhom", "nhom quan tri"}
    ),
    DeviceColumn.IP: frozenset({"ip", "ip address", "ipv4", "ipv4 address", "dia chi ip"}),
    DeviceColumn.OS: frozenset({"os", "os name", "operating system", "operating system type", "he dieu hanh"}),
    DeviceColumn.AGENT: frozenset(
        {
            "nagent version", "network agent version", "version of network agent",
            "phien ban network agent", "phien ban tac tu",
        }
    ),
    DeviceColumn.PRODUCT: frozenset(
        {"av product", "security application", "application", "application name", "ung dung bao mat", "phan mem bao ve", "ung dung"}
    ),
    DeviceColumn.PRODUCT_VERSION: frozenset(
        {"av version", "application version", "version", "version number", "phien ban ung dung", "phien ban"}
    ),
    DeviceColumn.BASES: frozenset(
        {
            "bases time", "anti malware database date", "anti virus database date", "database date",
            "anti malware databases last updated", "ngay co so du lieu", "ngay cap nhat",
        }
    ),
    DeviceColumn.STATUS: frozenset({"status", "device status", "trang thai", "trang thai thiet bi"}),
    DeviceColumn.STATUS_REASON: frozenset(
        {"status reason", "reason", "status description", "ly do", "mo ta trang thai"}
    ),
    DeviceColumn.CONNECTED: frozenset(
        {
            "last connected", "last connection", "last connection to administration server",
            "last connected to administration server", "ket noi lan cuoi", "lan ket noi cuoi",
            "lan cuoi ket noi",
        }
    ),
    DeviceColumn.VISIBLE: frozenset(
        {"last visible", "last visible on the network", "visible", "lan cuoi nhin thay", "nhin thay lan cuoi"}
    ),
    DeviceColumn.SCANNED: frozenset(
        {"last full scan", "last full scan date", "last scan", "lan quet cuoi", "quet toan bo lan cuoi"}
    ),
    DeviceColumn.VIRUSES: frozenset(
        {"virus count", "threats detected", "viruses found", "so ma doc", "so moi de doa"}
    ),
    DeviceColumn.DOMAIN: frozenset({"domain", "windows domain", "mien", "ten mien"}),
}  # fmt: skip
_RUSSIAN: dict[str, DeviceColumn] = {
    "устройство": DeviceColumn.NAME,
    "имя устройства": DeviceColumn.NAME,
    "группа": DeviceColumn.GROUP,
    "ip-адрес": DeviceColumn.IP,
    "операционная система": DeviceColumn.OS,
    "версия агента администрирования": DeviceColumn.AGENT,
    "программа безопасности": DeviceColumn.PRODUCT,
    "статус": DeviceColumn.STATUS,
    "последнее подключение": DeviceColumn.CONNECTED,
    "последнее появление в сети": DeviceColumn.VISIBLE,
}


@dataclass(frozen=True, slots=True)
class Device:
    """One line; values as texts, instants as the export wrote them (its time zone is unknown)."""

    values: Mapping[DeviceColumn, str]
    cell: str


@dataclass(frozen=True, slots=True)
class DeviceList:
    sheet: str
    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class RecognisedDevices:
    """``devices`` is None when the document holds no list of devices."""

    devices: DeviceList | None
    findings: tuple[Finding, ...]

    @property
    def is_clean(self) -> bool:
        return self.devices is not None and all(one.is_note for one in self.findings)


def recognise_devices(document: Document) -> RecognisedDevices:
    """The list of devices in a document: of several such tables the one with most rows."""
    tables = [
        (sheet, row, columns)
        for sheet in document.sheets
        if not sheet.is_hidden
        for row, columns in [_header(sheet)]
        if columns
    ]
    if not tables:
        return RecognisedDevices(None, ())
    sheet, header, columns = max(tables, key=lambda one: len(one[0].rows))
    findings = list(text_findings(sheet, but_column=columns[DeviceColumn.NAME]))
    width = len(sheet.rows[header])
    devices = []
    for row in range(header + 1, len(sheet.rows)):
        cells = sheet.rows[row]
        if all(sheet.cell(row, at).is_blank for at in columns.values()):
            continue  # a gap, or a line of the report's own below its list
        address = sheet.address(row, columns[DeviceColumn.NAME])
        if sheet.has_fields and (
            len(cells) < width or any(not cell.is_blank for cell in cells[width:])
        ):
            findings.append(finding(Reason.RAGGED_ROW, cell=address, what=len(cells), limit=width))
        values = _values(sheet, row, columns, document.first_serial_year, findings)
        if row in sheet.hidden_rows:
            findings.append(finding(Reason.HIDDEN_ROW, sheet=sheet.name, cell=address))
        devices.append(Device(values, address))
    if not devices and not findings:
        findings.append(finding(Reason.NO_ROWS, sheet=sheet.name))
    return RecognisedDevices(DeviceList(sheet.name, tuple(devices)), tuple(findings))


def device_column_of(text: str) -> DeviceColumn | None:
    """The column that a heading means."""
    key = heading_key(text)
    for column, heard in _HEARD.items():
        if key in heard or key == column.value.replace("_", " "):
            return column
    return _RUSSIAN.get(plain(text).casefold())


def _header(sheet: Sheet) -> tuple[int, dict[DeviceColumn, int]]:
    """The first row that heads names and something else that only devices have."""
    for row, cells in enumerate(sheet.rows[:_HEADER_ROWS]):
        columns: dict[DeviceColumn, int] = {}
        for at, cell in enumerate(cells):
            column = device_column_of(cell.text) if cell.kind is CellKind.TEXT else None
            if column is not None:
                columns.setdefault(column, at)
        if DeviceColumn.NAME in columns and _TELLING & set(columns):
            return row, columns
    return 0, {}


def _values(
    sheet: Sheet,
    row: int,
    columns: Mapping[DeviceColumn, int],
    first_serial_year: int | None,
    findings: list[Finding],
) -> dict[DeviceColumn, str]:
    values: dict[DeviceColumn, str] = {}
    for column, at in columns.items():
        cell = sheet.cell(row, at)
        try:
            text = _value(column, cell, first_serial_year)
        except CellFault as fault:
            address = sheet.address(row, at)
            findings.append(finding(fault.reason, sheet=sheet.name, cell=address, **fault.facts))
            continue
        if text:
            values[column] = text
    return values


def _value(column: DeviceColumn, cell: Cell, first_serial_year: int | None) -> str:
    if column is DeviceColumn.NAME:
        if cell.is_blank:
            raise CellFault(Reason.CELL_BLANK, what="Tên máy")
        return name_of(cell)
    if column in _INSTANTS and not cell.is_blank:
        try:
            day_of(cell, first_serial_year)
        except CellFault as fault:
            # Any other wording of an instant stays the text it is: nobody counts by it.
            if fault.reason is Reason.MONTH_FIRST:
                raise
    return plain(cell.text)
