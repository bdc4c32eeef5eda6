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
from yaml.reader import ReaderError

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
        text = (folder / name).read_text("utf-8")
    except FileNotFoundError:
        if is_needed:
            mistakes.append(
                Mistake(name, 0, "", "Thiếu tệp này.", "Tạo tệp theo docs/scenarios.md.")
            )
        return None
    except UnicodeDecodeError:
        mistakes.append(
            Mistake(name, 0, "", "Tệp không phải UTF-8.", "Lưu lại tệp với bảng mã UTF-8.")
        )
        return None
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mistakes.append(_broken_yaml(name, text, error))
        return None
    except ValueError:  # well formed, but a value that cannot be, such as a day no calendar has
        mistakes.append(_impossible_value(name, text))
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


@dataclass(frozen=True, slots=True)
class YamlLines:
    """On which lines (from 1) a file's members begin, and the entries of its lists.

    ``entries`` holds for each entry of each list the line of every member, and its own under ''.
    """

    members: Mapping[str, int]
    entries: Mapping[str, Sequence[Mapping[str, int]]]

    def of(self, name: str) -> int:
        """The line of a member; 0, the whole file, when it is not there."""
        return self.members.get(name, 0)


def yaml_lines(file: Path) -> YamlLines:
    """Where things stand in a file that ``read_yaml`` could read."""
    root = yaml.compose(file.read_text("utf-8"), yaml.SafeLoader)
    members: dict[str, int] = {}
    entries: dict[str, list[dict[str, int]]] = {}
    for name, value in root.value if isinstance(root, yaml.MappingNode) else ():
        members[str(name.value)] = name.start_mark.line + 1
        if isinstance(value, yaml.SequenceNode):
            entries[str(name.value)] = [_lines_of(entry) for entry in value.value]
    return YamlLines(members, entries)


def _lines_of(entry: yaml.Node) -> dict[str, int]:
    lines = {"": entry.start_mark.line + 1}
    if isinstance(entry, yaml.MappingNode):
        lines |= {str(key.value): key.start_mark.line + 1 for key, _ in entry.value}
    return lines


def _broken_yaml(name: str, text: str, error: yaml.YAMLError) -> Mistake:
    """The parser's own words are English and speak of its tokens: only the place is taken over."""
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Mistake(
            name, line, "", "Dòng này có ký tự điều khiển.", "Xóa ký tự không nhìn thấy được."
        )
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark else 0
    written = text.splitlines()[line - 1] if 0 < line <= len(text.splitlines()) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return Mistake(
            name, line, "", "Dòng này thụt vào bằng phím Tab.", "Thay mỗi Tab bằng hai dấu cách."
        )
    column = f", từ ký tự thứ {mark.column + 1}" if mark else ""
    opened = getattr(error, "context_mark", None)
    if opened and opened.line + 1 != line:  # an open quote or bracket is missed far below
        column += f" (phần này bắt đầu ở dòng {opened.line + 1})"
    return Mistake(
        name,
        line,
        "",
        f"Tệp không đọc được theo cú pháp YAML ở chỗ này{column}.",
        "Xem dấu hai chấm (có dấu cách ở sau), ngoặc kép, ngoặc nhọn, ngoặc vuông và khoảng thụt "
        "của dòng này và các dòng ngay trên; mẫu ở docs/scenarios.md.",
    )


def _impossible_value(name: str, text: str) -> Mistake:
    """Which value of a well formed file cannot be: each is tried by itself."""
    loader = yaml.SafeLoader("")
    line, written = 0, ""
    for node in _scalars(text):
        try:
            loader.construct_object(node)
        except yaml.YAMLError:
            continue  # signs such as << mean something only where they stand
        except ValueError:
            line, written = node.start_mark.line + 1, node.value
            break
    what = f"Giá trị {written!r}" if line else "Một giá trị trong tệp"
    return Mistake(
        name,
        line,
        "",
        f"{what} không thể có, ví dụ ngày không có trong lịch.",
        "Sửa lại giá trị; ngày ghi theo dạng 2022-10-12.",
    )


def _scalars(text: str) -> Iterator[yaml.ScalarNode]:
    waiting = [yaml.compose(text, yaml.SafeLoader)]
    seen: set[int] = set()  # an alias may lead back to its own anchor
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            yield node
        elif isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)
        elif isinstance(node, yaml.MappingNode):
            waiting += reversed([part for pair in node.value for part in pair])
