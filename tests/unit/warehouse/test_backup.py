"""A backup is whole, can be given back, and is tried out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import in_force
from ksc_ledger.settings import Settings
from ksc_ledger.settings import load as load_settings
from ksc_ledger.state import accounts, open_state
from ksc_ledger.warehouse import backup, build, housekeeping, publish
from ksc_ledger.warehouse.reader import query
from unit.warehouse.builders import DAY, T0, a_host, land

REGISTRY = {
    "estate.yml": "estate_code: tinh\nestate_name: Tỉnh thử\n",
    "units.csv": (
        "unit_code,unit_name,unit_kind,official_code,name_prefix,parent_unit_code,list_order,"
        "valid_from_date,valid_to_date,source_document\n"
        "tinh,Tỉnh thử,tinh,,,,1,2022-09-01,,công văn thử\n"
        "huyen,Huyện thử,huyen_tp,,HUYEN,tinh,1,2022-09-01,,công văn thử\n"
    ),
    "servers.csv": (
        "server_code,server_name,server_role,unit_code,list_order,valid_from_date,valid_to_date,"
        "source_document\n"
        "may_tinh,Máy chủ tỉnh,province,tinh,1,2022-09-01,,công văn thử\n"
        "huyen,Máy chủ huyện,district,huyen,2,2022-09-01,,công văn thử\n"
    ),
}
FIGURES = "from marts.fct_unit_coverage_daily order by all"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with something in every place that a backup covers."""
    home = tmp_path_factory.mktemp("kept")
    (home / "files" / "tinh").mkdir(parents=True)
    for name, text in REGISTRY.items():
        (home / "files" / "tinh" / name).write_text(text, "utf-8")
    settings = settings_of(home)
    land(settings, "huyen", T0, [a_host("m1", display_name="HUYEN-1"), a_host("m2")])
    build(settings, in_force(settings).registry, as_of_at=T0, code_version="1.2.3")
    publish(settings, now=T0)
    engine = open_state(settings.state_url)
    accounts.hold(engine, "huyen", "abc", "mật khẩu bị từ chối", T0)
    engine.dispose()
    backup.back_up(settings, code_version="1.2.3", now=T0)
    return home


@pytest.fixture
def settings(kept: Path, tmp_path: Path) -> Settings:
    shutil.copytree(kept, tmp_path / "home", symlinks=True)
    return settings_of(tmp_path / "home")


def settings_of(home: Path) -> Settings:
    return load_settings({"KSC_LEDGER_HOME": str(home), "KSC_LEDGER_REGISTRY": str(home / "files")})


def figures(settings: Settings) -> list[dict[str, object]]:
    return query(settings.places.warehouse_file, FIGURES)


def held(settings: Settings) -> list[str]:
    engine = open_state(settings.state_url)
    found = [account.server_code for account in accounts.held(engine)]
    engine.dispose()
    return found


def test_a_backup_says_what_it_holds_and_is_closed_to_others(settings: Settings) -> None:
    (folder,) = backup.backups(settings.places)
    found = backup.read(folder)
    assert (found.made_at, found.as_of_at, found.built_by) == (
        T0.isoformat(),
        T0.isoformat(),
        "1.2.3",
    )
    assert {"ledger.duckdb", "state.sqlite", "mask_salt", "registry/last_good"} <= set(found.files)
    assert f"registry/{found.registry_sha256}/tinh/units.csv" in found.files
    assert found.state["held_account"] == 1
    assert found.tables["hist.cur"].startswith("2:")
    assert folder.stat().st_mode & 0o777 == 0o750
    assert (folder / "state.sqlite").stat().st_mode & 0o777 == 0o640
    assert (folder / "mask_salt").stat().st_mode & 0o777 == 0o600
    assert not [path for path in settings.places.backups.iterdir() if path.name.startswith(".")]


def test_what_is_lost_comes_back_and_what_was_there_is_moved_aside(settings: Settings) -> None:
    (folder,) = backup.backups(settings.places)
    before = figures(settings)
    land(settings, "huyen", T0 + DAY, [a_host("m9")])
    build(settings, in_force(settings).registry, as_of_at=T0 + DAY, code_version="1.2.3")
    assert figures(settings) != before
    engine = open_state(settings.state_url)
    accounts.resume(engine, "huyen")
    engine.dispose()
    shutil.rmtree(settings.places.registry_versions)
    backup.restore(settings, folder)
    assert figures(settings) == before
    assert held(settings) == ["huyen"]
    assert in_force(settings).registry.sha256 == backup.read(folder).registry_sha256
    (aside,) = settings.home.glob("before_restore-*")
    assert {path.name for path in aside.iterdir()} >= {"ledger.duckdb", "state.sqlite"}
    # What was landed since then is taken in by the next build.
    report = build(settings, in_force(settings).registry, as_of_at=T0 + DAY, code_version="1.2.3")
    assert len(report.applied) == 1


