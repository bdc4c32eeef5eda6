"""A published file made by hand: one province, two districts, a commune, a few machines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ksc_ledger import settings as settings_module
from ksc_ledger.settings import Settings
from ksc_ledger.state import open_state
from ksc_ledger.state.tables import LINK_WATCH, OUTAGE

NOW = datetime(2022, 10, 20, 3, 0, tzinfo=UTC)  # 10:00 in Vietnam
INCIDENT = "5c1f0000-0000-0000-0000-000000000001"
USERS = """user_name,role,unit_code
truc,ops,
kysu,engineer,
kiemtra,auditor,
canbo,unit_officer,tm
"""
# Names as an attacker would choose them: markup, template, and signs that turn text around.
HTML = "<script>alert(1)</script>"
JINJA = "{{ 7 * 7 }}{% raw %}"
BIDI = "abc\u202egnp.exe\u200b"

_TABLES = """
create schema marts;
create table marts._published as select 'v1' as version_id,
    timestamptz '2022-10-20 02:00:00+00' as published_at,
    timestamptz '2022-10-20 01:00:00+00' as as_of_at;
create table marts.dim_unit as
select unit_code, date '2022-09-01' as valid_from_date, 'dt' as estate_code, unit_name,
    'x' as unit_kind, parent_unit_code, list_order::bigint as list_order,
    null::date as valid_to_date
from (values
    ('dt', 'Tỉnh', null, 0), ('tm', 'Huyện Tháp Mười', 'dt', 1),
    ('lv', 'Huyện Lấp Vò', 'dt', 2), ('tm_md', $html, 'tm', 1)
) as t (unit_code, unit_name, parent_unit_code, list_order);
create table marts.dim_server as
select server_code, 'dt' as estate_code, server_name, server_role, unit_code,
    list_order::bigint as list_order
from (values ('s_dt', 'Máy chủ tỉnh', 'province', 'dt', 0),
    ('s_tm', 'Máy chủ Tháp Mười', 'district', 'tm', 1),
    ('s_lv', 'Máy chủ Lấp Vò', 'district', 'lv', 2)
) as t (server_code, server_name, server_role, unit_code, list_order);
create table marts.dim_unit_server as
select unit_code, server_code, date '2022-09-01' as valid_from_date, null::date as valid_to_date
from (values ('dt', 's_dt'), ('dt', 's_tm'), ('dt', 's_lv'), ('tm', 's_tm'), ('tm_md', 's_tm'),
    ('lv', 's_lv')) as t (unit_code, server_code);
create table marts.fct_server_source_daily as
select server_code, day::date as snapshot_date, server_code || '-1' as load_id,
    timestamptz '2022-10-12 01:00:00+00' as observed_at, true as is_of_that_day,
    true as has_passed_gate
from marts.dim_server, range(date '2022-10-12', date '2022-10-21', interval 1 day) as d (day);
create table marts.fct_unit_coverage_daily as
select u.unit_code, day::date as snapshot_date, 'dt' as estate_code,
    10::bigint as allocated_count,
    if(day < date '2022-10-15', 4, 6)::bigint as installed_count,
    3::bigint as correctly_named_count, 4::bigint as protected_count,
    0::bigint as agent_only_count, 0::bigint as stale_count, 1::bigint as old_bases_count,
    null::bigint as antivirus_conflict_count, 6::bigint as gap_count, 0::bigint as over_count,
    1::bigint as servers_expected_count, 1::bigint as servers_observed_count,
    day = date '2022-10-20' as is_provisional,
    timestamptz '2022-10-12 01:00:00+00' as oldest_observed_at, 'snap-' || unit_code as snapshot_id
