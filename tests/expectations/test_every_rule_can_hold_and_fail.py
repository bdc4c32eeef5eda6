"""Every suite has a sample that it accepts and, for each of its rules, one that breaks the rule.

A rule that no sample can break guards nothing; a rule that breaks a healthy sample cries wolf.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from itertools import accumulate
from typing import Any

import pandas as pd
import pytest

from ksc_ledger.landing.manifest import Extra, ExtraKind
from ksc_ledger.quality import frames, suites
from ksc_ledger.quality.extras import LandedExtra, extras_frame
from ksc_ledger.quality.gate import Verdict, judge
from ksc_ledger.quality.suites import Severity, load_suite, suite_names
from unit.quality.landed import AT, ROOT, a_host, a_load, a_table, endpoint_id, extra_table, healthy

Frame = Callable[[], pd.DataFrame]

REPORTS = suites.REPORTS
REPORTED = "marts.rpt_reported_vs_observed"
REPORT_COUNTS = (
    "allocated_count",
    "computers_count",
    "installed_count",
    "correctly_named_count",
    "weak_hardware_count",
    "requested_count",
)

LATE = AT + timedelta(seconds=601)
JUST_IN_TIME = AT + timedelta(seconds=600)


def hosts(**facts: Any) -> Frame:
    """Two healthy devices and one with the facts given."""
    landed = frames.Landed(
        a_load(rows=3), a_table([a_host(1), a_host(2), a_host(3, **facts)]), None
    )
    return lambda: frames.hosts_frame([landed])


def loads(*, landed: int = 20, before: int | None = 20, **facts: Any) -> Frame:
    one = frames.Landed(a_load(rows=20, **facts), healthy(landed), before)
    return lambda: frames.loads_frame([one])


def extra(kind: str, *rows: dict[str, Any], count: int | None = None) -> Frame:
    """A healthy key, and the rows of a kind, beside ten devices."""

    def landed(kind: str, rows: list[dict[str, Any]], count: int | None) -> LandedExtra:
        there = Extra(path="raw", count=len(rows) if count is None else count)
        load = a_load(extras={kind: there})
        return LandedExtra(load, ExtraKind(kind), extra_table(kind, rows), healthy(10))

    one = landed("licences", [KEY], None)
    return lambda: extras_frame([one, landed(kind, list(rows), count)])


KEY = {"licence_serial": "2B1E", "seat_limit_count": 330, "used_count": 330, "expires_at": AT}
FOUND = {"event_id": 1, "endpoint_id": "weg", "registered_at": JUST_IN_TIME}
DEVICE = {"hardware_id": 1, "device_name": "TM-VHTT-PC01", "memory_mb": 0, "disk_gb": 0}
USERS = [{"licence_serial": "2B1E", "endpoint_id": endpoint_id(number)} for number in range(8)]
STRANGER = {"licence_serial": "2B1E", "endpoint_id": "weg"}


def coverage(**facts: Any) -> Frame:
    """The district's figures of the letter (255 of 330, 235 well named) and one more unit."""
    row = {
        "unit_code": "dtp_872",
        "snapshot_date": date(2022, 10, 12),
        "allocated_count": 330,
        "installed_count": 255,
        "correctly_named_count": 235,
        "protected_count": 240,
        "agent_only_count": 5,
        "stale_count": 4,
        "duplicate_count": 2,
        "exempt_count": 1,
        "old_bases_count": 3,
        "antivirus_conflict_count": 0,
        "gap_count": 77,
        "over_count": 2,
        "net_gap_count": 75,
        "installed_ratio": 255 / 330,
        "correctly_named_ratio": 235 / 255,
        "servers_expected_count": 1,
        "servers_observed_count": 1,
        "is_complete": True,
        "is_provisional": False,
        "is_observed": True,
        "has_snapshot_id": True,
    }
    for name in ("allocated_count", "installed_count", "correctly_named_count"):
        row[f"parts_{name}"] = facts.get(name, row[name])
    row["pool_count"] = facts.get("allocated_count", 330)
    none_yet = row | {
        "unit_code": "dtp_873",
        "allocated_count": 0,
        "installed_count": 0,
        "correctly_named_count": 0,
        "protected_count": 0,
        "gap_count": 0,
        "over_count": 0,
        "net_gap_count": 0,
        "installed_ratio": None,
        "correctly_named_ratio": None,
        "parts_allocated_count": 0,
        "parts_installed_count": 0,
        "parts_correctly_named_count": 0,
        "pool_count": None,
    }
    return lambda: pd.DataFrame([none_yet, row | facts])


