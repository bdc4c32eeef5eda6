"""Where received files lie. Each receipt is a folder that appears whole or not at all.

``landing/reports/<unit_code>/<receipt_id>/``: ``receipt.json``, the file as it came (``original``),
and ``rows.jsonl`` (a report: one line a unit) or ``devices.jsonl`` (a list: one line a device).
``quarantine/reports/<unit_code>/<receipt_id>/``: ``receipt.json``, ``original``, and
``unit_aliases.csv`` where aliases are proposed. ``quarantine/<receipt_id>.jsonl`` tells rpt_quarantine.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ksc_ledger.errors import LedgerError
from ksc_ledger.intake.columns import COUNTS, REMARKS
from ksc_ledger.intake.device_list import DeviceList
from ksc_ledger.intake.examining import Content, Examined
from ksc_ledger.intake.placing import UnitFigures
from ksc_ledger.intake.reasons import Finding, words
from ksc_ledger.intake.receipts import Receipt
from ksc_ledger.settings import Places

RECEIPT = "receipt.json"
ORIGINAL = "original"
ROWS = "rows.jsonl"
DEVICES = "devices.jsonl"
ALIASES = "unit_aliases.csv"
SOURCE = "unit_reports"

_FILE_MODE = 0o640
_ALIAS_FIELDS = ("alias", "unit_code", "valid_from_date", "valid_to_date", "source_document")


def reports_of(places: Places) -> Path:
    return places.reports


def quarantine_of(places: Places) -> Path:
    return places.quarantine / "reports"


def incoming_of(places: Places) -> Path:
    """Where folders of receipts are put together; on the same disk as their places."""
    return reports_of(places) / ".incoming"


def folder_of(receipt: Receipt, places: Places) -> Path:
    """Where the receipt's folder lies, or will."""
    root = reports_of(places) if receipt.is_accepted else quarantine_of(places)
    return root / receipt.unit_code / receipt.receipt_id


@dataclass(frozen=True, slots=True)
class Stored:
    """A receipt and its folder."""

    receipt: Receipt
    folder: Path


def receipts_of(unit_code: str, places: Places) -> list[Stored]:
    """Every receipt of a unit, whatever its verdict, by arrival."""
    found = [
        Stored(read_receipt(path), path.parent)
        for root in (reports_of(places), quarantine_of(places))
        for path in (root / unit_code).glob(f"*/{RECEIPT}")
        if "." not in path.parent.name  # what was returned to the inbox is history
    ]
    return sorted(found, key=lambda one: (one.receipt.received_at, one.receipt.receipt_id))


def find(text: str, places: Places) -> Stored:
    """The receipt that is meant: by its id, its folder, a file in that, or the name a file was sent under.

    Raises LedgerError when there is none, and when a name was sent several times.
    """
    roots = (reports_of(places), quarantine_of(places))
    path = Path(text).absolute()
    folder = path if path.is_dir() else path.parent
    if folder.parent.parent in roots and (folder / RECEIPT).is_file():
        return Stored(read_receipt(folder / RECEIPT), folder)
    found = [
        Stored(read_receipt(file), file.parent)
        for root in roots
        for file in sorted(root.glob(f"[!.]*/*/{RECEIPT}"))
        if "." not in file.parent.name
    ]
    meant = [one for one in found if one.receipt.receipt_id == text] or [
        one for one in found if one.receipt.file_name == text
    ]
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise LedgerError(
            "no_such_receipt",
            f"Không có biên nhận hay tệp đã nhận nào là {text!r}.",
            "Ghi mã biên nhận trong thư biên nhận, hoặc đường dẫn thư mục trong quarantine/reports.",
        )
    ids = ", ".join(one.receipt.receipt_id for one in meant)
    raise LedgerError(
        "several_receipts",
        f"Tệp tên {text!r} đã được gửi {len(meant)} lần.",
        f"Ghi mã biên nhận: {ids}.",
    )


def recent_receipts(places: Places, since: datetime) -> list[Receipt]:
    """Every receipt that was put in its place after an instant of real time, by arrival."""
    found = [
        read_receipt(folder / RECEIPT)
        for root in (reports_of(places), quarantine_of(places))
        for folder in root.glob("*/*")
        if "." not in folder.name
        and not folder.parent.name.startswith(".")
        and folder.stat().st_ctime >= since.timestamp()
    ]
    return sorted(found, key=lambda one: (one.received_at, one.receipt_id))


def read_receipt(path: Path) -> Receipt:
    return Receipt.from_json(json.loads(path.read_text("utf-8")))


