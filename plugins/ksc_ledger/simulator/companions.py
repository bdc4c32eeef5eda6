"""What a scenario holds beside the estate: the registry's folder, expected.yml and the inbox.

No simulated server serves any of it, but a rehearsal runs on it. Of the registry only the folder and
its unit codes are looked at: its rows are checked by the room that reads them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ksc_ledger.clock import vietnamese_date
from ksc_ledger.simulator import cells
from ksc_ledger.simulator.scenario import Scenario
from ksc_ledger.simulator.tables import Mistake, Tables, YamlLines, read_yaml, yaml_lines

EXPECTED: Final = "expected.yml"
INBOX: Final = "inbox/inbox.csv"

# The columns of fct_unit_coverage_daily that a person can foretell.
COUNTS: Final = (
    "allocated_count",
    "installed_count",
    "correctly_named_count",
    "protected_count",
    "agent_only_count",
    "stale_count",
    "duplicate_count",
    "exempt_count",
    "old_bases_count",
    "antivirus_conflict_count",
    "gap_count",
    "over_count",
    "net_gap_count",
    "servers_expected_count",
    "servers_observed_count",
    "endpoint_count",
)
RATIOS: Final = ("installed_ratio", "correctly_named_ratio")
FLAGS: Final = ("is_complete", "is_provisional")
COLUMNS: Final = (*COUNTS, *RATIOS, *FLAGS)
SIGNED: Final = ("net_gap_count",)
# As the product prints a ratio: any other spelling of the same number would never be met.
_SHOWN: Final = re.compile(r"(0|[1-9][0-9]{0,2}(\.[0-9]{3})*),[0-9] %")
_BESIDE: Final = ("as_of_date", "unit_code", "shown", "letter", "children_with_seats")

_INBOX_COLUMNS: Final = {
    "file": cells.Column(cells.text, is_needed=True),
    "unit_code": cells.Column(cells.code, is_needed=True),
    "received_at": cells.Column(cells.instant, is_needed=True),
}


@dataclass(frozen=True, slots=True)
class _Figure:
    """One entry of expected.yml: its members, and the line of each (of the entry itself: '')."""

    members: Mapping[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)

    def mistake(self, name: str, text: str, remedy: str) -> Mistake:
        line = self.lines.get(name, self.lines.get("", 0))
        return Mistake(EXPECTED, line, name, text, remedy)


def mistakes_beside_the_estate(folder: Path, scenario: Scenario) -> Iterator[Mistake]:
    """Every mistake in the registry's folder, expected.yml and the inbox."""
    units = _unit_codes(folder)
    yield from _registry(folder, scenario)
    yield from _expected(folder, scenario, units)
    yield from _inbox(folder, scenario, units)


def _registry(folder: Path, scenario: Scenario) -> Iterator[Mistake]:
    if not scenario.estate_code:
        return  # named with scenario.yml
    name = f"registry/{scenario.estate_code}"
    if not (folder / name).is_dir():
        yield Mistake(
            name,
            0,
            "",
            "Thiếu thư mục danh mục của địa bàn.",
            "Tạo thư mục theo docs/registry.md, rồi chạy ksc-ledger registry check.",
        )


def _unit_codes(folder: Path) -> frozenset[str] | None:
    """The codes of all units of the scenario's registry; None when they cannot be known here."""
    found: set[str] = set()
    files = sorted((folder / "registry").glob("*/units.csv"))
    for file in files:
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                found |= {(row.get("unit_code") or "").strip() for row in csv.DictReader(lines)}
        except (OSError, UnicodeDecodeError, csv.Error):
            return None  # the registry's own check says what is wrong with it
    return frozenset(found - {""}) if files else None


def _unknown_unit(units: frozenset[str] | None, code: str) -> tuple[str, str] | None:
    """Text and remedy when the registry has no such unit."""
    if units is None or code in units:
        return None
    return (
        f"Đơn vị {code!r} không có trong danh mục của kịch bản.",
        "Sửa mã, hoặc thêm đơn vị vào registry/<địa bàn>/units.csv.",
    )


