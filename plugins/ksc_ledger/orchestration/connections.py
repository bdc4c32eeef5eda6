"""Airflow's connections as a command of ours sees them, outside of any task."""

from __future__ import annotations

from collections.abc import Iterable

from airflow.configuration import conf
from airflow.exceptions import AirflowNotFoundException
from airflow.models.connection import Connection
from airflow.utils.session import create_session

from ksc_ledger.doctor.connections import Kept
from ksc_ledger.errors import LedgerError

_VARIABLE = "AIRFLOW_CONN_"


class AirflowConnections:
    """What Airflow itself would find: secrets backend, environment, metadata database.

    ``environment`` are the names of the process's environment variables. Raise LedgerError when the
    metadata database cannot be read.
    """

    def __init__(self, environment: Iterable[str]) -> None:
        self._listed = {
            name.removeprefix(_VARIABLE).lower()
            for name in environment
            if name.startswith(_VARIABLE)
        }
        try:
            with create_session() as session:
                self._listed |= {name for (name,) in session.query(Connection.conn_id).all()}
        except Exception as error:  # whatever a driver raises, it means: not readable
            raise LedgerError(
                "airflow_database_unreadable",
                f"Không đọc được các kết nối trong cơ sở dữ liệu của Airflow ({type(error).__name__}).",
                "Kiểm tra AIRFLOW__DATABASE__SQL_ALCHEMY_CONN và chạy airflow db migrate; hoặc chạy với "
                "--connections TỆP.",
            ) from error

    def names(self) -> list[str]:
        return sorted(self._listed)

    def get(self, connection_id: str) -> Kept | None:
        try:
            found = Connection.get_connection_from_secrets(connection_id)
        except AirflowNotFoundException:
            return None
        return Kept(
            conn_type=found.conn_type,
            host=found.host,
            port=found.port,
            login=found.login,
            password=found.password,
            extra=found.extra_dejson,
        )


def default_time_zone() -> str:
    return str(conf.get("core", "default_timezone"))
