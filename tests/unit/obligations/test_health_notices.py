"""Keys that run out, infections and second products: told through the outbox, once each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import Engine, select

from ksc_ledger.alerts.compose import Sender, compose
from ksc_ledger.obligations import watch
from ksc_ledger.obligations.licences import keys_of
from ksc_ledger.registry import Registry, load
from ksc_ledger.rules.malware_notices import Limits
from ksc_ledger.state import leases, open_state
from ksc_ledger.state.database import reading
from ksc_ledger.state.outbox import Mail, MailIdentity, Recipient
from ksc_ledger.state.tables import OUTBOX

SCENARIO = Path(__file__).resolve().parents[3] / "scenarios" / "dong_thap" / "registry"
REHEARSAL = MailIdentity(domain="ksc.tinh.example", is_rehearsal=True)
REAL = datetime(2026, 1, 1, tzinfo=UTC)
SENDER = Sender(address="ledger@ksc.example", name="KSC Ledger", reply_to="truc@ksc.example")
Look = Callable[..., list[dict[str, Any]]]

TABLES = """
create schema marts;
create table marts.fct_licence_daily (
    licence_serial varchar, server_code varchar, snapshot_date date, product_name varchar,
    seat_limit_count int, used_count int, expires_at timestamptz, days_left int
);
create table marts.dim_endpoint (
    endpoint_id varchar, unit_code varchar, server_code varchar, is_installed boolean
);
create table marts.rpt_infected_endpoint (
    endpoint_id varchar, unit_code varchar, uncured_count int
);
create table marts.fct_detection (
    detection_id varchar, endpoint_id varchar, unit_code varchar, detected_at timestamptz
);
create table marts.rpt_antivirus_conflict (
    endpoint_id varchar, product_name varchar, unit_code varchar, age_days int
);
create table marts.fct_unit_coverage_daily (
    unit_code varchar, snapshot_date date, allocated_count int, installed_count int,
    gap_count int, snapshot_id varchar, is_complete boolean
);
create table marts.dim_unit_server (
    unit_code varchar, server_code varchar, valid_from_date date, valid_to_date date
);
create table marts.fct_server_source_daily (
    server_code varchar, snapshot_date date, observed_at timestamptz, load_id varchar
);
create table marts.fct_source_load (load_id varchar, status varchar, gated_at timestamptz);
insert into marts.fct_licence_daily
select 'DT23', s.server_code, date '2024-01-08', 'KESB', 5037, 1100,
    timestamptz '2024-10-13 00:00:00+07', 279
from (values ('dtp'), ('dtp_872'), ('dtp_875')) as s (server_code);
insert into marts.fct_licence_daily values
    ('OLD', 'dtp_875', date '2024-01-08', 'KESB', 330, 12,
     timestamptz '2024-04-01 00:00:00+07', 84);
insert into marts.dim_endpoint
select 'e' || i, case when i < 3 then 'dtp_872_pnv' else 'dtp_snv' end,
    case when i < 3 then 'dtp_872' else 'dtp' end, i != 5
from range(8) as r (i);
insert into marts.rpt_infected_endpoint values
    ('e0', 'dtp_872_pnv', 2), ('e1', 'dtp_872_pnv', 1), ('e4', 'dtp_snv', 1);
insert into marts.fct_detection
select 'd' || i, 'e' || i, 'dtp_872_30058', timestamptz '2024-01-10 09:00:00+07'
from range(6) as r (i);
insert into marts.rpt_antivirus_conflict values
    ('e0', 'X', 'dtp_872_pnv', 2), ('e6', 'X', 'dtp_snv', 3), ('e6', 'Y', 'dtp_snv', 3);
