"""Figures for a monitoring system: what is measured, how it is called, and that it does no harm."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ksc_ledger import settings as settings_module
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.orchestration import metrics
from ksc_ledger.orchestration.metrics import Figure
from ksc_ledger.registry import Registry, load
from ksc_ledger.settings import Metrics, Settings
from ksc_ledger.state import open_state
from ksc_ledger.state.outbox import Channel
from ksc_ledger.state.tables import OUTAGE
from unit.alerts.mails import a_new_mail, put
from unit.registry.registry_folder import write_registry

NOW = datetime(2024, 1, 10, 1, 0, tzinfo=UTC)
DAY = NOW.date()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    env = {"KSC_LEDGER_HOME": str(tmp_path / "home"), "KSC_LEDGER_METRICS": "tags"}
    return settings_module.load(env)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_state(settings.state_url)
    yield engine
    engine.dispose()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return load(write_registry(tmp_path / "registry"))


def a_load(settings: Settings, server_code: str, at: datetime, status: LoadStatus) -> None:
    made = Load(
        load_id=manifest.load_id_of(server_code, at, "x"),
        estate_code="dong_thap",
        server_code=server_code,
        as_of_at=at,
        observed_at=at,
        collected_at=at,
        status=status,
    )
    manifest.write(made, settings.places)


def test_a_source_is_as_old_as_its_last_complete_reading(
    settings: Settings, registry: Registry
) -> None:
    a_load(settings, "dtp", NOW - timedelta(hours=2), LoadStatus.COMPLETE)
    a_load(settings, "dtp", NOW - timedelta(hours=1), LoadStatus.FAILED)
    servers = registry.servers_on(DAY)
    assert {server.server_code for server in servers} == {"dtp", "dtp_872"}
    (found,) = metrics.source_ages(settings, servers, NOW)  # of the other nothing is known
    assert found == Figure(
        name="source_age_seconds",
        value=7200,
        tags={"estate_code": "dong_thap", "server_code": "dtp"},
    )


def test_open_outages_are_counted_for_every_estate(engine: Engine, registry: Registry) -> None:
    servers = registry.servers_on(DAY)
    assert [one.value for one in metrics.outages(engine, registry, servers)] == [0]
    with engine.begin() as connection:
        for number, (ended_at, is_retired) in enumerate(
            [(None, False), (NOW, False), (None, True)]
        ):
            connection.execute(
                OUTAGE.insert().values(
                    incident_id=f"i{number}",
                    server_code="dtp_872",
                    started_at=NOW,
                    confirmed_at=NOW,
                    ended_at=ended_at,
                    cause="server",
                    is_in_maintenance=False,
                    was_never_connected=False,
                    is_retired=is_retired,
                )
            )
    (found,) = metrics.outages(engine, registry, servers)
    assert (found.value, found.tags) == (1, {"estate_code": "dong_thap"})


def test_the_mail_queue_has_a_length_and_an_age_on_each_channel(engine: Engine) -> None:
    put(engine, a_new_mail(created_at=NOW - timedelta(minutes=5)))
    found = {(one.name, one.tags["channel"]): one.value for one in metrics.mail_queue(engine, NOW)}
    assert found == {
        ("mail_queue_length", Channel.ALERTS.value): 1,
        ("mail_queue_age_seconds", Channel.ALERTS.value): 300,
        ("mail_queue_length", Channel.ENGINEERS.value): 0,
        ("mail_queue_age_seconds", Channel.ENGINEERS.value): 0,
    }


def test_the_age_of_what_is_published_is_that_of_the_version_behind_the_link(
    settings: Settings,
) -> None:
    assert list(metrics.published_age(settings, NOW)) == []
    version = settings.places.marts / "ksc_ledger.20240110T000000Z.duckdb"
    version.parent.mkdir(parents=True)
    version.touch()
    os.utime(version, (NOW.timestamp() - 90, NOW.timestamp() - 90))
    settings.places.marts_file.symlink_to(version.name)
    (found,) = metrics.published_age(settings, NOW)
    assert (found.name, found.value) == ("published_age_seconds", 90)


ONE = Figure(name="source_age_seconds", value=5, tags={"estate_code": "dt", "server_code": "dtp"})


@pytest.mark.parametrize(
    ("how", "name", "tags"),
    [
        (
            Metrics.TAGS,
            "ksc_ledger.source_age_seconds",
            {"estate_code": "dt", "server_code": "dtp"},
        ),
        (Metrics.NAMES, "ksc_ledger.source_age_seconds.dt.dtp", {}),
    ],
)
def test_figures_are_told_apart_by_tags_or_by_names(
    settings: Settings, how: Metrics, name: str, tags: Mapping[str, str]
) -> None:
    sent: list[tuple[str, float, Mapping[str, str]]] = []
    chosen = replace(settings, metrics=how)
    assert metrics.emit(chosen, lambda: [ONE], lambda *one: sent.append(one)) == 1
    assert sent == [(name, 5, tags)]


def test_without_the_setting_nothing_is_measured_at_all(tmp_path: Path) -> None:
    off = settings_module.load({"KSC_LEDGER_HOME": str(tmp_path)})

    def never() -> list[Figure]:
        raise AssertionError("measured")

    assert metrics.emit(off, never, lambda *_: None) == 0


def test_a_metric_that_cannot_be_sent_fails_no_run(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no collector")

    with caplog.at_level(logging.ERROR):
        assert metrics.emit(settings, lambda: [ONE], refuse) == 0
    assert "lượt chạy không bị ảnh hưởng" in caplog.text


def test_a_word_that_is_no_choice_is_refused() -> None:
    with pytest.raises(LedgerError, match="KSC_LEDGER_METRICS"):
        settings_module.load({"KSC_LEDGER_METRICS": "yes"})
