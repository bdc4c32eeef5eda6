"""The secrets of a deployment as files: made once, never printed, never overwritten.

Each file holds one secret and nothing else, 0640: its owner is the folder's, its group 0, which is the
group of every service of docker-compose.yaml. Standard library only: it runs before anything else does.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ksc_ledger.errors import LedgerError

FILE_MODE = 0o640
INITIAL_PASSWORDS = "initial_passwords.json"
_PASSWORD_BYTES = 15  # 20 characters


def _password() -> str:
    return secrets.token_urlsafe(_PASSWORD_BYTES)


# Each with what it is for, as an administrator reads it.
RANDOM: Mapping[str, tuple[str, Callable[[], str]]] = {
    "fernet_key": (
        "mã hóa mật khẩu của các kết nối trong Airflow",
        lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    ),
    "jwt_secret": ("ký thẻ truy cập giữa các thành phần", lambda: secrets.token_hex(48)),
    "api_secret_key": ("ký phiên làm việc của người dùng", lambda: secrets.token_hex(32)),
    "postgres_password": ("tài khoản quản trị PostgreSQL", _password),
    "airflow_db_password": ("cơ sở dữ liệu của Airflow", _password),
    "ledger_db_password": ("cơ sở dữ liệu vận hành", _password),
    "redis_password": ("hàng đợi tác vụ của Celery (Redis)", _password),
}
# Made from a password above; one that is there already (a database or a broker elsewhere) stays.
URLS: Mapping[str, tuple[str, str]] = {
    "airflow_database_url": ("airflow_db_password", "postgresql+psycopg://airflow:{}@{}/airflow"),
    "state_url": ("ledger_db_password", "postgresql+psycopg://ledger:{}@{}/ledger"),
    "broker_url": ("redis_password", "redis://:{}@redis:6379/0"),
}
# Given by others; an empty one means: none.
FROM_OUTSIDE: Mapping[str, str] = {"watchdog_relay_password": "máy chủ thư của tiến trình giám sát"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Names of files; what they hold is nowhere but in them."""

    new: tuple[str, ...]
    kept: tuple[str, ...]


def make(folder: Path, database: str, users: Iterable[str]) -> Made:
    """Make what is missing. ``database``: host and port; ``users``: who gets a first password.

    A user who was given one before keeps it; passwords of users who are gone stay until the file is
    taken away. Raises LedgerError when the folder cannot be written.
    """
    new: list[str] = []
    kept: list[str] = []

    def need(name: str, content: Callable[[], str]) -> None:
        file = folder / name
        if file.exists():
            kept.append(name)
            return
        _write(file, content())
        new.append(name)

    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        for name, (_, content) in RANDOM.items():
            need(name, content)
        for name in URLS:
            need(name, partial(_url, name, folder, database))
        for name in FROM_OUTSIDE:
            need(name, str)
        known = _passwords(folder)
        missing = [user for user in users if user not in known]
        if missing:
            _write(
                folder / INITIAL_PASSWORDS,
                json.dumps(known | {user: _password() for user in missing}, indent=1),
            )
        (new if missing else kept).append(INITIAL_PASSWORDS)
    except OSError as error:
        raise LedgerError(
            "secrets_not_written",
            f"Không ghi được tệp bí mật vào {folder} ({error.strerror}).",
            "Tạo thư mục đó (chmod 750) và cho phép ghi, rồi chạy lại.",
        ) from error
    return Made(new=tuple(new), kept=tuple(kept))


def _url(name: str, folder: Path, database: str) -> str:
    password, pattern = URLS[name]
    return pattern.format(_read(folder / password), database)


def _passwords(folder: Path) -> dict[str, str]:
    file = folder / INITIAL_PASSWORDS
    return dict(json.loads(file.read_text("utf-8"))) if file.exists() else {}


def _read(file: Path) -> str:
    return file.read_text("utf-8").strip()


def _write(file: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    beside = file.with_name(f".{file.name}.tmp")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    if os.getuid() == 0:
        os.chown(beside, file.parent.stat().st_uid, 0)
    beside.chmod(FILE_MODE)
    beside.replace(file)
