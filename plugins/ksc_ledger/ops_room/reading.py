"""What the page asks a published version: each function one question, rows by column name.

``day`` is a Vietnamese day; what held at its last second is shown, as in every daily figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from ksc_ledger.clock import end_of_day
from ksc_ledger.warehouse.serving import Issue, Rows

TREND_DAYS = 400
TREND_POINTS = 120
PAGE_ROWS = 100
# An obligation is news from this long before it is due.
OBLIGATION_AHEAD = timedelta(days=45)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    unit_code: str
    unit_name: str
    estate_code: str
    parent_unit_code: str | None
    list_order: int


@dataclass(frozen=True)
class Tree:
    """The units of all estates on one day."""

    units: Mapping[str, Unit]

    @cached_property
    def children(self) -> Mapping[str | None, tuple[str, ...]]:
        found: dict[str | None, list[Unit]] = {}
        for unit in self.units.values():
            parent = unit.parent_unit_code if unit.parent_unit_code in self.units else None
            found.setdefault(parent, []).append(unit)
        return {
            parent: tuple(
                one.unit_code for one in sorted(units, key=lambda u: (u.list_order, u.unit_code))
            )
            for parent, units in found.items()
        }

    def below(self, top: str, depth: int = 99) -> list[tuple[str, int]]:
        """The unit and those below it in the official order, each with its depth."""
        found = [(top, 0)]
        if depth:
            for child in self.children.get(top, ()):
                found += [(code, level + 1) for code, level in self.below(child, depth - 1)]
        return found

    def codes(self, top: str) -> list[str]:
        return [code for code, _ in self.below(top)]

    def path(self, code: str) -> list[str]:
        """From the estate's top to the unit."""
        found: list[str] = []
        here: str | None = code
        while here is not None and here in self.units and here not in found:
            found.append(here)
            here = self.units[here].parent_unit_code
        return found[::-1]

    def name(self, code: str | None) -> str:
        unit = self.units.get(code or "")
        return unit.unit_name if unit else code or ""


def tree_on(issue: Issue, day: date) -> Tree:
    rows = issue.kept_rows(
        """
        select unit_code, unit_name, estate_code, parent_unit_code, list_order
        from marts.dim_unit
        where valid_from_date <= $day and coalesce(valid_to_date, date '9999-12-31') >= $day
        """,
        {"day": day},
    )
    return Tree({row["unit_code"]: Unit(**row) for row in rows})


def published(issue: Issue) -> dict[str, Any]:
    return issue.kept_rows("from marts._published")[0]


def days_of(issue: Issue) -> dict[str, tuple[date, date]]:
    """The first and the newest day of each estate, in the order of their codes."""
    rows = issue.kept_rows(
        "select estate_code, min(snapshot_date) as first_date, max(snapshot_date) as last_date"
        " from marts.fct_unit_coverage_daily group by estate_code order by estate_code"
    )
    return {row["estate_code"]: (row["first_date"], row["last_date"]) for row in rows}


def coverage_on(issue: Issue, day: date) -> dict[str, dict[str, Any]]:
    """The figures of every unit on a day."""
    rows = issue.kept_rows(
        "from marts.fct_unit_coverage_daily where snapshot_date = $day", {"day": day}
    )
    return {row["unit_code"]: row for row in rows}


def national_on(issue: Issue, day: date) -> Rows:
    """Every estate on a day, then all of them together; empty where the version has no such table."""
    if not issue.has("rpt_national_coverage_daily"):
        return []
    return issue.kept_rows(
        "from marts.rpt_national_coverage_daily where snapshot_date = $day"
        " order by is_whole, estate_code",
        {"day": day},
    )