# -- expected.yml ----------------------------------------------------------------------------------


def _expected(folder: Path, scenario: Scenario, units: frozenset[str] | None) -> Iterator[Mistake]:
    mistakes: list[Mistake] = []
    raw = read_yaml(folder, EXPECTED, mistakes)
    yield from mistakes
    if raw is None:
        return
    where_in_file = yaml_lines(folder / EXPECTED)
    for name in raw:
        if name not in ("figures", "reported"):
            yield Mistake(
                EXPECTED,
                where_in_file.of(str(name)),
                str(name),
                f"Mục {name!r} không có trong định dạng.",
                "Chỉ dùng: figures, reported.",
            )
    yield from _reported(raw.get("reported", []), where_in_file, units)
    entries = raw.get("figures")
    if not isinstance(entries, list):
        yield Mistake(
            EXPECTED,
            where_in_file.of("figures"),
            "figures",
            "Thiếu danh sách số liệu.",
            "Ghi figures: [] nếu không có số liệu cần đối chiếu.",
        )
        return
    lines = where_in_file.entries.get("figures", ())
    stated: dict[tuple[date, str, str], int] = {}
    for position, entry in enumerate(entries):
        where = lines[position] if position < len(lines) else {}
        if not isinstance(entry, dict):
            yield _Figure({}, where).mistake(
                "figures", "Số liệu này không có các mục có tên.", "Ghi theo docs/scenarios.md."
            )
            continue
        figure = _Figure({str(name): value for name, value in entry.items()}, where)
        yield from _figure(figure, units)
        yield from _contradictions(figure)
        day = _day(figure.members.get("as_of_date"))
        if day is not None:
            yield from _out_of_time(figure, day, scenario)
            yield from _stated_twice(figure, day, stated)


REPORTED: Final = ("reported_count", "observed_count", "allocated_count", "difference_count")


def _reported(
    entries: object, where_in_file: YamlLines, units: frozenset[str] | None
) -> Iterator[Mistake]:
    """Rows of rpt_reported_vs_observed: unit_code, report_date and any of its counts."""
    lines = where_in_file.entries.get("reported", ())
    for position, entry in enumerate(entries if isinstance(entries, list) else [None]):
        where = lines[position] if position < len(lines) else {}
        members = entry if isinstance(entry, dict) else {}
        row = _Figure({str(name): value for name, value in members.items()}, where)
        counts = [value for name, value in row.members.items() if name in REPORTED]
        is_known = row.members.keys() <= {"unit_code", "report_date", *REPORTED}
        is_whole = all(isinstance(one, int) and not isinstance(one, bool) for one in counts)
        if not (is_known and counts and is_whole and _day(row.members.get("report_date"))):
            yield row.mistake(
                "reported",
                "Dòng đối chiếu báo cáo không đúng dạng.",
                f"Ghi unit_code, report_date và các số nguyên: {', '.join(REPORTED)}.",
            )
        unknown = _unknown_unit(units, str(row.members.get("unit_code")))
        if unknown:
            yield row.mistake("unit_code", *unknown)


def _figure(figure: _Figure, units: frozenset[str] | None) -> Iterator[Mistake]:
    members = figure.members
    if _day(members.get("as_of_date")) is None:
        yield figure.mistake(
            "as_of_date",
            f"{members.get('as_of_date')!r} không phải là ngày.",
            "Ghi theo dạng 2022-10-12.",
        )
    code = members.get("unit_code")
    if not isinstance(code, str) or not cells.CODE.fullmatch(code):
        yield figure.mistake("unit_code", f"Mã {code!r} không hợp lệ.", "Ghi mã như dtp_872.")
    else:
        unknown = _unknown_unit(units, code)
        if unknown:
            yield figure.mistake("unit_code", *unknown)
    for name, value in members.items():
        if name in COLUMNS:
            wrong = _wrong_value(name, value)
            if wrong:
                yield figure.mistake(name, *wrong)
        elif name not in _BESIDE:
            yield figure.mistake(
                name,
                f"Mục {name!r} không phải là số liệu đối chiếu được.",
                f"Chọn một trong: {', '.join((*COLUMNS, *_BESIDE))}.",
            )
    yield from _beside(figure)
    if not members.keys() & {*COLUMNS, "shown", "children_with_seats"}:
        yield figure.mistake(
            "", "Không nêu số liệu nào.", "Ghi ít nhất một số liệu, hoặc xóa mục này."
        )


