"""The process that reads: bounded, without secrets, and no danger to the one that asks."""

from __future__ import annotations

import io
import os
import signal
import zipfile
from pathlib import Path

import openpyxl
import pytest

from corpus.builders import a_workbook
from corpus.cases import FILES
from ksc_ledger.intake.document import Document
from ksc_ledger.intake.limits import MEGABYTE, Limits
from ksc_ledger.intake.readers import read
from ksc_ledger.intake.reasons import Finding, Reason, Refused
from ksc_ledger.intake.sandbox import ReaderFailed, Sandbox

REPORT = FILES / "C05_semicolon.csv"


def reason_of(path: Path, limits: Limits) -> Reason:
    with Sandbox(limits) as sandbox:
        answer = sandbox.read(path)
    assert isinstance(answer, Finding)
    return answer.reason


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


def test_one_worker_reads_many_files(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        answers = [sandbox.read(REPORT) for _ in range(3)]
        first = worker_of(sandbox)
        sandbox.read(written(tmp_path, b"\0\0"))
        assert worker_of(sandbox) == first
    assert all(isinstance(one, Document) for one in answers)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_no_file_no_process() -> None:
    with Sandbox() as sandbox:
        assert sandbox._worker is None


def test_a_file_that_takes_too_much_time_is_refused() -> None:
    assert reason_of(REPORT, Limits(wall_seconds=0.0001)) is Reason.TOO_SLOW


def test_a_file_that_takes_too_much_computing_is_refused(tmp_path: Path) -> None:
    page = b"<html>" + b"<b>x</b>" * 1_500_000
    assert reason_of(written(tmp_path, page), Limits(cpu_seconds=1)) is Reason.TOO_SLOW


def test_a_file_that_takes_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "ế;ế\n".encode() * 2_000_000)
    for megabytes in (4, 64):  # less than Python itself has, and less than the file needs
        limits = Limits(memory_bytes=megabytes * MEGABYTE)
        assert reason_of(path, limits) is Reason.TOO_MUCH_MEMORY


def test_an_answer_that_is_too_large_is_refused(tmp_path: Path) -> None:
    assert reason_of(REPORT, Limits(answer_bytes=100)) is Reason.TOO_MUCH_MEMORY


def test_the_next_file_is_read_after_one_that_was_killed(tmp_path: Path) -> None:
    page = written(tmp_path, b"<html>" + b"<b>x</b>" * 1_500_000)
    with Sandbox(Limits(cpu_seconds=1)) as sandbox:
        assert isinstance(sandbox.read(page), Finding)
        assert isinstance(sandbox.read(REPORT), Document)


@pytest.mark.parametrize(
    ("name", "limits", "reason"),
    [
        ("rows", Limits(rows=4), Reason.TOO_MANY_ROWS),
        ("columns", Limits(columns=4), Reason.TOO_MANY_COLUMNS),
        ("text", Limits(cell_characters=10), Reason.CELL_TOO_LONG),
        ("bytes", Limits(file_bytes=200), Reason.FILE_TOO_BIG),
    ],
)
@pytest.mark.parametrize(
    "file", ["C05_semicolon.csv", "C29_html_as_xls.xls", "C29_xml_as_xls.xls", "C23_serial.xlsx"]
)
def test_every_reader_keeps_the_limits(
    file: str, name: str, limits: Limits, reason: Reason
) -> None:
    with pytest.raises(Refused) as refused:
        read((FILES / file).read_bytes(), limits)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    "file", ["C05_semicolon.csv", "C29_html_as_xls.xls", "C29_xml_as_xls.xls", "C23_serial.xlsx"]
)
def test_a_file_within_the_limits_is_read(file: str) -> None:
    limits = Limits(rows=5, columns=5, cell_characters=33, file_bytes=20_000)
    assert read((FILES / file).read_bytes(), limits).sheets


def test_too_many_sheets_are_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("2")
    book.save(tmp_path / "file")
    with pytest.raises(Refused) as refused:
        read((tmp_path / "file").read_bytes(), Limits(sheets=1))
    assert refused.value.reason is Reason.TOO_MANY_SHEETS


def test_the_worker_knows_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_KSC_DTP", "canary-7f3a")
    with Sandbox() as sandbox:
        sandbox.read(REPORT)
        environment = Path(f"/proc/{worker_of(sandbox)}/environ").read_bytes()
    assert b"PYTHONPATH" in environment
    assert b"canary-7f3a" not in environment


def test_a_worker_that_dies_is_our_fault_and_is_replaced() -> None:
    with Sandbox() as sandbox:
        sandbox.read(REPORT)
        os.kill(worker_of(sandbox), signal.SIGKILL)
        with pytest.raises(ReaderFailed):
            sandbox.read(REPORT)
        assert isinstance(sandbox.read(REPORT), Document)


def test_a_file_that_is_gone_is_our_fault(tmp_path: Path) -> None:
    with Sandbox() as sandbox, pytest.raises(ReaderFailed) as failed:
        sandbox.read(tmp_path / "none")
    assert "FileNotFoundError" in failed.value.details


def test_the_worker_neither_computes_with_numpy_nor_parses_with_lxml(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        sandbox.read(FILES / "C23_serial.xlsx")
        libraries = Path(f"/proc/{worker_of(sandbox)}/maps").read_text()
    assert "pyexpat" in libraries
    assert "numpy" not in libraries
    assert "lxml" not in libraries


@pytest.mark.parametrize(
    ("ratio", "is_refused"), [pytest.param(101, True), pytest.param(99, False)]
)
def test_the_ratio_has_a_limit(tmp_path: Path, ratio: int, is_refused: bool) -> None:
    stored = os.urandom(20_000)

    def archive(padding: int) -> bytes:
        out = io.BytesIO(a_workbook('<row r="1"><c r="A1"><v>1</v></c></row>'))
        with zipfile.ZipFile(out, "a") as more:
            more.writestr(zipfile.ZipInfo("xl/media/a.bin"), stored)
            more.writestr(zipfile.ZipInfo("xl/media/b.bin"), bytes(padding), zipfile.ZIP_DEFLATED)
        return out.getvalue()

    padding = ratio * len(archive(2_300_000)) - len(stored)
    with Sandbox() as sandbox:
        answer = sandbox.read(written(tmp_path, archive(padding)))
    if is_refused:
        assert isinstance(answer, Finding)
        assert answer.reason is Reason.ARCHIVE_RATIO
    else:
        assert isinstance(answer, Document)


def worker_of(sandbox: Sandbox) -> int:
    assert sandbox._worker is not None
    return sandbox._worker.pid