def reports(**facts: Any) -> Frame:
    """The unit that filled its seats, and one with the facts given, in one report."""
    row = {
        "receipt_id": "dtp_872-20221018T020000Z-0123456789",
        "unit_code": "dtp_872_pnv",
        "report_date": "2022-10-12",
        "report_age_days": 6,
        "allocated_count": 12,
        "computers_count": 14,
        "installed_count": 12,
        "correctly_named_count": 12,
        "weak_hardware_count": 1,
        "requested_count": 0,
    }
    other = row | {"unit_code": "dtp_872_ptp"} | facts
    numbers = [name for name in row if name.endswith(("_count", "_days"))]
    return lambda: pd.DataFrame([row, other]).astype(dict.fromkeys(numbers, "float64"))


def reported(**facts: Any) -> Frame:
    """A unit that reported what was observed, and one with the facts given."""
    row = {
        "unit_code": "dtp_872_pnv",
        "report_date": date(2022, 10, 14),
        "reported_count": 12,
        "observed_count": 12,
        "allocated_count": 12,
        "difference_count": 0,
        "received_at": AT,
        "file_sha256": "0a" * 32,
    }
    other = row | {"unit_code": "dtp_872_ptp"} | facts
    for one in (row, other):
        known = one["reported_count"] is not None and one["observed_count"] is not None
        one["expected_difference_count"] = (
            one["reported_count"] - one["observed_count"] if known else None
        )
    if "difference_count" not in facts:
        other["difference_count"] = other["expected_difference_count"]
    numbers = [name for name in row if name.endswith("_count")]
    return lambda: pd.DataFrame([row, other]).astype(dict.fromkeys(numbers, "float64"))


def twice_the_same(make: Frame) -> Frame:
    return lambda: pd.concat([make(), make()], ignore_index=True)


ACCEPTED: dict[str, list[Frame]] = {
    suites.HOSTS: [
        hosts(),
        # An attribute without a value is absent; all of these are ordinary.
        hosts(
            status_bits=7,
            rtp_state=0,
            antivirus_version=None,
            bases_at=None,
            last_full_scan_at=None,
            virus_count=None,
            uncured_count=None,
            ip_number=None,
        ),
        hosts(
            status_bits=1,
            rtp_state=None,
            status_id=2,
            antivirus_version=None,
            agent_version=None,
            last_connected_at=None,
            is_unassigned=True,
            group_path=None,
        ),
        hosts(group_path=""),  # directly below the root group
        hosts(
            status_bits=1023,
            rtp_state=9,
            last_visible_at=JUST_IN_TIME,
            last_connected_at=JUST_IN_TIME,
            bases_at=JUST_IN_TIME,
            last_full_scan_at=JUST_IN_TIME,
            created_at=JUST_IN_TIME,
            ip_number=4294967295,
        ),
        lambda: frames.hosts_frame([frames.Landed(a_load(rows=0), a_table([]), None)]),
    ],
    suites.LOADS: [
        loads(),
        loads(before=None),
        loads(before=0),
        loads(rows_expected_count=None, clock_skew_seconds=None),
        loads(landed=14, rows_expected_count=14, rows_read_count=14),  # 30 % less
        loads(landed=1, before=9, rows_expected_count=1, rows_read_count=1),  # few to begin with
        loads(landed=30, rows_expected_count=30, rows_read_count=30),
        loads(clock_skew_seconds=120),
        loads(clock_skew_seconds=-120),
    ],
    suites.EXTRAS: [
        extra("licences"),
        extra("licences", KEY | {"seat_limit_count": 0}),  # a key without a limit
        extra("licences", KEY | {"seat_limit_count": None, "used_count": None}),
        extra("detections"),
        extra("detections", FOUND, FOUND | {"event_id": 2}),
        extra("hardware", DEVICE, {"hardware_id": 2, "device_name": "TM-VHTT-PC02"}),
        extra("licence_hosts", *USERS, STRANGER, STRANGER | {"licence_serial": "x"}),  # 20 %
        extra("products"),
    ],
    suites.COVERAGE: [
        coverage(),
        coverage(installed_ratio=0.7727),  # rounded to four places
        coverage(agent_only_count=None, antivirus_conflict_count=None),  # a source never landed
        coverage(  # no server of it was ever read
            installed_count=None,
            correctly_named_count=None,
            protected_count=None,
            net_gap_count=None,
            installed_ratio=None,
            correctly_named_ratio=None,
            is_observed=False,
        ),
        coverage(allocated_count=255, gap_count=0, net_gap_count=0, installed_ratio=1.0),
        coverage(pool_count=None),  # not the root of its estate
    ],
    REPORTED: [
        reported(),
        reported(reported_count=0, observed_count=0, difference_count=0),
        reported(reported_count=999_999, observed_count=None, difference_count=None),
        lambda: reported()().iloc[:0],  # nobody has reported yet
    ],
    REPORTS: [
        reports(),
        reports(report_age_days=0),
        reports(report_age_days=31),
        reports(installed_count=14, correctly_named_count=14, allocated_count=14),
        reports(installed_count=0, correctly_named_count=0, weak_hardware_count=14),
        reports(  # columns that the unit's table did not have
            allocated_count=None,
            computers_count=None,
            correctly_named_count=None,
            weak_hardware_count=None,
            requested_count=None,
        ),
        reports(**dict.fromkeys(REPORT_COUNTS, 999_999)),
    ],
}

