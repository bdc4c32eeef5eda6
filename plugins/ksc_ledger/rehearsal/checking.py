"""Is a whole scenario right: its estate, its registry, and what only both together can tell?

The simulator knows the servers and nothing of the offices, the registry the other way round. Where
the two name the same thing differently neither is wrong by itself, and a rehearsal would run on,
with figures of the wrong unit or a link that nobody hears.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from ksc_ledger.clock import vietnamese_date
from ksc_ledger.registry import NoticeStep, Server, ServerRole
from ksc_ledger.registry import check as check_registry
from ksc_ledger.registry.model import Dated
from ksc_ledger.registry.reader import read as read_registry
from ksc_ledger.registry.sheets import Line, Reading
from ksc_ledger.rules.organisation import SEPARATOR, normalised_path
from ksc_ledger.rules.text import matching_key
from ksc_ledger.simulator.cells import BadCellError, Column, code, text
from ksc_ledger.simulator.check import check_scenario
from ksc_ledger.simulator.scenario import Scenario, ServerRow
from ksc_ledger.simulator.scenario import read as read_scenario
from ksc_ledger.simulator.tables import Mistake, Tables

SERVERS: Final = "estate/servers.csv"
GROUPS: Final = "estate/groups.csv"
CONTACTS: Final = "contacts.csv"


def check_whole(scenario: Path) -> list[str]:
    """One entry a mistake: where and what, and on a second line what to do; [] when it can run.

    Entries are Vietnamese; files are named as seen from the scenario's folder. A file that is
    itself wrong is not laid beside another before it is mended: that would tell one slip twice.
    """
    told = check_scenario(scenario)
    said = [str(mistake) for mistake in told]
    registry = scenario / "registry"
    if not scenario.is_dir():
        return said
    if registry.is_dir():
        of_the_folder = f"{registry.name}: "  # it names itself, not a file below
        said += [
            entry if entry.startswith(of_the_folder) else f"registry/{entry}"
            for entry in check_registry(registry)
        ]
    elif not any(mistake.file.startswith("registry") for mistake in told):
        said.append(
            str(Mistake("registry", 0, "", "Thiếu thư mục này.", "Tạo theo docs/registry.md."))
        )
    return said + [str(mistake) for mistake in _between(scenario, told)]


@dataclass(frozen=True, slots=True)
class _Both:
    """A scenario's two sides. ``days`` are the rehearsal's first and last day, when known."""

    estate: Scenario
    registry: Reading
    wrong_files: frozenset[str]
    days: tuple[date, date] | None

    def matters(self, record: Dated) -> bool:
        """Whether the row is in force on a day of the rehearsal: the rest is only history."""
        if self.days is None:
            return True
        first, last = self.days
        return record.valid_from_date <= last and (
            record.valid_to_date is None or first <= record.valid_to_date
        )

    @property
    def server_lines(self) -> list[Line[Server]]:
        return [line for line in self.registry.servers.lines if self.matters(line.record)]


def _between(folder: Path, told: Sequence[Mistake]) -> Iterator[Mistake]:
    estate, _ = read_scenario(folder)
    both = _Both(
        estate,
        read_registry(folder / "registry"),
        frozenset(mistake.file for mistake in told),
        _days(estate),
    )
    if estate.ends_at is None and "scenario.yml" not in both.wrong_files:
        yield Mistake(
            "scenario.yml",
            0,
            "ends_at",
            "Thiếu thời điểm kết thúc.",
            "Ghi ends_at, thường bằng mốc collect cuối cùng của timeline.",
        )
    if SERVERS not in both.wrong_files:
        yield from _servers_of_one_side(both)
        yield from _districts_unheard(both)
    if GROUPS not in both.wrong_files:
        yield from _groups_of_no_console(both)
    yield from _contacts(folder, both)


def _days(estate: Scenario) -> tuple[date, date] | None:
    if not estate.timeline or estate.last_at is None:
        return None
    first = min(entry.at for entry in estate.timeline)
    return vietnamese_date(first), vietnamese_date(max(first, estate.last_at))


# -- servers ---------------------------------------------------------------------------------------


def _servers_of_one_side(both: _Both) -> Iterator[Mistake]:
    """Servers that only the estate has, and servers that only the registry has."""
    registered = both.registry.servers
    known = {line.record.server_code for line in registered.lines} | registered.broken
    served = {row.server_code for row in both.estate.servers}
    named: set[str] = set()
    if registered.is_whole and registered.lines:
        for row in both.estate.servers:
            if row.server_code not in known | named:
                named.add(row.server_code)
                yield Mistake(
                    SERVERS,
                    row.line,
                    "server_code",
                    f"Máy chủ {row.server_code!r} không có trong danh mục nên không bao giờ được "
                    "thu thập.",
                    f"Sửa mã, hoặc thêm dòng vào registry/{_folder(both)}/servers.csv."
                    + _close(row.server_code, known),
                )
    for line in both.server_lines:
        server_code = line.record.server_code
        if server_code not in served | named:
            named.add(server_code)
            yield Mistake(
                f"registry/{line.file}",
                line.row,
                "server_code",
                f"Máy chủ {server_code!r} không có trong {SERVERS} nên không máy chủ giả lập nào "
                "trả lời thay.",
                f"Sửa mã, hoặc thêm máy chủ vào {SERVERS}." + _close(server_code, served),
            )


def _districts_unheard(both: _Both) -> Iterator[Mistake]:
    """Districts whose link the province's console cannot speak of, by this registry."""
    provinces = {
        line.record.server_code
        for line in both.registry.servers.lines
        if line.record.server_role is ServerRole.PROVINCE
    }
    rows: dict[str, list[ServerRow]] = {}
    for row in both.estate.servers:
        rows.setdefault(row.server_code, []).append(row)
    misplaced: set[str] = set()
    for line in both.server_lines:
        server = line.record
        own = rows.get(server.server_code, [])
        if server.server_role is not ServerRole.DISTRICT or not own:
            continue  # a server that the estate does not have is told already
        file = f"registry/{line.file}"
        shown = sorted({row.display_name for row in own})
        parent = own[0].parent_server_code
        if server.server_code in misplaced:
            continue
        if provinces and parent not in provinces:
            misplaced.add(server.server_code)
            yield Mistake(
                SERVERS,
                own[0].line,
                "parent_server_code",
                f"{server.server_code} là máy chủ huyện trong danh mục nhưng không nằm ngay dưới "
                "máy chủ tỉnh nào: phần theo dõi kết nối không nghe được máy chủ tỉnh nói về nó.",
                "Ghi mã máy chủ tỉnh vào parent_server_code, hoặc sửa server_role trong danh mục.",
            )
        elif not server.console_name:
            yield Mistake(
                file,
                line.row,
                "console_name",
                f"Máy chủ huyện {server.server_code} chưa có console_name: phần theo dõi kết nối "
                "không nghe được máy chủ tỉnh nói về nó.",
                f"Ghi console_name là {' hoặc '.join(shown)} (display_name trong {SERVERS}).",
            )
        elif matching_key(server.console_name) not in {matching_key(name) for name in shown}:
            yield Mistake(
                file,
                line.row,
                "console_name",
                f"Máy chủ tỉnh {parent} không hiển thị máy chủ {server.server_code} với tên "
                f"{server.console_name!r}{_whose(server.console_name, both.estate.servers)}.",
                f"Ghi {' hoặc '.join(shown)} (display_name trong {SERVERS}), hoặc sửa tên ở đó.",
            )


