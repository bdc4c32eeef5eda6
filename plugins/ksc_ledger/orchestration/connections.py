"""Airflow's connections, pools and DAGs as a command of ours sees them, outside of any task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from airflow.configuration import conf
from airflow.exceptions import AirflowNotFoundException
from airflow.models.connection import Connection
from airflow.models.dag import DagModel
from airflow.models.pool import Pool
from airflow.utils.session import create_session

from ksc_ledger.doctor.connections import Kept
from ksc_ledger.doctor.installation import Installation
from ksc_ledger.errors import LedgerError
from ksc_ledger.orchestration.defaults import POOL_SLOTS
from ksc_ledger.settings import REPOSITORY

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
        with _told(), create_session() as session:
            self._listed |= {name for (name,) in session.query(Connection.conn_id).all()}

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


def installation() -> Installation:
    """What Airflow was given, from its metadata database and its settings. Raise LedgerError as above."""
    with _told(), create_session() as session:
        pools = {str(name): int(slots) for name, slots in session.query(Pool.pool, Pool.slots)}
        dags = {
            str(dag): bool(is_paused)
            for dag, is_paused in session.query(DagModel.dag_id, DagModel.is_paused)
        }
    return Installation(
        time_zone=str(conf.get("core", "default_timezone")),
        pools=pools,
        wanted_pools={pool.value: slots for pool, slots in POOL_SLOTS.items()},
        dags=dags,
        wanted_dags=sorted(file.stem for file in (REPOSITORY / "dags").glob("*.py")),
    )


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a driver raises, it means: not readable
        raise LedgerError(
            "airflow_database_unreadable",
            f"Không đọc được các kết nối trong cơ sở dữ liệu của Airflow ({type(error).__name__}).",
            "Kiểm tra AIRFLOW__DATABASE__SQL_ALCHEMY_CONN và chạy airflow db migrate; hoặc chạy với "
            "--connections TỆP.",
        ) from error
