"""A suite as one SQL statement finds exactly what the gate finds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import duckdb
import pytest
from bench import suite_sql
from bench.suite_sql import NotTranslated
from tests.unit.quality import landed

from ksc_ledger.quality import frames
from ksc_ledger.quality.gate import judge_by_server
from ksc_ledger.quality.suites import HOSTS, Rule, Severity, Suite, load_suite

BROKEN: list[dict[str, Any]] = [
    {"endpoint_id": None},
    {"endpoint_id": "not-a-uuid"},
    {"display_name": None},
    {"status_bits": None},
    {"status_bits": -1},
    {"status_bits": 4096 + 31},
    {"status_bits": 0x18},  # alive and protected without an agent
    {"status_id": 7},
    {"rtp_state": 12},
    {"rtp_state": 4, "status_bits": 15, "antivirus_version": None},
    {"antivirus_version": None},
    {"agent_version": None},
    {"last_visible_at": landed.AT + timedelta(seconds=601)},
    {"last_visible_at": landed.AT + timedelta(seconds=600)},
    {"last_connected_at": landed.AT + timedelta(days=1)},
    {"bases_at": landed.AT + timedelta(days=1)},
    {"last_full_scan_at": landed.AT + timedelta(days=1)},
    {"created_at": landed.AT + timedelta(days=1)},
    {"is_unassigned": None},
    {"group_path": None},
    {"group_path": None, "is_unassigned": True},
    {"ip_number": -5},
    {"ip_number": 2**32},
    {"virus_count": -1},
    {"uncured_count": -1},
    {"endpoint_id": landed.endpoint_id(0)},  # a second time
]


def test_it_counts_the_same_rows_for_every_rule_and_server() -> None:
    hosts = [landed.a_host(number) for number in range(5)]
    hosts += [landed.a_host(100 + number, **facts) for number, facts in enumerate(BROKEN)]
    loads = [
        frames.Landed(landed.a_load("dtp", rows=len(hosts)), landed.a_table(hosts), None),
        frames.Landed(landed.a_load("dtp_872", rows=3), landed.healthy(3), None),
    ]
    frame = frames.hosts_frame(loads)
    servers = [one.load.server_code for one in loads]
    verdicts = judge_by_server(frame, HOSTS, root=landed.ROOT, servers=servers)
    suite = load_suite(landed.ROOT, HOSTS)

    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    con.register("landed", frame)
    # pandas has no missing integers of its own: the frame's numbers are doubles.
    con.execute(
        "create table host as select * replace (status_bits::integer as status_bits) from landed"
    )
    found = con.execute(
        suite_sql.statement(suite, f"select *, {suite_sql.DERIVED_HOSTS} from host")
    )
    names = [column[0] for column in found.description]
    counts = {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in found.fetchall()}

    for server in servers:
        wanted = {one.expectation: one.unexpected_count for one in verdicts[server]}
        assert counts[server] == wanted
    assert all(counts["dtp"].values()), "every rule has a row that breaks it"
    assert not any(counts["dtp_872"].values())


def a_rule(type_: str, **kwargs: Any) -> Rule:
    return Rule(
        code="column.rule",
        type=type_,
        kwargs=kwargs,
        severity=Severity.WARN,
        description="x.",
        remedy="",
    )


@pytest.mark.parametrize(
    "rule",
    [
        a_rule("expect_column_values_to_be_unique", column="a"),
        a_rule("expect_column_values_to_be_between", column="a", min_value=0, strict_min=True),
        a_rule("expect_column_values_to_not_be_null", column="a", mostly=0.9),
        a_rule("expect_column_values_to_not_be_null", column="a", row_condition={"type": "or"}),
    ],
)
def test_a_rule_it_does_not_know_is_refused_and_never_left_out(rule: Rule) -> None:
    with pytest.raises(NotTranslated, match=r"column\.rule"):
        suite_sql.statement(Suite(name="a.b", description="x", rules=(rule,)), "select 1")
