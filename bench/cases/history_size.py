"""How large a year of hourly polling makes the history, and full snapshots of the same.

Most of the year is written as the rows that applying it would leave; the last ``applied`` hours are
applied by the product, each in a connection of its own, so that the file has the loose blocks of
daily use. Full snapshots are written for ``full`` hours and taken to the year in proportion.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

from datetime import timedelta  # noqa: E402
from pathlib import Path  # noqa: E402

from bench import estate  # noqa: E402
from bench.cases.prepare_province import settings_of  # noqa: E402
from ksc_ledger.warehouse.history import apply_loads  # noqa: E402
from ksc_ledger.warehouse.writer import writer  # noqa: E402

TRACKED = (
    "s.server_code, s.endpoint_id, s.display_name, s.netbios_name, s.dns_name, s.group_path,"
    " false as is_unassigned, s.is_installed, not s.is_installed as is_agent_only, s.is_protected,"
    " false as has_old_bases, false as is_stale, false as is_duplicate, false as has_name_twin,"
    " false as has_antivirus_conflict, 0 as status_id, s.rtp_state, s.antivirus_version,"
    " false as is_server_os"
)


def main() -> None:
    asked = order()
    meter.imports_done()
    home = Path(asked["home"])
    settings = settings_of(home / "ledger")
    hours, applied = asked["hours"], asked["applied"]
    schedule = estate.Schedule(asked["endpoints"], estate.SERVERS[:1], timedelta(hours=1))
    verdicts = estate.passed(settings)
    with meter.step("prepare"):
        province = estate.Province.of(schedule, hours, one_in=estate.CHANGED_ONE_IN * 24)
        province.fill_history(settings, hours - applied, verdicts)
    filled = settings.places.warehouse_file.stat().st_size
    snapshot_bytes = 0
    for step in range(hours - applied, hours):
        (load,) = schedule.loads(step, verdicts)
        path = province.write_snapshot(step, load, settings.places)
        snapshot_bytes += path.stat().st_size
        with meter.step("apply"), writer(settings) as con:
            apply_loads(
                con,
                [load],
                places=settings.places,
                sql=settings.sql,
                cutoffs_of=estate.cutoffs_of,
                server_order=schedule.server_order,
            )
        path.unlink()
    with writer(settings) as con:
        (current, closed, loads) = con.execute(
            "select (select count(*) from hist.cur), (select count(*) from hist.closed),"
            " (select count(*) from hist.load_log)"
        ).fetchall()[0]
    (spells,) = province.con.execute("select count(*) from spell").fetchall()[0]
    with meter.step("full"):
        province.write_full(home / "full.duckdb", asked["full"], f"d.step, {TRACKED}")
    meter.report(
        is_whole=[current, closed, loads] == [asked["endpoints"], spells - current, hours],
        filled_bytes=filled,
        file_bytes=settings.places.warehouse_file.stat().st_size,
        full_bytes=(home / "full.duckdb").stat().st_size * hours / asked["full"],
        landing_bytes=snapshot_bytes / applied * hours,
    )


if __name__ == "__main__":
    main()
