"""The form's Test keeps to what collecting keeps to: a refused account is not tried again.

A form that is tested runs under a name that Airflow makes up, so its server is known by address:
refusals of a form are held under ``form_<digest of host and port>``, and what collecting was refused
is recognised by the account's fingerprint and the saved connection's address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from ksc_ledger.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ksc_ledger.sources.endpoint import Endpoint

# The host and port of the saved connection of a server; None where there is none.
Saved = Callable[[str], tuple[str, int] | None]


def by_address(endpoint: Endpoint) -> Endpoint:
    """The endpoint under the name of its address, for one whose server's code is not known."""
    address = hashlib.sha256(f"{endpoint.host}:{endpoint.port}".encode()).hexdigest()
    return replace(endpoint, server_code=f"form_{address[:24]}")


def refuse_held(engine: Engine, endpoint: Endpoint, saved: Saved) -> None:
    """Raise LedgerError when this account was refused by this server before, and has not changed.

    ``endpoint`` carries the server's code, or the name of its address.
    """
    from ksc_ledger.state import accounts

    for held in accounts.held(engine):
        if held.server_code != endpoint.server_code:
            is_here = endpoint.server_code.startswith("form_") and saved(held.server_code) == (
                endpoint.host,
                endpoint.port,
            )
            if not is_here:
                continue
        if replace(endpoint, server_code=held.server_code).fingerprint == held.fingerprint:
            raise LedgerError(
                "account_held",
                f"Tài khoản này đã bị máy chủ {endpoint.host}:{endpoint.port} từ chối ở lần trước "
                "nên không thử lại, để tránh khóa tài khoản.",
                "Sửa tài khoản hoặc mật khẩu rồi bấm Test. Nếu mật khẩu vẫn đúng (tài khoản vừa được "
                f"mở khóa) thì chạy: ksc-ledger accounts resume {held.server_code}.",
            )


def hold(engine: Engine, endpoint: Endpoint, reason: str, at: datetime) -> None:
    """Remember a refusal, so that the next press of the button is not another wrong password."""
    from ksc_ledger.state import accounts

    accounts.hold(engine, endpoint.server_code, endpoint.fingerprint, reason, at)
