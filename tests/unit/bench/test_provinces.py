"""The many provinces of the link watch's benchmark are a scenario like any other."""

from __future__ import annotations

from pathlib import Path

from bench import provinces

from ksc_ledger.simulator.check import check_scenario


def test_every_province_is_a_scenario_without_mistakes(tmp_path: Path) -> None:
    folders = provinces.write(tmp_path, 2, 5)
    assert [folder.name for folder in folders] == ["bt00", "bt01"]
    assert [check_scenario(folder) for folder in folders] == [[], []]


def test_servers_are_spread_evenly_and_none_is_lost() -> None:
    codes = provinces.server_codes(63, 700)
    counts = [len(one) for one in codes.values()]
    assert sum(counts) == 700
    assert max(counts) - min(counts) == 1
    assert len({code for one in codes.values() for code in one}) == 700
