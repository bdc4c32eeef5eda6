"""What `make bi` checks, makes and refuses before Superset is started."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import duckdb
import pytest
from bi import __main__ as start
from bi import assets, places, published

from ksc_ledger import settings
from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import REPOSITORY
from ksc_ledger.warehouse.bi_views import make_views
from ksc_ledger.warehouse.twins import twins


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with every table, empty, and the product's views over them."""
    file = tmp_path_factory.mktemp("marts") / "ksc_ledger.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("create schema marts")
        for name, twin in twins(REPOSITORY / "sql").items():
            columns = ", ".join(f'"{one.name}" {kind_of(one.name)}' for one in twin.columns)
            con.execute(f'create table marts."{name}" ({columns})')
        make_views(con, REPOSITORY / "sql")
    return file


def kind_of(column: str) -> str:
    for end, kind in (("_at", "timestamptz"), ("_date", "date"), ("_count", "bigint")):
        if column.endswith(end):
            return kind
    if column.startswith(("is_", "has_")):
        return "boolean"
    numbers = ("list_order", "days_left", "age_days", "overdue_days", "duration_seconds")
    return "bigint" if column in numbers else "double" if column == "age_hours" else "varchar"


@pytest.fixture
def home(tmp_path: Path, marts: Path) -> places.Places:
    found = places.of(settings.load({"KSC_LEDGER_HOME": str(tmp_path)}))
    found.marts_file.parent.mkdir()
    shutil.copy(marts, found.marts_file)
    return found


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_file_says_which_views_and_labels_it_has(home: places.Places) -> None:
    (column,) = (
        one for one in published.views(home.marts_file)["version"] if one.name == "published_local"
    )
    assert (column.label, column.type, column.is_time) == ("Xuất bản lúc", "TIMESTAMP", True)


def test_every_metric_and_condition_is_sql_that_its_view_answers(home: places.Places) -> None:
    written = assets.read(places.ASSETS)
    with duckdb.connect(str(home.marts_file), read_only=True) as con:
        for name, dataset in written.datasets.items():
            for metric in dataset.get("metrics", {}).values():
                con.execute(f"select {metric['sql']} from bi.{name}")
        for chart in written.charts.values():
            if where := chart.get("where"):
                con.execute(f"select 1 from bi.{chart['dataset']} where ({where})")


def test_without_a_published_file_nothing_is_made(tmp_path: Path) -> None:
    home = places.of(settings.load({"KSC_LEDGER_HOME": str(tmp_path)}))
    with pytest.raises(LedgerError, match="Chưa có bản số liệu nào được xuất bản") as raised:
        start.run(home, 0)
    assert "make demo" in raised.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_an_older_program_is_told_with_what_to_do(home: places.Places) -> None:
    home.marts_file.unlink()
    with duckdb.connect(str(home.marts_file)) as con:
        con.execute("create schema marts; create table marts.t (x int)")
    with pytest.raises(LedgerError) as raised:
        published.views(home.marts_file)
    assert raised.value.code == "published_by_older_program"
    assert "build_marts" in raised.value.remedy


def test_a_file_that_is_no_database_is_told(home: places.Places) -> None:
    home.marts_file.chmod(0o600)
    home.marts_file.write_bytes(b"x" * 5000)
    with pytest.raises(LedgerError) as raised:
        published.views(home.marts_file)
    assert raised.value.code == "published_file_unreadable"


def test_secrets_are_for_the_owner_and_stay(home: places.Places) -> None:
    places.make(home)
    key = home.secret_key.read_text("utf-8")
    first, made = places.passwords(home, ["quantri", "xem"])
    assert made == {"quantri", "xem"}
    places.make(home)
    again, made = places.passwords(home, ["quantri", "xem"])
    assert (again, made, home.secret_key.read_text("utf-8")) == (first, set(), key)
    assert first["quantri"] != first["xem"]
    assert mode(home.folder) == 0o700
    assert mode(home.secret_key) == mode(home.passwords) == 0o600
    assert len(key) >= 42


def test_a_user_more_gets_a_password_and_the_others_keep_theirs(home: places.Places) -> None:
    places.make(home)
    first, _ = places.passwords(home, ["quantri"])
    both, made = places.passwords(home, ["quantri", "xem"])
    assert made == {"xem"}
    assert both["quantri"] == first["quantri"]


def test_a_new_version_of_the_figures_asks_for_no_new_dashboard(home: places.Places) -> None:
    before = published.fingerprint(home.marts_file, published.views(home.marts_file))
    home.marts_file.chmod(0o600)
    with duckdb.connect(str(home.marts_file)) as con:
        con.execute("insert into marts._published (version_id) values ('2')")
    assert published.fingerprint(home.marts_file, published.views(home.marts_file)) == before
    with duckdb.connect(str(home.marts_file)) as con:
        con.execute("comment on column bi.version.version_id is 'Nhãn khác'")
    assert published.fingerprint(home.marts_file, published.views(home.marts_file)) != before


@pytest.mark.parametrize("lost", ["superset.db", "passwords.json", "i18n/vi.json", "provisioned"])
def test_what_is_lost_is_provisioned_anew(home: places.Places, lost: str) -> None:
    places.make(home)
    home.words.mkdir()
    for path in (home.database, home.passwords, home.words / "vi.json"):
        path.touch()
    home.mark.write_text(json.dumps({"fingerprint": "x"}))
    assert start.is_provisioned(home, "x")
    assert not start.is_provisioned(home, "another program")
    (home.folder / lost).unlink()
    assert not start.is_provisioned(home, "x")


def test_one_dashboard_runs_for_a_home(home: places.Places) -> None:
    places.make(home)
    with start._alone(home):
        with pytest.raises(LedgerError) as raised, start._alone(home):
            pass
        assert raised.value.code == "already_running"
    with start._alone(home):
        pass


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as other:
        other.bind((start.HOST, 0))
        other.listen()
        with pytest.raises(LedgerError) as raised:
            start._free(other.getsockname()[1])
    assert "make bi PORT=" in raised.value.remedy
    assert start._free(0) > 1023


def test_superset_inherits_nothing_of_another_one(
    home: places.Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERSET_SECRET_KEY", "of another")
    monkeypatch.setenv("FLASK_DEBUG", "1")
    monkeypatch.setenv("AIRFLOW_HOME", "/x")
    monkeypatch.setenv("PYTHONSTARTUP", "/x")
    given = start.environment(home)
    assert not {"SUPERSET_SECRET_KEY", "FLASK_DEBUG", "AIRFLOW_HOME", "PYTHONSTARTUP"} & set(given)
    assert given["SUPERSET_HOME"] == str(home.folder)
    assert given["KSC_LEDGER_HOME"] == str(home.folder.parent)
    assert Path(given["SUPERSET_CONFIG_PATH"]).is_file()
