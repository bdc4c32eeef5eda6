"""``ksc-ledger erase``: a person's data out of everything that the system holds, and a record of it.

What is looked for is a text: a user name, a name, an address. It is taken out of free text; names of
machines and codes are left alone, so figures stay as they are.
"""

from __future__ import annotations

import csv
import email
import email.policy
import hashlib
import io
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from ksc_ledger.clock import clock_of
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing.erasing import erase_in_files
from ksc_ledger.settings import Settings
from ksc_ledger.state import open_state
from ksc_ledger.state.erasing import erase_text
from ksc_ledger.warehouse import backup
from ksc_ledger.warehouse.engine import Connection, attach, connect, one, quoted, transaction
from ksc_ledger.warehouse.lake import Turns, lake_of
from ksc_ledger.warehouse.lake_upkeep import forget_past
from ksc_ledger.warehouse.publisher import editions, mask_salt, publish
from ksc_ledger.warehouse.unit_files import publish_units
from ksc_ledger.warehouse.writer import lock, writer

REPLACEMENT = "[đã xóa]"
SHORTEST = 4
LOG = "erasures.jsonl"
_NOT_FREE = re.compile(
    r"^(?:display_name|netbios_name|dns_name|dns_label|fqdn|suggested_name|group_path|mac_address"
    r"|serial_number|status|severity|suite|expectation|outcome|state|cause)$"
    r"|_(?:code|codes|id|sha256|kind|role|version|key|serial)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How much was found where, by a Vietnamese name of the place. ``left``: to be seen to by hand."""

    counts: Mapping[str, int]
    left: tuple[str, ...]

    def __str__(self) -> str:
        said = ", ".join(f"{place} {count}" for place, count in self.counts.items() if count)
        lines = [f"Đã xóa: {said or 'không tìm thấy ở đâu'}."]
        if self.left:
            lines.append("Cần xem bằng tay: " + "; ".join(self.left) + ".")
        return "\n".join(lines)


def erase(
    settings: Settings, text: str, *, code_version: str, now: datetime | None = None
) -> Erased:
    """Take a text, whatever its case, out of contacts, state, landing, warehouse, marts and backups.

    Readers see a new version of the marts without it, and every older version is removed; so is
    every backup, after a new one was made. The text itself is not written down anywhere: the record
    in ``state/erasures.jsonl`` has a salted hash, so that one can show later that it was done.
    Letters and files that units sent are documents of record and only told. May be run again.

    Raises LedgerError when the text is too short to mean one person.
    """
    wanted = unicodedata.normalize("NFC", text).strip()
    if len(wanted) < SHORTEST:
        raise LedgerError(
            "erase_text_too_short",
            f"Cần ít nhất {SHORTEST} ký tự để không xóa nhầm dữ liệu của người khác.",
            "Ghi tên đăng nhập, họ tên đầy đủ hoặc địa chỉ thư.",
        )
    places = settings.places
    counts = {
        "dòng danh bạ": _erase_contacts(settings.contacts, wanted),
        "dòng vận hành": _erase_state(settings, wanted),
        "tệp đã tải": len(erase_in_files(places, wanted, REPLACEMENT)),
        "tệp Parquet": _erase_parquet(settings, wanted),
        "thư": _erase_mail(places.mail, wanted),
    }
    if places.warehouse_file.exists():
        counts["ô trong kho"] = _erase_warehouse(settings, wanted)
        _publish_anew(settings)
        counts["bản sao lưu cũ"] = _back_up_anew(settings, code_version)
    left = tuple(_left(settings, wanted))
    _record(settings, wanted, counts, left, now if now is not None else clock_of(places).now())
    return Erased(counts=counts, left=left)


def _erase_contacts(file: Path, text: str) -> int:
    if not file.exists():
        return 0
    raw = file.read_text("utf-8-sig")
    reader = csv.DictReader(io.StringIO(raw))
    rows = list(reader)
    kept = [
        row for row in rows if not any(_holds(str(value or ""), text) for value in row.values())
    ]
    if len(kept) < len(rows):
        made = io.StringIO()
        written = csv.DictWriter(made, reader.fieldnames or [], lineterminator="\n")
        written.writeheader()
        written.writerows(kept)
        beside = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(made.getvalue())
        beside.replace(file)
    return len(rows) - len(kept)


def _erase_state(settings: Settings, text: str) -> int:
    engine = open_state(settings.state_url)
    try:
        return erase_text(engine, text, REPLACEMENT)
    finally:
        engine.dispose()


def _erase_parquet(settings: Settings, text: str) -> int:
    """Rewrite the typed files in which a column of text holds it."""
    con = connect(settings)
    changed = 0
    try:
        for path in sorted((settings.home / "landing").rglob("*.parquet")):
            source = f"read_parquet({quoted(str(path))})"
            columns = con.execute(f"describe select * from {source}").fetchall()
            words = [
                name for name, kind, *_ in columns if kind == "VARCHAR" and _is_free_text(name)
            ]
            if not words or not one(con, _count(source, words, text))[0]:
                continue
            beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            mode = path.stat().st_mode & 0o777
            replaced = ", ".join(f'{_replaced(name, text)} as "{name}"' for name in words)
            con.execute(
                f"copy (select * replace ({replaced}) from {source}) to {quoted(str(beside))}"
                " (format parquet, compression zstd)"
            )
            beside.chmod(mode)
            beside.replace(path)
            changed += 1
    finally:
        con.close()
    return changed


def _erase_warehouse(settings: Settings, text: str) -> int:
    """Change every cell that holds it, then write the files anew, so that no block keeps it."""
    file = settings.places.warehouse_file
    with writer(settings) as con:
        with transaction(con):
            cells = _erase_tables(con, "wh", text)
        con.execute("checkpoint wh")
        if lake_of(settings) is not None:
            shared = Turns(con).take(lambda: _erase_tables(con, "lake", text))
            if shared:
                forget_past(con)
            cells += shared
    for old in file.parent.glob("ledger.before_rebuild.duckdb*"):
        old.unlink()
    if not cells:
        return 0
    fresh = file.with_name("ledger.erased.duckdb")
    with lock(settings):
        fresh.unlink(missing_ok=True)
        con = connect(settings)
        try:
            attach(con, file, "wh", read_only=True)
            attach(con, fresh, "fresh")
            con.execute("copy from database wh to fresh")
            con.execute("checkpoint fresh")
        finally:
            con.close()
        fresh.replace(file)
    return cells


def _erase_tables(con: Connection, catalog: str, text: str) -> int:
    rows = con.execute(
        "select schema_name, table_name, list(column_name) from duckdb_columns()"
        " inner join duckdb_tables() using (database_name, schema_name, table_name)"
        " where database_name = ? and data_type = 'VARCHAR' group by all",
        [catalog],
    ).fetchall()
    cells = 0
    for schema, table, columns in rows:
        for column in filter(_is_free_text, columns):
            (changed,) = one(
                con,
                f'update {catalog}."{schema}"."{table}" set "{column}" = {_replaced(column, text)}'
                f" where {_holds_sql(column, text)}",
            )
            cells += int(str(changed))
    return cells


def _publish_anew(settings: Settings) -> None:
    """A version without the text; all older ones are removed, those that are still open included."""
    places = settings.places
    if not places.named_marts_file.exists():
        return
    publish(settings)
    for edition in editions(places):
        for old in edition.versions:
            if old != edition.link.resolve():
                old.unlink()
    units = places.marts / "units"
    if units.exists():
        shutil.rmtree(units)
        publish_units(settings)


def _back_up_anew(settings: Settings, code_version: str) -> int:
    old = backup.backups(settings.places)
    if old:
        backup.back_up(settings, code_version=code_version)
        for folder in old:
            shutil.rmtree(folder)
    return len(old)


def _erase_mail(folder: Path, text: str) -> int:
    """Remove the rehearsal's mails that hold it; real mails are with the relay."""
    removed = 0
    for path in sorted(folder.rglob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        if isinstance(message, EmailMessage) and _holds(_words_of(message), text):
            path.unlink()
            removed += 1
    return removed


def _words_of(message: EmailMessage) -> str:
    words = [str(value) for value in message.values()]
    words += [
        str(part.get_content()) for part in message.walk() if part.get_content_maintype() == "text"
    ]
    return "\n".join(words)


def _left(settings: Settings, text: str) -> list[str]:
    """Where the text may still be, and only a person can decide."""
    home = settings.home
    found = [str(path.relative_to(home)) for path in sorted(home.glob("before_restore-*"))]
    found += [
        f"{folder.relative_to(home)}/ (văn bản, tệp của đơn vị)"
        for folder in (settings.places.inbox, settings.places.letters)
        if any(path.is_file() for path in folder.rglob("*"))
    ]
    named = any(
        _holds(path.read_text("utf-8", "replace"), text)
        for path in settings.registry.rglob("*.csv")
    )
    if named:
        found.append(f"{settings.registry} (danh mục không được ghi tên người)")
    return found


def _record(
    settings: Settings, text: str, counts: Mapping[str, int], left: tuple[str, ...], now: datetime
) -> None:
    salted = f"{mask_salt(settings.places)}:{text.casefold()}"
    line = {
        "at": now.astimezone(UTC).isoformat(),
        "text_sha256": hashlib.sha256(salted.encode()).hexdigest(),
        "counts": dict(counts),
        "left": list(left),
    }
    file = settings.places.state / LOG
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    with os.fdopen(descriptor, "a", encoding="utf-8") as opened:
        opened.write(json.dumps(line, ensure_ascii=False) + "\n")
        opened.flush()
        os.fsync(opened.fileno())


def _is_free_text(column: str) -> bool:
    """Names of machines are the machines' own: figures rest on them, and renaming is the remedy.

    Our codes and ids hold nobody's data, and a short text may stand in one by chance.
    """
    return not _NOT_FREE.search(column)


def _holds(value: str, text: str) -> bool:
    return text.casefold() in unicodedata.normalize("NFC", value).casefold()


def _holds_sql(column: str, text: str) -> str:
    return f'contains(lower("{column}"), lower({quoted(text)}))'


def _replaced(column: str, text: str) -> str:
    pattern = quoted("(?i)" + re.escape(text))
    return f"regexp_replace(\"{column}\", {pattern}, {quoted(REPLACEMENT)}, 'g')"


def _count(source: str, columns: list[str], text: str) -> str:
    return f"select count(*) from {source} where " + " or ".join(
        _holds_sql(column, text) for column in columns
    )
