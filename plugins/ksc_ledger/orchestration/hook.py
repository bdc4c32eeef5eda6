"""The Airflow connection ``ksc``: from its form to an Endpoint, and a "Test" that means something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.hook import BaseHook

from ksc_ledger import settings as settings_module
from ksc_ledger.errors import LedgerError

if TYPE_CHECKING:
    from ksc_ledger.sources.endpoint import Budget, Endpoint

DEFAULT_PORT = 13299
NAMELESS = "ksc"  # the server of a form that is tested before it is saved
TEST_SECONDS = 20.0


class KscHook(BaseHook):
    """One Kaspersky Security Center server, by its Airflow connection ``ksc_<server_code>``."""

    conn_name_attr = "ksc_conn_id"
    default_conn_name = "ksc_default"
    conn_type = "ksc"
    hook_name = "Kaspersky Security Center"

    def __init__(self, ksc_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ksc_conn_id = ksc_conn_id

    def endpoint(self) -> Endpoint:
        """The server behind the connection. Raises LedgerError naming the field that is wrong."""
        from ksc_ledger.sources.endpoint import Endpoint

        connection = self.get_connection(self.ksc_conn_id)
        extra: Mapping[str, Any] = connection.extra_dejson
        if not connection.host or not connection.login or not connection.password:
            raise LedgerError(
                "connection_incomplete",
                f"Kết nối {self.ksc_conn_id} chưa đủ địa chỉ, tài khoản và mật khẩu.",
                "Mở Admin → Connections, điền đủ các ô rồi bấm Test.",
            )
        ca_file = str(extra.get("ca_file") or "").strip()
        pins = str(extra.get("certificate_sha256") or "").replace(":", "").lower()
        return Endpoint(
            server_code=self._server_code(),
            host=connection.host,
            port=connection.port or DEFAULT_PORT,
            login=connection.login,
            password=connection.password,
            ca_file=Path(ca_file) if ca_file else None,
            certificate_sha256=tuple(pin.strip() for pin in pins.split(",") if pin.strip()),
            server_hostname=str(extra.get("server_hostname") or "").strip() or None,
            internal_user=_is_true(extra.get("internal_user", True)),
            domain=str(extra.get("domain") or "").strip() or None,
        )

    def _server_code(self) -> str:
        """From the connection's id; the form's Test runs under an id that Airflow makes up."""
        prefix, _, code = self.ksc_conn_id.partition("_")
        return code if prefix == "ksc" and code else NAMELESS

    def get_conn(self) -> Endpoint:
        return self.endpoint()

    def test_connection(self) -> tuple[bool, str]:
        """Log in, ask the server its version, log out. One login: accounts lock.

        Takes TEST_SECONDS at most, for somebody waits for it in front of the form.
        """
        from ksc_ledger.sources.client import KscClient

        try:
            endpoint = self.endpoint()
            patience = replace(budget(), server_seconds=TEST_SECONDS)
            with KscClient(
                endpoint, patience, archive=None, now=lambda: datetime.now(UTC)
            ) as client:
                info = client.server_info()
        except LedgerError as error:
            return False, self._of_this_form(str(error))
        version = info.product_version or "không rõ"
        return True, f"Đã đăng nhập; máy chủ chạy phiên bản {version}."

    def _of_this_form(self, text: str) -> str:
        """A form that is not saved yet has no connection's name that could be looked for."""
        made_up = f"kết nối ksc_{NAMELESS}"
        return text.replace(made_up, "kết nối này") if self._server_code() == NAMELESS else text


def budget() -> Budget:
    """The limits of time and size of one server, from the settings."""
    from ksc_ledger.sources.endpoint import Budget

    settings = settings_module.load()
    return Budget(
        connect_seconds=settings.connect_timeout_seconds,
        read_seconds=settings.read_timeout_seconds,
        call_seconds=settings.call_timeout_seconds,
        server_seconds=settings.server_budget_seconds,
        max_body_bytes=settings.max_body_bytes,
    )


def _is_true(value: object) -> bool:
    return str(value).strip().lower() not in {"0", "false", "no", "none", ""}
