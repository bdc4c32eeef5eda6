"""The inbox, one file beside another, and what is kept (C36 of the corpus)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from corpus.cases import FILES, directory
from ksc_ledger import cli
from ksc_ledger.errors import LedgerError
from ksc_ledger.intake import inbox, receive, store
from ksc_ledger.intake.document import Document
from ksc_ledger.intake.examining import Directory
from ksc_ledger.intake.inbox import check_name, sidecar_of, waiting
from ksc_ledger.intake.limits import Limits
from ksc_ledger.intake.reasons import Finding, Reason, Refused, Verdict
from ksc_ledger.intake.receipts import Receipt
from ksc_ledger.intake.receive import GateFinding, return_to_inbox
from ksc_ledger.intake.sandbox import ReaderFailed, Sandbox
from ksc_ledger.settings import Places

NOW = datetime(2022, 10, 18, 2, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=3)
REPORT = (FILES / "C05_semicolon.csv").read_bytes()


def no_pause() -> None:
    return


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as one:
        yield one


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def sent(
    places: Places,
    data: bytes = REPORT,
    *,
    unit: str = "dtp_872",
    name: str = "bao-cao.csv",
    at: datetime | None = EARLIER,
) -> Path:
    path = places.inbox / unit / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if at is not None:
        sidecar = {"received_at": at.isoformat(), "message_id": f"<{name}@mail.example>"}
        sidecar_of(path).write_text(json.dumps(sidecar), "utf-8")
    path.write_bytes(data)
    return path


def run(
    places: Places, sandbox: Sandbox, *, reader: receive.Reader | None = None, **changes: Any
) -> list[Receipt]:
    facts: dict[str, Any] = {
        "now": NOW,
        "sandbox": reader or sandbox,
        "directory": directory(),
        "pause": no_pause,
        **changes,
    }
    return receive.receive(places.inbox, places, **facts)


def a_report(installed: int = 7, day: str = "12/10/2022") -> bytes:
    text = REPORT.decode().replace("12/10/2022", day)
    return text.replace(";8;7;7", f";8;{installed};{min(installed, 7)}").encode()


def test_an_accepted_report_is_kept_with_its_rows_and_leaves_the_inbox(
    places: Places, sandbox: Sandbox
) -> None:
    path = sent(places)
    (receipt,) = run(places, sandbox)
    assert receipt.verdict is Verdict.ACCEPTED
    assert receipt.received_at == EARLIER
    assert receipt.message_id == "<bao-cao.csv@mail.example>"
    assert (receipt.units_count, receipt.installed_count) == (3, 28)
    assert list(path.parent.iterdir()) == []
    folder = store.folder_of(receipt, places)
    assert folder == places.home / "landing" / "reports" / "dtp_872" / receipt.receipt_id
    assert (folder / store.ORIGINAL).read_bytes() == REPORT
    rows = {row["unit_code"]: row for row in store.accepted_rows(places)}
    assert rows["dtp_872_ptp"] == {
        "receipt_id": receipt.receipt_id,
        "sender_unit_code": "dtp_872",
        "unit_code": "dtp_872_ptp",
        "report_date": "2022-10-12",
        "received_at": EARLIER.isoformat(),
        "file_sha256": receipt.file_sha256,
        "is_total": False,
        "allocated_count": 8,
        "computers_count": None,
        "installed_count": 7,
        "correctly_named_count": 7,
        "weak_hardware_count": None,
        "requested_count": None,
        "difficulties": None,
        "note": None,
    }
    assert list(store.incoming_of(places).iterdir()) == []


def test_what_was_written_is_readable_by_the_group_and_nobody_else(
    places: Places, sandbox: Sandbox
) -> None:
    sent(places)
    (receipt,) = run(places, sandbox)
    folder = store.folder_of(receipt, places)
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == dict.fromkeys(
        [store.ORIGINAL, store.RECEIPT, store.ROWS], 0o640
    )


def test_an_empty_inbox_starts_no_process(places: Places) -> None:
    assert receive.receive(places.inbox, places, directory(), now=NOW, pause=no_pause) == []


def test_the_same_file_twice_counts_once_and_is_told(places: Places, sandbox: Sandbox) -> None:
    sent(places)
    (first,) = run(places, sandbox)
    sent(places, name="gui-lai.csv", at=EARLIER + timedelta(hours=1))
    (again,) = run(places, sandbox)
    assert again.same_as == first.receipt_id
    assert again.is_accepted
    assert "đã được tiếp nhận trước đó" in again.text()
    assert len(list(store.accepted_rows(places))) == 3


def test_the_same_file_twice_in_one_run(places: Places, sandbox: Sandbox) -> None:
    sent(places)
    sent(places, name="ban-2.csv", at=EARLIER + timedelta(seconds=1))
    first, again = run(places, sandbox)
    assert (first.same_as, again.same_as) == (None, first.receipt_id)


def test_two_names_for_the_same_bytes_of_the_same_second_are_one_receipt(
    places: Places, sandbox: Sandbox
) -> None:
    sent(places)
    sent(places, name="ban-2.csv")
    first, again = run(places, sandbox)
    assert first == again
    assert list((places.inbox / "dtp_872").iterdir()) == []


def test_a_quarantined_file_that_is_sent_again_is_examined_again(
    places: Places, sandbox: Sandbox
) -> None:
    sent(places, FILES.joinpath("E08_abbreviation.csv").read_bytes(), unit="dtp")
    later = datetime(2023, 10, 25, tzinfo=UTC)
    (first,) = run(places, sandbox, now=later)
    assert first.reason_code == "date_in_future"  # the sidecar says 2022
    sent(places, FILES.joinpath("E08_abbreviation.csv").read_bytes(), unit="dtp", at=later)
    (again,) = run(places, sandbox, now=later)
    assert (again.same_as, again.reason_code) == (None, "unit_unknown")


def test_a_report_of_another_day_stands_beside_it(places: Places, sandbox: Sandbox) -> None:
    sent(places, a_report(5, "11/10/2022"), at=EARLIER + timedelta(hours=1))
    sent(places, a_report(6), name="ban-2.csv")
    run(places, sandbox)
    current = {
        (row["unit_code"], row["report_date"]): row["installed_count"]
        for row in store.accepted_rows(places)
    }
    assert current["dtp_872_ptp", "2022-10-11"] == 5
    assert current["dtp_872_ptp", "2022-10-12"] == 6


class Workbooks:
    """A reader whose workbooks say when they were saved."""

    def __init__(self, real: Sandbox, saved: Mapping[str, datetime]) -> None:
        self.real, self.saved = real, saved

    def read(self, path: Path) -> Document | Finding:
        document = self.real.read(path)
        assert isinstance(document, Document)
        name = "cũ" if b";5;" in path.read_bytes() else "mới"
        return replace(document, modified_at=self.saved[name])


def test_an_older_version_after_a_newer_one_asks_which_is_meant(
    places: Places, sandbox: Sandbox
) -> None:
    saved = {"mới": NOW - timedelta(hours=5), "cũ": NOW - timedelta(hours=6)}
    reader = Workbooks(sandbox, saved)
    sent(places, a_report(6))
    sent(places, a_report(5), name="cu.csv", at=EARLIER + timedelta(hours=1))
    newer, older = run(places, sandbox, reader=reader)
    assert newer.is_accepted
    assert (older.verdict, older.reason_code) == (Verdict.QUARANTINED, "older_version")
    accepted = [row["installed_count"] for row in store.accepted_rows(places)]
    assert accepted == [12, 6, 9]


def test_a_version_saved_later_is_taken(places: Places, sandbox: Sandbox) -> None:
    saved = {"cũ": NOW - timedelta(hours=6), "mới": NOW - timedelta(hours=5)}
    sent(places, a_report(5))
    sent(places, a_report(6), name="moi.csv", at=EARLIER + timedelta(hours=1))
    assert [one.is_accepted for one in run(places, sandbox, reader=Workbooks(sandbox, saved))] == [
        True,
        True,
    ]


# --- when it arrived --------------------------------------------------------------------------


def test_a_file_without_a_sidecar_arrived_when_it_was_put_there(places: Places) -> None:
    path = sent(places, at=None)
    long_ago = time.time() - 30 * 86_400
    os.utime(path, (long_ago, long_ago))  # as a program that keeps the times of the original
    now = datetime.now(UTC)
    (arrival,) = waiting(places.inbox, now, no_pause)
    assert now - timedelta(minutes=1) < arrival.received_at <= now


def test_on_a_rehearsals_clock_the_files_own_time_counts(places: Places) -> None:
    path = sent(places, at=None)
    os.utime(path, (EARLIER.timestamp(), EARLIER.timestamp()))
    assert [one.received_at for one in waiting(places.inbox, NOW, no_pause)] == [EARLIER]


def test_nothing_is_received_later_than_now(places: Places) -> None:
    sent(places, at=NOW + timedelta(days=1))
    sent(places, at=None, name="khac.csv")
    assert {one.received_at for one in waiting(places.inbox, NOW, no_pause)} == {NOW}


def test_a_broken_sidecar_is_our_fault_and_loses_nothing(places: Places, sandbox: Sandbox) -> None:
    path = sent(places)
    sidecar_of(path).write_text('{"received_at": "18/10/2022"}', "utf-8")
    (receipt,) = run(places, sandbox)
    assert receipt.reason_code == "internal"
    assert receipt.failure is not None
    assert "ValueError" in receipt.failure
    assert (store.folder_of(receipt, places) / store.ORIGINAL).read_bytes() == REPORT


# --- what is still being written ----------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_bytes(REPORT + b"\n"), id="it grew"),
        pytest.param(lambda path: os.utime(path, ns=(1, 1)), id="its time changed"),
        pytest.param(lambda path: path.unlink(), id="it went away"),
    ],
)
def test_a_file_that_changes_between_two_looks_waits(
    places: Places, change: Callable[[Path], object]
) -> None:
    path = sent(places, at=None)
    assert waiting(places.inbox, datetime.now(UTC), lambda: change(path)) == []  # type: ignore[func-returns-value]


def test_a_file_that_stands_still_is_taken_after_one_pause(places: Places) -> None:
    sent(places, at=None)
    sent(places, at=None, name="khac.csv")
    pauses: list[int] = []
    found = waiting(places.inbox, datetime.now(UTC), lambda: pauses.append(1))
    assert (len(found), len(pauses)) == (2, 1)


def test_an_old_file_or_one_with_a_sidecar_needs_no_pause(places: Places) -> None:
    path = sent(places, at=None)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    sent(places, name="thu.csv")

    def never() -> None:
        raise AssertionError("nothing has just come")

    assert len(waiting(places.inbox, NOW, never)) == 2


def test_a_file_that_changes_while_it_is_read_waits(
    places: Places, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sent(places)
    (arrival,) = waiting(places.inbox, NOW, no_pause)
    path.write_bytes(REPORT + b"\n")
    monkeypatch.setattr(inbox, "waiting", lambda *_: [arrival])
    assert run(places, sandbox) == []
    assert path.read_bytes() == REPORT + b"\n"


@pytest.mark.parametrize("name", [".x.csv", "x.csv.part", "~$x.xlsx", "x.TMP", "Thumbs.db"])
def test_unfinished_and_foreign_files_are_left_alone(places: Places, name: str) -> None:
    sent(places, name=name, at=None)
    assert waiting(places.inbox, NOW, no_pause) == []


def test_a_sidecar_alone_is_no_file(places: Places) -> None:
    sent(places).unlink()
    assert waiting(places.inbox, NOW, no_pause) == []


# --- what is in the wrong place, or no file -------------------------------------------------------


def test_a_file_of_another_unit_is_quarantined(places: Places, sandbox: Sandbox) -> None:
    sent(places, unit="dtp_872_ptp")
    (receipt,) = run(places, sandbox)
    assert {one.reason for one in receipt.findings} == {Reason.UNIT_OF_ANOTHER}
    assert [one.cell for one in receipt.findings] == ["B3", "B5"]


@pytest.mark.parametrize("unit", ["dtp_999", "Phòng Tư pháp", "ktm_613_pnv"])
def test_a_folder_of_no_unit_of_that_day_is_quarantined(
    places: Places, sandbox: Sandbox, unit: str
) -> None:
    sent(places, unit=unit)
    (receipt,) = run(places, sandbox)
    assert receipt.reason_code == "unknown_folder"
    assert len(list(places.quarantine.rglob(store.ORIGINAL))) == 1


def test_a_file_beside_the_folders_is_quarantined(places: Places, sandbox: Sandbox) -> None:
    places.inbox.mkdir()
    (places.inbox / "la.csv").write_bytes(REPORT)
    (receipt,) = run(places, sandbox)
    assert (receipt.unit_code, receipt.reason_code) == ("_unknown", "unknown_folder")
    assert not (places.inbox / "la.csv").exists()


def test_a_link_is_not_followed(places: Places, sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    folder = places.inbox / "dtp_872"
    folder.mkdir(parents=True)
    (folder / "bao-cao.csv").symlink_to(secret)
    (receipt,) = run(places, sandbox)
    assert receipt.reason_code == "not_a_file"
    kept = store.folder_of(receipt, places) / store.ORIGINAL
    assert kept.is_symlink()
    assert secret.read_bytes() == b"secret"
    assert list(folder.iterdir()) == []


def test_a_folder_in_the_inbox_is_kept_whole(places: Places, sandbox: Sandbox) -> None:
    folder = places.inbox / "dtp_872" / "thang 10"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_bytes(REPORT)
    (receipt,) = run(places, sandbox)
    assert receipt.reason_code == "not_a_file"
    kept = store.folder_of(receipt, places) / store.ORIGINAL / "a.csv"
    assert kept.read_bytes() == REPORT


def test_a_file_that_is_too_big_is_kept_unread(places: Places, sandbox: Sandbox) -> None:
    sent(places, bytes(2000))
    sent(places, bytes(1000), name="vua.csv")
    receipts = run(places, sandbox, limits=Limits(file_bytes=1000))
    assert sorted(one.reason_code for one in receipts) == ["file_too_big", "nul_character"]
    kept = [path.stat().st_size for path in places.quarantine.rglob(store.ORIGINAL)]
    assert sorted(kept) == [1000, 2000]


@pytest.mark.parametrize(
    "name",
    ["../x.csv", "..\\x.csv", "C:\\x.csv", "a/b.csv", "con.csv", "LPT1", "a\u202eb.csv", "a\nb.csv",
     " ", "..", "x" * 256, "ế" * 86],
)  # fmt: skip
def test_a_name_that_leads_somewhere_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        check_name(name)
    assert refused.value.reason is Reason.FILE_NAME


@pytest.mark.parametrize(
    "name",
    ["x" * 255, "ế" * 85, "Báo cáo (bản 2).xlsx", "console.csv", "Bao..cao.xlsx", "com10.csv"],
)
def test_an_ordinary_name_is_not_refused(name: str) -> None:
    check_name(name)


def test_one_unreadable_file_does_not_keep_the_others(
    places: Places, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = sent(places, name="a.csv")
    sent(places, name="b.csv", unit="dtp")
    really = os.open

    def refusing(path: Any, *more: Any, **named: Any) -> int:
        if path == bad:
            raise PermissionError(13, "Permission denied")
        return really(path, *more, **named)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(LedgerError, match=r"dtp_872/a\.csv"):
        run(places, sandbox)
    assert bad.exists()
    assert len(store.receipts_of("dtp", places)) == 1


# --- runs that die, and errors of ours ------------------------------------------------------------


def test_a_run_that_dies_before_the_inbox_is_cleared_gives_the_same_receipt(
    places: Places, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(places)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(receive, "_leave_inbox", die)
        with pytest.raises(KeyboardInterrupt):
            run(places, sandbox)
    (first,) = store.receipts_of("dtp_872", places)
    (again,) = run(places, sandbox, directory=Directory.of([]))  # whatever is known by now
    assert again == first.receipt
    assert len(store.receipts_of("dtp_872", places)) == 1
    assert list((places.inbox / "dtp_872").iterdir()) == []


def test_a_big_file_is_not_lost_with_a_run_that_dies(
    places: Places, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sent(places, bytes(2000))
    limits = Limits(file_bytes=1000)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("_finish", "_leave_inbox"):
        with monkeypatch.context() as patched:
            patched.setattr(receive, step, die)
            with pytest.raises(KeyboardInterrupt):
                run(places, sandbox, limits=limits)
        assert path.stat().st_size == 2000
    (receipt,) = run(places, sandbox, limits=limits)
    assert (store.folder_of(receipt, places) / store.ORIGINAL).stat().st_size == 2000
    assert not path.exists()


def test_a_run_that_dies_before_the_receipt_leaves_the_file(
    places: Places, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sent(places)

    def die(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store, "put", die)
        with pytest.raises(KeyboardInterrupt):
            run(places, sandbox)
    assert path.exists()
    assert list(store.accepted_rows(places)) == []
    (receipt,) = run(places, sandbox)
    assert receipt.is_accepted


def test_what_a_dead_run_left_behind_is_swept_after_a_day(places: Places, sandbox: Sandbox) -> None:
    old, new = (store.incoming_of(places) / name for name in ("1-0-0", "2-0-0"))
    for folder in (old, new):
        folder.mkdir(parents=True)
    yesterday = time.time() - 86_400 - 60
    os.utime(old, (yesterday, yesterday))
    run(places, sandbox)
    assert (old.exists(), new.exists()) == (False, True)


class Failing:
    def read(self, path: Path) -> Document | Finding:
        raise ReaderFailed("Traceback: a line of ours")


def test_a_failure_of_ours_is_told_apart_and_can_be_repeated(
    places: Places, sandbox: Sandbox
) -> None:
    sent(places)
    (receipt,) = run(places, sandbox, reader=Failing())
    assert (receipt.verdict, receipt.reason_code) == (Verdict.QUARANTINED, "internal")
    assert receipt.failure == "Traceback: a line of ours"
    assert "Traceback" not in receipt.text()
    (stored,) = store.receipts_of("dtp_872", places)
    return_to_inbox(stored, places, now=NOW)
    (again,) = run(places, sandbox)
    assert again.is_accepted
    assert again.received_at == EARLIER
    assert [one.receipt for one in store.receipts_of("dtp_872", places)] == [again]


def test_the_command_returns_a_file_by_its_receipt_and_its_lines_leave_the_quarantine(
    places: Places,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sent(places)
    (receipt,) = run(places, sandbox, reader=Failing())
    assert store.quarantine_lines_of(receipt, places).exists()
    monkeypatch.setenv("KSC_LEDGER_HOME", str(places.home))
    assert cli.main(["intake", "return", receipt.receipt_id]) == 0
    assert "nhận lúc 06:00 18/10/2022" in capsys.readouterr().out
    assert not store.quarantine_lines_of(receipt, places).exists()
    (again,) = run(places, sandbox)
    assert again.is_accepted
    assert again.received_at == EARLIER
    assert cli.main(["intake", "return", "khong-co"]) == 2
    assert "Không có biên nhận" in capsys.readouterr().err


def test_an_accepted_file_that_is_returned_counts_no_more_until_it_is_received_again(
    places: Places, sandbox: Sandbox
) -> None:
    sent(places)
    (receipt,) = run(places, sandbox)
    before = list(store.accepted_rows(places))
    return_to_inbox(store.find("bao-cao.csv", places), places, now=NOW)
    assert before
    assert list(store.accepted_rows(places)) == []
    run(places, sandbox)
    assert list(store.accepted_rows(places)) == before
    (folder, returned) = sorted((places.reports / "dtp_872").iterdir())
    assert (folder.name, returned.name.partition(".")[0]) == (receipt.receipt_id,) * 2


def test_a_receipt_is_found_by_id_folder_file_or_name(places: Places, sandbox: Sandbox) -> None:
    sent(places)
    sent(places, a_report(6), name="b.csv", at=EARLIER + timedelta(hours=1))
    sent(places, a_report(5), name="b.csv", unit="dtp_872_ptp")
    first, *others = run(places, sandbox)
    folder = store.folder_of(first, places)
    for text in (first.receipt_id, str(folder), str(folder / store.ORIGINAL), first.file_name):
        assert store.find(text, places).receipt == first
    with pytest.raises(LedgerError) as raised:
        store.find("b.csv", places)
    assert raised.value.code == "several_receipts"
    assert all(one.receipt_id in raised.value.remedy for one in others)
    for text in ("", "..", str(places.home), f"{first.receipt_id}/receipt.json"):
        with pytest.raises(LedgerError) as raised:
            store.find(text, places)
        assert raised.value.code == "no_such_receipt"


def test_a_file_that_was_sent_twice_is_returned_by_its_first_receipt(
    places: Places, sandbox: Sandbox
) -> None:
    sent(places)
    (first,) = run(places, sandbox)
    sent(places, at=EARLIER + timedelta(hours=1))
    (second,) = run(places, sandbox)
    assert second.same_as == first.receipt_id
    with pytest.raises(LedgerError) as raised:
        return_to_inbox(store.find(second.receipt_id, places), places, now=NOW)
    assert raised.value.code == "original_not_kept"
    assert first.receipt_id in raised.value.remedy
    assert list((places.inbox / "dtp_872").iterdir()) == []


def test_a_bug_in_examining_one_file_does_not_stop_the_others(
    places: Places, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(places)
    sent(places, a_report(6), name="b.csv", at=EARLIER + timedelta(hours=1))
    really = receive.examine

    def buggy(document: Document, *more: Any, **named: Any) -> Any:
        if named["received_at"] == EARLIER:
            raise ZeroDivisionError
        return really(document, *more, **named)

    monkeypatch.setattr(receive, "examine", buggy)
    first, second = run(places, sandbox)
    assert first.failure is not None
    assert "ZeroDivisionError" in first.failure
    assert second.is_accepted


# --- the gate -------------------------------------------------------------------------------------


def gate_of(*findings: GateFinding) -> Callable[[Sequence[Mapping[str, Any]]], list[GateFinding]]:
    return lambda rows: list(findings)


def a_finding(row: int, *, is_refusing: bool) -> GateFinding:
    return GateFinding(
        row=row,
        code="installed_count.plausible",
        column="installed_count",
        text="Số máy không được gấp đôi sau một ngày.",
        remedy="Kiểm tra lại số máy.",
        is_refusing=is_refusing,
    )


def test_a_refusing_rule_quarantines_the_report_and_names_the_cell(
    places: Places, sandbox: Sandbox
) -> None:
    sent(places, unit="dtp")
    sent(places, a_report(6), name="b.csv", at=EARLIER + timedelta(hours=1))
    first, second = run(places, sandbox, gate=gate_of(a_finding(4, is_refusing=True)))
    assert first.is_accepted
    assert second.verdict is Verdict.QUARANTINED
    assert [(one.reason, one.cell) for one in second.findings] == [(Reason.EXPECTATION, "D4")]
    assert "Số máy không được gấp đôi sau một ngày." in second.text()


def test_a_warning_rule_is_a_note(places: Places, sandbox: Sandbox) -> None:
    sent(places)
    (receipt,) = run(places, sandbox, gate=gate_of(a_finding(0, is_refusing=False)))
    assert receipt.is_accepted
    assert [one.is_note for one in receipt.findings] == [True]


def test_the_gate_sees_accepted_rows_only(places: Places, sandbox: Sandbox) -> None:
    sent(places, FILES.joinpath("C17_total_differs.csv").read_bytes())
    sent(places, name="b.csv", at=EARLIER + timedelta(hours=1))
    seen: list[str] = []

    def gate(rows: Sequence[Mapping[str, Any]]) -> list[GateFinding]:
        seen.extend(row["unit_code"] for row in rows)
        return []

    run(places, sandbox, gate=gate)
    assert seen == ["dtp_872_pnv", "dtp_872_ptp", "dtp_872_30055"]


# --- quarantine and receipts ----------------------------------------------------------------------


def test_quarantine_lines_have_what_the_mart_asks_for(places: Places, sandbox: Sandbox) -> None:
    sent(places, FILES.joinpath("E04_no_counts.csv").read_bytes(), unit="dtp")
    (receipt,) = run(places, sandbox)
    path = places.quarantine / f"{receipt.receipt_id}.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["reason_code"] for line in lines] == [
        "negative_count",
        "cell_blank",
        "not_a_count",
        "date_in_future",
    ]
    assert lines[0] == {
        "quarantine_id": lines[0]["quarantine_id"],
        "source": "unit_reports:dtp",
        "reason_code": "negative_count",
        "reason_text": "«-5» là số âm.",
        "sample": "Ô D3",
        "first_seen_at": EARLIER.isoformat(),
    }
    assert len({line["quarantine_id"] for line in lines}) == 4


def test_quarantine_lines_name_no_machine(places: Places, sandbox: Sandbox) -> None:
    sent(places, FILES.joinpath("B15_line_break.csv").read_bytes())
    (receipt,) = run(places, sandbox)
    text = (places.quarantine / f"{receipt.receipt_id}.jsonl").read_text("utf-8")
    assert "PNV-01" not in text
    assert "PNV-01" in receipt.text()  # the sender must know which one


def test_proposed_aliases_can_be_copied_into_the_registry(places: Places, sandbox: Sandbox) -> None:
    sent(places, FILES.joinpath("B03_d_without_stroke.csv").read_bytes())
    (receipt,) = run(places, sandbox)
    text = (store.folder_of(receipt, places) / store.ALIASES).read_text("utf-8")
    header, row = text.splitlines()
    assert header == "alias,unit_code,valid_from_date,valid_to_date,source_document"
    assert row.startswith("Xã Dốc Binh Kiều,dtp_872_30061,2022-10-12,,")


def test_a_receipt_tells_cell_by_cell_what_to_mend(places: Places, sandbox: Sandbox) -> None:
    sent(places, FILES.joinpath("C20_number_with_decimals.xlsx").read_bytes(), unit="dtp")
    (receipt,) = run(places, sandbox)
    assert receipt.text() == (
        "Chưa tiếp nhận được số liệu, đề nghị sửa và gửi lại.\n"
        "\n"
        "Đơn vị: Tỉnh Đồng Tháp (dtp)\n"
        "Tệp: bao-cao.csv\n"
        "Nhận lúc: 06:00 ngày 18/10/2022\n"
        f"Mã biên nhận: {receipt.receipt_id}\n"
        "\n"
        "Cần sửa:\n"
        "1. Trang «Báo cáo», ô C3: «1.33» không phải là số máy.\n"
        "   Cách sửa: Ghi số nguyên không kèm chữ khác, ví dụ 330 hoặc 1.330.\n"
        "2. Trang «Báo cáo», ô D3: «1.077» không phải là số máy.\n"
        "   Cách sửa: Ghi số nguyên không kèm chữ khác, ví dụ 330 hoặc 1.330.\n"
        "\n"
        "Chưa có số liệu nào của tệp này được ghi nhận; tệp gốc đã được lưu.\n"
    )


def test_an_accepted_receipt_repeats_what_was_taken(places: Places, sandbox: Sandbox) -> None:
    sent(places)
    (receipt,) = run(places, sandbox)
    lines = receipt.text().splitlines()
    assert lines[0] == "Đã tiếp nhận báo cáo."
    assert lines[-3:] == [
        "Số liệu tính đến ngày: 12/10/2022",
        "Số đơn vị trong báo cáo: 3",
        "Tổng số máy đã cài đặt: 28",
    ]


def test_a_word_letter_is_kept_and_the_form_asked_for(places: Places, sandbox: Sandbox) -> None:
    sent(places, FILES.joinpath("N01_letter.docx").read_bytes(), name="cong-van.docx")
    (receipt,) = run(places, sandbox)
    assert receipt.headline == "Đã lưu văn bản, đề nghị gửi thêm mẫu báo cáo"
    assert "mẫu báo cáo do hệ thống gửi" in receipt.text()


def test_a_hostile_name_stands_harmless_in_the_receipt(places: Places, sandbox: Sandbox) -> None:
    sent(places, name="a\r\nBcc: x@y.example\u202e.csv")
    (receipt,) = run(places, sandbox)
    assert receipt.reason_code == "file_name"
    assert receipt.file_name == "a Bcc: x@y.example?.csv"
    assert "\r" not in receipt.text()


def test_a_receipt_is_the_same_after_it_was_stored(places: Places, sandbox: Sandbox) -> None:
    sent(places, FILES.joinpath("X01_more_named_than_installed.csv").read_bytes())
    (receipt,) = run(places, sandbox)
    (stored,) = store.receipts_of("dtp_872", places)
    assert stored.receipt == receipt


def test_files_of_many_units_are_received_in_the_order_of_arrival(
    places: Places, sandbox: Sandbox
) -> None:
    for number, unit in enumerate(["dtp", "dtp_872", "dtp_huyen"]):
        sent(places, unit=unit, at=EARLIER - timedelta(minutes=number))
    assert [one.unit_code for one in run(places, sandbox)] == ["dtp_huyen", "dtp_872", "dtp"]