"""


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+07:00")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load(SCENARIO)


@pytest.fixture
def marts(tmp_path: Path) -> Path:
    path = tmp_path / "published.duckdb"
    change(path, TABLES)
    return path


def change(path: Path, sql: str) -> None:
    with duckdb.connect(str(path)) as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute(sql)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_state(f"sqlite:///{tmp_path / 'state.sqlite'}")
    yield opened
    opened.dispose()


@pytest.fixture
def look(engine: Engine, registry: Registry, marts: Path) -> Look:
    """One look at an instant; the new mails of the kinds that this is about."""

    def run(now: str, kind: str, **settings: Any) -> list[dict[str, Any]]:
        lease = leases.acquire(engine, "deadlines:dong_thap", "test", 600, REAL)
        assert lease is not None
        before = {row["message_id"] for row in rows(engine)}
        try:
            watch(engine, lease, registry, "dong_thap", marts, REHEARSAL, at(now), **settings)
        finally:
            leases.release(engine, lease)
        return [
            row
            for row in rows(engine)
            if row["message_id"] not in before and row["mail_kind"] == kind
        ]

    return run


def rows(engine: Engine) -> list[dict[str, Any]]:
    with reading(engine) as connection:
        found = connection.execute(select(OUTBOX).order_by(OUTBOX.c.unit_code)).mappings()
        return [dict(row) for row in found]


def test_a_key_is_told_of_at_its_stages_and_names_who_goes_dark(look: Look) -> None:
    assert [one["recipient_role"] for one in look("2024-01-10T07:30:00", "licence")] == ["so"]
    assert look("2024-01-11T07:30:00", "licence") == []  # OLD was told at 90 days
    assert look("2024-04-16T07:30:00", "licence") != []  # 180 days before the key of 2023
    assert look("2024-04-17T07:30:00", "licence") == []


def test_the_lead_time_of_a_purchase_is_a_setting(look: Look) -> None:
    assert len(look("2024-01-10T07:30:00", "licence", purchase_days=300)) == 2


def test_machines_go_dark_only_with_their_servers_last_key(registry: Registry, marts: Path) -> None:
    old, new = keys_of(registry, marts, "dong_thap", date(2024, 1, 10))
    assert (old.licence_serial, old.dark) == ("OLD", {})
    assert new.server_codes == ("dtp", "dtp_872", "dtp_875")
    assert new.dark == {"dtp_872": 3, "dtp_snv": 4}  # e5 is not installed


def test_without_collected_keys_nothing_is_said(registry: Registry, tmp_path: Path) -> None:
    empty = tmp_path / "older.duckdb"
    change(empty, "create schema marts")
    assert keys_of(registry, empty, "dong_thap", date(2024, 1, 10)) == ()


def test_units_are_told_of_what_is_theirs_once(look: Look) -> None:
    first = look("2024-01-10T10:00:00", "malware", limits=Limits(uncured_count=3))
    matters = [(one["unit_code"], one["incident_id"][:4], one["recipient_role"]) for one in first]
    assert matters == [
        ("dtp_872_30058", "mal-", "unit"),
        ("dtp_872_pnv", "mal-", "unit"),
        ("dtp_snv", "mal-", "unit"),
    ]
    assert look("2024-01-10T10:05:00", "malware", limits=Limits(uncured_count=3)) == []


def test_worse_is_told_again_and_the_end_of_it_is_not(look: Look, marts: Path) -> None:
    limits = Limits(uncured_count=3)
    look("2024-01-10T10:00:00", "malware", limits=limits)
    change(marts, "update marts.rpt_infected_endpoint set uncured_count = 9 where endpoint_id='e0'")
    worse = look("2024-01-10T11:00:00", "malware", limits=limits)
    assert [one["unit_code"] for one in worse] == ["dtp_872_pnv"]
    change(marts, "delete from marts.rpt_infected_endpoint")
    assert look("2024-01-10T12:00:00", "malware", limits=limits) == []
    change(marts, "insert into marts.rpt_infected_endpoint values ('e0', 'dtp_872_pnv', 4)")
    again = look("2024-01-10T13:00:00", "malware", limits=limits)
    assert [one["unit_code"] for one in again] == ["dtp_872_pnv"]


@pytest.mark.parametrize(
    ("kind", "subject", "parts"),
    [
        (
            "licence",
            "[DIỄN TẬP][KSC][BẢN QUYỀN] Tỉnh Đồng Tháp",
            ("Hết hạn theo khóa", "01/04/2024", "01 năm (tính từ ngày 13/10/2023)"),
        ),
        (
            "malware",
            "[DIỄN TẬP][KSC][MÃ ĐỘC] Xã Mỹ Đông",
            ("Số máy phát hiện mã độc trong 24 giờ", "6"),
        ),
    ],
)
def test_the_mails_say_what_it_is_and_what_to_do(
    look: Look, kind: str, subject: str, parts: tuple[str, ...]
) -> None:
    row = look("2024-01-10T10:00:00", kind)[0]
    assert kind != "malware" or row["unit_code"] == "dtp_872_30058"
    names = Mail.__dataclass_fields__
    facts = {
        **row,
        "kind": row["mail_kind"],
        "role": row["recipient_role"],
        "facts": json.loads(row["facts"]),
    }
    mail = Mail(**{name: facts[name] for name in names})
    message = message_from_bytes(compose(mail, [Recipient(address="so@tinh.example")], SENDER))
    assert str(make_header(decode_header(message["Subject"]))) == subject
    text = message.get_payload(0).get_payload(decode=True).decode("utf-8")  # type: ignore[union-attr]
    for part in parts:
        assert part in text
