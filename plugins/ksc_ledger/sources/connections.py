"""From the fields of a connection, however it is kept, to the server that is meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ksc_ledger.errors import LedgerError
from ksc_ledger.sources.endpoint import DEFAULT_PORT, Endpoint

_NO = frozenset({"0", "false", "no", "none", ""})


def endpoint_of(
    connection_id: str,
    server_code: str,
    *,
    host: str | None,
    port: int | None,
    login: str | None,
    password: str | None,
    extra: Mapping[str, Any],
) -> Endpoint:
    """The server behind a connection of type ``ksc``; LedgerError names the field that is wrong."""
    if not host or not login or not password:
        raise LedgerError(
            "connection_incomplete",
            f"Kết nối {connection_id} chưa đủ địa chỉ, tài khoản và mật khẩu.",
            "Mở Admin → Connections, điền đủ các ô rồi bấm Test.",
        )
    ca_file = str(extra.get("ca_file") or "").strip()
    pins = str(extra.get("certificate_sha256") or "").replace(":", "").lower()
    return Endpoint(
        server_code=server_code,
        host=host,
        port=port or DEFAULT_PORT,
        login=login,
        password=password,
        ca_file=Path(ca_file) if ca_file else None,
        certificate_sha256=tuple(pin.strip() for pin in pins.split(",") if pin.strip()),
        server_hostname=str(extra.get("server_hostname") or "").strip() or None,
        internal_user=str(extra.get("internal_user", True)).strip().lower() not in _NO,
        domain=str(extra.get("domain") or "").strip() or None,
    )
