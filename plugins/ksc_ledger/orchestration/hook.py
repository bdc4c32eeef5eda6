"""The Airflow connection ``ksc``: from its form to an Endpoint, and a "Test" that means something."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from ksc_ledger import settings as settings_module
from ksc_ledger.errors import FaultCode, LedgerError, SourceFault

if TYPE_CHECKING:
    from ksc_ledger.sources.endpoint import Budget, Endpoint
    from ksc_ledger.sources.records import ServerInfo

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
        from ksc_ledger.sources.connections import endpoint_of

        connection = self.get_connection(self.ksc_conn_id)
        return endpoint_of(
            self.ksc_conn_id,
            self._server_code(),
            host=connection.host,
            port=connection.port,
            login=connection.login,
            password=connection.password,
            extra=connection.extra_dejson,
        )

    def _server_code(self) -> str:
        """From the connection's id; the form's Test runs under an id that Airflow makes up."""
        prefix, _, code = self.ksc_conn_id.partition("_")
        return code if prefix == "ksc" and code else NAMELESS

    def get_conn(self) -> Endpoint:
        return self.endpoint()

    def test_connection(self) -> tuple[bool, str]:
        """Log in, ask the server its version, log out. One login: accounts lock.

        Takes TEST_SECONDS at most, for somebody waits for it in front of the form. An account that
        was refused before is not tried.
        """
        try:
            info = self._ask()
        except LedgerError as error:
            return False, self._of_this_form(str(error))
        version = info.product_version or "không rõ"
        return True, f"Đã đăng nhập; máy chủ chạy phiên bản {version}."

    def _ask(self) -> ServerInfo:
        from ksc_ledger.orchestration import refusals
        from ksc_ledger.sources.client import KscClient
        from ksc_ledger.state import open_state

        endpoint = self.endpoint()
        known_as = refusals.by_address(endpoint) if self._is_nameless else endpoint
        patience = replace(budget(), server_seconds=TEST_SECONDS)
        engine = open_state(settings_module.load().state_url)
        try:
            refusals.refuse_held(engine, known_as, self._saved)
            with KscClient(
                endpoint, patience, archive=None, now=lambda: datetime.now(UTC)
            ) as client:
                return client.server_info()
        except SourceFault as fault:
            if fault.fault_code is FaultCode.CREDENTIALS:
                refusals.hold(engine, known_as, str(fault), datetime.now(UTC))
            raise
        finally:
            engine.dispose()

    @property
    def _is_nameless(self) -> bool:
        return self._server_code() == NAMELESS

    def _saved(self, server_code: str) -> tuple[str, int] | None:
        """Where the saved connection of a server leads."""
        from ksc_ledger.sources.endpoint import DEFAULT_PORT

        try:
            found = self.get_connection(f"ksc_{server_code}")
        except AirflowNotFoundException:
            return None
        return str(found.host or ""), int(found.port or DEFAULT_PORT)

    def _of_this_form(self, text: str) -> str:
        """A form that is not saved yet has no connection's name that could be looked for."""
        made_up = f"kết nối ksc_{NAMELESS}"
        return text.replace(made_up, "kết nối này") if self._is_nameless else text


def budget() -> Budget:
    """The limits of time and size of one server, from the settings."""
    from ksc_ledger.sources.endpoint import Budget

    return Budget.of(settings_module.load())
