"""Building the marts: facts of the history, judged by one version of the registry.

``sql/staging`` are the steps (temporary tables ``stg_…``), ``sql/marts`` the results
(``marts.…``). A model is one file with one query; it may name any other model, and the order
follows from that. Everything that comes from outside is a temporary table or view: ``ref_…`` the
registry, ``src_…`` the history, ``ref_run`` the instant. So the same models serve the build of
all days and the replay of one figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from graphlib import TopologicalSorter
from pathlib import Path

import pyarrow as pa

from ksc_ledger.clock import vietnamese_date
from ksc_ledger.errors import LedgerError
from ksc_ledger.registry.model import Registry
from ksc_ledger.rules.computer_names import judge, next_free
from ksc_ledger.warehouse.engine import Connection, given, statement, tables_in, temp_table
from ksc_ledger.warehouse.reallocation import NEEDED, PROPOSED, make_proposals
from ksc_ledger.warehouse.reference import NameContext, reference
from ksc_ledger.warehouse.twins import PUBLISHED, twins

# To be raised when a change of sql/, of rules or of this room may change a figure: a snapshot id
# of another version is then refused instead of being answered with another figure.
RULES_VERSION = "2"

# Not files: steps between the others that are done in Python; PROPOSED is the third.
JUDGED = "judged_name"  # the verdict of the naming rule on each name that counts
FREED = "free_suggestion"  # suggested names that nobody has and nobody else is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a build is of. ``cutoff_at``: nothing observed later is looked at."""

    as_of_at: datetime
    cutoff_at: datetime
    registry_sha256: str

    @property
    def as_of_date(self) -> date:
        return vietnamese_date(self.as_of_at)


def point_at_history(con: Connection, prefix: str = "") -> None:
    """Let the src_ views read the history in this database, or in ``wh.`` where it is attached."""
    con.execute(f"""
        create or replace temp view src_intervals as
        select * from {prefix}hist.closed
        union all by name
        select * exclude (
            observed_at, load_id, first_seen_at, created_at, last_visible_at, last_connected_at,
            bases_at, mac_address, serial_number, replaces_endpoint_id
        )
        from {prefix}hist.cur;
        create or replace temp view src_cur as from {prefix}hist.cur;
        create or replace temp view src_home as
        select h.* from {prefix}hist.home as h
        cross join ref_run as r where h.from_at <= r.cutoff_at;
        create or replace temp view src_load as
        select l.* from {prefix}hist.load_log as l
        cross join ref_run as r where l.observed_at <= r.cutoff_at;
        create or replace temp view src_verdict as from {prefix}hist.verdict;
        create or replace temp view src_complete_load as
        select
            l.*,
            row_number() over (order by l.observed_at, l.collected_at, l.load_id) as load_order,
            not exists (
                from src_verdict as v
                where
                    v.load_id = l.load_id
                    and not v.is_success
                    -- What landed beside the devices is judged too, and is no word on them.
                    and v.suite in ('landing.ksc_hosts', 'landing.ksc_loads')
            ) as has_passed_gate
        from src_load as l
        where l.is_applied;
    """)


def prepare(con: Connection, sql: Path, run: Run) -> None:
    """The macros and the table ref_run; before point_at_history."""
    con.execute(statement(sql, "staging/macros"))
    con.execute(
        "create or replace temp table ref_run as select $as_of_at::timestamptz as as_of_at,"
        " $cutoff_at::timestamptz as cutoff_at, $as_of_date::date as as_of_date,"
        " $registry_sha256 as registry_sha256, $rules_version as rules_version",
        {
            "as_of_at": run.as_of_at,
            "cutoff_at": run.cutoff_at,
            "as_of_date": run.as_of_date,
            "registry_sha256": run.registry_sha256,
            "rules_version": RULES_VERSION,
        },
    )


