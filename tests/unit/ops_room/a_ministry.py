"""A home of two estates: the province of ``a_province`` and another one beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ksc_ledger.settings import Settings
from ksc_ledger.state import open_state
from ksc_ledger.state.tables import OUTAGE
from unit.ops_room import a_province

OTHERS_INCIDENT = "5c1f0000-0000-0000-0000-000000000002"
USERS = """user_name,role,unit_code,estate_codes
truc,ops,,
kiemtra,auditor,,
truc_dt,estate_ops,,dt
kiemtra_dt,estate_auditor,,dt
truc_kt,estate_ops,,kt
truc_ca_hai,estate_ops,,dt kt
can_bo_kt,unit_officer,kp,
"""
# The other estate: a province with a district, a server that is lost, a machine, a letter.
OTHER = """
insert into marts.dim_unit by name select * from (values
    ('kt', 'kt', 'Tỉnh Kon Tum', null, 0), ('kp', 'kt', 'Huyện Kon Plông', 'kt', 1)
) as t (unit_code, estate_code, unit_name, parent_unit_code, list_order),
    (select date '2022-09-01' as valid_from_date, 'x' as unit_kind);
insert into marts.dim_server by name select 's_kt' as server_code, 'kt' as estate_code,
    'Máy chủ Kon Tum' as server_name, 'province' as server_role, 'kt' as unit_code, 0 as list_order;
insert into marts.dim_unit_server by name select unit_code, 's_kt' as server_code,
    date '2022-09-01' as valid_from_date from (values ('kt'), ('kp')) as t (unit_code);
insert into marts.fct_unit_coverage_daily by name
select * replace (
    if(unit_code = 'dt', 'kt', 'kp') as unit_code, 'kt' as estate_code, 4321 as installed_count
)
from marts.fct_unit_coverage_daily where unit_code in ('dt', 'tm');
insert into marts.fct_server_outage by name select $other as incident_id, 's_kt' as server_code,
    timestamptz '2022-10-18 00:00:00+00' as started_at, 'link' as cause;
insert into marts.fct_endpoint_state by name
select * replace ('e_kt' as endpoint_id, 's_kt' as server_code, 'kp' as unit_code)
from marts.fct_endpoint_state where endpoint_id = 'e_lv';
insert into marts.fct_endpoint_name by name
select * replace ('e_kt' as endpoint_id, 'kp' as unit_code, 'KONTUM-1' as display_name)
from marts.fct_endpoint_name where endpoint_id = 'e_lv' and valid_to_at is null;
insert into marts.dim_endpoint by name
select * replace ('e_kt' as endpoint_id, 's_kt' as server_code, 'kp' as unit_code,
    'KONTUM-1' as display_name, 'kontum-1' as dns_name)
from marts.dim_endpoint where endpoint_id = 'e_lv';
create table marts.rpt_national_coverage_daily as
select estate_code, snapshot_date::date as snapshot_date, estate_code = '*' as is_whole, estate_name,
    if(estate_code = '*', 2, 1) as estates_count, allocated_count, installed_count,
    3 as correctly_named_count, 4 as protected_count, 1 as servers_observed_count,
    2 as servers_expected_count, null::bigint as servers_connected_count,
    1 as servers_lost_count, open_breach_count, null::timestamptz as oldest_observed_at
from (values ('dt', 'Tỉnh', 10, 6, 0), ('kt', 'Tỉnh Kon Tum', 10, 4321, 7),
    ('*', 'Toàn bộ', 20, 4327, 7)
) as t (estate_code, estate_name, allocated_count, installed_count, open_breach_count),
    range(timestamp '2022-10-12', timestamp '2022-10-21', interval 1 day) as d (snapshot_date)
""".replace("$other", f"'{OTHERS_INCIDENT}'")


def a_home(folder: Path, users: str = USERS) -> Settings:
    """Both estates published and lettered, an open outage in each."""
    settings = a_province.a_home(folder)
    places = settings.places
    a_province.write(places.named_marts_file, is_masked=False, more=OTHER, version="v2")
    a_province.write(places.marts_file, is_masked=True, more=OTHER, version="v2")
    letters = places.letters / "kt"
    letters.mkdir()
    for suffix, text in (("json", '{"subject": "Kon Plông"}'), ("docx", "letter"), ("xlsx", "x")):
        (letters / f"2022-10-12-don_doc-kp.{suffix}").write_text(text, "utf-8")
    settings.page_users.write_text(users, "utf-8")
    begun = datetime(2022, 10, 18, tzinfo=UTC)
    engine = open_state(settings.state_url)
    with engine.begin() as connection:
        connection.execute(
            OUTAGE.insert().values(
                incident_id=OTHERS_INCIDENT,
                server_code="s_kt",
                started_at=begun,
                confirmed_at=begun,
                cause="link",
                is_in_maintenance=False,
                was_never_connected=False,
                is_retired=False,
            )
        )
    engine.dispose()
    return settings
