"""A private PostgreSQL for tests: its own cluster in a temporary folder, reached by a socket there.

Nothing listens on the network. As root the cluster runs as the user ``postgres``, for PostgreSQL
refuses root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest

from ksc_ledger.state import open_state

_NUMBERS = count(1)
_OWNER = "ksc"


@dataclass(frozen=True)
class Cluster:
    """A running cluster; ``template`` is a database that this code migrated."""

    folder: Path
    template: str

    def url(self, database: str) -> str:
        return url_of(self.folder, database)

    def empty(self) -> str:
        """The URL of a new database without any table."""
        return self._new("template0")

    def migrated(self) -> str:
        """The URL of a new, migrated database."""
        return self._new(self.template)

    def _new(self, template: str) -> str:
        name = f"test_{next(_NUMBERS)}"
        create(self.folder, name, template)
        return self.url(name)


def url_of(folder: Path, database: str) -> str:
    return f"postgresql+psycopg://{_OWNER}@/{database}?host={folder}"


def create(folder: Path, name: str, template: str) -> None:
    with psycopg.connect(
        host=str(folder), user=_OWNER, dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"create database {name} template {template}".encode())


def programs() -> Path:
    """Where initdb and pg_ctl lie; the newest version wins. Fail with what to install."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: one.parent.name, reverse=True
    )
    on_path = shutil.which("initdb")
    for folder in (*([Path(on_path).parent] if on_path else ()), *folders):
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    pytest.fail("PostgreSQL is needed for this test. Debian: apt install postgresql", pytrace=False)


@contextmanager
def running() -> Iterator[Cluster]:
    """Start a cluster, stop it and remove it."""
    bin_folder = programs()
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="ksc-pg-"))
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = folder / "data"
        _run(
            f"{bin_folder}/initdb -D {data} -U {_OWNER} -A trust -E UTF8 --locale=C --no-sync".split(),
            user,
        )
        pg_ctl = [str(bin_folder / "pg_ctl"), "-D", str(data), "-w"]
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=60"
        _run(
            [*pg_ctl, "-o", options, "-l", str(folder / "log"), "start"],
            user,
        )
        try:
            create(folder, "migrated", "template0")
            open_state(url_of(folder, "migrated")).dispose()
            yield Cluster(folder, "migrated")
        finally:
            _run([*pg_ctl, "-m", "immediate", "stop"], user)
    finally:
        shutil.rmtree(folder)


def _user() -> pwd.struct_passwd | None:
    """Whom to run the server as when we are root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        pytest.fail("As root a user postgres is needed: apt install postgresql", pytrace=False)


def _run(words: Sequence[str], user: pwd.struct_passwd | None) -> None:
    as_user = (
        {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    )
    done = subprocess.run(
        words,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        timeout=120,
        **as_user,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stdout
