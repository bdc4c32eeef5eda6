"""F43 and F44: what happens to Airflow itself while runs are on their way, and what must be true.

The first line of a docstring is the fault, the rest is what must be true; docs/faults.md is made of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from road.real_airflow import PATIENCE, RealAirflow, real_airflow
from road.stoppable_postgresql import StoppablePostgres, a_postgres
from unit.orchestration.test_metrics_over_otel import Collector

pytestmark = [pytest.mark.long, pytest.mark.timeout(2_400)]

BEGIN = datetime.fromisoformat("2022-10-12T08:00:00+07:00")
SUSPICIONS = [datetime.fromisoformat(f"2022-10-12T10:{minute}:00+07:00") for minute in (35, 40)]
LATE = datetime.fromisoformat("2022-10-12T10:55:00+07:00")
AFTER = datetime.fromisoformat("2022-10-12T11:30:00+07:00")
AWAY_SECONDS = 60.0
SLOW_SECONDS = 25
FIGURES = (330, 255, 235)  # what the district's server said before it was switched off


@contextmanager
def runs_on_their_way(one: RealAirflow) -> Iterator[dict[str, str]]:
    """A collection that is reading and a tick that will confirm an outage, both inside their tasks."""
    one.simulator.fault("dtp", "slow", SLOW_SECONDS, None, "HostGroup.FindHosts")
    one.simulator.fault("dtp", "slow", SLOW_SECONDS, None, "ServerHierarchy.GetChildServers")
    one.move(LATE)
    runs = {dag: one.trigger(dag, LATE) for dag in ("collect_endpoints", "watch_server_links")}
    one.wait_for(
        "both are inside their tasks",
        lambda: (
            one.is_running("collect_endpoints", runs["collect_endpoints"], "ask_server")
            and one.is_running("watch_server_links", runs["watch_server_links"], "watch")
        ),
    )
    yield runs


def is_begun(one: RealAirflow) -> None:
    """Figures are published, and the district's server is suspected of being away."""
    assert one.run("collect_endpoints", BEGIN) == "success"
    one.wait_for("marts are published", lambda: one.built_since(None))
    assert one.figures("dtp_872") == FIGURES
    for at in SUSPICIONS:
        assert one.run("watch_server_links", at) == "success"
    assert one.state_rows("select count(*) from outage") == [(0,)]


def effects_are_there_once(one: RealAirflow) -> None:
    """One load for each server, one outage, one mail for each who is told, figures as they were."""
    assert one.loads(LATE.astimezone(UTC)) == {"dtp": ["complete"], "dtp_872": ["failed"]}
    assert one.state_rows("select server_code from outage") == [("dtp_872",)]
    assert one.run("deliver_mail", LATE) == "success"
    told = one.state_rows(
        "select recipient_role, status, attempt_count from outbox where mail_kind = 'lost' order by 1"
    )
    assert told == [("ops_team", "sent", 1), ("unit", "sent", 1)]
    assert len(list(one.places.mail.glob("*-lost-dtp_872-*.eml"))) == len(told)
    assert one.figures("dtp_872") == FIGURES


def test_f43_effects_are_once_and_retries_not_used_up_after_the_api_server_was_away(
    on_sqlite: RealAirflow,
) -> None:
    """The API server is killed for 60 s while tasks run.

    The runs end well by themselves, no task has used up its tries, and each effect is there once:
    one load for each server, one outage, one mail for each who is told; figures stay as they were.
    """
    one = on_sqlite
    is_begun(one)
    before = one.version()
    with runs_on_their_way(one) as runs:
        one.kill("api-server")
        time.sleep(AWAY_SECONDS)
        one.simulator.clear_faults()
        one.start_again("api-server")
        one.wait_for("Airflow answers again", one.is_healthy)
        for dag, run in runs.items():
            assert one.end_of(dag, run) == "success", one.tasks(dag, run)
            for task in one.tasks(dag, run):
                assert task["try_number"] <= task["max_tries"], task
    one.wait_for("marts are published anew", lambda: one.built_since(before))
    effects_are_there_once(one)
    assert one.restarts == {}  # nothing else fell over


def test_figures_of_real_runs_reach_a_collector(
    on_sqlite: RealAirflow, collector: Collector
) -> None:
    """What is measured in tasks is flushed when they end; read in the same Airflow as F43."""
    ticked = on_sqlite.run("watch_server_links", AFTER)
    names = {name for name, _ in collector.gauges if "ksc_ledger" in name}
    assert ticked == "success"
    assert names >= {
        f"airflow.ksc_ledger.{name}"
        for name in (
            "source_age_seconds",
            "outages_open",
            "mail_queue_length",
            "mail_queue_age_seconds",
            "published_age_seconds",
        )
    }
    ages = {
        dict(tags)["server_code"]: value
        for (name, tags), value in collector.gauges.items()
        if name == "airflow.ksc_ledger.source_age_seconds"
    }
    # The district was last read at 08:00, the province at 10:55; the tick is at 11:30.
    assert ages == {"dtp": 35 * 60, "dtp_872": 210 * 60}


def test_f44_nothing_is_damaged_and_all_recovers_after_the_metadata_database_was_away(
    on_postgresql: RealAirflow, postgres: StoppablePostgres
) -> None:
    """Airflow's metadata database is stopped for 60 s while tasks run.

    Whatever Airflow makes of those runs, nothing is landed or told twice and nothing is damaged; components
    that gave up come back by their restart policy, and the next runs end well with the right figures.
    """
    one = on_postgresql
    is_begun(one)
    before = one.version()
    with runs_on_their_way(one) as runs:
        postgres.stop()
        time.sleep(AWAY_SECONDS)
        one.simulator.clear_faults()
        postgres.start()
        one.wait_for("Airflow answers again", one.is_healthy)
        states = {dag: one.end_of(dag, run) for dag, run in runs.items()}
        if states["watch_server_links"] != "success":
            assert one.run("watch_server_links", LATE) == "success"
        if states["collect_endpoints"] != "success":
            assert one.run("collect_endpoints", LATE) == "success"
    one.wait_for("marts are published anew", lambda: one.built_since(before), 2 * PATIENCE)
    effects_are_there_once(one)
    before = one.version()
    assert one.run("collect_endpoints", AFTER) == "success"
    one.wait_for("marts are published once more", lambda: one.built_since(before))
    assert one.loads(AFTER.astimezone(UTC)) == {"dtp": ["complete"], "dtp_872": ["failed"]}
    assert one.figures("dtp_872") == FIGURES


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def on_sqlite(
    tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[RealAirflow]:
    more = {
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "KSC_LEDGER_METRICS": "tags",
    }
    with real_airflow(tmp_path_factory.mktemp("sqlite"), BEGIN, more) as one:
        yield one


@pytest.fixture(scope="module")
def postgres() -> Iterator[StoppablePostgres]:
    with a_postgres() as running:
        yield running


@pytest.fixture
def on_postgresql(tmp_path: Path, postgres: StoppablePostgres) -> Iterator[RealAirflow]:
    more = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.url,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": postgres.url,
    }
    with real_airflow(tmp_path, BEGIN, more) as one:
        yield one