def _wrong_value(name: str, value: object) -> tuple[str, str] | None:
    """Text and remedy when a figure's value is none of its kind."""
    if name in FLAGS:
        is_right = isinstance(value, bool)
        return None if is_right else (f"{value!r} không phải đúng/sai.", "Ghi true hoặc false.")
    kinds = int if name in COUNTS else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool):
        what = "số nguyên" if name in COUNTS else "số"
        return f"{value!r} không phải là {what}.", "Ghi bằng chữ số, ví dụ 1077 hoặc 0.773."
    if not abs(value) < 10**12 or (value < 0 and name not in SIGNED):  # NaN fails the first too
        return f"{value!r} nằm ngoài khoảng cho phép.", "Sửa lại con số."
    return None


def _beside(figure: _Figure) -> Iterator[Mistake]:
    """What may stand beside the columns: shown, letter, children_with_seats."""
    members = figure.members
    shown = members.get("shown", {})
    if not isinstance(shown, dict):
        yield figure.mistake(
            "shown", "Không có các mục có tên.", 'Ghi {installed_ratio: "77,3 %"}.'
        )
    else:
        for name, text in shown.items():
            if name not in RATIOS:
                yield figure.mistake(
                    "shown",
                    f"Mục {name!r} không phải là tỷ lệ in được.",
                    f"Chọn một trong: {', '.join(RATIOS)}; số đếm ghi thẳng ở mục của nó.",
                )
            elif not isinstance(text, str) or not _SHOWN.fullmatch(text):
                yield figure.mistake(
                    "shown",
                    f"{name}: {text!r} không viết như văn bản in tỷ lệ.",
                    "Ghi trong ngoặc kép, dấu phẩy thập phân, đúng một chữ số sau dấu phẩy, "
                    'một dấu cách rồi %: "77,3 %".',
                )
    letter = members.get("letter", "-")
    if not isinstance(letter, str) or not letter.strip():
        yield figure.mistake(
            "letter", "Không ghi văn bản nào.", "Ghi tên văn bản, hoặc bỏ mục này."
        )
    children = members.get("children_with_seats", 0)
    if not isinstance(children, int) or isinstance(children, bool) or children < 0:
        yield figure.mistake(
            "children_with_seats", f"{children!r} không phải là số đơn vị.", "Ghi một số nguyên."
        )


def _contradictions(figure: _Figure) -> Iterator[Mistake]:
    """Figures of one entry that cannot hold together, whatever the estate is."""
    numbers = {
        name: value
        for name, value in figure.members.items()
        if name in COUNTS and _wrong_value(name, value) is None
    }
    allocated, installed = numbers.get("allocated_count"), numbers.get("installed_count")
    net, named = numbers.get("net_gap_count"), numbers.get("correctly_named_count")
    if allocated is not None and installed is not None and net not in (None, allocated - installed):
        yield figure.mistake(
            "net_gap_count",
            f"{net} không bằng allocated_count trừ installed_count ({allocated - installed}).",
            "Sửa một trong ba con số.",
        )
    if installed is not None and named is not None and named > installed:
        yield figure.mistake(
            "correctly_named_count",
            f"Số máy đặt đúng tên ({named}) nhiều hơn số máy đã cài đặt ({installed}).",
            "Sửa một trong hai con số.",
        )


