"""An invented province over many days: typed snapshots as the gate leaves them, and the truth.

Thirteen servers, eleven units on each. Every day two endpoints in a hundred change: the name, the
protection product, its state or its version, in equal parts. What the product is given are the
same Parquet files and load records that its own typing and gate write.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from ksc_ledger.landing.manifest import Load, LoadStatus, load_id_of
from ksc_ledger.quality.suites import HOSTS, LOADS, load_suite
from ksc_ledger.registry.model import (
    AllocationEntry,
    EntryKind,
    Estate,
    Registry,
    Server,
    ServerGroup,
    ServerRole,
    Unit,
)
from ksc_ledger.settings import Places, Settings
from ksc_ledger.warehouse.engine import STORAGE_VERSION, Connection, quoted
from ksc_ledger.warehouse.history import Cutoffs
from ksc_ledger.warehouse.writer import writer

ESTATE = "bench"
SERVERS = tuple(f"bn_{number:02d}" for number in range(13))
UNITS_PER_SERVER = 11
FIRST_AT = datetime(2023, 1, 1, 1, 0, tzinfo=UTC)  # 08:00 in Vietnam
FIRST_DATE = date(2022, 12, 1)
DAY = timedelta(days=1)
CHANGED_ONE_IN = 50
_PAPER = "số liệu dựng để đo"
GROUP_START = "01. Đơn vị/Phòng số "
_STEPS_AT_ONCE = 60

Verdicts = tuple[dict[str, object], ...]


def unit_of(server: int, unit: int) -> str:
    return f"{SERVERS[server]}_{unit:02d}"


def prefix_of(server: int, unit: int) -> str:
    return f"S{server:02d}U{unit:02d}"


def group_of(unit: int) -> str:
    return f"{GROUP_START}{unit:02d}"


def registry(endpoints: int) -> Registry:
    """The province: the first server is its own, each other one a district's."""
    units: list[Unit] = []
    servers: list[Server] = []
    groups: list[ServerGroup] = []
    seats: list[AllocationEntry] = []
    each = endpoints // (len(SERVERS) * UNITS_PER_SERVER) + 1

    def unit(code: str, parent: str | None, prefix: str | None, kind: str) -> None:
        units.append(
            Unit(
                estate_code=ESTATE,
                unit_code=code,
                unit_name=f"Đơn vị {code}",
                unit_kind=kind,
                name_prefix=prefix,
                parent_unit_code=parent,
                list_order=len(units),
                valid_from_date=FIRST_DATE,
                source_document=_PAPER,
            )
        )

    for number, code in enumerate(SERVERS):
        unit(code, SERVERS[0] if number else None, None, "huyen" if number else "tinh")
        servers.append(
            Server(
                estate_code=ESTATE,
                server_code=code,
                server_name=f"Máy chủ {code}",
                server_role=ServerRole.DISTRICT if number else ServerRole.PROVINCE,
                unit_code=code,
                list_order=number,
                valid_from_date=FIRST_DATE,
                source_document=_PAPER,
            )
        )
        for below in range(UNITS_PER_SERVER):
            leaf = unit_of(number, below)
            unit(leaf, code, prefix_of(number, below), "phong")
            groups.append(
                ServerGroup(
                    estate_code=ESTATE,
                    server_code=code,
                    group_path=group_of(below),
                    unit_code=leaf,
                    valid_from_date=FIRST_DATE,
                    source_document=_PAPER,
                )
            )
            seats.append(
                AllocationEntry(
                    estate_code=ESTATE,
                    entry_id=f"{leaf}_1",
                    entry_kind=EntryKind.GRANT,
                    to_unit_code=leaf,
                    seat_count=each,
                    valid_from_date=FIRST_DATE,
                    source_document=_PAPER,
                )
            )
    return Registry(
        sha256="0" * 64,
        estates=(Estate(estate_code=ESTATE, estate_name="Địa bàn đo thử"),),
        units=tuple(units),
        servers=tuple(servers),
        server_groups=tuple(groups),
        allocations=tuple(seats),
    )


def cutoffs_of(load: Load) -> Cutoffs:
    """Ages as the registry would have them judged, without looking at a calendar."""
    return Cutoffs(
        stale_before_at=load.observed_at - timedelta(days=9),
        old_bases_before_at=load.observed_at - timedelta(days=15),
    )