def report_rows(receipt: Receipt, figures: Iterable[UnitFigures]) -> list[dict[str, Any]]:
    """A report's rows as they are stored and gated: every field there, None where it was blank."""
    return [
        {
            "receipt_id": receipt.receipt_id,
            "sender_unit_code": receipt.unit_code,
            "unit_code": one.unit_code,
            "report_date": receipt.report_date.isoformat() if receipt.report_date else None,
            "received_at": receipt.received_at.astimezone(UTC).isoformat(),
            "file_sha256": receipt.file_sha256,
            "is_total": one.is_total,
            **{column.value: one.figures.get(column) for column in COUNTS},
            **{column.value: one.remarks.get(column) for column in REMARKS},
        }
        for one in figures
    ]


def device_rows(receipt: Receipt, devices: DeviceList) -> Iterator[dict[str, Any]]:
    for device in devices.devices:
        yield {
            "receipt_id": receipt.receipt_id,
            "sender_unit_code": receipt.unit_code,
            "received_at": receipt.received_at.astimezone(UTC).isoformat(),
            "file_sha256": receipt.file_sha256,
            **{column.value: text for column, text in device.values.items()},
        }


def accepted_rows(places: Places) -> Iterator[dict[str, Any]]:
    """Every row of every accepted report, in no particular order."""
    for path in reports_of(places).glob(f"*/*/{ROWS}"):
        if "." in path.parent.name:  # returned to the inbox
            continue
        for line in path.read_text("utf-8").splitlines():
            yield json.loads(line)


def put(folder: Path, receipt: Receipt, examined: Examined | None, places: Places) -> bool:
    """Finish the folder of a receipt and move it to its place; False when one lies there already.

    ``folder`` lies in ``incoming_of`` and holds the original, if it is kept at all.
    """
    if examined is not None and receipt.is_accepted:
        if examined.content is Content.REPORT:
            _write_lines(folder / ROWS, report_rows(receipt, examined.figures))
        elif examined.devices is not None:
            _write_lines(folder / DEVICES, device_rows(receipt, examined.devices))
    if examined is not None and examined.alias_rows and not receipt.is_accepted:
        _write_aliases(folder / ALIASES, examined.alias_rows)
    if not receipt.is_accepted:
        _write_quarantine(receipt, places)
    text = json.dumps(receipt.to_json(), ensure_ascii=False, indent=1)
    _write(folder / RECEIPT, text.encode())
    place = folder_of(receipt, places)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.rename(place)
    except OSError:
        if not (place / RECEIPT).exists():
            raise
        shutil.rmtree(folder)  # another attempt was faster, with the same file
        return False
    return True


def _write_quarantine(receipt: Receipt, places: Places) -> None:
    """Lines for rpt_quarantine: what is wrong and where, but no name of a machine or of a file."""
    lines = []
    for one in receipt.findings:
        if one.is_note:
            continue
        identity = json.dumps([SOURCE, receipt.receipt_id, one.reason.value, one.sheet, one.cell])
        lines.append(
            {
                "quarantine_id": hashlib.sha256(identity.encode()).hexdigest()[:16],
                "source": f"{SOURCE}:{receipt.unit_code}",
                "reason_code": one.reason.value,
                "reason_text": _masked(one, receipt.content),
                "sample": one.place or "Cả tệp",
                "first_seen_at": receipt.received_at.astimezone(UTC).isoformat(),
            }
        )
    places.quarantine.mkdir(parents=True, exist_ok=True)
    target = quarantine_lines_of(receipt, places)
    beside = target.with_suffix(f".{os.getpid()}.tmp")
    _write_lines(beside, {line["quarantine_id"]: line for line in lines}.values())
    beside.replace(target)


def quarantine_lines_of(receipt: Receipt, places: Places) -> Path:
    """The lines about a receipt that the marts show; there where something is to be mended."""
    return places.quarantine / f"{receipt.receipt_id}.jsonl"


def _masked(one: Finding, content: Content | None) -> str:
    if content is Content.DEVICES:  # the value may be a machine's name
        return words(one.reason, value="…", what="…", limit="…")[0]
    return one.text


def _write_aliases(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _ALIAS_FIELDS)
        writer.writeheader()
        writer.writerows(rows)


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    _write(path, text.encode())


def _write(path: Path, data: bytes) -> None:
    flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, _FILE_MODE), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def original_of(stored: Stored) -> Path:
    """The file as it was sent, for whoever has to look at it."""
    return stored.folder / ORIGINAL


def stale_incoming(places: Places, before: datetime) -> Iterator[Path]:
    """Folders of attempts that died: begun before an instant of real time."""
    root = incoming_of(places)
    for folder in root.iterdir() if root.is_dir() else ():
        if folder.stat().st_mtime < before.timestamp():
            yield folder