def test_a_home_that_is_empty_is_filled_from_a_backup_alone(
    settings: Settings, tmp_path: Path
) -> None:
    (folder,) = backup.backups(settings.places)
    empty = settings_of(tmp_path / "empty")
    backup.restore(empty, folder)
    assert figures(empty) == figures(settings)
    assert held(empty) == ["huyen"]
    assert list(empty.home.glob("before_restore-*")) == []


def test_the_drill_makes_the_same_figures_and_leaves_nothing(settings: Settings) -> None:
    (folder,) = backup.backups(settings.places)
    before = settings.places.warehouse_file.stat().st_mtime_ns
    result = backup.drill(settings, folder)
    assert result.figures["marts.fct_unit_coverage_daily"] == 2
    assert result.figures["marts.dim_endpoint"] == 2
    assert settings.places.warehouse_file.stat().st_mtime_ns == before
    assert [path.name for path in settings.places.backups.iterdir()] == [folder.name]


def test_a_drill_notices_figures_that_do_not_follow_from_the_backup(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = backup.backups(settings.places)
    with monkeypatch.context() as patch:  # a registry whose rows were changed under its name
        patch.setattr(backup, "version", lambda there, sha256: _another(there))
        with pytest.raises(LedgerError) as raised:
            backup.drill(settings, folder)
    assert raised.value.code == "restore_drill_failed"


def _another(settings: Settings) -> object:
    registry = in_force(settings).registry
    units = tuple(
        unit.model_copy(update={"name_prefix": "KHAC"}) if unit.unit_code == "huyen" else unit
        for unit in registry.units
    )
    return registry.model_copy(update={"units": units})


@pytest.mark.parametrize("name", ["ledger.duckdb", "state.sqlite", "backup.json"])
def test_one_wrong_bit_is_noticed_before_anything_is_given_back(
    settings: Settings, name: str
) -> None:
    (folder,) = backup.backups(settings.places)
    raw = bytearray((folder / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / name).chmod(0o640)
    (folder / name).write_bytes(raw if name != "backup.json" else b"{")
    before = figures(settings)
    with pytest.raises(LedgerError) as raised:
        backup.restore(settings, folder)
    assert raised.value.code == "backup_damaged"
    assert figures(settings) == before
    assert list(settings.home.glob("before_restore-*")) == []


def test_a_warehouse_that_is_damaged_is_not_backed_up_as_good(settings: Settings) -> None:
    file = settings.places.warehouse_file
    raw = bytearray(file.read_bytes())
    # Once a block: equal changes of two empty places of one block cancel out in DuckDB's sum.
    for place in range(len(raw) // 3, len(raw), 256 * 1024):
        raw[place] ^= 0xFF
    file.write_bytes(raw)
    with pytest.raises(LedgerError) as raised:
        backup.back_up(settings, code_version="1.2.3", now=T0 + DAY)
    assert raised.value.code == "warehouse_not_readable"
    assert len(list(settings.places.backups.iterdir())) == 1


def test_two_backups_of_one_instant_do_not_overwrite_each_other(settings: Settings) -> None:
    second = backup.back_up(settings, code_version="1.2.3", now=T0)
    assert [path.name for path in backup.backups(settings.places)] == [
        "20221012T010000Z",
        "20221012T010000Z-02",
    ]
    assert second.name.endswith("-02")


def test_old_things_go_and_the_newest_stay(settings: Settings) -> None:
    places = settings.places
    now = datetime(2027, 11, 30, 18, 0, tzinfo=UTC)  # 1 December in Vietnam
    days = {"2027-09-01": False, "2027-09-02": True, "2027-11-30": True, "ghi-chu": True}
    for name in days:
        (places.raw / "huyen" / name).mkdir(parents=True)
        (places.raw / "huyen" / name / "x.tar.zst").write_bytes(b"x")
    for name in ("2022-11", "2022-12"):
        (places.snapshot / "may_tinh" / name).mkdir(parents=True)
    for hour in range(20):
        shutil.copytree(
            places.backups / "20221012T010000Z",
            places.backups / f"20230101T{hour:02d}0000Z",
        )
    cleared = housekeeping.retain(settings, now=now)
    assert {path.name for path in (places.raw / "huyen").iterdir()} == {
        name for name, stays in days.items() if stays
    }
    assert (cleared.raw_days, cleared.snapshot_months, cleared.backups) == (1, 2, 7)
    assert {path.name for path in places.snapshot.glob("*/*")} == {"2022-12"}
    assert len(backup.backups(places)) == 14
    assert query(places.marts_file, "select count(*) as n from marts.dim_unit") == [{"n": 2}]
    again = housekeeping.retain(settings, now=now + timedelta(minutes=1))
    assert (again.raw_days, again.snapshot_months, again.backups) == (0, 0, 0)


def _put_aside(
    settings: Settings, name: str, *ids: str, source: str = "landing.ksc_hosts:huyen"
) -> Path:
    path = settings.places.quarantine / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    seen = datetime.strptime(name.split("-")[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    path.write_text(
        "".join(
            json.dumps({"quarantine_id": one, "source": source, "first_seen_at": seen.isoformat()})
            + "\n"
            for one in ids
        ),
        "utf-8",
    )
    return path


def test_quarantined_rows_go_by_their_day_and_their_first_sighting_stays(
    settings: Settings,
) -> None:
    now = datetime(
        2027, 11, 30, 18, 0, tzinfo=UTC
    )  # 1 December in Vietnam: 2 September is the limit
    first = _put_aside(settings, "huyen-20270801T010000Z-aa", "lasts", "mended")
    second = _put_aside(settings, "huyen-20270901T165959Z-ab", "lasts")
    at_limit = _put_aside(settings, "huyen-20270901T170000Z-ac", "lasts", "young")
    newest = _put_aside(settings, "huyen-20271130T010000Z-ad", "lasts")
    other = settings.places.quarantine / "ghi-chu.jsonl"
    other.write_text("", "utf-8")
    cleared = housekeeping.retain(settings, now=now)
    assert cleared.quarantined_loads == 2
    assert not first.exists()
    assert not second.exists()
    assert at_limit.exists()
    assert newest.exists()
    assert other.exists()
    kept = settings.places.quarantine / "first_seen.jsonl"
    assert [json.loads(line) for line in kept.read_text("utf-8").splitlines()] == [
        {
            "quarantine_id": "lasts",
            "source": "landing.ksc_hosts:huyen",
            "first_seen_at": "2027-08-01T01:00:00+00:00",
        }
    ]
    # Three months on the row is still seen: the instant stays; then it is mended, and goes as well.
    _put_aside(settings, "huyen-20280301T010000Z-ae", "lasts")
    housekeeping.retain(settings, now=now + timedelta(days=91))
    assert "2027-08-01" in kept.read_text("utf-8")
    _put_aside(settings, "huyen-20281001T010000Z-af", "new")
    housekeeping.retain(settings, now=now + timedelta(days=330))
    assert kept.read_text("utf-8") == ""


def test_a_file_that_a_unit_sent_is_kept_as_long_as_snapshots(settings: Settings) -> None:
    source = "unit_reports:pnv"
    lines = {
        day: _put_aside(settings, f"pnv-{day}T010000Z-0123456789", "q", source=source)
        for day in ("20221130", "20221201", "20270101")
    }
    folders = {}
    for day in lines:
        for end in ("", ".returned-20230101T000000Z"):
            name = f"pnv-{day}T010000Z-0123456789{end}"
            folders[day, end] = settings.places.quarantine / "reports" / "pnv" / name
            folders[day, end].mkdir(parents=True)
    cleared = housekeeping.retain(settings, now=datetime(2027, 11, 30, 18, 0, tzinfo=UTC))
    assert (cleared.quarantined_loads, cleared.quarantined_files) == (0, 2)
    assert [day for day, path in lines.items() if path.exists()] == ["20221201", "20270101"]
    assert {day for (day, _), path in folders.items() if path.exists()} == {"20221201", "20270101"}


def test_too_little_disk_is_told(settings: Settings) -> None:
    assert housekeeping.check_space(settings) > 0
    with pytest.raises(LedgerError) as raised:
        housekeeping.check_space(replace(settings, free_space_mb=10**9))
    assert raised.value.code == "disk_nearly_full"