# Every endpoint's state as spells of steps: a step is a day or an hour. Each kind of change flips
# or raises one fact, so the state follows from how many changes of each kind there were.
_SPELLS = """
    create table spell as
    with fixed as (
        select
            n::bigint as n,
            md5(n::varchar) as digest,
            n % $servers as server,
            n // $servers % $units as unit
        from range($endpoints) as t (n)
    ),

    -- As many changes a step as one in so many endpoints, at endpoints that look chosen by chance.
    drawn as (
        select
            hash(i) % $endpoints as n,
            1 + i * ($steps - 1) // $changes as step,
            (hash(i, 1) % 4)::integer as kind
        from range($changes) as t (i)
    ),

    changes as (
        select n, 0 as step, -1 as kind from fixed
        union all
        select n, step, min(kind) as kind from drawn group by n, step
    ),

    counted as (
        select
            n,
            step::integer as from_step,
            (n % 13 = 5) <> (count(*) filter (kind = 0) over so_far % 2 = 1) as is_renamed,
            (n % 10 <> 3) <> (count(*) filter (kind = 1) over so_far % 2 = 1) as is_installed,
            if(
                is_installed,
                (n % 17 <> 4) <> (count(*) filter (kind = 2) over so_far % 2 = 1),
                null
            ) as is_active,
            if(is_installed, count(*) filter (kind = 3) over so_far, null) as av
        from changes
        window so_far as (partition by n order by step)
    ),

    -- A machine without the product has neither state nor version to change.
    lasting as (
        select
            * exclude (is_same),
            lead(from_step) over (partition by n order by from_step) as until_step
        from (
            select
                *,
                coalesce(
                    (is_renamed, is_installed, is_active, av) is not distinct from lag(
                        (is_renamed, is_installed, is_active, av)
                    ) over (partition by n order by from_step),
                    false
                ) as is_same
            from counted
        )
        where not is_same
    )

    select
        f.n,
        concat_ws('-', f.digest[1:8], f.digest[9:12], f.digest[13:16], f.digest[17:20],
            f.digest[21:32]) as endpoint_id,
        $names[f.server + 1] as server_code,
        server_code || '_' || lpad(f.unit::varchar, 2, '0') as unit_code,
        f.unit,
        $group_start || lpad(f.unit::varchar, 2, '0') as group_path,
        c.from_step,
        c.until_step,
        if(
            c.is_renamed,
            'DESKTOP-' || lpad(f.n::varchar, 7, '0'),
            printf('S%02dU%02d-P', f.server, f.unit) || f.n
        ) as display_name,
        left(display_name, 15) as netbios_name,
        lower(display_name) as dns_name,
        c.is_renamed,
        c.is_installed,
        coalesce(c.is_active, false) as is_protected,
        case c.is_active when true then 4 when false then 2 else 0 end as rtp_state,
        if(c.is_installed, printf('12.%d.0.%d', 2 + c.av % 9, 400 + c.av), null)
            as antivirus_version
    from fixed as f
    inner join lasting as c on f.n = c.n
    order by c.from_step, f.n
"""

# One load's rows as typing and gate leave them.
_SNAPSHOT = """
    select
        endpoint_id, display_name, netbios_name, dns_name,
        dns_name || '.bench.example' as fqdn,
        (10 + unit)::integer as group_id, group_path, false as is_unassigned,
        (15 + if(is_installed, 16, 0))::integer as status_bits,
        0::integer as status_id, if(is_installed, 0, 32)::integer as status_mask,
        rtp_state, antivirus_version, '14.2.0.26967' as agent_version,
        if(is_installed, $at::timestamptz - to_seconds(3600 + n * 7 % 7200), null) as bases_at,
        $at::timestamptz - to_seconds(n * 13 % 1800) as last_visible_at,
        $at::timestamptz - to_seconds(n * 11 % 900) as last_connected_at,
        $at::timestamptz - to_seconds(86400 + n * 17 % 500000) as last_full_scan_at,
        timestamptz '2022-06-01 00:00:00+00' + to_seconds(n % 7000000) as created_at,
        if(n % 29 = 0, 'Microsoft Windows 11', 'Microsoft Windows 10') as os_name,
        1::integer as computer_type_bits, 173277184 + n % 65536 as ip_number,
        n % 7 as virus_count, 0::bigint as uncured_count,
        null::varchar as mac_address, null::varchar as serial_number
    from memory.spell
    where
        server_code = $server_code
        and from_step <= $step
        and (until_step is null or until_step > $step)
    order by n
"""

