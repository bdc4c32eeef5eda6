"""Is a scenario's estate whole and free of contradictions? Every mistake is named, not only one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeVar

from ksc_ledger.errors import LedgerError
from ksc_ledger.simulator.cells import UNASSIGNED
from ksc_ledger.simulator.companions import mistakes_beside_the_estate
from ksc_ledger.simulator.faults import FaultKind, value_mistake
from ksc_ledger.simulator.scenario import HostRow, Scenario, ServerRow, read
from ksc_ledger.simulator.tables import Mistake, Period

SERVERS: Final = "estate/servers.csv"


class ScenarioError(LedgerError):
    """A scenario that cannot be served; it carries every mistake."""

    def __init__(self, folder: Path, mistakes: Sequence[Mistake]) -> None:
        shown = "; ".join(
            f"{m.file}:{m.row}{f' [{m.field}]' if m.field else ''} {m.text}" for m in mistakes[:5]
        )
        more = f" (và {len(mistakes) - 5} lỗi khác)" if len(mistakes) > 5 else ""
        super().__init__(
            "scenario_wrong",
            f"Kịch bản {folder.name} có {len(mistakes)} lỗi: {shown}{more}",
            f"Chạy ksc-ledger simulator check {folder} để xem từng lỗi và cách sửa.",
        )
        self.mistakes = tuple(mistakes)


def check_scenario(path: Path) -> list[Mistake]:
    """All mistakes in the scenario folder ``path``; [] when a rehearsal can run on it.

    Of the registry only the folder's presence is checked: its rows are the registry's business.
    """
    if not path.is_dir():
        return [_no_folder(path)]
    scenario, mistakes = read(path)
    mistakes += _contradictions(scenario, mistakes)
    mistakes += mistakes_beside_the_estate(path, scenario)
    return mistakes


def load(path: Path) -> Scenario:
    """Read a scenario that may be served; ScenarioError carries the mistakes of one that may not.

    Mistakes beside the estate (registry, expected.yml, inbox) do not keep it from being served.
    """
    if not path.is_dir():
        raise ScenarioError(path, [_no_folder(path)])
    scenario, mistakes = read(path)
    mistakes += _contradictions(scenario, mistakes)
    if mistakes:
        raise ScenarioError(path, mistakes)
    return scenario


def refuse_shared_codes(scenarios: Iterable[Scenario]) -> None:
    """LedgerError when a server stands in two of the scenarios that are served together."""
    seen: dict[str, str] = {}
    for scenario in scenarios:
        for code in {row.server_code for row in scenario.servers}:
            if code in seen:
                raise LedgerError(
                    "scenario_codes_clash",
                    f"Máy chủ {code!r} có trong cả hai kịch bản {seen[code]} và {scenario.name}.",
                    "Mỗi mã máy chủ chỉ dùng cho một máy chủ; sửa một trong hai kịch bản.",
                )
            seen[code] = scenario.name


def _no_folder(path: Path) -> Mistake:
    return Mistake(
        str(path), 0, "", "Không có thư mục kịch bản này.", "Sửa đường dẫn đến thư mục kịch bản."
    )


def _contradictions(scenario: Scenario, told: Sequence[Mistake]) -> list[Mistake]:
    """What the rows say against each other; ``told`` are the mistakes of reading them."""
    codes = {row.server_code for row in scenario.servers}
    if not codes and any(mistake.file == SERVERS for mistake in told):
        return []  # every row would be found to name an unknown server
    return list(_between_rows(scenario, codes))


def _between_rows(scenario: Scenario, codes: set[str]) -> Iterator[Mistake]:
    yield from _servers(scenario.servers, codes)
    yield from _groups(scenario, codes)
    for code, rows in scenario.hosts.items():
        yield from _hosts(scenario, code, rows, codes)
    yield from _keys(scenario, codes)
    yield from _detections(scenario, codes)
    yield from _events(scenario, codes)


class _Row(Protocol):
    @property
    def line(self) -> int: ...

    @property
    def period(self) -> Period: ...


_AnyRow = TypeVar("_AnyRow", bound=_Row)


def _overlaps(
    rows: Iterable[_AnyRow], name_of: Callable[[_AnyRow], str], file: str, field: str
) -> Iterator[Mistake]:
    """Rows of one name whose periods overlap: at that instant there would be two truths."""
    seen: dict[str, list[_AnyRow]] = {}
    for row in rows:
        earlier = seen.setdefault(name_of(row), [])
        for other in earlier:
            if row.period.overlaps(other.period):
                yield Mistake(
                    file,
                    row.line,
                    field,
                    f"{name_of(row)} đã có ở dòng {other.line} cho cùng thời gian.",
                    "Sửa from_at, to_at để hai dòng không chồng lên nhau, hoặc xóa một dòng.",
                )
                break
        earlier.append(row)


def _servers(rows: Sequence[ServerRow], codes: set[str]) -> Iterator[Mistake]:
    file = SERVERS
    if not rows:
        yield Mistake(file, 0, "", "Không có máy chủ nào đọc được.", "Thêm ít nhất một dòng đúng.")
    yield from _overlaps(rows, lambda row: row.server_code, file, "server_code")
    parents: dict[str, str] = {}
    for row in rows:
        parent = row.parent_server_code
        if parent and parent not in codes:
            yield _unknown_server(file, row.line, "parent_server_code", parent)
            parent = ""
        if parents.setdefault(row.server_code, parent) != parent:
            yield Mistake(
                file,
                row.line,
                "parent_server_code",
                f"{row.server_code} có máy chủ cấp trên khác với dòng trước.",
                "Ghi cùng một máy chủ cấp trên ở mọi dòng của máy chủ này.",
            )
    for row in rows:
        above: set[str] = set()
        current = row.server_code
        while current and current not in above:
            above.add(current)
            current = parents.get(current, "")
        if current:
            yield Mistake(
                file,
                row.line,
                "parent_server_code",
                f"{row.server_code} nằm trong một vòng tròn cấp trên.",
                "Sửa cột parent_server_code; máy chủ cấp tỉnh để trống.",
            )


def _groups(scenario: Scenario, codes: set[str]) -> Iterator[Mistake]:
    file = "estate/groups.csv"
    for row in scenario.groups:
        if row.server_code not in codes:
            yield _unknown_server(file, row.line, "server_code", row.server_code)
        if row.group_path == UNASSIGNED:
            yield Mistake(
                file,
                row.line,
                "group_path",
                f"{UNASSIGNED} là nhóm có sẵn.",
                "Xóa dòng này; nhóm có sẵn không phải khai báo.",
            )
    yield from _overlaps(
        scenario.groups, lambda row: f"{row.server_code}: {row.group_path}", file, "group_path"
    )


def _hosts(
    scenario: Scenario, code: str, rows: Sequence[HostRow], codes: set[str]
) -> Iterator[Mistake]:
    file = f"estate/hosts/{code}.csv"
    if code not in codes:
        yield _unknown_server(file, 0, "", code)
        return
    yield from _overlaps(rows, lambda row: row.host_id, file, "host_id")
    paths = {
        path
        for row in scenario.groups
        if row.server_code == code
        for path in _with_parents(row.group_path)
    }
    serials = {row.serial for row in scenario.keys if row.server_code == code}
    for row in rows:
        if row.group_path not in ("", UNASSIGNED) and row.group_path not in paths:
            yield Mistake(
                file,
                row.line,
                "group_path",
                f"Nhóm {row.group_path!r} của máy chủ {code} không có trong estate/groups.csv.",
                "Sửa đường dẫn cho giống từng ký tự, hoặc thêm nhóm vào estate/groups.csv.",
            )
        if row.licence_serial and row.licence_serial not in serials:
            yield Mistake(
                file,
                row.line,
                "licence_serial",
                f"Khóa {row.licence_serial!r} của máy chủ {code} không có trong estate/keys.csv.",
                "Sửa số khóa, hoặc thêm khóa vào estate/keys.csv.",
            )
        if not row.antivirus_version and row.rtp_state:
            yield Mistake(
                file,
                row.line,
                "rtp_state",
                "Thiết bị chưa cài phần mềm bảo vệ mà có trạng thái bảo vệ.",
                "Để trống rtp_state, hoặc ghi antivirus_version.",
            )


def _keys(scenario: Scenario, codes: set[str]) -> Iterator[Mistake]:
    file = "estate/keys.csv"
    for row in scenario.keys:
        if row.server_code not in codes:
            yield _unknown_server(file, row.line, "server_code", row.server_code)
    yield from _overlaps(
        scenario.keys, lambda row: f"{row.server_code}: {row.serial}", file, "serial"
    )


def _detections(scenario: Scenario, codes: set[str]) -> Iterator[Mistake]:
    file = "estate/detections.csv"
    known = {(code, row.host_id) for code, rows in scenario.hosts.items() for row in rows}
    for row in scenario.detections:
        if row.server_code not in codes:
            yield _unknown_server(file, row.line, "server_code", row.server_code)
        elif (row.server_code, row.host_id) not in known:
            yield Mistake(
                file,
                row.line,
                "host_id",
                f"Máy chủ {row.server_code} không có thiết bị {row.host_id}.",
                "Sửa mã thiết bị theo estate/hosts của máy chủ này.",
            )
        if row.registered_at < row.rise_at:
            yield Mistake(
                file,
                row.line,
                "registered_at",
                "Máy chủ ghi nhận trước khi phát hiện.",
                "Ghi registered_at không sớm hơn rise_at.",
            )


def _events(scenario: Scenario, codes: set[str]) -> Iterator[Mistake]:
    file = "estate/events.csv"
    for row in scenario.events:
        if row.server_code not in codes:
            yield _unknown_server(file, row.line, "server_code", row.server_code)
        if row.kind not in FaultKind.__members__.values():
            yield Mistake(
                file,
                row.line,
                "kind",
                f"Không có loại sự kiện {row.kind!r}.",
                f"Chọn một trong: {', '.join(FaultKind)}.",
            )
            continue
        wrong = value_mistake(FaultKind(row.kind), row.value)
        if wrong:
            yield Mistake(file, row.line, "value", wrong, "Xem bảng lỗi trong docs/simulator.md.")
    yield from _overlaps(
        scenario.events, lambda row: f"{row.server_code}: {row.kind}", file, "kind"
    )


def _with_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def _unknown_server(file: str, line: int, field: str, code: str) -> Mistake:
    return Mistake(
        file,
        line,
        field,
        f"Máy chủ {code!r} không có trong estate/servers.csv.",
        "Sửa mã, hoặc thêm máy chủ vào estate/servers.csv.",
    )
