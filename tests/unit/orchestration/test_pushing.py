"""The hourly task takes what a site sent where it would have asked its server."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.clock import RehearsalClock
from ksc_ledger.landing import manifest
from ksc_ledger.rules.links_evidence import Knock
from unit.push.a_site import CODE, NOW, House, packed
from unit.push.conftest import World, collected, migrated, world

__all__ = ["collected", "migrated", "world"]  # fixtures

pytestmark = pytest.mark.airflow


@pytest.fixture
def house(world: World, monkeypatch: pytest.MonkeyPatch) -> House:
    """The centre as the tasks find it: by the environment, on a rehearsal's clock."""
    from ksc_ledger.orchestration import collecting

    settings = world.house.settings
    settings.places.rehearsal_mark.touch()
    RehearsalClock(settings.places.clock_file).set(NOW, is_driven=True)
    monkeypatch.setenv("KSC_LEDGER_HOME", str(settings.home))
    monkeypatch.setenv("KSC_LEDGER_REGISTRY", str(settings.registry))
    dag_run = type("DagRun", (), {"conf": {"as_of_at": NOW.isoformat()}})()
    context = {"run_id": "manual__1", "dag_run": dag_run}
    monkeypatch.setattr(collecting, "get_current_context", lambda: context)
    monkeypatch.setattr(collecting, "die_with_parent", lambda: None)
    return world.house


def ask() -> Any:
    from ksc_ledger.orchestration import collecting

    (order,) = (one for one in collecting.name_servers() if one["server_code"] == CODE)
    assert order["way"] == "push"
    return collecting.ask_server(order)


def test_only_a_server_with_a_key_is_taken_from_what_was_sent(house: House) -> None:
    from ksc_ledger.orchestration import collecting

    ways = {one["server_code"]: one.get("way") for one in collecting.name_servers()}
    assert ways == {"dtp": None, CODE: "push"}


def test_what_was_sent_goes_to_the_gate_as_if_it_had_been_asked(world: World, house: House) -> None:
    house.receive(packed(world.site, world.load))
    taken = ask()
    assert taken["load_id"] == world.load.load_id
    assert manifest.read(Path(taken["path"])).estate_code == "dong_thap"
    assert taken["earlier"] == []


def test_an_hour_without_a_new_load_is_no_fault_while_the_site_is_alive(
    world: World, house: House
) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    house.receive(packed(world.site, None))
    with pytest.raises(AirflowSkipException):
        ask()


def test_a_silent_site_is_red_with_its_remedy(house: House) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match=r"chưa từng gửi gì về.*Cách khắc phục"):
        ask()


def test_a_fault_that_a_site_tells_of_is_red_and_keeps_the_whole_loads(
    world: World, house: House
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    at = NOW + timedelta(seconds=1)
    failed = manifest.changed(
        world.load,
        status=manifest.LoadStatus.FAILED,
        observed_at=at,
        fault_code="unreachable",
        fault_text="Máy chủ tắt.",
        load_id=manifest.load_id_of(CODE, at, "unreachable|Máy chủ tắt."),
        extras={},
    )
    house.receive(packed(world.site, world.load))
    house.receive(packed(world.site, failed, sent_at=at))
    assert ask()["load_id"] == world.load.load_id
    house.receive(packed(world.site, failed, sent_at=at + timedelta(seconds=1)))
    later = manifest.changed(
        failed,
        observed_at=at + timedelta(seconds=1),
        load_id=manifest.load_id_of(CODE, at + timedelta(seconds=1), "unreachable|Máy chủ tắt."),
    )
    house.receive(packed(world.site, later, sent_at=at + timedelta(seconds=2)))
    with pytest.raises(AirflowFailException, match=r"Máy chủ tắt\."):
        ask()


def test_the_watch_hears_what_the_site_says(world: World, house: House) -> None:
    from ksc_ledger.orchestration.pushing import signs_of

    house.receive(packed(world.site, None, knock=Knock.REFUSED))
    said = signs_of(house.settings, house.registry, NOW)
    assert said == {CODE: Knock.REFUSED}
    later = NOW + timedelta(minutes=21)
    assert signs_of(house.settings, house.registry, later) == {CODE: Knock.TIMEOUT}
