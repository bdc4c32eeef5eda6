"""The files of a scenario folder: tables of cells and YAML, every mistake in them named."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from ksc_ledger.simulator.cells import BadCellError, Column


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake; ``row`` is the line a person sees (the header is line 1), 0 = the whole file."""

    file: str
    row: int
    field: str
    text: str
    remedy: str

    def __str__(self) -> str:
        parts = [self.file]
        if self.row:
            parts.append(f"dòng {self.row}")
        if self.field:
            parts.append(f"{'cột' if self.file.endswith('.csv') else 'mục'} {self.field}")
        return f"{', '.join(parts)}: {self.text}\n    → {self.remedy}"


@dataclass(frozen=True, slots=True)
class Period:
    """From an instant (inclusive) to another (exclusive); None is open."""

    from_at: datetime | None = None
    to_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        return (self.from_at is None or self.from_at <= at) and (
            self.to_at is None or at < self.to_at
        )

    def overlaps(self, other: Period) -> bool:
        return _before(self.from_at, other.to_at) and _before(other.from_at, self.to_at)


def _before(left: datetime | None, right: datetime | None) -> bool:
    """Whether an open-ended start lies before an open-ended end."""
    return left is None or right is None or left < right


class Tables:
    """Reads CSV files of one folder, cell by cell, into keyword arguments of the row classes."""

    def __init__(self, folder: Path, mistakes: list[Mistake]) -> None:
        self._folder = folder
        self._mistakes = mistakes

    def rows(
        self, name: str, columns: Mapping[str, Column], *, is_needed: bool = False
    ) -> Iterator[dict[str, Any]]:
        file = self._folder / name
        if not file.exists():
            if is_needed:
                self._note(name, 0, "", "Thiếu tệp này.", "Tạo tệp theo docs/scenarios.md.")
            return
        try:
            text = file.read_text("utf-8-sig")
        except UnicodeDecodeError:
            self._note(name, 0, "", "Tệp không phải UTF-8.", "Lưu lại tệp với bảng mã UTF-8.")
            return
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            header = next(reader, [])
            if not self._is_header_right(name, header, columns):
                return
            for cells in reader:
                if cells:
                    row = self._row(name, reader.line_num, header, cells, columns)
                    if row is not None:
                        yield row
        except csv.Error as error:
            self._note(
                name,
                reader.line_num,
                "",
                f"Dòng này không phải CSV ({error}).",
                "Sửa dấu ngoặc kép.",
            )

    def _is_header_right(
        self, name: str, header: Sequence[str], columns: Mapping[str, Column]
    ) -> bool:
        is_right = True
        for column in header:
            if column not in columns:
                self._note(
                    name, 1, column, f"Cột {column!r} không có trong định dạng.",
                    f"Xóa cột, hoặc đổi tên thành một trong: {', '.join(columns)}.",
                )  # fmt: skip
                is_right = False
        for column in {column for column in header if header.count(column) > 1}:
            self._note(name, 1, column, f"Cột {column!r} có hai lần.", "Giữ lại một cột.")
            is_right = False
        for column, spec in columns.items():
            if spec.is_needed and column not in header:
                self._note(name, 1, column, f"Thiếu cột {column!r}.", "Thêm cột này.")
                is_right = False
        return is_right

    def _row(
        self,
        name: str,
        line: int,
        header: Sequence[str],
        cells: Sequence[str],
        columns: Mapping[str, Column],
    ) -> dict[str, Any] | None:
        if len(cells) != len(header):
            self._note(
                name, line, "", f"Dòng có {len(cells)} ô, tiêu đề có {len(header)} cột.",
                "Sửa số dấu phẩy, hoặc đặt ô có dấu phẩy trong ngoặc kép.",
            )  # fmt: skip
            return None
        row: dict[str, Any] = {}
        given = dict(zip(header, cells, strict=True))
        is_right = True
        for column, spec in columns.items():
            cell = given.get(column, "")
            row[column] = spec.blank
            if cell == "":
                if spec.is_needed:
                    self._note(name, line, column, "Ô này trống.", "Điền giá trị vào ô.")
                    is_right = False
                continue
            try:
                row[column] = spec.parse(cell)
            except BadCellError as error:
                self._note(name, line, column, error.text, error.remedy)
                is_right = False
        if not is_right:
            return None
        row["line"] = line
        row.pop("note", None)
        if "from_at" in columns:
            period = Period(row.pop("from_at"), row.pop("to_at"))
            if not _before(period.from_at, period.to_at):
                self._note(
                    name, line, "to_at", "Thời điểm kết thúc không ở sau thời điểm bắt đầu.",
                    "Sửa from_at hoặc to_at.",
                )  # fmt: skip
                return None
            row["period"] = period
        return row

    def _note(self, name: str, line: int, column: str, text: str, remedy: str) -> None:
        self._mistakes.append(Mistake(name, line, column, text, remedy))


def read_yaml(
    folder: Path, name: str, mistakes: list[Mistake], *, is_needed: bool = True
) -> dict[Any, Any] | None:
    """The named members of a YAML file; None, and a mistake, when it is no such file.

    A file that is not needed may be missing: None without a mistake.
    """
    try:
        raw = yaml.safe_load((folder / name).read_text("utf-8"))
    except FileNotFoundError:
        if is_needed:
            mistakes.append(
                Mistake(name, 0, "", "Thiếu tệp này.", "Tạo tệp theo docs/scenarios.md.")
            )
        return None
    except (yaml.YAMLError, ValueError) as error:  # no UTF-8, or a date that no calendar has
        mistakes.append(
            Mistake(
                name,
                0,
                "",
                f"Tệp không phải YAML: {error}.",
                "Sửa theo mẫu trong docs/scenarios.md.",
            )
        )
        return None
    if not isinstance(raw, dict):
        mistakes.append(
            Mistake(
                name,
                0,
                "",
                "Tệp không chứa các mục có tên.",
                "Sửa theo mẫu trong docs/scenarios.md.",
            )
        )
        return None
    return raw