from marts.dim_unit as u, range(date '2022-10-12', date '2022-10-21', interval 1 day) as d (day);
create table marts.rpt_coverage_gap as
select unit_code, snapshot_date, 'wrong_name' as reason_code, 1::bigint as machine_count
from marts.fct_unit_coverage_daily;
create table marts.fct_server_link as
select * from (values
    ('s_tm', timestamptz '2022-10-18 00:00:00+00', 'up', null, null::timestamptz, false),
    ('s_lv', timestamptz '2022-10-18 00:00:00+00', 'down', 'link', null, false)
) as t (server_code, started_at, state, cause, ended_at, is_maintenance);
create table marts.fct_server_outage as
select $incident as incident_id, 's_lv' as server_code,
    timestamptz '2022-10-18 00:00:00+00' as started_at, null::timestamptz as ended_at,
    'link' as cause, null::varchar as inhibited_by, null::timestamptz as notified_at;
create table marts.fct_source_load as
select 's_tm-1' as load_id, 's_tm' as server_code, timestamptz '2022-10-12 01:00:00+00' as observed_at,
    'complete' as status, 4::bigint as rows_read_count, null::varchar as fault_code,
    null::varchar as fault_text, null::varchar as refusal_code;
create table marts.fct_data_quality as
select 's_tm-1' as load_id, 'warn' as severity, 'Tên lạ' as description, false as is_success,
    2::bigint as unexpected_count;
create table marts.fct_mail as
select timestamptz '2022-10-18 00:00:00+00' as created_at,
    timestamptz '2022-10-18 00:01:00+00' as sent_at;
create table marts.fct_endpoint_state as
select endpoint_id, timestamptz '2022-10-12 01:00:00+00' as valid_from_at,
    null::timestamptz as valid_to_at, server_code, unit_code, true as is_installed,
    false as is_agent_only, false as is_correctly_named, false as is_name_exempt,
    true as is_protected, false as has_old_bases, false as is_stale, false as is_duplicate,
    false as has_antivirus_conflict, null::boolean as is_exempt, 0 as status_id, 4 as rtp_state,
    '12' as antivirus_version, 'OS_DEFAULT' as reason_code
from (values ('e_html', 's_tm', 'tm_md'), ('e_jinja', 's_tm', 'tm_md'), ('e_bidi', 's_tm', 'tm_md'),
    ('e_lv', 's_lv', 'lv')) as t (endpoint_id, server_code, unit_code);
create table marts.fct_endpoint_name as
select endpoint_id, timestamptz '2022-10-12 01:00:00+00' as valid_from_at,
    timestamptz '2022-10-15 01:00:00+00' as valid_to_at, unit_code,
    if($masked, 'MÁY-' || endpoint_id, 'CU-' || endpoint_id) as display_name,
    'OS_DEFAULT' as reason_code, 'OS_DEFAULT,UNKNOWN_UNIT' as reason_codes,
    'MD-' || endpoint_id as suggested_name, 'r' as rule_code
from marts.fct_endpoint_state
union all
select endpoint_id, timestamptz '2022-10-15 01:00:00+00', null, unit_code,
    if($masked, 'MÁY-' || endpoint_id,
        case endpoint_id when 'e_html' then $html when 'e_jinja' then $jinja
        when 'e_bidi' then $bidi else 'LAPVO' end),
    'OS_DEFAULT', 'OS_DEFAULT,UNKNOWN_UNIT', 'MD-' || endpoint_id, 'r'
from marts.fct_endpoint_state;
create table marts.rpt_wrong_name as select 'e_html' as endpoint_id, 'MD-FREE' as suggested_name;
create table marts.dim_endpoint as
select s.endpoint_id, s.server_code, s.unit_code, n.display_name, n.display_name as dns_name,
    null::varchar as group_path, '12' as antivirus_version,
    timestamptz '2022-10-12 01:00:00+00' as last_connected_at,
    timestamptz '2022-10-12 01:00:00+00' as last_visible_at, null::timestamptz as bases_at,
    timestamptz '2022-10-12 01:00:00+00' as first_seen_at, null::varchar as replaces_endpoint_id
from marts.fct_endpoint_state as s
inner join marts.fct_endpoint_name as n on s.endpoint_id = n.endpoint_id and n.valid_to_at is null
"""
DETECTIONS = """
create table marts.fct_detection as
select 'e_html' as endpoint_id, $bidi || $html as threat_name, $jinja as object_name,
    timestamptz '2022-10-13 01:00:00+00' as detected_at, 'deleted' as outcome;
