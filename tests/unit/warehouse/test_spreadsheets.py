"""Workbooks of the reports: text stays text, days are the newest, times are Vietnamese."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest

from ksc_ledger.warehouse.spreadsheets import write_spreadsheets
from ksc_ledger.warehouse.twins import Column, Twin
from ksc_ledger.warehouse.versioned import CONTENTS


def twin(table: str, *names: str) -> Twin:
    columns = tuple(Column(name=name, vi=f"Cột {name}", en=name, is_masked=False) for name in names)
    return Twin(table=table, vi=f"Bảng {table}", en=table, grain=(names[0],), columns=columns)


TWINS = (
    twin("rpt_thu", "unit_code", "snapshot_date", "said", "seen_at", "amount"),
    twin("fct_khac", "unit_code"),
)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    made = duckdb.connect()
    made.execute("set TimeZone = 'UTC'")
    made.execute("attach ':memory:' as made")
    made.execute("create schema made.marts")
    made.execute("""
        create table made.marts.rpt_thu as
        select * from (values
            ('cu', date '2022-10-11', 'hôm qua', timestamptz '2022-10-11 01:00:00+00', 1),
            ('pnv', date '2022-10-12', '=1+1', timestamptz '2022-10-12 17:30:00+00', 77),
            ('ptp', date '2022-10-12', '@a' || chr(1) || 'b', null, null)
        ) as t (unit_code, snapshot_date, said, seen_at, amount)
    """)
    made.execute("create table made.marts.fct_khac as select 'x' as unit_code")
    yield made
    made.close()


def cells(file: Path, sheet: str) -> list[list[Any]]:
    book = openpyxl.load_workbook(file)
    return [[cell.value for cell in row] for row in book[sheet].iter_rows()]


def test_a_report_is_one_sheet_of_its_newest_day(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    write_spreadsheets(con, "made", TWINS, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"rpt_thu.xlsx", "contents.json"}
    header, *rows = cells(tmp_path / "rpt_thu.xlsx", "Số liệu")
    assert header == ["unit_code", "snapshot_date", "said", "seen_at", "amount"]
    day = datetime.combine(date(2022, 10, 12), datetime.min.time())
    assert rows == [
        ["pnv", day, "=1+1", datetime(2022, 10, 13, 0, 30), 77],  # noqa: DTZ001 (a cell has no zone)
        ["ptp", day, "@ab", None, None],
    ]


def test_what_looks_like_a_formula_is_text(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    write_spreadsheets(con, "made", TWINS, tmp_path)
    sheet = openpyxl.load_workbook(tmp_path / "rpt_thu.xlsx")["Số liệu"]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "d", "n"}


def test_every_column_is_explained(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    write_spreadsheets(con, "made", TWINS, tmp_path)
    rows = cells(tmp_path / "rpt_thu.xlsx", "Giải thích")
    assert rows[0] == ["rpt_thu", "Bảng rpt_thu"]
    assert ["said", "Cột said"] in rows


def test_a_report_that_is_no_more_leaves_no_workbook(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "rpt_cu.xlsx").write_bytes(b"x")
    write_spreadsheets(con, "made", TWINS, tmp_path)
    assert not (tmp_path / "rpt_cu.xlsx").exists()


def test_a_workbook_is_written_again_when_its_table_its_texts_or_itself_has_changed(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    file = tmp_path / "rpt_thu.xlsx"

    def is_new(tables: tuple[Twin, ...] = TWINS) -> bool:
        before = file.stat().st_ino if file.exists() else None
        write_spreadsheets(con, "made", tables, tmp_path)
        return file.stat().st_ino != before

    assert is_new()
    assert not is_new()
    con.execute("update made.marts.rpt_thu set amount = 78 where unit_code = 'pnv'")
    assert is_new()
    assert cells(file, "Số liệu")[1][-1] == 78
    con.execute("update made.marts.rpt_thu set amount = 2 where unit_code = 'cu'")
    assert not is_new()  # a day before the newest is not in it
    con.execute("insert into made.marts.rpt_thu from made.marts.rpt_thu where unit_code = 'ptp'")
    con.execute("insert into made.marts.rpt_thu from made.marts.rpt_thu where unit_code = 'ptp'")
    assert is_new()  # two equal rows more do not cancel each other
    said = replace(TWINS[0], vi="Bảng khác")
    assert is_new((said,))
    file.unlink()
    assert is_new((said,))
    (tmp_path / CONTENTS).write_text("[hỏng", "utf-8")
    assert is_new((said,))


def test_a_workbook_that_could_not_be_written_is_written_the_next_time(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the table is by then what it was: what was said of the old workbook is void."""
    write_spreadsheets(con, "made", TWINS, tmp_path)
    con.execute("update made.marts.rpt_thu set amount = 78 where unit_code = 'pnv'")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", _full)  # after the workbook was replaced
        with pytest.raises(OSError, match="full"):
            write_spreadsheets(con, "made", TWINS, tmp_path)
    con.execute("update made.marts.rpt_thu set amount = 77 where unit_code = 'pnv'")
    write_spreadsheets(con, "made", TWINS, tmp_path)
    assert cells(tmp_path / "rpt_thu.xlsx", "Số liệu")[1][-1] == 77


def _full(path: Path, *, missing_ok: bool = False) -> None:
    raise OSError(f"full: {path}, {missing_ok}")
