"""From the files that units of Kon Plông send to what the marts say of them, gates included."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from integration.the_road import Road, road
from ksc_ledger.intake.receive import receive
from ksc_ledger.quality.marts import judge_marts
from ksc_ledger.registry import in_force
from ksc_ledger.rehearsal.deliveries import deliver, deliveries
from ksc_ledger.rehearsal.timeline import expected_reports
from ksc_ledger.settings import REPOSITORY
from ksc_ledger.warehouse import build

# The gate is put together in the tasks' room.
pytestmark = [pytest.mark.airflow, pytest.mark.long]

KON_TUM = REPOSITORY / "scenarios" / "kon_tum"
COUNTED_AT = datetime.fromisoformat("2024-01-08T08:00:00+07:00")
ENDS_AT = datetime.fromisoformat("2024-01-16T08:00:00+07:00")


def built(way: Road) -> None:
    def judge(tables: Any) -> list[dict[str, Any]]:
        settings = way.settings
        return judge_marts(tables, root=settings.expectations, places=settings.places)[0]

    build(
        way.settings,
        in_force(way.settings).registry,
        as_of_at=ENDS_AT,
        code_version="test",
        judge=judge,
    )


def test_what_units_report_stands_beside_what_their_servers_say(tmp_path: Path) -> None:
    from ksc_ledger.orchestration.receiving import directory_of, gate_of

    with road([KON_TUM], tmp_path / "home") as way:
        way.collect(COUNTED_AT)
        places = way.settings.places
        deliver(deliveries([KON_TUM]), places)
        registry = in_force(way.settings).registry
        receipts = receive(
            places.inbox,
            places,
            directory_of(registry),
            now=ENDS_AT,
            gate=gate_of(way.settings, ENDS_AT),
        )
        assert all(one.is_accepted for one in receipts), [one.text() for one in receipts]
        built(way)
        wanted = expected_reports([KON_TUM])
        rows = way.built("from marts.rpt_reported_vs_observed")
        found = {(row["unit_code"], row["report_date"]): row for row in rows}
        assert len(found) == len(wanted) == 2
        for one in wanted:
            row = found[one.unit_code, one.report_date]
            assert {name: row[name] for name in one.counts} == one.counts
        said = way.built(
            "select split_part(suite, '.', 1) as what, count(distinct load_id) as n"
            " from marts.fct_data_quality group by all order by all"
        )
        sources = {row["what"]: row["n"] for row in said}
        assert sources["marts"] == 1
        assert sources["reports"] == 2
        assert {page.name[17:] for page in (places.data_docs / "runs").glob("*.html")} == {
            "reports.html"
        }
