from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ksc_ledger import settings as settings_module
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.quality import gate, quarantine
from ksc_ledger.quality.gate import gate_loads
from ksc_ledger.quality.suites import BrokenExpectation, load_suite
from ksc_ledger.settings import Settings
from unit.quality.landed import AT, ROOT, a_host, a_load, a_table, endpoint_id, healthy

NOW = datetime(2023, 10, 20, 1, 10, tzinfo=UTC)
Gate = Callable[..., list[Load]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_module.load(
        {"KSC_LEDGER_HOME": str(tmp_path / "home"), "KSC_LEDGER_EXPECTATIONS": str(ROOT)}
    )


@pytest.fixture
def gated(settings: Settings) -> Gate:
    """Gate loads given with their rows, after writing their manifests as collection does."""

    def gated(*loads: Load, tables: Mapping[str, pa.Table], now: datetime = NOW) -> list[Load]:
        for load in loads:
            manifest.write(load, settings.places)
        return gate_loads(
            loads, settings.places, settings, lambda load: tables[load.load_id], now=now
        )

    return gated


def verdict_of(load: Load, code: str) -> dict[str, Any]:
    [found] = [verdict for verdict in load.verdicts if verdict["expectation"] == code]
    return found


def test_a_healthy_load_passes_with_every_verdict(gated: Gate, settings: Settings) -> None:
    load = a_load(rows=3)
    [judged] = gated(load, tables={load.load_id: healthy(3)})
    assert (judged.status, judged.gated_at) == (LoadStatus.COMPLETE, NOW)
    assert len(judged.verdicts) == 29
    assert all(verdict["is_success"] for verdict in judged.verdicts)
    assert verdict_of(judged, "endpoint_id.unique") == {
        "suite": "landing.ksc_hosts",
        "expectation": "endpoint_id.unique",
        "severity": "fail",
        "is_success": True,
        "unexpected_count": 0,
        "description": "Trong một lần đọc một máy chủ, mỗi mã thiết bị chỉ được xuất hiện một lần.",
    }
    assert manifest.read(load.path(settings.places)) == judged
    assert not quarantine.path_of(load, settings.places).exists()


def test_one_verdict_per_load_suite_and_rule(gated: Gate) -> None:
    load = a_load(rows=1)
    [judged] = gated(load, tables={load.load_id: healthy(1)})
    keys = [(verdict["suite"], verdict["expectation"]) for verdict in judged.verdicts]
    assert len(keys) == len(set(keys))


def test_a_server_without_devices_is_judged_too(gated: Gate) -> None:
    load = a_load(rows=0)
    [judged] = gated(load, tables={load.load_id: a_table([])})
    assert judged.status is LoadStatus.COMPLETE
    assert len(judged.verdicts) == 29


def test_a_fail_rule_refuses_the_load_and_says_so_to_an_official(gated: Gate) -> None:
    load = a_load(rows=3)
    table = a_table([a_host(1), a_host(2), a_host(2)])
    [judged] = gated(load, tables={load.load_id: table})
    assert judged.status is LoadStatus.REJECTED
    assert judged.gated_at == NOW
    assert judged.fault_code == "rejected"
    assert judged.fault_text == (
        "Số liệu của máy chủ dtp_872 đọc lúc 08:00 ngày 20/10/2023 không qua kiểm tra: Trong một "
        "lần đọc một máy chủ, mỗi mã thiết bị chỉ được xuất hiện một lần (2 dòng sai). Số liệu "
        "tốt gần nhất vẫn được dùng. Cách khắc phục: Chạy lại tác vụ thu thập của máy chủ này; "
        "nếu vẫn lỗi, kiểm tra máy chủ KSC và báo nhóm kỹ thuật."
    )
    assert verdict_of(judged, "endpoint_id.unique")["unexpected_count"] == 2


def test_a_bad_server_does_not_touch_its_neighbours(gated: Gate) -> None:
    bad, good = a_load("dtp_872", rows=1), a_load("dtp_873", rows=2)
    tables = {bad.load_id: a_table([a_host(status_bits=None)]), good.load_id: healthy(2)}
    [refused, passed] = gated(bad, good, tables=tables)
    assert (refused.status, passed.status) == (LoadStatus.REJECTED, LoadStatus.COMPLETE)
    assert all(verdict["is_success"] for verdict in passed.verdicts)


def test_a_warn_rule_lets_the_load_pass_and_is_recorded(gated: Gate) -> None:
    load = a_load(rows=1)
    table = a_table([a_host(last_connected_at=AT + timedelta(days=400))])
    [judged] = gated(load, tables={load.load_id: table})
    assert judged.status is LoadStatus.COMPLETE
    verdict = verdict_of(judged, "last_connected_at.not_future")
    assert (verdict["severity"], verdict["is_success"]) == ("warn", False)
    assert verdict["unexpected_count"] == 1


@pytest.mark.parametrize(
    ("read", "expected", "landed", "rule"),
    [
        pytest.param(19, 20, 19, "ksc_hosts.rows_read_equal_expected", id="one was not read"),
        pytest.param(20, 20, 19, "ksc_hosts.rows_landed_equal_read", id="typing lost one"),
        pytest.param(20, 20, 21, "ksc_hosts.rows_landed_equal_read", id="typing made one up"),
    ],
)
def test_counts_that_disagree_refuse_the_load(
    gated: Gate, read: int, expected: int, landed: int, rule: str
) -> None:
    load = a_load(rows=20, rows_read_count=read, rows_expected_count=expected)
    [judged] = gated(load, tables={load.load_id: healthy(landed)})
    assert judged.status is LoadStatus.REJECTED
    assert verdict_of(judged, rule)["is_success"] is False
    said = f"(máy chủ báo {expected}, đọc được {read}, định kiểu {landed})"
    assert said in str(judged.fault_text)


def earlier(rows: int, *, days: float = 1, **facts: Any) -> Load:
    facts = {"gated_at": NOW - timedelta(days=days), **facts}
    return a_load(rows=rows, observed_at=AT - timedelta(days=days), **facts)


@pytest.mark.parametrize(
    ("before", "now", "is_success"),
    [(20, 14, True), (20, 13, False), (10, 6, False), (9, 1, True), (20, 40, True)],
)
def test_a_sudden_drop_is_flagged_against_the_last_good_load(
    gated: Gate, settings: Settings, before: int, now: int, is_success: bool
) -> None:
    manifest.write(earlier(before), settings.places)
    load = a_load(rows=now)
    [judged] = gated(load, tables={load.load_id: healthy(now)})
    assert judged.status is LoadStatus.COMPLETE
    assert verdict_of(judged, "ksc_hosts.row_count_drop")["is_success"] is is_success


@pytest.mark.parametrize(
    "not_a_measure",
    [
        pytest.param(earlier(50, status=LoadStatus.INCOMPLETE), id="incomplete"),
        pytest.param(earlier(50, status=LoadStatus.REJECTED), id="refused"),
        pytest.param(earlier(50, gated_at=None), id="not judged yet"),
        pytest.param(earlier(50, days=-1), id="read later"),
        pytest.param(dataclasses.replace(earlier(50), server_code="dtp_873"), id="another server"),
    ],
)
def test_only_an_earlier_good_load_of_the_server_is_a_measure(
    gated: Gate, settings: Settings, not_a_measure: Load
) -> None:
    manifest.write(not_a_measure, settings.places)
    manifest.write(earlier(20, days=40), settings.places)  # in an older month
    load = a_load(rows=20)
    [judged] = gated(load, tables={load.load_id: healthy(20)})
    assert verdict_of(judged, "ksc_hosts.row_count_drop")["is_success"]
    fewer = a_load(rows=13)
    [flagged] = gated(fewer, tables={fewer.load_id: healthy(13)})
    assert not verdict_of(flagged, "ksc_hosts.row_count_drop")["is_success"]


def test_newer_and_older_manifests_stay_unread(gated: Gate, settings: Settings) -> None:
    """Thousands of them lie there after a year; unreadable ones stand for those here."""
    for other in (earlier(50, days=-1), earlier(50, days=-40), earlier(50, days=2)):
        path = manifest.write(other, settings.places)
        path.write_text("not read", "utf-8")
    manifest.write(earlier(20), settings.places)
    load = a_load(rows=13)
    [judged] = gated(load, tables={load.load_id: healthy(13)})
    assert not verdict_of(judged, "ksc_hosts.row_count_drop")["is_success"]


def test_waiting_loads_of_one_server_are_judged_in_the_order_they_were_read(gated: Gate) -> None:
    """The second falls by half against the first; the third is measured by the second again."""
    loads = [a_load(rows=rows, observed_at=AT + timedelta(hours=n)) for n, rows in ((0, 20), (1, 10), (2, 10))]  # fmt: skip
    tables = {load.load_id: healthy(load.rows_read_count) for load in loads}
    judged = gated(*reversed(loads), tables=tables)
    assert [load.load_id for load in judged] == [load.load_id for load in reversed(loads)]
    drops = [verdict_of(load, "ksc_hosts.row_count_drop")["is_success"] for load in judged]
    assert drops == [True, False, True]


@pytest.mark.parametrize(
    "other",
    [
        a_load(status=LoadStatus.INCOMPLETE),
        a_load(status=LoadStatus.FAILED),
        a_load(status=LoadStatus.REJECTED, gated_at=NOW),
        a_load(gated_at=NOW),
    ],
)
def test_what_is_not_complete_or_judged_already_is_left_alone(
    gated: Gate, settings: Settings, other: Load
) -> None:
    assert gated(other, tables={}) == []
    assert manifest.read(other.path(settings.places)) == other


def test_a_server_with_a_wrong_clock_is_one_warning_and_not_one_a_device(gated: Gate) -> None:
    skew = timedelta(hours=3)
    fast = a_load(rows=1, clock_skew_seconds=int(skew.total_seconds()))
    table = a_table([a_host(last_connected_at=AT + skew, last_visible_at=AT + skew)])
    [judged] = gated(fast, tables={fast.load_id: table})
    broken = [one["expectation"] for one in judged.verdicts if not one["is_success"]]
    assert broken == ["ksc_hosts.clock_skew"]


def test_a_server_whose_clock_is_behind_is_judged_by_ours(gated: Gate) -> None:
    slow = a_load(rows=2, clock_skew_seconds=-3 * 3600)
    fresh, future = AT + timedelta(seconds=600), AT + timedelta(seconds=601)
    table = a_table([a_host(1, bases_at=fresh), a_host(2, bases_at=future)])
    [judged] = gated(slow, tables={slow.load_id: table})
    assert verdict_of(judged, "bases_at.not_future")["unexpected_count"] == 1


def test_a_small_skew_keeps_our_clock(gated: Gate) -> None:
    fast = a_load(rows=1, clock_skew_seconds=600)
    table = a_table([a_host(last_connected_at=AT + timedelta(seconds=700))])
    [judged] = gated(fast, tables={fast.load_id: table})
    broken = [one["expectation"] for one in judged.verdicts if not one["is_success"]]
    assert broken == ["ksc_hosts.clock_skew", "last_connected_at.not_future"]


def test_unreadable_rows_refuse_one_load_only(gated: Gate, settings: Settings) -> None:
    bad, good = a_load("dtp_872", rows=1), a_load("dtp_873", rows=1)
    for load in (bad, good):
        manifest.write(load, settings.places)

    def read(load: Load) -> pa.Table:
        if load is bad:
            raise LedgerError("snapshot_unreadable", "Không đọc được tệp.", "Thu thập lại.")
        return healthy(1)

    [refused, passed] = gate_loads([bad, good], settings.places, settings, read, now=NOW)
    assert (refused.status, passed.status) == (LoadStatus.REJECTED, LoadStatus.COMPLETE)
    assert refused.fault_text == "Không đọc được tệp. Cách khắc phục: Thu thập lại."
    assert manifest.read(bad.path(settings.places)) == refused


def test_a_broken_rule_leaves_every_load_waiting(
    gated: Gate, settings: Settings, tmp_path: Path
) -> None:
    root = tmp_path / "expectations"
    shutil.copytree(ROOT, root)
    hosts = root / "landing" / "ksc_hosts.json"
    hosts.write_text(hosts.read_text("utf-8").replace('"column": "status_id"', '"column": "sid"'))
    load = a_load(rows=1)
    manifest.write(load, settings.places)
    broken = dataclasses.replace(settings, expectations=root)
    with pytest.raises(BrokenExpectation, match=r"status_id\.known"):
        gate_loads([load], broken.places, broken, lambda _: healthy(1), now=NOW)
    assert manifest.read(load.path(settings.places)) == load


def test_a_second_gate_after_a_crash_comes_to_the_same_end(
    gated: Gate, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = a_load(rows=1)
    tables = {load.load_id: a_table([a_host(display_name=None)])}

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(gate.manifest, "write", crash)
        with pytest.raises(KeyboardInterrupt):
            gate_loads([load], settings.places, settings, lambda _: tables[load.load_id], now=NOW)
    first = quarantine.path_of(load, settings.places).read_text("utf-8")
    [judged] = gated(load, tables=tables)
    assert judged.gated_at == NOW
    assert quarantine.path_of(load, settings.places).read_text("utf-8") == first


def test_offending_rows_are_quarantined_with_the_rules_words(
    gated: Gate, settings: Settings
) -> None:
    load = a_load(rows=2)
    table = a_table([a_host(1, status_id=7), a_host(2)])
    gated(load, tables={load.load_id: table})
    [line] = quarantine.path_of(load, settings.places).read_text("utf-8").splitlines()
    rule = {one.code: one for one in load_suite(ROOT, "landing.ksc_hosts").rules}["status_id.known"]
    row = json.loads(line)
    assert row.pop("quarantine_id")
    assert row == {
        "source": "landing.ksc_hosts:dtp_872",
        "reason_code": "status_id.known",
        "reason_text": rule.description,
        "sample": f"endpoint_id={endpoint_id(1)}; status_id=7",
        "first_seen_at": AT.isoformat(),
    }


def test_no_machine_name_reaches_the_quarantine(gated: Gate, settings: Settings) -> None:
    """Each text of a device that could name it or its user, in rows that break many rules."""
    secret = "MAYPHUONG"
    host = a_host(
        endpoint_id=secret,
        display_name=secret,
        netbios_name=secret,
        dns_name=secret,
        fqdn=secret,
        group_path=None,
        status_bits=-1,
        status_id=9,
        rtp_state=12,
        ip_number=-173278741,
        virus_count=-1,
    )
    load = a_load(rows=1)
    gated(load, tables={load.load_id: a_table([host])})
    text = quarantine.path_of(load, settings.places).read_text("utf-8")
    assert len(text.splitlines()) >= 5
    assert secret.casefold() not in text.casefold()
    assert "173278741" not in text