# suite -> rule -> a frame that breaks it; other rules may break with it.
BREAKING: dict[str, dict[str, Frame]] = {
    suites.HOSTS: {
        "endpoint_id.not_null": hosts(endpoint_id=None),
        "endpoint_id.unique": hosts(endpoint_id=a_host(1)["endpoint_id"]),
        "endpoint_id.uuid": hosts(endpoint_id="TM-VHTT-PC03"),
        "display_name.not_null": hosts(display_name=None),
        "status_bits.not_null": hosts(status_bits=None),
        "status_bits.not_negative": hosts(status_bits=-1),
        "status_bits.known": hosts(status_bits=1024 | 31),
        "status_bits.alive_needs_agent": hosts(status_bits=8, agent_version=None),
        "status_id.known": hosts(status_id=3),
        "rtp_state.known": hosts(rtp_state=10),
        "rtp_state.needs_antivirus": hosts(rtp_state=4, status_bits=15, antivirus_version=None),
        "antivirus_version.matches_bit": hosts(antivirus_version=None),
        "agent_version.matches_bit": hosts(agent_version=None),
        "last_connected_at.needs_agent": hosts(status_bits=1, agent_version=None),
        "last_visible_at.not_future": hosts(last_visible_at=LATE),
        "last_connected_at.not_future": hosts(last_connected_at=LATE),
        "bases_at.not_future": hosts(bases_at=LATE),
        "last_full_scan_at.not_future": hosts(last_full_scan_at=LATE),
        "created_at.not_future": hosts(created_at=LATE),
        "is_unassigned.not_null": hosts(is_unassigned=None),
        "group_path.present": hosts(group_path=None),
        "ip_number.range": hosts(ip_number=-1),
        "virus_count.not_negative": hosts(virus_count=-1),
        "uncured_count.not_negative": hosts(uncured_count=-1),
    },
    suites.LOADS: {
        "ksc_hosts.rows_read_equal_expected": loads(rows_expected_count=21),
        "ksc_hosts.rows_landed_equal_read": loads(landed=19),
        "ksc_hosts.row_count": lambda: loads()().assign(rows_landed_count=200_001.0),
        "ksc_hosts.row_count_drop": loads(landed=13, rows_expected_count=13, rows_read_count=13),
        "ksc_hosts.clock_skew": loads(clock_skew_seconds=-121),
    },
    suites.EXTRAS: {
        "extras.rows_typed_equal_landed": extra("detections", FOUND, count=2),
        "extras.not_negative": extra("hardware", DEVICE | {"memory_mb": -1}),
        "extras.id_unique": extra("detections", FOUND, FOUND),
        "extras.device_known": extra("licence_hosts", *USERS[:3], STRANGER),
        "detections.device_present": extra("detections", FOUND | {"endpoint_id": None}),
        "detections.not_future": extra("detections", FOUND | {"registered_at": LATE}),
        "licences.expiry_present": extra("licences", KEY | {"expires_at": None}),
        "licences.within_limit": extra("licences", KEY | {"used_count": 331}),
    },
    suites.COVERAGE: {
        "fct_unit_coverage_daily.not_empty": lambda: coverage()().iloc[:0],
        "unit_code.form": coverage(unit_code="Tháp Mười"),
        "unit_code.not_null": coverage(unit_code=None),
        "snapshot_date.not_null": coverage(snapshot_date=None),
        "snapshot_id.not_null": coverage(has_snapshot_id=False),
        "unit_code.one_row_a_day": twice_the_same(coverage()),
        **{
            f"{name}.not_negative": coverage(**{name: -1})
            for name in (
                "allocated_count",
                "installed_count",
                "correctly_named_count",
                "protected_count",
                "agent_only_count",
                "stale_count",
                "duplicate_count",
                "exempt_count",
                "old_bases_count",
                "antivirus_conflict_count",
                "gap_count",
                "over_count",
                "servers_expected_count",
                "servers_observed_count",
                "installed_ratio",
                "correctly_named_ratio",
            )
        },
        "installed_count.not_null": coverage(installed_count=None),
        "correctly_named_count.at_most_installed": coverage(correctly_named_count=256),
        "protected_count.at_most_installed": coverage(protected_count=256),
        "net_gap_count.is_difference": coverage(net_gap_count=76),
        "installed_ratio.is_quotient": coverage(installed_ratio=0.78),
        "correctly_named_ratio.at_most_one": coverage(correctly_named_ratio=1.01),
        "servers_observed_count.at_most_expected": coverage(servers_observed_count=2),
        "is_complete.all_servers": coverage(servers_expected_count=2),
        "allocated_count.equals_parts": coverage(parts_allocated_count=329),
        "installed_count.equals_parts": coverage(parts_installed_count=254),
        "correctly_named_count.equals_parts": coverage(parts_correctly_named_count=236),
        "allocated_count.equals_pool": coverage(pool_count=331),
        "installed_count.at_most_allocated": coverage(allocated_count=254),
        "servers_observed_count.all_expected": coverage(
            is_complete=False, servers_expected_count=13
        ),
    },
    REPORTED: {
        "unit_code.one_row_a_day": twice_the_same(reported()),
        "unit_code.not_null": reported(unit_code=None),
        "report_date.not_null": reported(report_date=None),
        "reported_count.not_null": reported(reported_count=None),
        "received_at.not_null": reported(received_at=pd.NaT),
        "file_sha256.form": reported(file_sha256="báo cáo.xlsx"),
        "reported_count.range": reported(reported_count=-1),
        "difference_count.is_difference": reported(difference_count=1),
        "reported_count.equals_observed": reported(reported_count=13),
    },
    REPORTS: {
        "unit_code.not_null": reports(unit_code=None),
        "unit_code.form": reports(unit_code="Phòng Tư pháp"),
        "unit_code.one_row_a_report": reports(unit_code="dtp_872_pnv"),
        "report_date.not_null": reports(report_date=None),
        "report_age_days.range": reports(report_age_days=-1),
        "report_age_days.recent": reports(report_age_days=32),
        "installed_count.not_null": reports(installed_count=None),
        **{f"{name}.range": reports(**{name: -1}) for name in REPORT_COUNTS},
        "correctly_named_count.at_most_installed": reports(correctly_named_count=13),
        "installed_count.at_most_computers": reports(installed_count=15),
        "weak_hardware_count.at_most_computers": reports(weak_hardware_count=15),
        "installed_count.at_most_allocated": reports(installed_count=13),
    },
}

