"""``ksc-ledger init``: everything a deployment needs before its services start; safe at every start.

What people changed afterwards stays: a pool's slots, a password, a connection that was filled in on
Airflow's page. The exception is a connection with a file of its own: the file wins.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ksc_ledger.clock import clock_of, vietnamese_date
from ksc_ledger.errors import LedgerError
from ksc_ledger.ops_room.access import OF_ESTATES, USER_COLUMNS, Role
from ksc_ledger.settings import Settings

_FIELDS = frozenset({"conn_type", "host", "port", "login", "password", "extra", "description"})
MAIL_CONNECTIONS = {
    "smtp_alerts": "Máy chủ thư: cảnh báo và thư gửi đơn vị",
    "smtp_engineers": "Máy chủ thư: thư gửi nhóm kỹ thuật",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A connection as it is to be. ``is_from_file``: it replaces what is there."""

    connection_id: str
    description: str
    conn_type: str
    values: Mapping[str, Any]
    is_from_file: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    user_name: str
    role: Role


def people(text: str) -> list[Person]:
    """Read ``name:role name:role``. Raises LedgerError on a role that is none of the four."""
    found: list[Person] = []
    for word in text.split():
        name, _, role = word.partition(":")
        try:
            found.append(Person(user_name=name, role=Role(role)))
        except ValueError:
            raise LedgerError(
                "initial_user_wrong",
                f"Người dùng ban đầu «{word}» không đúng dạng tên:vai_trò.",
                f"Vai trò là một trong: {', '.join(Role)}.",
            ) from None
    return found


def begin(
    settings: Settings,
    *,
    private: Path,
    connection_folders: Iterable[Path],
    wanted_people: Iterable[Person],
    passwords_file: Path,
) -> Iterator[str]:
    """Do it step by step, and say of each what was done. No secret is ever said.

    ``private`` may hold ``contacts.csv`` and ``page_users.csv``; they are taken over when the home has
    none. Each connection folder may hold ``<connection_id>.json``. Raises LedgerError.
    """
    from ksc_ledger.registry import in_force
    from ksc_ledger.state import open_state
    from ksc_ledger.state.database import HEAD

    open_state(settings.state_url).dispose()
    yield f"Cơ sở dữ liệu vận hành: phiên bản {HEAD}."
    registry = in_force(settings).registry
    today = vietnamese_date(clock_of(settings.places).now())
    servers = registry.servers_on(today)
    yield (
        f"Danh mục: phiên bản {registry.sha256[:12]}, {len(registry.estates)} địa bàn, "
        f"{len(servers)} máy chủ đang hoạt động."
    )
    _migrate_airflow()
    yield "Cơ sở dữ liệu của Airflow: đã ở phiên bản mới nhất."
    folk = list(wanted_people)
    yield from _people_and_roles(folk, passwords_file)
    yield _pools()
    pushing = registry.pushing_on(today)  # nobody connects to these
    asked = [one for one in servers if one.server_code not in pushing]
    by_id = {one.connection_id: one for one in _placeholders(asked)}
    by_id |= {one.connection_id: one for one in from_files(connection_folders)}
    yield _connections(list(by_id.values()))
    yield _contacts(settings.contacts, private / "contacts.csv")
    yield _page_users(settings.page_users, private / "page_users.csv", folk)


def from_files(folders: Iterable[Path]) -> list[Wanted]:
    """The connections that have files. Raises LedgerError naming the file that is wrong."""
    found: list[Wanted] = []
    for file in sorted(file for folder in folders for file in folder.glob("*.json")):
        try:
            values = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise _wrong_file(file, "không đọc được hoặc không phải JSON") from error
        if not isinstance(values, dict) or not values.keys() <= _FIELDS:
            raise _wrong_file(file, f"chỉ được có các mục {', '.join(sorted(_FIELDS))}")
        prefix = file.stem.partition("_")[0]
        found.append(
            Wanted(
                connection_id=file.stem,
                description=str(values.pop("description", "")),
                conn_type=str(values.pop("conn_type", prefix)),
                values=values,
                is_from_file=True,
            )
        )
    return found


def _wrong_file(file: Path, why: str) -> LedgerError:
    # The content is not repeated: it may hold a password.
    return LedgerError(
        "connection_file_wrong",
        f"Tệp kết nối {file}: {why}.",
        "Xem mẫu trong docs/deployment.md; tên tệp là mã kết nối, ví dụ ksc_dtp.json.",
    )


def _placeholders(servers: Iterable[Any]) -> Iterator[Wanted]:
    """Every server of the registry gets a connection to be filled in, and so do the mail relays."""
    for server in servers:
        yield Wanted(
            connection_id=f"ksc_{server.server_code}",
            description=server.server_name,
            conn_type="ksc",
            values={},
            is_from_file=False,
        )
    for connection_id, description in MAIL_CONNECTIONS.items():
        yield Wanted(
            connection_id=connection_id,
            description=description,
            conn_type="smtp",
            values={},
            is_from_file=False,
        )


