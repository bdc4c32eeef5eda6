"""Receive what units sent: look, read in the sandbox, judge, keep, answer with a receipt.

A file leaves the inbox only after its receipt lies in its place; a run that dies in between is
repeated and gives the same receipts. Nothing is lost: what is not accepted is kept in quarantine.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ksc_ledger.clock import VIETNAM, vietnamese_date
from ksc_ledger.errors import LedgerError
from ksc_ledger.intake import inbox as looking
from ksc_ledger.intake import store
from ksc_ledger.intake.columns import Column
from ksc_ledger.intake.document import Document
from ksc_ledger.intake.examining import Content, Directory, Examined, examine
from ksc_ledger.intake.inbox import Arrival
from ksc_ledger.intake.limits import LIMITS, Limits
from ksc_ledger.intake.reasons import (
    Finding,
    Reason,
    Refused,
    Verdict,
    finding,
    shown,
    verdict_of,
)
from ksc_ledger.intake.receipts import Receipt
from ksc_ledger.intake.sandbox import ReaderFailed, Sandbox
from ksc_ledger.settings import Places

GATE_ROWS = 1000  # rows judged at once, as many as a verdict names; also as much as a run holds
_STALE_INCOMING = timedelta(days=1)
_PIECE = 1 << 20
_NO_FOLDER = "_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFinding:
    """What a suite says of one row of those it was given, by position."""

    row: int
    code: str
    column: str
    text: str
    remedy: str
    is_refusing: bool


class VerdictLike(Protocol):
    """What a rule of a suite says, with the places of the rows it does not accept."""

    @property
    def expectation(self) -> str: ...
    @property
    def column(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def remedy(self) -> str: ...
    @property
    def is_refusing(self) -> bool: ...
    @property
    def unexpected_rows(self) -> Sequence[int]: ...


def gate_findings(verdicts: Iterable[VerdictLike]) -> list[GateFinding]:
    """One finding for each row and rule that does not accept it."""
    return [
        GateFinding(
            row=row,
            code=one.expectation,
            column=one.column,
            text=one.description,
            remedy=one.remedy,
            is_refusing=one.is_refusing,
        )
        for one in verdicts
        for row in one.unexpected_rows
    ]


# Judges rows of ``store.report_rows`` with their ``report_age_days``; the quality room does it, this room does not know how.
Gate = Callable[[Sequence[Mapping[str, Any]]], Sequence[GateFinding]]


class Reader(Protocol):
    """What reads a stored file; the ``Sandbox`` is one."""

    def read(self, path: Path) -> Document | Finding: ...


@dataclass(frozen=True, slots=True)
class _Taken:
    """A file copied out of the inbox, and what it says."""

    arrival: Arrival
    folder: Path
    receipt: Receipt
    examined: Examined | None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as the gate sees them: those that are stored, and how old their day is."""
        receipt, examined = self.receipt, self.examined
        if examined is None or receipt.report_date is None:
            return []
        age = vietnamese_date(receipt.received_at) - receipt.report_date
        return [
            {**row, "report_age_days": age.days}
            for row in store.report_rows(receipt, examined.figures)
        ]


@dataclass(slots=True)
class _Run:
    places: Places
    directory: Directory
    now: datetime
    sandbox: Reader
    gate: Gate | None
    limits: Limits
    known: dict[str, list[Receipt]] = field(default_factory=dict)
    waiting: list[_Taken] = field(default_factory=list)
    done: list[Receipt] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def known_of(self, unit_code: str) -> list[Receipt]:
        if unit_code not in self.known:
            stored = store.receipts_of(unit_code, self.places)
            self.known[unit_code] = [one.receipt for one in stored]
        return self.known[unit_code]


def receive(
    inbox: Path,
    places: Places,
    directory: Directory,
    *,
    now: datetime,
    sandbox: Reader | None = None,
    gate: Gate | None = None,
    pause: Callable[[], None] = looking.settle,
    limits: Limits = LIMITS,
) -> list[Receipt]:
    """Take every whole file of the inbox; a receipt for each, by arrival.

    ``now`` is the mode's clock. ``gate`` judges the rows of reports before they are accepted.
    A receipt with ``failure`` tells of an error of ours: its file lies in quarantine and goes back
    with ``return_to_inbox`` once that is mended. Raises LedgerError, when all others are done, for
    files that could not be taken out of the inbox.
    """
    _sweep(places)
    arrivals = looking.waiting(inbox, now, pause)
    if not arrivals:
        return []
    if sandbox is None:
        with Sandbox(limits) as own:
            return _receive(_Run(places, directory, now, own, gate, limits), arrivals)
    return _receive(_Run(places, directory, now, sandbox, gate, limits), arrivals)