def _whose(name: str, rows: Sequence[ServerRow]) -> str:
    for row in rows:
        if matching_key(row.display_name) == matching_key(name):
            return f" (đó là tên của {row.server_code})"
    return ""


# -- groups ----------------------------------------------------------------------------------------


def _groups_of_no_console(both: _Both) -> Iterator[Mistake]:
    """Mappings of groups that the server does not have: their machines count for another unit."""
    consoles: dict[str, dict[str, str]] = {}  # server -> key of a path -> the path as spelled there
    for row in both.estate.groups:
        paths = consoles.setdefault(row.server_code, {})
        segments = row.group_path.split(SEPARATOR)
        for length in range(1, len(segments) + 1):
            path = SEPARATOR.join(segments[:length])
            paths.setdefault(normalised_path(path), path)
    served = {row.server_code for row in both.estate.servers}
    for line in both.registry.groups.lines:
        group = line.record
        paths = consoles.get(group.server_code, {})
        if not both.matters(group) or normalised_path(group.group_path) in paths:
            continue
        if group.server_code not in served and SERVERS not in both.wrong_files:
            continue  # told with the servers
        elsewhere = [
            server_code
            for server_code, others in consoles.items()
            if normalised_path(group.group_path) in others
        ]
        hint = f" Nhóm này có ở máy chủ {', '.join(elsewhere)}." if elsewhere else ""
        yield Mistake(
            f"registry/{line.file}",
            line.row,
            "group_path",
            f"Máy chủ {group.server_code} không có nhóm {group.group_path!r} trong {GROUPS}: "
            f"không máy nào được tính cho {group.unit_code} qua dòng này.{hint}",
            f"Ghi đúng như trong {GROUPS}, hoặc thêm nhóm vào đó."
            + _close(group.group_path, paths.values()),
        )


# -- people ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Contact:
    line: int
    role: str
    unit_code: str
    name: str
    address: str


# What the product itself accepts, and for an invented person only the name space made for it.
_ADDRESS: Final = re.compile(r"[a-z0-9._%+-]{1,64}@([a-z0-9-]{1,63}\.)+example")