def _migrate_airflow() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LedgerError(
            "airflow_migrate_failed",
            f"Airflow không tạo được cơ sở dữ liệu của nó:\n{(done.stdout + done.stderr)[-3000:]}",
            "Kiểm tra PostgreSQL và tệp bí mật airflow_database_url.",
        )


def _people_and_roles(folk: Iterable[Person], passwords_file: Path) -> Iterator[str]:
    from ksc_ledger.deployment import roles

    with roles.security_manager() as manager:
        changed = roles.apply(manager)
        yield f"Vai trò: cấp thêm {changed.given}, thu hồi {changed.taken} quyền."
        new = [one for one in folk if not manager.find_user(username=one.user_name)]
        passwords = _passwords(passwords_file) if new else {}
        for one in new:
            password = passwords.get(one.user_name)
            if not password:
                raise LedgerError(
                    "initial_password_missing",
                    f"Chưa có mật khẩu ban đầu của {one.user_name} trong {passwords_file}.",
                    "Chạy lại bước tạo tệp bí mật (ksc-ledger keys) rồi khởi động lại.",
                )
            manager.add_user(
                one.user_name,
                one.user_name,
                str(one.role),
                f"{one.user_name}@ksc-ledger.example",
                manager.find_role(str(one.role)),
                password,
            )
        if new:
            names = ", ".join(one.user_name for one in new)
            yield (
                f"Người dùng mới: {names}; mật khẩu ban đầu nằm trong {passwords_file} "
                "(trên máy chủ: secrets/initial_passwords.json)."
            )
        wider = roles.wider_people(manager)
        if wider:
            yield f"CẢNH BÁO: tài khoản có vai trò rộng hơn quy định: {', '.join(wider)}."


def _passwords(file: Path) -> dict[str, str]:
    try:
        return dict(json.loads(file.read_text("utf-8")))
    except FileNotFoundError:
        return {}


def _pools() -> str:
    from airflow.models.pool import Pool as AirflowPool
    from airflow.utils.session import create_session

    from ksc_ledger.orchestration.defaults import POOL_SLOTS

    new: list[str] = []
    with create_session() as session:
        known = {name for (name,) in session.query(AirflowPool.pool)}
        for pool, slots in POOL_SLOTS.items():
            if str(pool) not in known:
                session.add(
                    AirflowPool(
                        pool=str(pool),
                        slots=slots,
                        description="KSC Ledger",
                        include_deferred=False,
                    )
                )
                new.append(f"{pool} ({slots})")
    return f"Pool: {', '.join(new) or 'đã có đủ'}."


def _connections(wanted: Iterable[Wanted]) -> str:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    made = changed = 0
    open_ones: list[str] = []
    with create_session() as session:
        known = {one.conn_id: one for one in session.query(Connection)}
        for one in wanted:
            there = known.get(one.connection_id)
            if there is None:
                there = Connection(conn_id=one.connection_id, conn_type=one.conn_type)
                there.description = one.description
                session.add(there)
                made += 1
            elif one.is_from_file:
                changed += 1
            if one.is_from_file:
                there.conn_type = one.conn_type
                there.host = one.values.get("host")
                there.port = one.values.get("port")
                there.login = one.values.get("login")
                there.set_password(one.values.get("password"))
                there.set_extra(json.dumps(one.values.get("extra", {})))
            if not there.host:
                open_ones.append(one.connection_id)
    said = f"Kết nối: tạo mới {made}, ghi lại theo tệp {changed}"
    if open_ones:
        said += (
            f"; chưa có địa chỉ: {', '.join(sorted(open_ones))} (điền trong Admin → Connections)"
        )
    return f"{said}."


def _contacts(target: Path, given: Path) -> str:
    if target.exists():
        return f"Danh bạ: giữ nguyên {target}."
    if not given.is_file():
        return f"Danh bạ: CHƯA CÓ {target}; chưa có nó thì không thư nào gửi được."
    _write_private(target, given.read_text("utf-8-sig"))
    return f"Danh bạ: nhập lần đầu từ {given} vào {target}."


def _page_users(target: Path, given: Path, folk: Iterable[Person]) -> str:
    """The initial users see the page; an officer's unit and estates, only the file can say."""
    if target.exists():
        return f"Quyền xem trang Tình hình: giữ nguyên {target}."
    rows = {
        one.user_name: {"user_name": one.user_name, "role": str(one.role)}
        for one in folk
        if one.role is not Role.UNIT_OFFICER and one.role not in OF_ESTATES
    }
    if given.is_file():
        with given.open(encoding="utf-8-sig", newline="") as lines:
            rows |= {row["user_name"]: row for row in csv.DictReader(lines)}
    text = "\n".join(
        ",".join(str(row.get(name) or "") for name in USER_COLUMNS) for row in rows.values()
    )
    _write_private(target, ",".join(USER_COLUMNS) + f"\n{text}\n")
    return f"Quyền xem trang Tình hình: {len(rows)} người trong {target}."


def _write_private(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
