from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, insert, inspect, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import StatementError

from ksc_ledger.errors import LedgerError
from ksc_ledger.state import database, open_state, reading
from ksc_ledger.state.tables import HELD_ACCOUNT, METADATA, REGISTRY_VERSION, Instant

AT = datetime(2023, 10, 20, 1, 0, 0, 123456, tzinfo=UTC)
MIGRATIONS = Path(database.__file__).with_name("migrations")


def file_of(engine: Engine) -> Path:
    return Path(str(engine.url.database))


def test_a_new_database_has_its_folder_and_is_for_owner_and_group_only(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("create table filler (x integer)"))
        modes = {one.name: one.stat().st_mode & 0o777 for one in file_of(engine).parent.iterdir()}
    assert modes == dict.fromkeys(
        ["state.sqlite", "state.sqlite-wal", "state.sqlite-shm", "state.sqlite.lock"], 0o640
    )


def test_the_migrations_make_the_tables_that_the_code_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": database.REVISION_TABLE,
                "compare_type": True,
                "target_metadata": METADATA,
            },
        )
        assert compare_metadata(context, METADATA) == []


def test_the_newest_migration_is_the_one_the_code_expects() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == database.HEAD


def test_every_migration_is_part_of_an_importable_package() -> None:
    """So that a built distribution carries them as it carries any module."""
    assert (MIGRATIONS / "__init__.py").exists()
    assert (MIGRATIONS / "versions" / "__init__.py").exists()


def test_opening_again_changes_nothing_and_loads_no_alembic(engine: Engine, url: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            insert(HELD_ACCOUNT).values(
                server_code="dtp_872", fingerprint="ab", reason="401", held_at=AT
            )
        )
    again = (
        "import sys; from ksc_ledger.state import open_state; from sqlalchemy import text\n"
        f"with open_state({url!r}).connect() as c:\n"
        "    assert c.execute(text('select count(*) from held_account')).scalar() == 1\n"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", again], check=False).returncode == 0


def test_processes_that_start_at_once_all_find_a_whole_database(url: str) -> None:
    start = (
        "import sys; from ksc_ledger.state import open_state, accounts\n"
        "sys.stdin.readline()\n"
        f"accounts.held(open_state({url!r}))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", start], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, b"")


def test_a_database_cut_short_while_it_was_made_is_finished(url: str, tmp_path: Path) -> None:
    file = tmp_path / "state" / "state.sqlite"
    file.parent.mkdir()
    file.touch()
    assert inspect(open_state(url)).has_table("lease")


def test_a_migration_that_fails_leaves_nothing_behind(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        # The index is the migration's last step.
        patched.setattr("alembic.op.create_index", fail)
        with pytest.raises(RuntimeError, match="power cut"):
            open_state(url)
    engine = create_engine(url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    assert inspect(open_state(url)).has_table("registry_version")


def test_a_database_of_newer_code_is_not_touched(engine: Engine, url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("update state_revision set version_num = '9999'"))
    with pytest.raises(LedgerError) as raised:
        open_state(url)
    assert raised.value.code == "state_newer_than_code"
    assert "9999" in raised.value.text


@pytest.mark.parametrize(
    "wrong",
    ["", "state.sqlite", "sqlite://", "sqlite:///:memory:", "mysql://u:hunter2@h/d", "nope://x"],
)
def test_another_kind_of_url_is_refused_without_repeating_it(wrong: str) -> None:
    with pytest.raises(LedgerError) as raised:
        open_state(wrong)
    assert raised.value.code == "state_url_not_supported"
    assert "hunter2" not in str(raised.value)


def test_what_is_not_a_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    file.write_text("not a database " * 100)
    with pytest.raises(LedgerError) as raised:
        open_state(f"sqlite:///{file}")
    assert raised.value.code == "state_unreachable"
    assert str(file) in raised.value.text


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError) as raised:
        open_state(f"sqlite:///{tmp_path}/file/state.sqlite")
    assert raised.value.code == "state_unreachable"


def test_readers_do_not_wait_for_a_writer(engine: Engine) -> None:
    with engine.begin() as writer:
        writer.execute(
            insert(HELD_ACCOUNT).values(
                server_code="dtp_872", fingerprint="ab", reason="401", held_at=AT
            )
        )
        with reading(engine) as reader:
            reader.exec_driver_sql("PRAGMA busy_timeout = 0")
            assert reader.execute(select(HELD_ACCOUNT)).all() == []
    with reading(engine) as reader:
        assert len(reader.execute(select(HELD_ACCOUNT)).all()) == 1


def test_writers_that_read_first_wait_for_each_other(engine: Engine) -> None:
    """Eight threads count up by reading and writing back: no step is lost, none is refused."""
    with engine.begin() as connection:
        connection.execute(text("create table counter (n integer)"))
        connection.execute(text("insert into counter values (0)"))

    def count_up() -> None:
        for _ in range(10):
            with engine.begin() as connection:
                seen = connection.execute(text("select n from counter")).scalar_one()
                connection.execute(text("update counter set n = :n"), {"n": seen + 1})

    threads = [threading.Thread(target=count_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as connection:
        assert connection.execute(text("select n from counter")).scalar_one() == 80


def test_an_instant_comes_back_as_it_was_in_utc(engine: Engine) -> None:
    in_vietnam = AT.astimezone(timezone(timedelta(hours=7)))
    with engine.begin() as connection:
        connection.execute(
            insert(HELD_ACCOUNT).values(
                server_code="dtp_872", fingerprint="ab", reason="401", held_at=in_vietnam
            )
        )
        back = connection.execute(select(HELD_ACCOUNT.c.held_at)).scalar_one()
        stored = connection.execute(text("select held_at from held_account")).scalar_one()
    assert (back, back.tzinfo) == (AT, UTC)
    assert stored == "2023-10-20 01:00:00.123456"


def test_a_naive_datetime_is_no_instant(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(StatementError, match="naive"):
        connection.execute(
            select(HELD_ACCOUNT).where(HELD_ACCOUNT.c.held_at < AT.replace(tzinfo=None))
        )


def test_on_postgresql_an_instant_keeps_its_zone() -> None:
    dialect = postgresql.dialect()
    assert Instant().compile(dialect=dialect) == "TIMESTAMP WITH TIME ZONE"
    assert Instant().process_bind_param(AT, dialect) == AT
    assert REGISTRY_VERSION.c.mistakes.type.compile(dialect=dialect) == "JSON"