def build_models(
    con: Connection, sql: Path, registry: Registry, *, only: Iterable[str] | None = None
) -> list[str]:
    """Make the marts (all, or ``only`` those and what they need) in the current database.

    prepare and point_at_history come first. Returns the names of the tables in ``marts``, in the
    order in which they were made. The caller holds the transaction.
    """
    groups = con.execute("select distinct server_code, group_path from src_intervals").fetchall()
    ref = reference(registry, groups)
    for name, table in ref.tables.items():
        temp_table(con, name, table)
    made: list[str] = []
    folders = model_folders(sql)
    for name in in_order(sql, only):
        if name == JUDGED:
            _judge_names(con, ref.contexts)
        elif name == FREED:
            _free_suggestions(con, ref.contexts)
        elif name == PROPOSED:
            make_proposals(con, registry)
        elif folders[name] == "marts":
            con.execute(
                f"create or replace table marts.{name} as {statement(sql, f'marts/{name}')}"
            )
            made.append(name)
        else:
            query = statement(sql, f"staging/{name}")
            con.execute(f"create or replace temp table {name} as {query}")
    return made


def model_folders(sql: Path) -> dict[str, str]:
    """Every model's name with its folder."""
    return {
        path.stem: folder
        for folder in ("staging", "marts")
        for path in sorted((sql / folder).glob("*.sql"))
        if path.stem != "macros"
    }


def in_order(sql: Path, only: Iterable[str] | None = None) -> list[str]:
    """The models, each behind those it names; with ``only``, just these and what they need."""
    folders = model_folders(sql)
    names = {*folders, JUDGED, FREED, PROPOSED}
    needs: dict[str, set[str]] = {
        JUDGED: {"stg_placed"},
        FREED: {"stg_current"},
        PROPOSED: set(NEEDED & folders.keys()),
    }
    for name, folder in folders.items():
        text = re.sub(r"--[^\n]*", "", statement(sql, f"{folder}/{name}"))
        needs[name] = (set(re.findall(r"[a-z_]\w*", text)) & names) - {name}
    wanted = set(folders) if only is None else set(only)
    waiting = list(wanted)
    while waiting:
        more = needs[waiting.pop()] - wanted
        wanted |= more
        waiting.extend(more)
    return [name for name in TopologicalSorter(needs).static_order() if name in wanted]


def check_models(con: Connection, sql: Path) -> None:
    """Run every check; raise LedgerError naming those that found something.

    Every table that a twin describes must be there, one row per grain. The others are the files of
    sql/checks: a check is a query for rows that must not be there. Its first lines say in English what must
    hold, the line ``-- vi:`` says in Vietnamese what is wrong when it does not.
    """
    wrong = list(_wrong_tables(con, sql))
    for path in sorted((sql / "checks").glob("*.sql")):
        text = path.read_text("utf-8")
        cursor = con.execute(text)
        rows = cursor.fetchmany(3)
        if rows:
            names = [column[0] for column in cursor.description or ()]
            found = "; ".join(
                ", ".join(f"{name}={value}" for name, value in zip(names, row, strict=True))
                for row in rows
            )
            said = re.search(r"^-- vi: (.+)$", text, re.MULTILINE)
            wrong.append(f"{said.group(1) if said else path.stem} ({found})")
    if wrong:
        raise LedgerError(
            "marts_check_failed",
            "Số liệu dựng ra không nhất quán nên không được xuất bản: " + " | ".join(wrong),
            "Bản đã xuất bản trước vẫn được phục vụ. Gửi thông báo này cho nhóm kỹ thuật; "
            "không sửa số liệu bằng tay.",
        )


def _wrong_tables(con: Connection, sql: Path) -> Iterator[str]:
    there = tables_in(con, "marts")
    for twin in twins(sql).values():
        if twin.table == PUBLISHED:
            continue
        if twin.table not in there:
            yield f"Thiếu bảng {twin.table}"
            continue
        grain = ", ".join(f'"{name}"' for name in twin.grain)
        twice = con.execute(
            f'select {grain} from marts."{twin.table}" group by all having count(*) > 1 limit 1'
        ).fetchone()
        if twice is not None:
            yield f"Bảng {twin.table} có hai dòng cùng khóa {twice}"


