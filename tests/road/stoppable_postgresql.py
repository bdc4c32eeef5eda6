"""A private PostgreSQL that a test may stop in the middle of its work and start again."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unit.state.postgresql import _run, _user, create, programs, url_of

DATABASE = "airflow"


@dataclass(frozen=True)
class StoppablePostgres:
    """A cluster in a folder of its own, reached by a socket there; nothing listens on the network."""

    folder: Path

    @property
    def url(self) -> str:
        return url_of(self.folder, DATABASE)

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c max_connections=100"
        _run([*self._pg_ctl(), "-o", options, "-l", str(self.folder / "log"), "start"], _user())

    def stop(self) -> None:
        """At once and without goodbye, as when its machine loses power; the disk stays."""
        _run([*self._pg_ctl(), "-m", "immediate", "stop"], _user())

    def _pg_ctl(self) -> list[str]:
        return [str(programs() / "pg_ctl"), "-D", str(self.folder / "data"), "-w"]


@contextmanager
def a_postgres() -> Iterator[StoppablePostgres]:
    """A running cluster with an empty database for Airflow."""
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="ksc-pg-"))
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        words = f"{programs()}/initdb -D {folder}/data -U ksc -A trust -E UTF8 --locale=C --no-sync"
        _run(words.split(), user)
        cluster = StoppablePostgres(folder)
        cluster.start()
        try:
            create(folder, DATABASE, "template0")
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)
