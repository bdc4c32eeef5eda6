"""Who holds a role. The registry names roles; people live in ``contacts.csv`` outside it."""

from __future__ import annotations

import csv
import re
import stat
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ksc_ledger.errors import LedgerError
from ksc_ledger.state.outbox import Recipient

CONTACT_COLUMNS = ("role", "unit_code", "name", "address")

# Deliberately narrower than the standard: what a relay of an office takes without extensions.
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}")
_CODE = re.compile(r"[a-z0-9_]{2,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One person or mailbox that holds ``role`` for ``unit_code`` and the units below it."""

    role: str
    unit_code: str
    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Contacts and the tree of units. ``parents`` maps a unit to the one above it."""

    contacts: tuple[Contact, ...]
    parents: Mapping[str, str | None] = field(default_factory=dict)

    def recipients(self, role: str, unit_code: str) -> list[Recipient]:
        """Who holds the role nearest to the unit: its own people, else those of a unit above."""
        here: str | None = unit_code
        seen: set[str] = set()
        while here is not None and here not in seen:
            seen.add(here)
            found = {
                contact.address: Recipient(address=contact.address, name=contact.name)
                for contact in self.contacts
                if contact.role == role and contact.unit_code == here
            }
            if found:
                return [found[address] for address in sorted(found)]
            here = self.parents.get(here)
        return []


def read_contacts(rows: Iterable[Mapping[str, str]]) -> list[Contact]:
    """Contacts from rows of ``contacts.csv``; raise LedgerError naming every row that is wrong."""
    contacts: list[Contact] = []
    wrong: list[str] = []
    for number, row in enumerate(rows, start=2):
        cells = {name: (row.get(name) or "").strip() for name in CONTACT_COLUMNS}
        name = unicodedata.normalize("NFC", cells["name"])
        if not _ADDRESS.fullmatch(cells["address"]):
            wrong.append(f"dòng {number}: địa chỉ thư không hợp lệ")
        elif not (_CODE.fullmatch(cells["role"]) and _CODE.fullmatch(cells["unit_code"])):
            wrong.append(f"dòng {number}: vai trò hoặc mã đơn vị không hợp lệ")
        elif any(unicodedata.category(character).startswith("C") for character in name):
            wrong.append(f"dòng {number}: tên có ký tự điều khiển")
        else:
            contacts.append(
                Contact(
                    role=cells["role"],
                    unit_code=cells["unit_code"],
                    name=name,
                    address=cells["address"].lower(),
                )
            )
    if wrong:
        # The rows' content is not repeated: it is personal data, and messages end up in logs.
        raise LedgerError(
            "contacts_wrong",
            f"contacts.csv có {len(wrong)} dòng sai: {'; '.join(wrong)}.",
            "Mỗi dòng cần role, unit_code, name và một địa chỉ thư dạng ten@donvi.example.",
        )
    return contacts


def load_contacts(path: Path) -> list[Contact]:
    """Read ``contacts.csv``; refuse a file that others than its owner can read."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise LedgerError(
                "contacts_readable_by_others",
                f"Tệp {path.name} chứa dữ liệu cá nhân nhưng người khác cũng đọc được.",
                f"Chạy: chmod 600 {path}",
            )
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(
            "contacts_unreadable",
            f"Không đọc được danh bạ {path.name}.",
            "Kiểm tra đường dẫn, quyền đọc và lưu tệp ở bảng mã UTF-8.",
        ) from error
    reader = csv.DictReader(text.splitlines())
    missing = set(CONTACT_COLUMNS) - set(reader.fieldnames or ())
    if missing:
        raise LedgerError(
            "contacts_columns_missing",
            f"contacts.csv thiếu cột: {', '.join(sorted(missing))}.",
            f"Dòng đầu tiên phải là {','.join(CONTACT_COLUMNS)}.",
        )
    return read_contacts(reader)
