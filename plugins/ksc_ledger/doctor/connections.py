"""Where the connections are kept that the doctor tries: Airflow, or a file that Airflow exported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ksc_ledger.errors import LedgerError
from ksc_ledger.sources.connections import endpoint_of
from ksc_ledger.sources.endpoint import Endpoint

SERVER_PREFIX = "ksc_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A connection's fields, as Airflow names them."""

    conn_type: str | None = None
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def endpoint(self, connection_id: str, server_code: str) -> Endpoint:
        """The server behind it; LedgerError names the field that is wrong."""
        return endpoint_of(
            connection_id,
            server_code,
            host=self.host,
            port=self.port,
            login=self.login,
            password=self.password,
            extra=self.extra,
        )


class Connections(Protocol):
    """``get`` gives None for a connection that is not there; both raise LedgerError otherwise."""

    def names(self) -> list[str]:
        """The ids that can be listed; one from a secrets backend may be missing here."""

    def get(self, connection_id: str) -> Kept | None: ...


class ConnectionsFile:
    """The JSON file that ``airflow connections export`` writes: id to fields.

    Or a folder with a file ``<connection_id>.json`` for each, as ``ksc-ledger init`` takes them.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept = _read(file)

    def names(self) -> list[str]:
        return sorted(self._kept)

    def get(self, connection_id: str) -> Kept | None:
        found = self._kept.get(connection_id)
        if found is None:
            return None
        try:
            return _kept(found)
        except (TypeError, ValueError) as error:
            raise self._wrong(connection_id) from error

    def _wrong(self, connection_id: str) -> LedgerError:
        return LedgerError(
            "connections_file_wrong",
            f"Kết nối {connection_id} trong tệp {self._file.name} không đúng dạng.",
            "Ghi dạng {“conn_type”, “host”, “port”, “login”, “password”, “extra”}, như lệnh airflow "
            "connections export.",
        )


def _read(file: Path) -> dict[str, Any]:
    if file.is_dir():
        return {one.stem: _json(one) for one in sorted(file.glob("*.json"))}
    found = _json(file)
    if not isinstance(found, dict):
        raise LedgerError(
            "connections_file_unreadable",
            f"Tệp kết nối {file} không phải là bảng từ mã kết nối tới các ô của nó.",
            "Tạo tệp bằng: airflow connections export ket-noi.json.",
        )
    return found


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise LedgerError(
            "connections_file_unreadable",
            f"Không đọc được tệp kết nối {file}.",
            "Tạo tệp bằng: airflow connections export ket-noi.json (tệp chứa mật khẩu, xóa ngay sau "
            "khi dùng).",
        ) from error


def _kept(fields: Any) -> Kept:
    if not isinstance(fields, dict):
        raise TypeError("not a table of fields")
    extra = fields.get("extra") or {}
    if isinstance(extra, str):
        extra = json.loads(extra)
    if not isinstance(extra, dict):
        raise TypeError("extra is no object")
    port = fields.get("port")
    return Kept(
        conn_type=_text(fields.get("conn_type")),
        host=_text(fields.get("host")),
        port=None if port in (None, "") else int(port),
        login=_text(fields.get("login")),
        password=_text(fields.get("password")),
        extra=extra,
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