def _receive(run: _Run, arrivals: Sequence[Arrival]) -> list[Receipt]:
    rows = 0
    for arrival in arrivals:
        taken = _take(run, arrival)
        if taken is None:
            continue
        run.waiting.append(taken)
        rows += len(taken.rows) + 1
        if rows >= GATE_ROWS:
            _finish_all(run)
            rows = 0
    _finish_all(run)
    if run.unreadable:  # told when everything else is done; these files stay where they are
        raise LedgerError(
            "inbox_unreadable",
            f"Không lấy được tệp trong hộp nhận: {'; '.join(run.unreadable)}.",
            "Cấp quyền đọc và ghi thư mục inbox cho tài khoản chạy hệ thống.",
        )
    return run.done


def return_to_inbox(stored: store.Stored, places: Places, *, now: datetime) -> Path:
    """Put a file back, to be examined again as received when it was received; where it lies now.

    For a file whose unit was unknown and is now an alias, or on which we failed. What the receipt
    said stays beside, marked as returned, and no figure of it counts until it is received again.
    Raises LedgerError when the file itself was not kept.
    """
    receipt, original = stored.receipt, store.original_of(stored)
    if not original.is_file():
        raise LedgerError(
            "original_not_kept",
            f"Biên nhận {receipt.receipt_id} không kèm tệp gốc"
            + (
                f" (tệp này giống hệt tệp của biên nhận {receipt.same_as})."
                if receipt.same_as
                else "."
            ),
            f"Trả lại tệp của biên nhận {receipt.same_as}."
            if receipt.same_as
            else "Đề nghị đơn vị gửi lại tệp.",
        )
    folder = places.inbox / receipt.unit_code
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{receipt.receipt_id}{Path(receipt.file_name).suffix}"
    sidecar = {
        "received_at": receipt.received_at.isoformat(),
        "message_id": receipt.message_id,
    }
    target = folder / name
    looking.sidecar_of(target).write_text(json.dumps(sidecar), "utf-8")
    beside = folder / f".{name}"
    shutil.copyfile(original, beside)
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    # Before the file can be seen: a run that took it meanwhile would find its receipt and be content.
    stored.folder.rename(stored.folder.with_name(f"{stored.folder.name}.returned-{stamp}"))
    store.quarantine_lines_of(receipt, places).unlink(missing_ok=True)
    beside.rename(target)
    return target


def _sweep(places: Places) -> None:
    before = datetime.now(UTC) - _STALE_INCOMING  # real time: what dead attempts left
    for folder in store.stale_incoming(places, before):
        shutil.rmtree(folder)


# --- taking -------------------------------------------------------------------------------------


def _take(run: _Run, arrival: Arrival) -> _Taken | None:
    """Copy one file out and look into it; None when it changed meanwhile and waits on."""
    folder = store.incoming_of(run.places) / f"{os.getpid()}-{len(run.done)}-{len(run.waiting)}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        copied = _copy(arrival, folder / store.ORIGINAL, run.limits)
    except FileNotFoundError:
        copied = None  # somebody took it back
    except OSError as error:
        run.unreadable.append(f"{arrival.folder}/{shown(arrival.path.name)}: {error.strerror}")
        copied = None
    if copied is None:
        shutil.rmtree(folder)
        return None
    digest, fault = copied
    receipt = _receipt(run, arrival, digest)
    before = [
        one for one in run.known_of(receipt.unit_code) if one.receipt_id == receipt.receipt_id
    ]
    if before:  # a run died between the receipt and the inbox: the receipt stands
        shutil.rmtree(folder)
        _leave_inbox(run, arrival, before[0])
        run.done += before
        return None
    if fault is not None:
        return _Taken(arrival, folder, _refused(receipt, fault), None)
    return _look_into(run, arrival, folder, receipt)


