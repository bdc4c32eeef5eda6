from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from ksc_ledger.state import registry_log
from ksc_ledger.state.registry_log import RegistryVersion

AT = datetime(2023, 10, 20, 1, 0, tzinfo=UTC)
OLD, NEW = "0" * 64, "1" * 64
MISTAKE = {"file": "units.csv", "row": 3, "field": "unit_code", "text": "Mã đơn vị bị trùng."}


def at(hours: int) -> datetime:
    return AT + timedelta(hours=hours)


def test_without_a_version_there_is_no_good_one(engine: Engine) -> None:
    assert registry_log.last_good(engine) is None


def test_a_version_keeps_the_instant_it_was_first_seen(engine: Engine) -> None:
    assert registry_log.record(engine, OLD, at(0), is_good=True)
    assert not registry_log.record(engine, OLD, at(1), is_good=True)
    assert registry_log.versions(engine) == [RegistryVersion(OLD, at(0), at(1), True, ())]


def test_a_version_with_mistakes_leaves_the_last_good_one_in_force(engine: Engine) -> None:
    registry_log.record(engine, OLD, at(0), is_good=True)
    registry_log.record(engine, NEW, at(1), is_good=False, mistakes=[MISTAKE])
    good = registry_log.last_good(engine)
    assert good is not None
    assert good.sha256 == OLD
    assert registry_log.versions(engine)[1].mistakes == (MISTAKE,)


def test_files_put_back_are_the_last_good_version_again(engine: Engine) -> None:
    registry_log.record(engine, OLD, at(0), is_good=True)
    registry_log.record(engine, NEW, at(1), is_good=True)
    registry_log.record(engine, OLD, at(2), is_good=True)
    good = registry_log.last_good(engine)
    assert good is not None
    assert good.sha256 == OLD


def test_newer_code_may_judge_the_same_files_otherwise(engine: Engine) -> None:
    registry_log.record(engine, OLD, at(0), is_good=True)
    registry_log.record(engine, OLD, at(1), is_good=False, mistakes=[MISTAKE])
    assert registry_log.last_good(engine) is None


def test_processes_that_see_a_new_version_at_once_record_it_once(engine: Engine) -> None:
    start = threading.Barrier(6)
    new: list[bool] = []

    def see() -> None:
        start.wait()
        new.append(registry_log.record(engine, NEW, at(0), is_good=True))

    threads = [threading.Thread(target=see) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == [False] * 5 + [True]
    assert len(registry_log.versions(engine)) == 1
