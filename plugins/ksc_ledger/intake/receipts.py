"""The answer to whoever sent a file: taken, or what to mend, cell by cell."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from typing import Any

from ksc_ledger.clock import VIETNAM
from ksc_ledger.intake.examining import Content
from ksc_ledger.intake.reasons import Finding, Reason, Verdict
from ksc_ledger.rules.figures import count as written_count
from ksc_ledger.rules.figures import written_date

FINDINGS_SHOWN = 30

_HEADLINES = {
    Verdict.ACCEPTED: "Đã tiếp nhận báo cáo",
    Verdict.QUARANTINED: "Chưa tiếp nhận được số liệu, đề nghị sửa và gửi lại",
    Verdict.REFUSED: "Không đọc được tệp",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of one file. Instants are aware UTC.

    ``received_at`` is when the file arrived (deadlines are judged on it), ``examined_at`` when it
    was looked at, on the mode's clock. ``same_as`` is the earlier receipt of a file that was sent
    twice. ``failure`` holds the traceback of an error of ours; officials are not shown it.
    """

    receipt_id: str
    unit_code: str
    unit_name: str
    file_name: str
    file_sha256: str
    file_bytes: int
    received_at: datetime
    examined_at: datetime
    verdict: Verdict
    content: Content | None = None
    report_date: date | None = None
    modified_at: datetime | None = None
    units_count: int = 0
    installed_count: int = 0
    devices_count: int = 0
    findings: tuple[Finding, ...] = ()
    same_as: str | None = None
    message_id: str | None = None
    failure: str | None = None

    @property
    def is_accepted(self) -> bool:
        return self.verdict is Verdict.ACCEPTED

    @property
    def reason_code(self) -> str:
        """The first reason to mend; '' for an accepted file."""
        return next((one.reason.value for one in self.findings if not one.is_note), "")

    @property
    def headline(self) -> str:
        """One line, for a mail's subject or a list."""
        if self.same_as is not None:
            return "Tệp này đã được tiếp nhận trước đó"
        if any(one.reason is Reason.DOCUMENT_NOT_FORM for one in self.findings):
            return "Đã lưu văn bản, đề nghị gửi thêm mẫu báo cáo"
        if self.content is Content.DEVICES and self.is_accepted:
            return "Đã tiếp nhận danh sách máy"
        return _HEADLINES[self.verdict]

    def text(self) -> str:
        """The receipt as plain text in Vietnamese, for the mail to the sender."""
        lines = [
            f"{self.headline}.",
            "",
            f"Đơn vị: {self.unit_name or self.unit_code} ({self.unit_code})",
            f"Tệp: {self.file_name}",
            f"Nhận lúc: {_written(self.received_at)}",
            f"Mã biên nhận: {self.receipt_id}",
        ]
        lines += [f"{label}: {value}" for label, value in self.facts]
        mend = [one for one in self.findings if not one.is_note]
        notes = [one for one in self.findings if one.is_note]
        if mend:
            lines += ["", "Cần sửa:", *_listed(mend)]
            if self.verdict is Verdict.QUARANTINED:
                lines += ["", "Chưa có số liệu nào của tệp này được ghi nhận; tệp gốc đã được lưu."]
        if notes:
            lines += ["", "Lưu ý (không phải gửi lại):", *_listed(notes)]
        return "\n".join(lines) + "\n"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What was taken, as labels and values; nothing for a file that was not."""
        if self.same_as is not None:
            return [("Biên nhận trước", f"{self.same_as}. Không cần gửi lại.")]
        if not self.is_accepted:
            return []
        if self.content is Content.DEVICES:
            return [("Số máy trong danh sách", written_count(self.devices_count))]
        return [
            ("Số liệu tính đến ngày", written_date(self.report_date) if self.report_date else ""),
            ("Số đơn vị trong báo cáo", written_count(self.units_count)),
            ("Tổng số máy đã cài đặt", written_count(self.installed_count)),
        ]

    def to_json(self) -> dict[str, Any]:
        raw = asdict(self)
        for name, value in raw.items():
            if isinstance(value, datetime):
                raw[name] = value.astimezone(UTC).isoformat()
            elif isinstance(value, date):
                raw[name] = value.isoformat()
        return raw

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Receipt:
        values = {one.name: raw[one.name] for one in fields(cls)}
        for name in ("received_at", "examined_at", "modified_at"):
            values[name] = datetime.fromisoformat(values[name]) if values[name] else None
        values["report_date"] = (
            date.fromisoformat(values["report_date"]) if values["report_date"] else None
        )
        values["verdict"] = Verdict(values["verdict"])
        values["content"] = Content(values["content"]) if values["content"] else None
        values["findings"] = tuple(
            Finding(**{**one, "reason": Reason(one["reason"])}) for one in values["findings"]
        )
        return cls(**values)


def _written(instant: datetime) -> str:
    return f"{instant.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}"


def _listed(findings: list[Finding]) -> list[str]:
    lines = []
    for number, one in enumerate(findings[:FINDINGS_SHOWN], start=1):
        lines.append(f"{number}. {one}")
        if one.remedy:
            lines.append(f"   Cách sửa: {one.remedy}")
    if len(findings) > FINDINGS_SHOWN:
        lines.append(f"… và {len(findings) - FINDINGS_SHOWN} điểm khác.")
    return lines
