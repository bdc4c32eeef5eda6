"""ReportManager.*: three reports, made as files that are fetched with GET."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from ksc_ledger.simulator import wire
from ksc_ledger.simulator.methods.async_actions import begin
from ksc_ledger.simulator.methods.registry import Call, method
from ksc_ledger.simulator.pxg import bad_argument, not_found
from ksc_ledger.simulator.wire import Answer

LOCAL: Final = timezone(timedelta(hours=7))
Cell = str | int | datetime | None


@dataclass(frozen=True, slots=True)
class Report:
    """A report of one type; names are localised, as on a server set to Vietnamese."""

    id: int
    type: int
    name: str
    columns: tuple[str, ...]
    rows: Callable[[Call], list[tuple[Cell, ...]]]


@method("ReportManager.EnumReportTypes")
def enum_report_types(call: Call) -> Answer:
    types: list[wire.Member] = [
        wire.Params({"RPT_TYPE": number, "RPT_DN": name}) for number, name in TYPES.items()
    ]
    return Answer(wire.Array(types))


@method("ReportManager.EnumReports")
def enum_reports(call: Call) -> Answer:
    return Answer(wire.Array([wire.Params(_info(call, report)) for report in REPORTS]))


@method("ReportManager.GetReportInfo", "lReportId")
def get_report_info(call: Call) -> Answer:
    return Answer(wire.Params(_info(call, _report(call))))


@method("ReportManager.GetReportTypeDetailedInfo", "lReportTypeId|lReportType")
def get_report_type_detailed_info(call: Call) -> Answer:
    number = call.arguments.integer("lReportTypeId")
    for report in REPORTS:
        if report.type == number:
            fields: list[wire.Member] = [
                wire.Params({"name": name, "order": order})
                for order, name in enumerate(report.columns)
            ]
            return Answer(
                wire.Params(
                    {
                        "RPT_FIELDS": wire.Array(fields),
                        "RPT_SUMM_FIELDS": wire.Array([]),
                        "RPT_TOTALS": wire.Array([]),
                        "RPT_ACCEPT_TIME_INTERVAL": False,
                    }
                )
            )
    raise not_found("report type", number)


@method("ReportManager.ExecuteReportAsync", "lReportId pOptions")
def execute_report_async(call: Call) -> Answer:
    """The file's path comes with the action's last state; the file lives with the session."""
    report = _report(call)
    options = call.arguments.params("pOptions")
    if not options:
        raise bad_argument("pOptions needs at least one option", "pOptions")
    output = options.get("KLRPT_OUTPUT_FORMAT", {})
    if not isinstance(output, dict):
        raise bad_argument("KLRPT_OUTPUT_FORMAT must be a params container", "pOptions")
    target = output.get("KLRPT_TARGET_TYPE", 0)
    limit = output.get("KLRPT_MAX_RECORDS_DETAILS", 1_000_000)
    if target not in _WRITERS or not isinstance(limit, int):
        raise bad_argument("KLRPT_TARGET_TYPE must be 0, 1 or 2, the limit an int", "pOptions")
    is_utc = options.get("KLRPT_USE_UTC", False)
    rows = report.rows(call)
    cells = [[_cell(cell, is_utc=is_utc) for cell in row] for row in rows[:limit]]
    suffix, writer = _WRITERS[target]
    path = f"/ksc_reports/{uuid.uuid4().hex[:8]}/report.{suffix}"
    call.session.files[path] = writer(report, cells, len(rows), call.server.row.display_name)
    return Answer(out={"strRequestId": begin(call, {"KLRPT_OUTPUT_FILE": path})})


def _report(call: Call) -> Report:
    number = call.arguments.integer("lReportId")
    for report in REPORTS:
        if report.id == number:
            return report
    raise not_found("report", number)


def _info(call: Call, report: Report) -> dict[str, wire.Member]:
    return {
        "RPT_ID": report.id,
        "RPT_DN": report.name,
        "RPT_TYPE": report.type,
        "RPT_CREATED": wire.DateTime(datetime(2022, 1, 1, tzinfo=LOCAL)),
        "RPT_MODIFIED": wire.DateTime(datetime(2022, 1, 1, tzinfo=LOCAL)),
        "RPT_GROUP_ID": 0,
    }


def _protection(call: Call) -> list[tuple[Cell, ...]]:
    names = ("OK", "Nghiêm trọng", "Cảnh báo")
    return [
        (
            host.row.display_name,
            host.group.full_name,
            names[host.status.id],
            host.row.agent_version,
            host.row.antivirus_version,
            host.bases,
            host.last_connected,
        )
        for host in call.server.view().hosts
    ]


def _key_usage(call: Call) -> list[tuple[Cell, ...]]:
    view = call.server.view()
    return [
        (
            key.serial,
            key.product_name,
            key.limit_count,
            sum(1 for host in view.hosts if host.row.licence_serial == key.serial),
            key.expires_at,
        )
        for key in view.keys
    ]


def _incompatible(call: Call) -> list[tuple[Cell, ...]]:
    return [
        (host.row.display_name, host.group.full_name, host.row.foreign_antivirus)
        for host in call.server.view().hosts
        if host.row.agent_version and host.row.foreign_antivirus
    ]


TYPES: Final[Mapping[int, str]] = {
    0: "Báo cáo trạng thái bảo vệ",
    1: "Báo cáo mối đe dọa",
    2: "Báo cáo thiết bị nhiễm nhiều nhất",
    3: "Báo cáo sử dụng khóa bản quyền",
    8: "Báo cáo ứng dụng không tương thích",
}
REPORTS: Final = (
    Report(
        11,
        0,
        TYPES[0],
        (
            "Thiết bị",
            "Nhóm",
            "Trạng thái",
            "Phiên bản Network Agent",
            "Phiên bản phần mềm bảo vệ",
            "Ngày cơ sở dữ liệu",
            "Kết nối lần cuối",
        ),
        _protection,
    ),
    Report(
        12,
        3,
        TYPES[3],
        ("Số khóa", "Sản phẩm", "Số bản quyền", "Đã dùng", "Hết hạn"),
        _key_usage,
    ),
    Report(13, 8, TYPES[8], ("Thiết bị", "Nhóm", "Ứng dụng"), _incompatible),
)


def _cell(cell: Cell, *, is_utc: bool) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        if is_utc:
            return cell.isoformat()[:19]
        return f"{cell.astimezone(LOCAL):%d/%m/%Y %H:%M:%S}"
    return str(cell)


Table = Sequence[Sequence[str]]


def _json(report: Report, cells: Table, total: int, server_name: str) -> bytes:
    tree = {
        "data": {
            "summary": {"heading": report.name},
            "fields": {
                "field": [
                    {"name": name, "order": order} for order, name in enumerate(report.columns)
                ]
            },
            "records": {
                "record": [{"field": [{"value": text} for text in row]} for row in cells],
                "reccount": len(cells),
                "totreccount": total,
            },
            "main_srv": server_name,
        }
    }
    return json.dumps(tree, ensure_ascii=False).encode()


def _xml(report: Report, cells: Table, total: int, server_name: str) -> bytes:
    parts = ['<?xml version="1.0" encoding="UTF-8"?>', "<data>"]
    parts.append(f"<summary><heading>{escape(report.name)}</heading></summary>")
    parts.append("<fields>")
    parts += [
        f'<field name={quoteattr(name)} order="{order}"/>'
        for order, name in enumerate(report.columns)
    ]
    parts.append(f'</fields><records reccount="{len(cells)}" totreccount="{total}">')
    for row in cells:
        fields = "".join(f"<field><value>{escape(text)}</value></field>" for text in row)
        parts.append(f"<record>{fields}</record>")
    parts.append(f"</records><main_srv>{escape(server_name)}</main_srv></data>")
    return "\n".join(parts).encode()


def _csv(report: Report, cells: Table, total: int, server_name: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(report.columns)
    writer.writerows(cells)
    return out.getvalue().encode("utf-8-sig")


_WRITERS: Final = {0: ("xml", _xml), 1: ("csv", _csv), 2: ("json", _json)}
