"""Who may see and do what on the page: six roles, and a map from sign-in name to role and place.

Three roles are for a whole installation, two for some of its estates, one for a unit.

The map is a file outside version control (``page_users.csv``), like the contacts: it names people.
Whoever is not in it sees nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ksc_ledger.errors import LedgerError

USER_COLUMNS = ("user_name", "role", "unit_code", "estate_codes")  # the last may be left out
_CODE = re.compile(r"[a-z0-9_]{2,32}")


class Role(StrEnum):
    OPS = "ops"  # everything, with names; may acknowledge and silence
    ENGINEER = "engineer"  # as ops
    AUDITOR = "auditor"  # everything, machine names masked; no action
    UNIT_OFFICER = "unit_officer"  # the own unit and those below it, with names; no action
    ESTATE_OPS = "estate_ops"  # as ops, of the named estates alone
    ESTATE_AUDITOR = "estate_auditor"  # as auditor, of the named estates alone


OF_ESTATES = frozenset({Role.ESTATE_OPS, Role.ESTATE_AUDITOR})
"""Roles that name their estates. They have nothing in Airflow itself: its runs and logs are of all estates."""


# What Airflow's auth manager is asked of a person, beside the right to open plugins, where it knows
# such names (FAB): whom page_users.csv makes wider than Airflow does is not let in.
DATA_DOCS_RESOURCE = "KSC Ledger: Data Docs"
PAGE_RESOURCES = {role: f"KSC Ledger: page as {role}" for role in Role}
# Whoever may start the watch's DAG may act on the page; people of an estate may not, and have this.
DEEDS_RESOURCE = "KSC Ledger: deeds on the page"

ROLE_LABELS = {
    Role.OPS: "tổ trực",
    Role.ENGINEER: "kỹ sư",
    Role.AUDITOR: "kiểm tra",
    Role.UNIT_OFFICER: "cán bộ đơn vị",
    Role.ESTATE_OPS: "tổ trực địa bàn",
    Role.ESTATE_AUDITOR: "kiểm tra địa bàn",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A signed-in person. ``unit_code`` is the top of what an officer may see, else None.

    ``estate_codes`` are all that a person of some estates may see; empty for everybody else.
    """

    user_name: str
    role: Role
    unit_code: str | None = None
    estate_codes: frozenset[str] = frozenset()

    @property
    def may_act(self) -> bool:
        return self.role in (Role.OPS, Role.ENGINEER, Role.ESTATE_OPS)

    @property
    def sees_names(self) -> bool:
        return self.role not in (Role.AUDITOR, Role.ESTATE_AUDITOR)

    @property
    def sees_all(self) -> bool:
        """Whether what is of the installation and of no estate is for this person."""
        return self.role not in (Role.UNIT_OFFICER, *OF_ESTATES)

    def may_enter(self, estate_code: str) -> bool:
        """Whether anything of the estate may be shown; an officer's limit is the unit, not this."""
        return self.role not in OF_ESTATES or estate_code in self.estate_codes


class NotOnTheList(LedgerError):  # noqa: N818 - named for what happened
    """The person is signed in, but nobody said what he may see here."""

    def __init__(self) -> None:
        super().__init__(
            "page_user_unknown",
            "Tài khoản của bạn chưa được gán vai trò trên trang Tình hình.",
            "Đề nghị tổ vận hành thêm tài khoản vào page_users.csv.",
        )


def read_users(rows: Iterable[Mapping[str, str | None]]) -> dict[str, Reader]:
    """The map from its rows; raise LedgerError naming every row that is wrong."""
    users: dict[str, Reader] = {}
    wrong: list[str] = []
    for number, row in enumerate(rows, start=2):
        name, role, unit, listed = ((row.get(column) or "").strip() for column in USER_COLUMNS)
        estates = listed.replace(";", " ").split()
        if not name or name in users:
            wrong.append(f"dòng {number}: thiếu tên đăng nhập hoặc trùng với dòng trên")
        elif role not in set(Role):
            wrong.append(f"dòng {number}: vai trò phải là một trong {', '.join(Role)}")
        elif (role == Role.UNIT_OFFICER) is not bool(_CODE.fullmatch(unit)):
            wrong.append(f"dòng {number}: cán bộ đơn vị phải có mã đơn vị, vai trò khác thì không")
        elif (role in OF_ESTATES) is not bool(estates) or not all(map(_CODE.fullmatch, estates)):
            wrong.append(
                f"dòng {number}: vai trò theo địa bàn phải có mã địa bàn (estate_codes, cách nhau bằng "
                "dấu cách), vai trò khác thì không"
            )
        else:
            users[name] = Reader(
                user_name=name,
                role=Role(role),
                unit_code=unit or None,
                estate_codes=frozenset(estates),
            )
    if wrong:
        # Names of people are not repeated: messages end up in logs.
        raise LedgerError(
            "page_users_wrong",
            f"Tệp phân quyền trang Tình hình có lỗi: {'; '.join(wrong)}.",
            "Sửa các dòng nêu trên; khi còn lỗi thì không ai được xem.",
        )
    return users


def load_users(file: Path) -> dict[str, Reader]:
    """The map from ``page_users.csv``; empty when there is no such file."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return read_users(csv.DictReader(lines))
    except FileNotFoundError:
        return {}
    except (UnicodeDecodeError, csv.Error) as error:
        raise LedgerError(
            "page_users_wrong",
            "Không đọc được tệp phân quyền trang Tình hình.",
            "Lưu lại tệp dạng CSV, mã UTF-8, cột user_name,role,unit_code,estate_codes.",
        ) from error


def reader_of(file: Path, user_name: str) -> Reader:
    """What the file says of a person now; raise NotOnTheList when it does not name him."""
    found = load_users(file).get(user_name)
    if found is None:
        raise NotOnTheList
    return found