def _copy(arrival: Arrival, target: Path, limits: Limits) -> tuple[str, Finding | None] | None:
    """The file's SHA-256, with what forbids to read it; a copy at ``target`` where nothing does.

    None when the file changed while it was read. What is no plain file, or too big to copy, is
    moved to its receipt in the end.
    """
    if not arrival.is_plain_file:
        identity = f"{arrival.folder}/{arrival.path.name}/{arrival.modified_ns}"
        digest = hashlib.sha256(identity.encode(errors="surrogateescape"))
        return digest.hexdigest(), finding(Reason.NOT_A_FILE)
    # A link put in the file's place since the look is not followed either: the opening fails.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(arrival.path, flags), "rb") as source:
        is_big = arrival.size > limits.file_bytes
        digest = _hashed(source, None if is_big else target)
        facts = os.fstat(source.fileno())
    if (facts.st_size, facts.st_mtime_ns) != (arrival.size, arrival.modified_ns):
        return None
    too_big = finding(Reason.FILE_TOO_BIG, limit=limits.file_bytes // 2**20) if is_big else None
    return digest.hexdigest(), too_big


def _hashed(source: BinaryIO, target: Path | None) -> hashlib._Hash:
    digest = hashlib.sha256()
    with nullcontext() if target is None else target.open("wb") as copy:
        while piece := source.read(_PIECE):
            digest.update(piece)
            if copy is not None:
                copy.write(piece)
        if copy is not None:
            copy.flush()
            os.fsync(copy.fileno())
    if target is not None:
        target.chmod(0o640)
    return digest


def _receipt(run: _Run, arrival: Arrival, digest: str) -> Receipt:
    """An empty receipt: who, what, when."""
    unit_code = arrival.folder if looking.is_unit_code(arrival.folder) else _NO_FOLDER
    stamp = arrival.received_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    day = vietnamese_date(arrival.received_at)
    return Receipt(
        receipt_id=f"{unit_code}-{stamp}-{digest[:10]}",
        unit_code=unit_code,
        unit_name=run.directory.index.name_of(unit_code, day),
        file_name=shown(os.fsencode(arrival.path.name).decode("utf-8", errors="replace"), 120),
        file_sha256=digest,
        file_bytes=arrival.size,
        received_at=arrival.received_at.astimezone(UTC),
        examined_at=run.now.astimezone(UTC),
        verdict=Verdict.QUARANTINED,
        message_id=arrival.message_id,
    )


def _refused(receipt: Receipt, fault: Finding, failure: str | None = None) -> Receipt:
    return replace(receipt, verdict=verdict_of(fault.reason), findings=(fault,), failure=failure)


def _look_into(run: _Run, arrival: Arrival, folder: Path, receipt: Receipt) -> _Taken:
    day = vietnamese_date(receipt.received_at)
    if not run.directory.index.is_known(receipt.unit_code, day):
        fault = finding(Reason.UNKNOWN_FOLDER, value=arrival.folder)
        return _Taken(arrival, folder, _refused(receipt, fault), None)
    if arrival.sidecar_fault is not None:
        fault = finding(Reason.INTERNAL)
        return _Taken(arrival, folder, _refused(receipt, fault, arrival.sidecar_fault), None)
    try:
        looking.check_name(arrival.path.name)
        answer = run.sandbox.read(folder / store.ORIGINAL)
        if isinstance(answer, Finding):
            return _Taken(arrival, folder, _refused(receipt, answer), None)
        examined = examine(
            answer,
            run.directory,
            sender=receipt.unit_code,
            received_at=receipt.received_at,
            source=f"biên nhận {receipt.receipt_id}",
        )
    except Refused as refused:
        return _Taken(arrival, folder, _refused(receipt, finding_of(refused)), None)
    except ReaderFailed as failed:
        fault = finding(Reason.INTERNAL)
        return _Taken(arrival, folder, _refused(receipt, fault, failed.details), None)
    except Exception:
        # One file on which our own code fails must not keep a thousand others waiting: it is
        # quarantined, and the receipt's ``failure`` raises the alarm.
        fault = finding(Reason.INTERNAL)
        return _Taken(arrival, folder, _refused(receipt, fault, traceback.format_exc()), None)
    return _Taken(arrival, folder, _filled(receipt, examined), examined)


def finding_of(refused: Refused) -> Finding:
    """A refusal as a finding."""
    return Finding(
        reason=refused.reason,
        text=refused.text,
        remedy=refused.remedy,
        sheet=refused.sheet,
        cell=refused.cell,
    )


def _filled(receipt: Receipt, examined: Examined) -> Receipt:
    own = [one for one in examined.figures if not one.is_total]
    return replace(
        receipt,
        verdict=Verdict.ACCEPTED if examined.is_acceptable else Verdict.QUARANTINED,
        content=examined.content,
        report_date=examined.report_date,
        modified_at=examined.modified_at,
        units_count=len(own),
        installed_count=sum(one.figures.get(Column.INSTALLED, 0) for one in own),
        devices_count=len(examined.devices.devices) if examined.devices else 0,
        findings=examined.findings,
    )


# --- finishing ----------------------------------------------------------------------------------


def _finish_all(run: _Run) -> None:
    """Gate what was taken, in one batch, then keep each file and let it leave the inbox."""
    waiting, run.waiting = run.waiting, []
    for taken, receipt in zip(waiting, _gated(run, waiting), strict=True):
        _finish(run, taken, receipt)


def _gated(run: _Run, waiting: Sequence[_Taken]) -> list[Receipt]:
    rows: list[Mapping[str, Any]] = []
    owners: list[int] = []
    for number, taken in enumerate(waiting):
        if taken.receipt.is_accepted:
            rows += taken.rows
            owners += [number] * len(taken.rows)
    receipts = [taken.receipt for taken in waiting]
    if run.gate is None or not rows:
        return receipts
    first = {owner: owners.index(owner) for owner in set(owners)}
    for one in run.gate(rows):
        owner = owners[one.row]
        told = _told(one, waiting[owner], one.row - first[owner])
        if told in receipts[owner].findings:
            continue  # of another row, in the same words
        receipts[owner] = replace(
            receipts[owner],
            findings=(*receipts[owner].findings, told),
            verdict=Verdict.QUARANTINED if one.is_refusing else receipts[owner].verdict,
        )
    return receipts


def _told(one: GateFinding, taken: _Taken, row: int) -> Finding:
    """A rule's verdict on a row as a finding with the cell that the rule's column stands in."""
    cell = ""
    if taken.examined is not None:
        cells = {str(column): at for column, at in taken.examined.figures[row].cells.items()}
        cell = cells.get(one.column, "")
    return Finding(
        reason=Reason.EXPECTATION,
        text=one.text,
        remedy=one.remedy,
        cell=cell,
        is_note=not one.is_refusing,
    )


def _finish(run: _Run, taken: _Taken, receipt: Receipt) -> None:
    known = run.known_of(receipt.unit_code)
    if receipt.is_accepted:
        receipt = _beside_others(receipt, known)
    if receipt.same_as is not None:
        (taken.folder / store.ORIGINAL).unlink()  # the same bytes lie with the first receipt
    examined = None if receipt.same_as is not None else taken.examined
    if not store.put(taken.folder, receipt, examined, run.places):
        receipt = store.read_receipt(store.folder_of(receipt, run.places) / store.RECEIPT)
    _leave_inbox(run, taken.arrival, receipt)
    if all(one.receipt_id != receipt.receipt_id for one in known):
        known.append(receipt)
    run.done.append(receipt)


def _leave_inbox(run: _Run, arrival: Arrival, receipt: Receipt) -> None:
    """The last step: the receipt lies in its place, with the original or a reason to have none."""
    kept = store.folder_of(receipt, run.places) / store.ORIGINAL
    if receipt.same_as is None and not os.path.lexists(kept):
        shutil.move(arrival.path, kept)  # too big to copy, or no plain file
    else:
        arrival.path.unlink(missing_ok=True)
    arrival.sidecar.unlink(missing_ok=True)


def _beside_others(receipt: Receipt, known: Sequence[Receipt]) -> Receipt:
    """An accepted file beside those accepted before: the same again, or an older version."""
    for one in known:
        if not one.is_accepted or one.receipt_id == receipt.receipt_id:
            continue
        if one.file_sha256 == receipt.file_sha256 and one.same_as is None:
            return replace(receipt, same_as=one.receipt_id, findings=())
        is_same_day = (one.content, one.report_date) == (Content.REPORT, receipt.report_date)
        if (
            is_same_day
            and one.modified_at is not None
            and receipt.modified_at is not None
            and one.received_at < receipt.received_at
            and one.modified_at > receipt.modified_at
        ):
            fault = finding(
                Reason.OLDER_VERSION,
                value=_written(receipt.modified_at),
                what=_written(one.modified_at),
            )
            return replace(
                receipt, verdict=Verdict.QUARANTINED, findings=(*receipt.findings, fault)
            )
    return receipt


def _written(instant: datetime) -> str:
    return f"{instant.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}"