RULES = [(name, rule.code) for name in suite_names(ROOT) for rule in load_suite(ROOT, name).rules]
WHOLE_TABLE = "fct_unit_coverage_daily.not_empty"


def together(suite: str, samples: list[Frame]) -> tuple[pd.DataFrame, list[range]]:
    """All samples in one frame, told apart by their key, and the rows of each: one run for all."""
    parts = []
    for number, make in enumerate(samples):
        part = make()
        if suite == suites.COVERAGE:
            later = timedelta(days=number)
            part["snapshot_date"] = [day and day + later for day in part["snapshot_date"]]
        elif suite == REPORTED:
            later = timedelta(days=number)
            part["report_date"] = [day and day + later for day in part["report_date"]]
        elif suite == REPORTS:
            part["receipt_id"] = f"r{number}"
        else:
            part[frames.SERVER] = f"s{number}"
        parts.append(part)
    ends = list(accumulate(len(part) for part in parts))
    rows = [range(end - len(part), end) for end, part in zip(ends, parts, strict=True)]
    return pd.concat(parts, ignore_index=True), rows


@cache
def breaking_rows(suite: str) -> dict[str, tuple[range, Verdict]]:
    samples = {code: make for code, make in BREAKING[suite].items() if code != WHOLE_TABLE}
    frame, rows = together(suite, list(samples.values()))
    verdicts = {one.expectation: one for one in judge(frame, suite, root=ROOT)}
    return {code: (rows[number], verdicts[code]) for number, code in enumerate(samples)}