# What the history keeps of a spell.
_FACTS = """
    select
        n, from_step, until_step,
        server_code, endpoint_id, display_name, netbios_name, dns_name, group_path,
        false as is_unassigned, is_installed, not is_installed as is_agent_only, is_protected,
        false as has_old_bases, false as is_stale, false as is_duplicate, false as has_name_twin,
        false as has_antivirus_conflict, 0 as status_id, rtp_state, antivirus_version,
        false as is_server_os
    from memory.spell
"""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When which server is read: a step every ``every``, the servers some seconds apart."""

    endpoints: int
    servers: tuple[str, ...] = SERVERS
    every: timedelta = DAY

    @property
    def server_order(self) -> dict[str, int]:
        return {code: place for place, code in enumerate(self.servers)}

    def at(self, step: int, server_code: str) -> datetime:
        return FIRST_AT + self.every * step + timedelta(seconds=self.servers.index(server_code))

    def loads(self, step: int, verdicts: Verdicts = ()) -> list[Load]:
        """The gated loads of a step, one a server; nothing is written."""
        return [self._load(step, server_code, verdicts) for server_code in self.servers]

    def _load(self, step: int, server_code: str, verdicts: Verdicts) -> Load:
        at = self.at(step, server_code)
        number, count = self.servers.index(server_code), len(self.servers)
        rows = (self.endpoints - number + count - 1) // count
        content = hashlib.sha256(f"{server_code} {step}".encode()).hexdigest()
        return Load(
            load_id=load_id_of(server_code, at, content),
            estate_code=ESTATE,
            server_code=server_code,
            as_of_at=at,
            observed_at=at,
            collected_at=at,
            gated_at=at,
            status=LoadStatus.COMPLETE,
            rows_expected_count=rows,
            rows_read_count=rows,
            content_sha256=content,
            product_version="14.2.0.26967",
            clock_skew_seconds=0,
            verdicts=verdicts,
        )


@dataclass(frozen=True, slots=True)
class Province:
    """The state of every endpoint at every step of a schedule."""

    con: Connection
    schedule: Schedule

    @classmethod
    def of(cls, schedule: Schedule, steps: int, *, one_in: int = CHANGED_ONE_IN) -> Province:
        """At each of ``steps`` steps but the first, one endpoint in ``one_in`` changes."""
        con = duckdb.connect(config={"threads": 2})
        con.execute("set TimeZone = 'UTC'")
        con.execute(
            _SPELLS,
            {
                "servers": len(schedule.servers),
                "units": UNITS_PER_SERVER,
                "names": list(schedule.servers),
                "endpoints": schedule.endpoints,
                "steps": steps,
                "changes": schedule.endpoints * (steps - 1) // one_in,
                "group_start": GROUP_START,
            },
        )
        return cls(con, schedule)

    def close(self) -> None:
        self.con.close()

    def write_snapshot(self, step: int, load: Load, places: Places) -> Path:
        """The typed snapshot of a load, where the product looks for it."""
        target = load.parquet(places)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.con.execute(
            f"copy ({_SNAPSHOT}) to {quoted(str(target))} (format parquet, compression zstd)",
            {"at": load.observed_at, "server_code": load.server_code, "step": step},
        )
        return target

    def changed(self, step: int) -> int:
        """How many endpoints changed at a step."""
        (count,) = self.con.execute(
            "select count(*) from spell where from_step = ?", [step]
        ).fetchall()[0]
        return int(count)

    def fill_history(self, settings: Settings, until_step: int, verdicts: Verdicts = ()) -> None:
        """Write the history that applying the steps before ``until_step`` one by one would leave.

        The rows are the same (a test compares them); only the blocks of the file are tidier.
        """
        settings.places.warehouse_file.parent.mkdir(parents=True, exist_ok=True)
        with writer(settings):
            pass  # makes the tables
        self.con.execute(
            f"attach {quoted(str(settings.places.warehouse_file))} as filled"
            f" (storage_version '{STORAGE_VERSION}')"
        )
        try:
            self._fill(until_step, verdicts)
            self.con.execute("checkpoint filled")
        finally:
            self.con.execute("use memory; detach filled")

    def _fill(self, until_step: int, verdicts: Verdicts) -> None:
        con = self.con
        con.execute("use filled")
        con.execute(
            """
            create or replace temp table instant as
            select s.step::integer as step, v.server_code,
                $first_at::timestamptz + to_microseconds(s.step * $every)
                + to_seconds(v.place - 1) as seen_at
            from range($steps) as s (step),
                (select unnest($servers) as server_code, generate_subscripts($servers, 1) as place)
                    as v
            """,
            {
                "first_at": FIRST_AT,
                "every": self.schedule.every // timedelta(microseconds=1),
                "steps": until_step,
                "servers": list(self.schedule.servers),
            },
        )
        con.execute(
            f"""
            insert into hist.closed by name
            select
                s.* exclude (n, from_step, until_step),
                f.seen_at as valid_from_at, u.seen_at as valid_to_at
            from ({_FACTS}) as s
            inner join instant as f on s.from_step = f.step and s.server_code = f.server_code
            inner join instant as u on s.until_step = u.step and s.server_code = u.server_code
            where s.until_step < $until
            order by u.seen_at, s.n
            """,
            {"until": until_step},
        )
        loads = [load for step in range(until_step) for load in self.schedule.loads(step)]
        given = pa.table(
            {
                "load_id": [load.load_id for load in loads],
                "server_code": [load.server_code for load in loads],
                "seen_at": pa.array(
                    [load.observed_at for load in loads], pa.timestamp("us", "UTC")
                ),
                "rows_read_count": [load.rows_read_count for load in loads],
                "content_sha256": [load.content_sha256 for load in loads],
            }
        )
        con.register("given", given)
        con.execute(
            """
            insert into hist.load_log by name
            select
                load_id, $estate as estate_code, server_code, seen_at as as_of_at, seen_at as observed_at,
                seen_at as collected_at, seen_at as gated_at, 'complete' as status,
                rows_read_count as rows_expected_count, rows_read_count, content_sha256,
                '14.2.0.26967' as product_version, 0 as clock_skew_seconds, true as is_applied,
                seen_at - interval 9 days as stale_before_at,
                seen_at - interval 15 days as old_bases_before_at
            from given
            order by seen_at
            """,
            {"estate": ESTATE},
        )
        if verdicts:
            con.register("verdict", pa.Table.from_pylist(list(verdicts)))
            con.execute(
                "insert into hist.verdict by name select g.load_id, v.* from given as g"
                " cross join verdict as v order by g.seen_at"
            )
            con.unregister("verdict")
        last = until_step - 1
        for load in loads[-len(self.schedule.servers) :]:
            con.execute(
                f"""
                insert into hist.cur by name
                select
                    s.* exclude (n, from_step, until_step),
                    f.seen_at as valid_from_at, $at::timestamptz as observed_at,
                    $load_id as load_id, $first::timestamptz as first_seen_at,
                    x.created_at, x.last_visible_at, x.last_connected_at, x.bases_at
                from ({_FACTS}) as s
                inner join instant as f on s.from_step = f.step and s.server_code = f.server_code
                inner join ({_SNAPSHOT}) as x
                    on s.endpoint_id = x.endpoint_id
                where
                    s.server_code = $server_code
                    and s.from_step <= $step
                    and (s.until_step is null or s.until_step > $step)
                order by s.n
                """,
                {
                    "at": load.observed_at,
                    "load_id": load.load_id,
                    "first": self.schedule.at(0, load.server_code),
                    "server_code": load.server_code,
                    "step": last,
                },
            )
        con.unregister("given")

    def write_full(self, file: Path, until_step: int, columns: str) -> None:
        """Table ``full_snapshot``: every endpoint again at every step, as a table without history."""
        self.con.execute(
            f"attach {quoted(str(file))} as whole (storage_version '{STORAGE_VERSION}')"
        )
        for start in range(0, until_step, _STEPS_AT_ONCE):
            select = f"""
                select {columns}
                from range($start, $end) as d (step)
                inner join spell as s
                    on s.from_step <= d.step and (s.until_step is null or s.until_step > d.step)
                order by d.step, s.n
            """
            into = (
                "create table whole.full_snapshot as"
                if not start
                else "insert into whole.full_snapshot"
            )
            self.con.execute(
                f"{into} {select}",
                {"start": start, "end": min(start + _STEPS_AT_ONCE, until_step)},
            )
        self.con.execute("checkpoint whole; detach whole")


def passed(settings: Settings) -> Verdicts:
    """What a gate that found nothing wrong writes into a load: one verdict a rule."""
    return tuple(
        {
            "suite": name,
            "expectation": rule.code,
            "severity": rule.severity.value,
            "is_success": True,
            "unexpected_count": 0,
            "description": rule.description,
        }
        for name in (LOADS, HOSTS)
        for rule in load_suite(settings.expectations, name).rules
    )