def _out_of_time(figure: _Figure, day: date, scenario: Scenario) -> Iterator[Mistake]:
    """No figure of a day before the first collection or after the end can ever be reproduced."""
    first = min((entry.at for entry in scenario.timeline if entry.do == "collect"), default=None)
    if first is not None and day < vietnamese_date(first):
        yield figure.mistake(
            "as_of_date",
            f"Ngày {day:%d/%m/%Y} trước lần thu thập đầu tiên.",
            "Sửa ngày, hoặc thêm mốc collect vào timeline của scenario.yml.",
        )
    last = scenario.last_at
    if last is not None and day > vietnamese_date(last):
        yield figure.mistake(
            "as_of_date",
            f"Ngày {day:%d/%m/%Y} sau khi kịch bản kết thúc.",
            "Sửa ngày, hoặc dời ends_at của scenario.yml.",
        )


def _stated_twice(
    figure: _Figure, day: date, stated: dict[tuple[date, str, str], int]
) -> Iterator[Mistake]:
    code = str(figure.members.get("unit_code"))
    for name in figure.members:
        if name not in COLUMNS and name != "children_with_seats":
            continue
        if (day, code, name) in stated:
            yield figure.mistake(
                name,
                f"Đã nêu cho {code} ngày {day:%d/%m/%Y} ở dòng {stated[day, code, name]}.",
                "Giữ lại một con số.",
            )
        stated.setdefault((day, code, name), figure.lines.get(name, 0))


def _day(value: object) -> date | None:
    """A day that YAML gave as a date or as text; an instant is no day."""
    if isinstance(value, datetime):
        return None
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


# -- inbox/ ----------------------------------------------------------------------------------------


def _inbox(folder: Path, scenario: Scenario, units: frozenset[str] | None) -> Iterator[Mistake]:
    """Files that units send: each in the list once, and each of the list there."""
    inbox = folder / "inbox"
    there = {
        file.relative_to(inbox).as_posix()
        for file in (inbox.rglob("*") if inbox.is_dir() else ())
        if file.is_file() and not file.name.startswith(".")
    } - {"inbox.csv"}
    mistakes: list[Mistake] = []
    listed: dict[str, int] = {}
    rows = Tables(folder, mistakes).rows(INBOX, _INBOX_COLUMNS, is_needed=bool(there))
    for row in rows:
        name, line = row["file"], row["line"]
        if name in listed:
            text = f"Tệp {name!r} đã có ở dòng {listed[name]}."
            yield Mistake(INBOX, line, "file", text, "Một tệp chỉ đến một lần; xóa một dòng.")
        listed.setdefault(name, line)
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            remedy = "Ghi đường dẫn bên trong thư mục inbox, nối bằng dấu /."
            yield Mistake(INBOX, line, "file", f"Đường dẫn {name!r} không được phép.", remedy)
        elif name not in there:
            text = f"Không có tệp inbox/{name}."
            yield Mistake(INBOX, line, "file", text, "Sửa tên, hoặc đặt tệp vào thư mục inbox.")
        unknown = _unknown_unit(units, row["unit_code"])
        if unknown:
            yield Mistake(INBOX, line, "unit_code", *unknown)
        if scenario.last_at is not None and row["received_at"] > scenario.last_at:
            text = f"Tệp đến sau khi kịch bản kết thúc ({scenario.last_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ})."
            yield Mistake(INBOX, line, "received_at", text, "Ghi thời điểm không muộn hơn ends_at.")
    yield from mistakes
    if not any(mistake.row in (0, 1) for mistake in mistakes):  # the list itself could be read
        for name in sorted(there - listed.keys()):
            yield Mistake(
                f"inbox/{name}",
                0,
                "",
                "Tệp không có trong inbox.csv nên không bao giờ đến.",
                "Thêm một dòng vào inbox/inbox.csv, hoặc xóa tệp.",
            )
