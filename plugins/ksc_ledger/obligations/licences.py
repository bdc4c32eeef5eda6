"""Licence keys as the servers have them: when they expire, and which machines go dark then.

A server's machines go dark when its last key runs out; a key beside which a later one lies takes
nobody's protection away. Everything is read from the published marts; what was never collected is
not known, and nothing is said about it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from ksc_ledger.clock import end_of_day, vietnamese_date
from ksc_ledger.registry import Registry
from ksc_ledger.rules.licence_terms import LicenceNotice, licence_notice
from ksc_ledger.state.outbox import NewMail
from ksc_ledger.warehouse.reader import query

LICENCE_MAIL = "licence"
PROVINCE_ROLE = "so"

# The keys that each server had when it was last asked, at or before a day.
_KEYS = """
select
    licence_serial,
    server_code,
    product_name,
    seat_limit_count,
    used_count,
    expires_at,
    expires_at = max(expires_at) over (partition by server_code) as is_last
from marts.fct_licence_daily
where snapshot_date <= ? and expires_at is not null
qualify snapshot_date = max(snapshot_date) over (partition by server_code)
order by expires_at, licence_serial, server_code
"""
_DARK = """
select
    unit_code,
    count(*) as machine_count
from marts.dim_endpoint
where is_installed and server_code in (select unnest(?))
group by unit_code
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key, over all servers that have it; ``dark``: machines that only it protects, by unit."""

    licence_serial: str
    product_name: str
    seat_limit_count: int | None
    used_count: int | None
    expires_at: datetime
    server_codes: tuple[str, ...]
    dark: dict[str, int]


def has_table(marts_file: Path, name: str) -> bool:
    """Whether a published file has a table; an older version may lack a newer one."""
    found = query(
        marts_file,
        "select 1 as there from duckdb_tables() where schema_name = 'marts' and table_name = ?",
        [name],
    )
    return bool(found)


def keys_of(registry: Registry, marts_file: Path, estate_code: str, day: date) -> tuple[Key, ...]:
    """The keys of an estate's servers on a day, the first to expire first."""
    if not marts_file.is_file() or not has_table(marts_file, "fct_licence_daily"):
        return ()
    servers = {one.server_code for one in registry.servers if one.estate_code == estate_code}
    rows: dict[tuple[str, datetime], list[dict[str, object]]] = defaultdict(list)
    for row in query(marts_file, _KEYS, [day]):
        if row["server_code"] in servers:
            rows[row["licence_serial"], row["expires_at"]].append(row)
    units = _offices(registry, estate_code, day)
    found = []
    for (serial, expires_at), group in rows.items():
        alone = [str(row["server_code"]) for row in group if row["is_last"]]
        dark: dict[str, int] = defaultdict(int)
        for row in query(marts_file, _DARK, [alone]) if alone else ():
            dark[units.get(row["unit_code"], row["unit_code"])] += row["machine_count"]
        used = [row["used_count"] for row in group]
        found.append(
            Key(
                licence_serial=serial,
                product_name=str(group[0]["product_name"] or ""),
                seat_limit_count=_whole(group[0]["seat_limit_count"]),
                used_count=max((_whole(one) or 0 for one in used), default=None),
                expires_at=expires_at,
                server_codes=tuple(str(row["server_code"]) for row in group),
                dark=dict(dark),
            )
        )
    return tuple(found)


def key_expiry(marts_file: Path, unit_code: str, day: date) -> datetime | None:
    """When the last key of the servers that see a unit's machines runs out.

    None where no key is known that is still in force at the end of that day.
    """
    if not has_table(marts_file, "fct_licence_daily"):
        return None
    rows = query(
        marts_file,
        f"""
        with keys as ({_KEYS})
        select max(k.expires_at) as expires_at
        from keys as k
        inner join marts.dim_unit_server as u on k.server_code = u.server_code
        where u.unit_code = ?
            and k.expires_at > ?
            and ? between u.valid_from_date and coalesce(u.valid_to_date, date '9999-12-31')
        """,
        [day, unit_code, end_of_day(day), day],
    )
    expires_at: datetime | None = rows[0]["expires_at"]
    return expires_at


def licence_mails(
    registry: Registry,
    marts_file: Path,
    estate_code: str,
    now: datetime,
    sent: Collection[str],
    purchase_days: int,
) -> tuple[list[str], list[NewMail]]:
    """The notices about keys that are due now: their keys and the mails to the province."""
    day = vietnamese_date(now)
    given: list[str] = []
    mails: list[NewMail] = []
    for key in keys_of(registry, marts_file, estate_code, day):
        notice = licence_notice(key.licence_serial, key.expires_at, now, sent, purchase_days)
        if notice is not None and notice.key not in given:
            given.append(notice.key)
            mails.append(_mail(registry, estate_code, day, key, notice, now))
    return given, mails


def _mail(
    registry: Registry,
    estate_code: str,
    day: date,
    key: Key,
    notice: LicenceNotice,
    now: datetime,
) -> NewMail:
    units = {unit.unit_code: unit for unit in registry.units_on(day)}
    order = sorted(
        key.dark, key=lambda code: (units[code].list_order if code in units else 0, code)
    )
    root = root_of(registry, estate_code)
    return NewMail(
        kind=LICENCE_MAIL,
        incident_id=f"lic-{hashlib.sha256(notice.key.encode()).hexdigest()[:20]}",
        role=PROVINCE_ROLE,
        estate_code=estate_code,
        unit_code=root,
        created_at=now,
        facts={
            "place": registry.estate(estate_code).estate_name,
            "product_name": key.product_name,
            "licence_serial": key.licence_serial,
            "seat_limit_count": key.seat_limit_count,
            "used_count": key.used_count,
            "expires_at": key.expires_at.isoformat(),
            "days_left": notice.days_left,
            "wordings": sorted(
                {
                    text.term_wording
                    for text in registry.letter_words
                    if text.estate_code == estate_code
                    and text.term_wording
                    and registry.directive(text.directive_code).first_date <= day
                }
            ),
            "dark_count": sum(key.dark.values()),
            "units": [
                {
                    "unit_name": units[code].unit_name if code in units else code,
                    "machine_count": key.dark[code],
                }
                for code in order
            ],
        },
    )


def root_of(registry: Registry, estate_code: str) -> str:
    return next(
        unit.unit_code
        for unit in registry.units
        if unit.estate_code == estate_code and unit.parent_unit_code is None
    )


def _offices(registry: Registry, estate_code: str, day: date) -> dict[str, str]:
    """The office right below the root that each unit belongs to; the root's own are the root's."""
    top = registry.offices_below(root_of(registry, estate_code), day, is_deep=False)
    found: dict[str, str] = {}
    for office in top:
        found[office.unit_code] = office.unit_code
        below: Iterable[str] = (
            unit.unit_code for unit in registry.offices_below(office.unit_code, day, is_deep=True)
        )
        found |= dict.fromkeys(below, office.unit_code)
    return found


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None