def _judge_names(con: Connection, contexts: Mapping[str, NameContext]) -> None:
    """Judge the names that were not judged in their context before; make view judged_name.

    The cache in ``judged.computer_name`` is used where the current database has it; the verdicts
    of contexts that no registry row makes any more are thrown away.
    """
    if "computer_name" in tables_in(con, "judged"):
        cache = "judged.computer_name"
        with given(con, pa.table({"context_key": pa.array(list(contexts), pa.string())})):
            con.execute(
                f"delete from {cache} where context_key not in (select context_key from given)"
            )
    else:
        cache = "fresh_name"
        con.execute(
            "create or replace temp table fresh_name (context_key varchar, display_name varchar,"
            " dns_label varchar, is_server_os boolean, has_name_twin boolean, is_correct boolean,"
            " is_exempt boolean, reason_code varchar, reason_codes varchar,"
            " suggested_name varchar)"
        )
    unjudged = con.execute(
        f"""
        select distinct
            p.context_key, p.display_name, p.dns_label, p.is_server_os, p.has_name_twin
        from stg_placed as p
        anti join {cache} as j
            on p.context_key = j.context_key
            and p.display_name is not distinct from j.display_name
            and p.dns_label is not distinct from j.dns_label
            and p.is_server_os = j.is_server_os
            and p.has_name_twin = j.has_name_twin
        where p.is_named
        """
    ).fetchall()
    if unjudged:
        with given(con, _verdicts(unjudged, contexts)):
            con.execute(f"insert into {cache} by name select * from given")
    con.execute(f"create or replace temp view {JUDGED} as from {cache}")


def _free_suggestions(con: Connection, contexts: Mapping[str, NameContext]) -> None:
    """Make temp table free_suggestion: a name for each wrongly named machine, all different.

    Machines are asked in the order in which they were first seen, so that a newcomer does not
    change what others were told.
    """
    taken = {
        name.upper()
        for (name,) in con.execute(
            "select display_name from stg_current where display_name is not null"
        ).fetchall()
    }
    wrong = con.execute(
        """
        select server_code, endpoint_id, context_key, suggested_name
        from stg_current
        where is_installed and not is_correctly_named and suggested_name is not null
        order by first_seen_at nulls last, endpoint_id
        """
    ).fetchall()
    rows = []
    for server_code, endpoint_id, context_key, suggested_name in wrong:
        free = next_free(suggested_name, taken, contexts[context_key].rule)
        if free is not None:
            taken.add(free)
        rows.append((server_code, endpoint_id, free))
    columns = ("server_code", "endpoint_id", "suggested_name")
    temp_table(
        con,
        FREED,
        pa.table(
            {
                name: pa.array([row[place] for row in rows], pa.string())
                for place, name in enumerate(columns)
            }
        ),
    )


def _verdicts(
    names: Iterable[tuple[str, str | None, str | None, bool, bool]],
    contexts: Mapping[str, NameContext],
) -> pa.Table:
    rows = []
    for key, display_name, dns_label, is_server_os, has_name_twin in names:
        context = contexts[key]
        verdict = judge(
            display_name,
            unit_prefix=context.unit_prefix,
            all_prefixes=context.all_prefixes,
            unit_code=context.unit_code,
            rule=context.rule,
            dns_label=dns_label,
            is_server=is_server_os,
            has_name_twin=has_name_twin,
        )
        rows.append(
            {
                "context_key": key,
                "display_name": display_name,
                "dns_label": dns_label,
                "is_server_os": is_server_os,
                "has_name_twin": has_name_twin,
                "is_correct": verdict.is_correct,
                "is_exempt": verdict.is_exempt,
                "reason_code": verdict.reason_code and verdict.reason_code.value,
                "reason_codes": ",".join(reason.value for reason in verdict.reason_codes),
                "suggested_name": verdict.suggested_name,
            }
        )
    text = [
        (name, pa.string())
        for name in ("context_key", "display_name", "dns_label", "reason_code", "reason_codes")
    ]
    flags = [
        (name, pa.bool_()) for name in ("is_server_os", "has_name_twin", "is_correct", "is_exempt")
    ]
    return pa.Table.from_pylist(rows, pa.schema([*text, *flags, ("suggested_name", pa.string())]))