create table marts.fct_detection_daily as
select * from (values
    ('tm_md', date '2022-10-12', 3::bigint, 2::bigint), ('tm_md', date '2022-10-13', 1, 0),
    ('lv', date '2022-10-13', null, null)
) as t (unit_code, snapshot_date, detection_count, uncured_count);
create table marts.rpt_infected_endpoint as
select 'e_html' as endpoint_id, 'tm_md' as unit_code, 2::bigint as uncured_count;
create table marts.fct_licence_daily as
select 'K1' as licence_serial, server_code, date '2022-10-20' as snapshot_date,
    'Gói bảo vệ' as product_name, 5037::bigint as seat_limit_count, 10::bigint as used_count,
    timestamptz '2022-10-30 17:00:00+00' as expires_at, 10::bigint as days_left
from marts.dim_server
"""


def write(file: Path, *, is_masked: bool, more: str = "", version: str = "v1") -> None:
    """Make a version and let the link point at it, as the publisher does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    made = file.with_name(f"{file.stem}.{version}.duckdb")
    values = {"html": HTML, "jinja": JINJA, "bidi": BIDI, "incident": INCIDENT, "masked": is_masked}
    with duckdb.connect(str(made)) as con:
        for statement in (_TABLES + (";" + more if more else "")).split(";"):
            used = {name: value for name, value in values.items() if f"${name}" in statement}
            con.execute(statement, used or None)
        con.execute("update marts._published set version_id = $version", {"version": version})
    beside = file.with_name(f".{file.stem}.lnk")
    beside.symlink_to(made.name)
    beside.replace(file)


def write_letters(folder: Path) -> None:
    """A letter about each district, and beside one of them a sheet that names machines."""
    folder.mkdir(parents=True)
    for unit_code, subject in (("tm", HTML + JINJA + BIDI), ("lv", "Về việc cài đặt Lấp Vò")):
        stem = f"2022-10-12-don_doc-{unit_code}"
        proof = {"subject": subject, "issuer": "UBND huyện", "snapshot_id": "snap-1"}
        (folder / f"{stem}.json").write_text(json.dumps(proof), "utf-8")
        (folder / f"{stem}.docx").write_bytes(b"letter")
        (folder / f"{stem}.xlsx").write_bytes(b"annex")
    (folder / "2022-10-12-phieu_don_vi-tm.json").write_text("{}", "utf-8")
    (folder / "2022-10-12-phieu_don_vi-tm.docx").write_bytes(b"names of machines")


def a_home(folder: Path) -> Settings:
    """A home with both files, an open outage and the map of users, in rehearsal at NOW."""
    settings = settings_module.load({"KSC_LEDGER_HOME": str(folder)})
    write(settings.places.named_marts_file, is_masked=False)
    write(settings.places.marts_file, is_masked=True)
    settings.page_users.write_text(USERS, "utf-8")
    write_letters(settings.places.letters / "dt")
    settings.places.rehearsal_mark.touch()
    settings.places.state.mkdir(exist_ok=True)
    settings.places.clock_file.write_text(
        f'{{"at": "{NOW.isoformat()}", "set_at": "{NOW.isoformat()}", "is_driven": true}}'
    )
    engine = open_state(settings.state_url)
    with engine.begin() as connection:
        connection.execute(
            LINK_WATCH.insert().values(
                estate_code="dt", revision=1, ticked_at=NOW, memory='{"estate_code":"dt"}'
            )
        )
        connection.execute(
            OUTAGE.insert().values(
                incident_id=INCIDENT,
                server_code="s_lv",
                started_at=datetime(2022, 10, 18, tzinfo=UTC),
                confirmed_at=datetime(2022, 10, 18, tzinfo=UTC),
                cause="link",
                is_in_maintenance=False,
                was_never_connected=False,
                is_retired=False,
            )
        )
    engine.dispose()
    return settings