def _address(cell: str) -> str:
    """An invented address, levelled. What else may stand there is personal data: not repeated."""
    address = cell.strip().lower()
    if not address.endswith(".example"):
        raise BadCellError(
            "Địa chỉ thư không kết thúc bằng .example.",
            "Kịch bản chỉ dùng địa chỉ dựng, ví dụ truc-ksc@dongthap.example.",
        )
    if not _ADDRESS.fullmatch(address):
        raise BadCellError(
            "Địa chỉ thư không đúng dạng.",
            "Ghi như truc-ksc@dongthap.example: không dấu, không dấu cách.",
        )
    return address


_CONTACT_COLUMNS: Final[Mapping[str, Column]] = {
    "role": Column(code, is_needed=True),
    "unit_code": Column(code, is_needed=True),
    "name": Column(text, blank=""),
    "address": Column(_address, is_needed=True),
}


def _contacts(folder: Path, both: _Both) -> Iterator[Mistake]:
    """What is wrong with contacts.csv, and which roles nobody in it holds."""
    mistakes: list[Mistake] = []
    rows = list(Tables(folder, mistakes).rows(CONTACTS, _CONTACT_COLUMNS))
    contacts = [_Contact(**row) for row in rows]
    mistakes += _unknown_units(contacts, both)
    yield from sorted(mistakes, key=lambda mistake: mistake.row)
    yield from _twice(contacts)
    if not mistakes:  # else a role may be missing only because its row is wrong
        yield from _roles_of_nobody(contacts, (folder / CONTACTS).exists(), both)


def _unknown_units(contacts: Sequence[_Contact], both: _Both) -> Iterator[Mistake]:
    units = both.registry.units
    known = {line.record.unit_code for line in units.lines} | units.broken
    if not units.is_whole or not units.lines:
        return
    for contact in contacts:
        if contact.unit_code not in known:
            yield Mistake(
                CONTACTS,
                contact.line,
                "unit_code",
                f"Đơn vị {contact.unit_code!r} không có trong danh mục của kịch bản.",
                f"Sửa mã, hoặc thêm đơn vị vào registry/{_folder(both)}/units.csv."
                + _close(contact.unit_code, known),
            )


def _twice(contacts: Sequence[_Contact]) -> Iterator[Mistake]:
    seen: dict[tuple[str, str, str], int] = {}
    for contact in contacts:
        key = (contact.role, contact.unit_code, contact.address)
        if key in seen:
            yield Mistake(
                CONTACTS,
                contact.line,
                "address",
                f"Vai trò {contact.role} của {contact.unit_code} với địa chỉ này đã có ở dòng "
                f"{seen[key]}.",
                "Xóa một trong hai dòng.",
            )
        seen.setdefault(key, contact.line)


def _roles_of_nobody(
    contacts: Sequence[_Contact], is_there: bool, both: _Both
) -> Iterator[Mistake]:
    """Roles that are to be told something, for whom nobody of the estate would get a mail."""
    if not is_there and not any(entry.do == "watch" for entry in both.estate.timeline):
        return
    estates = {line.record.unit_code: line.record.estate_code for line in both.registry.units.lines}
    held = {(estates[one.unit_code], one.role) for one in contacts if one.unit_code in estates}
    missing: dict[tuple[str, str], Line[NoticeStep]] = {}
    for line in both.registry.notice_steps.lines:
        step = line.record
        if both.matters(step) and (step.estate_code, step.role) not in held:
            missing.setdefault((step.estate_code, step.role), line)
    if missing and not is_there:
        roles = ", ".join(dict.fromkeys(role for _, role in missing))
        yield Mistake(
            CONTACTS,
            0,
            "",
            f"Thiếu tệp này: kịch bản theo dõi kết nối (do: watch) mà không ai giữ vai trò {roles}.",
            "Tạo tệp với các cột role,unit_code,name,address theo docs/scenarios.md.",
        )
        return
    for (estate_code, role), line in missing.items():
        yield Mistake(
            f"registry/{line.file}",
            line.row,
            "role",
            f"Không ai trong {CONTACTS} giữ vai trò {role!r} cho địa bàn {estate_code}: thư của "
            "bậc này không có người nhận.",
            f"Thêm một dòng có vai trò này vào {CONTACTS}, hoặc sửa vai trò."
            + _close(role, [one for estate, one in held if estate == estate_code]),
        )


# -- words -----------------------------------------------------------------------------------------


def _folder(both: _Both) -> str:
    return both.estate.estate_code or "<địa bàn>"


def _close(written: str, known: Iterable[str]) -> str:
    """A hint when one slip of the hand would explain what was written."""
    found = get_close_matches(written, sorted(known), n=1, cutoff=0.8)
    return f" Gần giống: {found[0]}." if found else ""
