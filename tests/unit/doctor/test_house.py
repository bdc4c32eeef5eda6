"""This machine: each thing well, and each thing wrong."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import create_engine, text

from ksc_ledger import settings as settings_module
from ksc_ledger.doctor import Finding, Verdict, house
from ksc_ledger.registry import Mistake, load
from ksc_ledger.settings import Settings
from ksc_ledger.state import open_state
from ksc_ledger.watchdog.process import heartbeat_file
from unit.registry.registry_folder import write_registry

NOW = datetime(2024, 1, 10, 1, 0, tzinfo=UTC)
DAY = date(2024, 1, 10)
ROLES = ("engineers", "ops_team")


def settings_at(home: Path, **more: str) -> Settings:
    return settings_module.load(
        {"KSC_LEDGER_HOME": str(home), "KSC_LEDGER_FREE_SPACE_MB": "1", **more}
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    home.mkdir(mode=0o750)
    return settings_at(home)


def private(file: Path, content: str) -> None:
    file.write_text(content, "utf-8")
    file.chmod(0o600)


def said(finding: Finding) -> tuple[Verdict, str]:
    """What it is called; every complaint has a remedy and no praise has one."""
    assert bool(finding.remedy) is (finding.verdict is not Verdict.OK)
    assert (finding.code == "ok") is (finding.verdict is Verdict.OK)
    return finding.verdict, finding.code


GOOD = (Verdict.OK, "ok")


def test_a_home_that_is_ours_and_closed_is_well(settings: Settings) -> None:
    assert [said(one) for one in house.home(settings)] == [GOOD]


def test_a_home_that_is_missing_is_told(tmp_path: Path) -> None:
    (found,) = house.home(settings_at(tmp_path / "nowhere"))
    assert said(found) == (Verdict.FAIL, "home_missing")
    assert said(house.disk(settings_at(tmp_path / "nowhere"))) == (Verdict.WARN, "disk_unknown")


def test_a_home_that_cannot_be_written_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    (found,) = house.home(settings)
    assert said(found) == (Verdict.FAIL, "home_not_writable")


@pytest.mark.parametrize(
    ("mode", "is_open"), [(0o750, False), (0o700, False), (0o755, True), (0o751, True)]
)
def test_a_home_that_others_may_enter_is_told(settings: Settings, mode: int, is_open: bool) -> None:
    settings.home.chmod(mode)
    found = list(house.home(settings))
    assert said(found[0]) == ((Verdict.WARN, "home_open") if is_open else GOOD)
    settings.home.chmod(0o750)


def test_named_figures_that_others_may_read_are_told_only_where_they_can_reach_them(
    settings: Settings,
) -> None:
    named = settings.places.named_marts_file
    named.parent.mkdir(parents=True)
    named.touch(0o644)
    named.chmod(0o644)
    assert [one.code for one in house.home(settings)] == ["ok"]
    settings.home.chmod(0o755)
    codes = {one.subject: one.code for one in house.home(settings)}
    assert codes[str(named)] == "file_open"
    settings.home.chmod(0o750)


def test_a_disk_with_room_is_well_and_one_without_is_told(settings: Settings) -> None:
    assert said(house.disk(settings)) == GOOD
    greedy = settings_at(settings.home, KSC_LEDGER_FREE_SPACE_MB=str(10**9))
    assert said(house.disk(greedy)) == (Verdict.FAIL, "disk_nearly_full")


def test_a_database_that_is_not_there_yet_is_not_made_by_looking(settings: Settings) -> None:
    found, may_log_in = house.state(settings)
    assert (said(found), may_log_in) == ((Verdict.WARN, "state_missing"), True)
    assert not settings.places.state.exists()


def test_a_migrated_database_is_well(settings: Settings) -> None:
    open_state(settings.state_url).dispose()
    found, may_log_in = house.state(settings)
    assert (said(found), may_log_in) == (GOOD, True)


@pytest.mark.parametrize(
    ("revision", "code", "verdict"),
    [("0001", "state_not_migrated", Verdict.WARN), ("9999", "state_newer_than_code", Verdict.FAIL)],
)
def test_a_database_of_another_version_is_told_and_left_as_it_is(
    settings: Settings, revision: str, code: str, verdict: Verdict
) -> None:
    open_state(settings.state_url).dispose()
    engine = create_engine(settings.state_url)
    with engine.begin() as connection:
        connection.execute(text("update state_revision set version_num = :r"), {"r": revision})
    found, may_log_in = house.state(settings)
    assert (said(found), may_log_in) == ((verdict, code), False)
    with engine.connect() as connection:
        assert (
            connection.execute(text("select version_num from state_revision")).scalar() == revision
        )
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("mysql://x@y/z", "state_url_not_supported"),
        ("postgresql+psycopg://ksc:hunter2@/none?host=/nowhere", "state_unreachable"),
    ],
)
def test_a_database_that_cannot_be_reached_is_told_without_its_password(
    settings: Settings, url: str, code: str
) -> None:
    found, may_log_in = house.state(settings_at(settings.home, KSC_LEDGER_STATE_URL=url))
    assert (said(found), may_log_in) == ((Verdict.FAIL, code), False)
    assert "hunter2" not in found.said


def test_a_warehouse_that_is_not_there_yet_or_is_no_warehouse_is_told(settings: Settings) -> None:
    assert said(house.warehouse(settings)) == (Verdict.WARN, "warehouse_missing")
    file = settings.places.warehouse_file
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no database at all" * 1000)
    assert said(house.warehouse(settings)) == (Verdict.FAIL, "warehouse_damaged")


def a_warehouse(settings: Settings, storage: str, *names: str) -> None:
    """A file as a former release left it: only these definitions, in that storage version."""
    file = settings.places.warehouse_file
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        con.execute(f"attach '{file}' as wh (storage_version '{storage}')")
        con.execute("use wh")
        con.execute("create table main.applied_ddl (name varchar not null)")
        for name in names:
            con.execute((settings.sql / "ddl" / f"{name}.sql").read_text("utf-8"))
            con.execute("insert into main.applied_ddl values (?)", [name])


def definitions(settings: Settings) -> list[str]:
    return sorted(path.stem for path in (settings.sql / "ddl").glob("*.sql"))


@pytest.mark.parametrize(
    ("storage", "is_whole", "expected"),
    [
        ("v1.5.0", True, GOOD),
        ("v1.4.0", True, (Verdict.WARN, "warehouse_older_storage")),
        ("v1.5.0", False, (Verdict.WARN, "warehouse_not_migrated")),
    ],
)
def test_a_warehouse_of_an_older_release_is_told_apart(
    settings: Settings, storage: str, is_whole: bool, expected: tuple[Verdict, str]
) -> None:
    names = definitions(settings)
    a_warehouse(settings, storage, *(names if is_whole else names[:-1]))
    assert said(house.warehouse(settings)) == expected


def publish(settings: Settings, as_of_at: datetime) -> None:
    version = settings.places.marts / "ksc_ledger.20240109T000000Z.duckdb"
    version.parent.mkdir(parents=True)
    with duckdb.connect(str(version)) as con:
        con.execute("create schema marts")
        con.execute(
            "create table marts._published as select 'v1' as version_id, ?::timestamptz as as_of_at",
            [as_of_at],
        )
    settings.places.marts_file.symlink_to(version.name)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), GOOD),
        (house.PUBLISHED_AGE, GOOD),
        (house.PUBLISHED_AGE + timedelta(seconds=1), (Verdict.WARN, "published_old")),
    ],
)
def test_a_published_version_is_as_old_as_its_figures(
    settings: Settings, age: timedelta, expected: tuple[Verdict, str]
) -> None:
    publish(settings, NOW - age)
    assert said(house.published(settings, NOW)) == expected


def test_what_bi_cannot_open_is_told(settings: Settings) -> None:
    assert said(house.published(settings, NOW)) == (Verdict.WARN, "not_published")
    publish(settings, NOW)
    settings.places.marts_file.resolve().write_bytes(b"torn")
    assert said(house.published(settings, NOW)) == (Verdict.FAIL, "published_unreadable")
    settings.places.marts_file.resolve().unlink()
    assert said(house.published(settings, NOW)) == (Verdict.FAIL, "published_link_broken")


CONTACTS = (
    "role,unit_code,name,address\nengineers,dtp,A,a@tinh.example\nops_team,dtp,B,b@tinh.example\n"
)


def test_contacts_with_somebody_in_every_role_are_well(settings: Settings) -> None:
    private(settings.contacts, CONTACTS)
    (found,) = house.contacts(settings, ROLES)
    assert said(found) == GOOD


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (None, 0, (Verdict.FAIL, "contacts_missing")),
        (CONTACTS, 0o640, (Verdict.FAIL, "contacts_readable_by_others")),
        ("name,address\nA,a@tinh.example\n", 0o600, (Verdict.FAIL, "contacts_columns_missing")),
        (CONTACTS.replace("a@", "a"), 0o600, (Verdict.FAIL, "contacts_wrong")),
        (CONTACTS.replace("ops_team", "khac"), 0o600, (Verdict.WARN, "roles_without_people")),
    ],
)
def test_contacts_that_will_not_do_are_told(
    settings: Settings, content: str | None, mode: int, expected: tuple[Verdict, str]
) -> None:
    if content is not None:
        private(settings.contacts, content)
        settings.contacts.chmod(mode)
    (found,) = house.contacts(settings, ROLES)
    assert said(found) == expected


USERS = "user_name,role,unit_code\ntruc,ops,\n"


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (USERS, 0o600, GOOD),
        (None, 0, (Verdict.WARN, "page_users_missing")),
        (USERS, 0o644, (Verdict.FAIL, "page_users_open")),
        (USERS.replace("ops", "sếp"), 0o600, (Verdict.FAIL, "page_users_wrong")),
    ],
)
def test_the_map_of_page_users_is_looked_at(
    settings: Settings, content: str | None, mode: int, expected: tuple[Verdict, str]
) -> None:
    if content is not None:
        private(settings.page_users, content)
        settings.page_users.chmod(mode)
    assert said(house.page_users(settings)) == expected


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (None, GOOD),
        ("Asia/Ho_Chi_Minh", GOOD),
        ("utc", (Verdict.WARN, "airflow_time_zone")),
    ],
)
def test_the_time_zone_of_the_interface_is_looked_at(
    zone: str | None, expected: tuple[Verdict, str]
) -> None:
    assert said(house.time_zone(NOW, zone)) == expected


def test_wrong_time_zone_data_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "OFFSET", timedelta(hours=8))
    assert said(house.time_zone(NOW, None)) == (Verdict.FAIL, "time_zone_data_wrong")


def test_a_watchdog_that_looks_is_well(settings: Settings) -> None:
    live = settings_at(settings.home, KSC_LEDGER_WATCHDOG_RELAY_HOST="thu.tinh.example")
    assert said(house.watchdog(settings, NOW)) == (Verdict.WARN, "watchdog_without_relay")
    assert said(house.watchdog(live, NOW)) == (Verdict.WARN, "watchdog_never_ran")
    beat = heartbeat_file(settings.places)
    beat.parent.mkdir(parents=True)
    beat.touch()
    at = datetime.fromtimestamp(beat.stat().st_mtime, UTC)
    assert said(house.watchdog(live, at + house.HEARTBEAT_AGE)) == GOOD
    late = at + house.HEARTBEAT_AGE + timedelta(seconds=1)
    assert said(house.watchdog(live, late)) == (Verdict.WARN, "watchdog_stopped")


def test_in_rehearsal_the_watchdog_needs_no_relay(settings: Settings) -> None:
    settings.places.rehearsal_mark.touch()
    assert said(house.watchdog(settings, NOW)) == (Verdict.WARN, "watchdog_never_ran")


def test_a_registry_is_well_wrong_or_empty(tmp_path: Path) -> None:
    registry = load(write_registry(tmp_path / "registry"))
    assert said(house.registry((), registry, DAY)) == GOOD
    mistakes = [Mistake("units.csv", row, "", "Sai.", "Sửa.") for row in range(2, 9)]
    found = house.registry(mistakes, None, DAY)
    assert said(found) == (Verdict.FAIL, "registry_wrong")
    assert "7 lỗi" in found.said
    assert "2 lỗi khác" in found.said
    empty = house.registry((), registry, date(1999, 1, 1))
    assert said(empty) == (Verdict.FAIL, "registry_without_servers")