def test_there_are_suites_and_all_have_samples() -> None:
    assert suite_names(ROOT) == sorted(
        [suites.HOSTS, suites.LOADS, suites.EXTRAS, suites.COVERAGE, REPORTED, REPORTS]
    )
    assert set(ACCEPTED) == set(BREAKING) == set(suite_names(ROOT))


def test_every_rule_has_a_sample_that_breaks_it_and_no_sample_lacks_its_rule() -> None:
    assert {(suite, code) for suite, rules in BREAKING.items() for code in rules} == set(RULES)


@pytest.mark.parametrize("suite", ACCEPTED)
def test_a_healthy_sample_breaks_no_rule(suite: str) -> None:
    frame, _ = together(suite, ACCEPTED[suite])
    verdicts = judge(frame, suite, root=ROOT)
    assert [(one.expectation, one.unexpected_rows) for one in verdicts if not one.is_success] == []
    assert len(verdicts) == len(load_suite(ROOT, suite).rules)


@pytest.mark.parametrize(
    ("suite", "code"), [one for one in RULES if one[1] != WHOLE_TABLE], ids=lambda value: value
)
def test_its_sample_breaks_the_rule(suite: str, code: str) -> None:
    rows, verdict = breaking_rows(suite)[code]
    assert not verdict.is_success
    assert set(rows) & set(verdict.unexpected_rows)
    # The sample's first row is healthy: a rule that names it as well is not the rule it claims.
    unique = {"endpoint_id.unique", "unit_code.one_row_a_day", "unit_code.one_row_a_report"}
    if code not in unique and len(rows) > 1:
        assert rows[0] not in verdict.unexpected_rows


def test_an_empty_mart_is_not_published() -> None:
    make = BREAKING[suites.COVERAGE][WHOLE_TABLE]
    verdicts = {one.expectation: one for one in judge(make(), suites.COVERAGE, root=ROOT)}
    assert not verdicts.pop(WHOLE_TABLE).is_success
    assert all(one.is_success for one in verdicts.values())


@pytest.mark.parametrize("name", suite_names(ROOT))
def test_officials_read_a_vietnamese_sentence(name: str) -> None:
    suite = load_suite(ROOT, name)
    for text in [suite.description, *(rule.description for rule in suite.rules)]:
        assert text == unicodedata.normalize("NFC", text)
        assert not text.isascii()
        assert text.endswith(".")


def test_a_rule_that_refuses_a_load_is_one_that_figures_rest_on() -> None:
    """What refuses is named here, so that a new refusal is a decision and not a slip."""
    refusing = {
        rule.code for rule in load_suite(ROOT, suites.HOSTS).rules if rule.severity is Severity.FAIL
    }
    assert refusing == {
        "endpoint_id.not_null",
        "endpoint_id.unique",
        "status_bits.not_null",
        "status_bits.not_negative",
    }


def test_a_rule_that_refuses_a_kind_beside_the_devices_is_named_here() -> None:
    rules = load_suite(ROOT, suites.EXTRAS).rules
    assert {rule.code for rule in rules if rule.severity is Severity.FAIL} == {
        "extras.rows_typed_equal_landed",
        "extras.not_negative",
    }