def trend(issue: Issue, unit_code: str, until: date) -> Rows:
    """At most a year and a bit, thinned to what a screen can show, the last day always in it."""
    rows = issue.rows(
        """
        select snapshot_date, allocated_count, installed_count, correctly_named_count,
            protected_count
        from marts.fct_unit_coverage_daily
        where unit_code = $unit and snapshot_date between $since and $until
        order by snapshot_date
        """,
        {"unit": unit_code, "since": until - timedelta(days=TREND_DAYS), "until": until},
    )
    step = -(-len(rows) // TREND_POINTS) or 1
    return rows[::-1][::step][::-1]


def parts_on(issue: Issue, day: date, unit_code: str) -> dict[str, int]:
    rows = issue.rows(
        "select reason_code, machine_count from marts.rpt_coverage_gap"
        " where snapshot_date = $day and unit_code = $unit",
        {"day": day, "unit": unit_code},
    )
    return {row["reason_code"]: row["machine_count"] for row in rows}


def servers_on(issue: Issue, day: date, unit_code: str) -> Rows:
    """The servers on which a unit's figures of the day rest, with state, outage and load."""
    at = end_of_day(day)
    return issue.rows(
        """
        select
            s.server_code, s.server_name, s.server_role, s.unit_code, s.estate_code, s.list_order,
            l.state, l.cause, l.started_at as state_since_at,
            o.incident_id, o.started_at as outage_started_at, o.cause as outage_cause,
            o.ended_at as outage_ended_at, o.inhibited_by,
            d.load_id, d.observed_at, d.is_of_that_day, d.has_passed_gate
        from marts.dim_unit_server as u
        inner join marts.dim_server as s on u.server_code = s.server_code
        left join marts.fct_server_source_daily as d
            on s.server_code = d.server_code and d.snapshot_date = $day
        left join marts.fct_server_link as l
            on s.server_code = l.server_code and l.started_at <= $at
            and coalesce(l.ended_at, timestamptz '9999-12-31 00:00:00+00') > $at
        left join marts.fct_server_outage as o
            on s.server_code = o.server_code and o.started_at <= $at
            and coalesce(o.ended_at, timestamptz '9999-12-31 00:00:00+00') > $at
        where u.unit_code = $unit and u.valid_from_date <= $day
            and coalesce(u.valid_to_date, date '9999-12-31') >= $day
        order by s.estate_code, s.server_role desc, s.list_order, s.server_code
        """,
        {"day": day, "unit": unit_code, "at": at},
    )


def server(issue: Issue, server_code: str) -> dict[str, Any] | None:
    rows = issue.rows("from marts.dim_server where server_code = $code", {"code": server_code})
    return rows[0] if rows else None


def outages_of(issue: Issue, servers: Sequence[str], at: datetime, longest: int = 30) -> Rows:
    """The newest outages that had begun at the instant; one that ended later is still open."""
    return issue.rows(
        """
        select o.* replace (if(o.ended_at <= $at, o.ended_at, null) as ended_at), s.server_name
        from marts.fct_server_outage as o
        left join marts.dim_server as s using (server_code)
        where o.server_code in (select unnest($servers)) and o.started_at <= $at
        order by o.started_at desc limit $longest
        """,
        {"servers": list(servers), "at": at, "longest": longest},
    )


def intervals_of(issue: Issue, server_code: str, since: datetime, until: datetime) -> Rows:
    return issue.rows(
        """
        select state, cause, is_maintenance, greatest(started_at, $since) as started_at,
            least(coalesce(ended_at, $until), $until) as ended_at
        from marts.fct_server_link
        where server_code = $server and started_at < $until
            and coalesce(ended_at, $until) > $since
        order by started_at
        """,
        {"server": server_code, "since": since, "until": until},
    )


def loads_of(issue: Issue, server_code: str, until: datetime) -> Rows:
    return issue.rows(
        "select load_id, observed_at, status, rows_read_count, fault_code, fault_text,"
        " refusal_code from marts.fct_source_load where server_code = $server"
        " and observed_at <= $until order by observed_at desc limit 20",
        {"server": server_code, "until": until},
    )


def quality_of(issue: Issue, load_ids: Sequence[str]) -> Rows:
    """The checks that the loads below the figures did not pass."""
    return issue.rows(
        """
        select severity, description, sum(unexpected_count)::bigint as unexpected_count,
            count(distinct load_id)::bigint as load_count
        from marts.fct_data_quality
        where load_id in (select unnest($loads)) and not is_success
        group by severity, description order by severity, load_count desc, description limit 12
        """,
        {"loads": list(load_ids)},
    )


def obligations_of(issue: Issue, codes: Sequence[str], at: datetime, *, is_newest: bool) -> Rows:
    """What is due or was due at the instant; on a past day judged by due and met instants alone."""
    if not issue.has("fct_obligation_status"):
        return []
    rows = issue.rows(
        """
        select * from marts.fct_obligation_status
        where unit_code in (select unnest($codes)) and due_at <= $ahead
        order by due_at desc, obligation_code, unit_code
        """,
        {"codes": list(codes), "ahead": at + OBLIGATION_AHEAD},
    )
    return rows if is_newest else [row | {"status": _status_at(row, at)} for row in rows]


def _status_at(row: Mapping[str, Any], at: datetime) -> str:
    if row["status"] in ("waived", "undetermined"):
        return str(row["status"])
    if row["met_at"] is not None and row["met_at"] <= at:
        return "met" if row["met_at"] <= row["due_at"] else "met_late"
    return "breached" if row["due_at"] < at else "pending"


def infections_of(
    issue: Issue, day: date, unit_code: str, codes: Sequence[str], *, is_newest: bool
) -> dict[str, Any] | None:
    """Detections of the last 30 days and those not dealt with; None: no log was ever read.

    ``infected_count``, the machines that still hold something, is known of the newest day only.
    """
    needed = ("unit_code", "snapshot_date", "detection_count", "uncured_count")
    if not issue.has("fct_detection_daily", *needed):
        return None
    found = issue.rows(
        """
        select
            count(detection_count) as known_count,
            coalesce(sum(detection_count) filter (snapshot_date > $day - 30), 0)::bigint
                as month_count,
            coalesce(sum(uncured_count), 0)::bigint as uncured_count
        from marts.fct_detection_daily where unit_code = $unit and snapshot_date <= $day
        """,
        {"unit": unit_code, "day": day},
    )[0]
    if not found["known_count"]:
        return None
    found["infected_count"] = None
    if is_newest and issue.has("rpt_infected_endpoint", "unit_code", "uncured_count"):
        found["infected_count"] = issue.rows(
            "select count(*)::bigint as n from marts.rpt_infected_endpoint"
            " where uncured_count > 0 and unit_code in (select unnest($codes))",
            {"codes": list(codes)},
        )[0]["n"]
    return found


def conflicts_of(issue: Issue, codes: Sequence[str]) -> Rows | None:
    if not issue.has("rpt_antivirus_conflict", "product_name", "unit_code"):
        return None
    rows = issue.rows(
        """
        select product_name, count(distinct endpoint_id)::bigint as machine_count
        from marts.rpt_antivirus_conflict where unit_code in (select unnest($codes))
        group by product_name order by machine_count desc, product_name limit 8
        """,
        {"codes": list(codes)},
    )
    if rows or issue.kept_rows("select 1 as one from marts.rpt_antivirus_conflict limit 1"):
        return rows
    return None


def licences_of(issue: Issue, day: date, servers: Sequence[str]) -> Rows | None:
    """The keys in use on these servers; the limit is the whole key's on each of them."""
    if not issue.has("fct_licence_daily", "licence_serial", "days_left", "expires_at"):
        return None
    rows = issue.rows(
        """
        select licence_serial, any_value(product_name) as product_name,
            max(seat_limit_count)::bigint as seat_limit_count,
            sum(used_count)::bigint as used_count, min(expires_at) as expires_at,
            min(days_left)::bigint as days_left
        from marts.fct_licence_daily
        where server_code in (select unnest($servers)) and snapshot_date = $day
        group by licence_serial order by days_left, licence_serial limit 8
        """,
        {"servers": list(servers), "day": day},
    )
    if rows or issue.kept_rows("select 1 as one from marts.fct_licence_daily limit 1"):
        return rows
    return None


# Machines

_LIST = """
    with held as (
        select s.*, n.display_name, n.reason_code as name_reason, n.reason_codes,
            n.suggested_name
        from marts.fct_endpoint_state as s
        left join marts.fct_endpoint_name as n
            on s.endpoint_id = n.endpoint_id and n.valid_from_at <= $at
            and coalesce(n.valid_to_at, timestamptz '9999-12-31 00:00:00+00') > $at
        where s.unit_code in (select unnest($codes)) and s.valid_from_at <= $at
            and coalesce(s.valid_to_at, timestamptz '9999-12-31 00:00:00+00') > $at
    ),

    parted as (
        select *,
            case
                when is_installed and not is_correctly_named then 'wrong_name'
                when is_installed and not is_protected then 'not_protected'
                when is_installed and is_stale then 'stale'
                when is_installed then 'ok'
                when is_agent_only then 'agent_only'
                else 'other'
            end as part
        from held
        where not is_duplicate
    )
"""
MENDABLE = ("wrong_name", "not_protected", "stale", "agent_only")


def machine_counts(issue: Issue, codes: Sequence[str], at: datetime) -> dict[str, int]:
    rows = issue.rows(
        _LIST + "select part, count(*)::bigint as machine_count from parted group by part",
        {"codes": list(codes), "at": at},
    )
    return {row["part"]: row["machine_count"] for row in rows}


def machines_of(
    issue: Issue, codes: Sequence[str], at: datetime, parts: Sequence[str], skip: int
) -> Rows:
    """The machines to mend at the instant, what costs least and counts at once first."""
    return issue.rows(
        _LIST
        + """
        select endpoint_id, unit_code, server_code, display_name, part, name_reason,
            reason_codes, suggested_name, is_protected, is_stale, has_old_bases
        from parted where part in (select unnest($parts))
        order by list_position($parts, part), unit_code, display_name, endpoint_id
        limit $longest offset $skip
        """,
        {
            "codes": list(codes),
            "at": at,
            "parts": list(parts),
            "longest": PAGE_ROWS + 1,
            "skip": skip,
        },
    )


def free_suggestions(issue: Issue, ids: Sequence[str]) -> dict[str, str]:
    """For the newest day: the names that nobody has and nobody else is told."""
    rows = issue.rows(
        "select endpoint_id, suggested_name from marts.rpt_wrong_name"
        " where endpoint_id in (select unnest($ids)) and suggested_name is not null",
        {"ids": list(ids)},
    )
    return {row["endpoint_id"]: row["suggested_name"] for row in rows}


def machine(issue: Issue, endpoint_id: str) -> dict[str, Any] | None:
    rows = issue.rows("from marts.dim_endpoint where endpoint_id = $id", {"id": endpoint_id})
    return rows[0] if rows else None


def machine_history(issue: Issue, endpoint_id: str, until: datetime) -> Rows:
    """What was said of the machine, newest first; an interval that ended later is still open."""
    return issue.rows(
        """
        with moments as (
            select endpoint_id, valid_from_at as at from marts.fct_endpoint_state
            where endpoint_id = $id
            union
            select endpoint_id, valid_from_at from marts.fct_endpoint_name
            where endpoint_id = $id
        )

        select m.at as valid_from_at,
            lead(m.at) over (order by m.at) as valid_to_at,
            s.* exclude (endpoint_id, valid_from_at, valid_to_at, reason_code),
            n.display_name, n.reason_codes, n.suggested_name
        from moments as m
        left join marts.fct_endpoint_state as s
            on s.endpoint_id = m.endpoint_id and s.valid_from_at <= m.at
            and coalesce(s.valid_to_at, timestamptz '9999-12-31 00:00:00+00') > m.at
        left join marts.fct_endpoint_name as n
            on n.endpoint_id = m.endpoint_id and n.valid_from_at <= m.at
            and coalesce(n.valid_to_at, timestamptz '9999-12-31 00:00:00+00') > m.at
        where m.at <= $until
        order by m.at desc limit 100
        """,
        {"id": endpoint_id, "until": until},
    )


def detections_of(issue: Issue, endpoint_id: str, until: datetime) -> Rows | None:
    if not issue.has("fct_detection", "endpoint_id", "threat_name", "detected_at"):
        return None
    return issue.rows(
        "select threat_name, object_name, detected_at, outcome from marts.fct_detection"
        " where endpoint_id = $id and detected_at <= $until order by detected_at desc limit 50",
        {"id": endpoint_id, "until": until},
    )


def mails_until(issue: Issue, at: datetime) -> dict[str, Any]:
    return issue.rows(
        "select count(*)::bigint as all_count,"
        " count(*) filter (sent_at <= $at)::bigint as sent_count,"
        " max(sent_at) filter (sent_at <= $at) as last_sent_at"
        " from marts.fct_mail where created_at <= $at",
        {"at": at},
    )[0]
