"""The relay that an Airflow connection of type SMTP describes, and how it is encrypted.

By default a connection is encrypted, and how is told by its port: 465 speaks TLS from the first
byte, every other one is asked for STARTTLS. A connection that does not keep to that says so in its
extras. Whatever was chosen is kept to: without it no mail and no password leaves (``outlets``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ksc_ledger.alerts.outlets import Relay, Security
from ksc_ledger.errors import LedgerError

TLS_PORT = 465
_USUAL_PORTS = {Security.TLS: TLS_PORT, Security.STARTTLS: 587, Security.NONE: 25}
_YES = frozenset({"true", "1", "yes", "on"})
_NO = frozenset({"false", "0", "no", "off", "none", ""})


def relay_of(
    connection_id: str,
    *,
    host: str | None,
    port: int | None,
    login: str | None,
    password: str | None,
    extra: Mapping[str, Any],
    usual_sender: str,
) -> Relay:
    """The relay of a connection; raise LedgerError when it cannot be meant as it stands.

    ``extra`` as Airflow's own SMTP connection has it (``disable_ssl``, ``disable_tls``,
    ``from_email``), and of ours ``security`` (``tls``, ``starttls``, ``none``) and ``ca_file``.
    """
    if not (host or "").strip():
        raise LedgerError(
            "smtp_host_missing",
            f"Kết nối thư {connection_id} chưa có địa chỉ máy chủ.",
            "Điền ô Host trong Admin → Connections.",
        )
    security = _security(connection_id, port, extra)
    ca_file = str(extra.get("ca_file") or "").strip()
    return Relay(
        host=(host or "").strip(),
        port=port or _USUAL_PORTS[security],
        bounce_address=str(extra.get("from_email") or usual_sender),
        security=security,
        login=login or None,
        password=password or None,
        ca_file=Path(ca_file) if ca_file else None,
    )


def _security(connection_id: str, port: int | None, extra: Mapping[str, Any]) -> Security:
    said = str(extra.get("security") or "").strip().lower()
    if said:
        try:
            return Security(said)
        except ValueError:
            raise LedgerError(
                "smtp_security_unknown",
                f"Kết nối thư {connection_id}: security «{said}» không phải là cách mã hóa được "
                "biết; không gửi thư nào.",
                "Ghi tls, starttls hoặc none; hoặc bỏ mục này để chọn theo cổng.",
            ) from None
    is_ssl_off = _is_yes(connection_id, extra, "disable_ssl")
    is_tls_off = _is_yes(connection_id, extra, "disable_tls")
    if is_ssl_off and is_tls_off:
        return Security.NONE
    if is_ssl_off:
        return Security.STARTTLS
    if is_tls_off:
        return Security.TLS
    return Security.TLS if port == TLS_PORT else Security.STARTTLS


def _is_yes(connection_id: str, extra: Mapping[str, Any], name: str) -> bool:
    """A switch as the form (a boolean) or a person (a word) wrote it; never a guess."""
    said = str(extra.get(name, "")).strip().lower()
    if said not in _YES | _NO:
        raise LedgerError(
            "smtp_extra_wrong",
            f"Kết nối thư {connection_id}: {name} phải là true hoặc false; không gửi thư nào.",
            "Sửa ô Extra của kết nối trong Admin → Connections.",
        )
    return said in _YES
