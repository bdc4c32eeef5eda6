"""The role matrix, asked of a real api-server with users and roles; and its keys, changed.

One test asks everything: an Airflow takes a minute to come up, and workers share nothing.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from ksc_ledger.clock import RehearsalClock
from ksc_ledger.ops_room import tokens
from ksc_ledger.ops_room.access import Role
from roles import matrix
from roles.an_airflow import RealAirflow, started
from unit.ops_room import a_ministry, a_province

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

DAG = "watch_server_links"
RUN = "tay__1"
PASSWORD = "Mật khẩu KSC+1"
PEOPLE = {
    "truc": Role.OPS,
    "kysu": Role.ENGINEER,
    "kiemtra": Role.AUDITOR,
    "canbo": Role.UNIT_OFFICER,
    "truc_dt": Role.ESTATE_OPS,
    "kiemtra_dt": Role.ESTATE_AUDITOR,
    # page_users.csv makes these other than Airflow does.
    "rong": Role.UNIT_OFFICER,
    "rong2": Role.AUDITOR,
    "lech": Role.AUDITOR,
    "hep": Role.ENGINEER,
    "hep2": Role.OPS,
    "rong3": Role.ESTATE_OPS,
    "hep3": Role.OPS,
    "la": Role.OPS,
}
ON_THE_PAGE = """user_name,role,unit_code,estate_codes
truc,ops,,
kysu,engineer,,
kiemtra,auditor,,
canbo,unit_officer,tm,
truc_dt,estate_ops,,dt
kiemtra_dt,estate_auditor,,dt
rong,ops,,
rong2,engineer,,
lech,unit_officer,tm,
hep,auditor,,
hep2,unit_officer,tm,
rong3,ops,,
hep3,estate_ops,,kt
"""
OF_ROLE = {str(role): name for name, role in list(PEOPLE.items())[:6]}
ANOTHER = "hep"  # whose token somebody else sends
PUBLIC = {
    "GET /api/v2/monitor/health",
    "GET /api/v2/version",
    "GET /api/v2/auth/login",
    "GET /api/v2/auth/logout",
}
DATA_DOCS_RUN = "20221012T010000Z-landed.html"


@dataclass
class House:
    """The Airflow, who is signed in, and what the rows of the matrix send."""

    airflow: RealAirflow
    signed_in: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.signed_in = {name: self.airflow.token(name) for name in PEOPLE}

    def form(self, kind: str, user_name: str) -> tuple[dict[str, str], dict[str, str]]:
        """Fields and headers of a form of the page, with a good token unless that is the point."""
        secret = tokens.secret_of(self.airflow.settings.places.state)
        whose = ANOTHER if kind == "foreign_token" else user_name
        fields = {
            "ma_phien": "" if kind == "no_token" else tokens.make(secret, whose, _real_now()),
            "gio": "1",
            "su_co": a_ministry.OTHERS_INCIDENT
            if kind == "others_acknowledgement"
            else a_province.INCIDENT,
            "noi_dung": "Gọi trực huyện",
            "ly_do": "Bảo trì điện",
            "nguoi": "Đội kỹ thuật",
        }
        site = "cross-site" if kind == "other_site" else "same-origin"
        return fields, {"Sec-Fetch-Site": site}

    def status(self, row: matrix.Row, person: str) -> int:
        name = OF_ROLE.get(person, "")
        token = self.signed_in.get(name)
        task = f"/api/v2/dags/{DAG}/dagRuns/{RUN}/taskInstances/watch"
        path = row.path.format(run=RUN, task=task)
        if path.startswith(("/tinh-hinh", "/chat-luong")):  # as a browser opens them
            fields, headers = self.form(row.form or "", name)
            return self.airflow.ask(
                row.method,
                path,
                cookie=token,
                form=fields if row.method == "POST" else None,
                headers=headers,
            ).status
        body = BODIES[row.form](person) if row.form else None
        return self.airflow.ask(row.method, path, token=token, json_body=body).status


def _real_now() -> datetime:
    return datetime.now(UTC)


BODIES: Mapping[str, Any] = {
    "run": lambda who: {"dag_run_id": f"tay__{who}", "logical_date": None},
    "clear": lambda _: {"dry_run": True, "dag_run_id": RUN},
    "pause": lambda _: {"is_paused": True},
    "variable": lambda who: {"key": f"k_{who}", "value": "1"},
    "connection": lambda who: {"connection_id": f"ksc_{who}", "conn_type": "ksc", "password": "x"},
    "password": lambda _: {"connection_id": "ksc_dtp", "conn_type": "ksc", "password": PASSWORD},
    "pool": lambda who: {"name": f"p_{who}", "slots": 1},
}


def test_who_may_what_on_a_real_airflow(tmp_path: Path) -> None:
    settings = a_ministry.a_home(tmp_path / "home", ON_THE_PAGE)
    # It runs on: two deeds about one outage are two instants.
    RehearsalClock(settings.places.clock_file).set(a_province.NOW, is_driven=False)
    docs = settings.places.data_docs
    (docs / "runs").mkdir(parents=True)
    (docs / "index.html").write_text("<p>Kiểm tra</p>", "utf-8")
    (docs / "runs" / DATA_DOCS_RUN).write_text("<p>Kiểm tra</p>", "utf-8")
    with started(settings, PEOPLE) as airflow:
        engineer = airflow.token("kysu")
        made = BODIES["password"]("") | {"host": "ksc.tinh.example", "login": "doc"}
        run = {"dag_run_id": RUN, "logical_date": None}
        for path, body in (("connections", made), (f"dags/{DAG}/dagRuns", run)):
            answer = airflow.ask("POST", f"/api/v2/{path}", token=engineer, json_body=body)
            assert answer.status in (200, 201), answer.body
        a_task_has_run(airflow)
        house = House(airflow)
        the_matrix_holds(house)
        the_page_and_airflow_must_agree(house)
        an_auditor_sees_no_name_and_an_officer_no_neighbour(house)
        every_address_asks_who_is_there(house)
        an_officer_reaches_no_address_of_airflow(house)
        no_answer_shows_the_password(house)
        who_is_deleted_is_locked_out(house)
        keys_are_changed(house)


def a_task_has_run(airflow: RealAirflow) -> None:
    """As a scheduler would leave it: one attempt, and its log."""
    with closing(sqlite3.connect(airflow.airflow_home / "airflow.db")) as database:
        changed = database.execute(
            "update task_instance set try_number = 1, state = 'failed'"
            " where run_id = ? and task_id = 'watch'",
            [RUN],
        ).rowcount
        database.commit()
    assert changed == 1
    log = airflow.airflow_home / "logs" / f"dag_id={DAG}" / f"run_id={RUN}" / "task_id=watch"
    log.mkdir(parents=True)
    (log / "attempt=1.log").write_text('{"event": "Mất kết nối", "level": "info"}\n', "utf-8")


def the_matrix_holds(house: House) -> None:
    wrong = {
        f"{row.name}, {person}": (said, expected)
        for row in matrix.rows()
        for person, expected in row.expected.items()
        if (said := house.status(row, person)) != expected
    }
    assert not wrong, "\n".join(f"{name}: {both}" for name, both in wrong.items())


def the_page_and_airflow_must_agree(house: House) -> None:
    """Wider on the page than in Airflow: not let in. Narrower: as narrow as the page has it."""
    page = {
        name: house.airflow.ask("GET", "/tinh-hinh/don-vi/lv", cookie=house.signed_in[name])
        for name in PEOPLE
    }
    assert {name: answer.status for name, answer in page.items()} == {
        "truc": 200,
        "kysu": 200,
        "kiemtra": 200,
        "canbo": 403,
        "rong": 403,
        "rong2": 403,
        "lech": 403,
        "hep": 200,
        "hep2": 403,
        "truc_dt": 200,
        "kiemtra_dt": 200,
        "rong3": 403,
        "hep3": 403,
        "la": 403,
    }
    assert "Lấp Vò" not in "".join(
        page[name].body for name in ("rong", "rong2", "rong3", "hep3", "la")
    )
    own = house.airflow.ask("GET", "/tinh-hinh/don-vi/tm_md", cookie=house.signed_in["hep2"])
    assert own.status == 200
    # An engineer of Airflow whom the page calls an auditor: names masked, no deed.
    masked = house.airflow.ask("GET", "/tinh-hinh/don-vi/tm_md", cookie=house.signed_in["hep"])
    assert "MÁY-e_html" in masked.body
    fields, headers = house.form("silence", "hep")
    deed = house.airflow.ask(
        "POST",
        "/tinh-hinh/may-chu/s_lv/tam-ngung",
        cookie=house.signed_in["hep"],
        form=fields,
        headers=headers,
    )
    assert deed.status == 403


def an_auditor_sees_no_name_and_an_officer_no_neighbour(house: House) -> None:
    audited = house.airflow.ask(
        "GET", "/tinh-hinh/don-vi/tm_md", cookie=house.signed_in["kiemtra"]
    ).body
    assert "MÁY-e_html" in audited
    assert a_province.JINJA not in audited  # the name of e_jinja
    for path in ("/tinh-hinh/", "/tinh-hinh/tom-tat", "/tinh-hinh/don-vi/tm"):
        body = house.airflow.ask("GET", path, cookie=house.signed_in["canbo"]).body
        assert "Tháp Mười" in body, path
        assert "Lấp Vò" not in body, path


def addresses(house: House) -> list[tuple[str, str]]:
    """Every method and address of Airflow's own interface, with something in each place."""
    asked = house.airflow.ask("GET", "/openapi.json", token=house.signed_in["kysu"])
    assert asked.status == 200
    described: dict[str, dict[str, Any]] = json.loads(asked.body)["paths"]
    values = {"dag_id": DAG, "dag_run_id": RUN, "run_id": RUN, "task_id": "watch"}
    found = []
    for pattern, methods in described.items():
        path = re.sub(r"\{(\w+)\}", lambda name: str(values.get(name[1], "1")), pattern)
        found += [(method.upper(), path) for method in methods if method != "parameters"]
    assert len(found) > 100
    return found


def every_address_asks_who_is_there(house: House) -> None:
    """Also those that are in no row of the matrix: nothing but PUBLIC opens to a stranger."""
    opened = {
        f"{method} {path}": status
        for method, path in addresses(house)
        if (status := house.airflow.ask(method, path, json_body=_body(method)).status) != 401
        and f"{method} {path}" not in PUBLIC
    }
    assert opened == {}
    forged = house.airflow.ask("GET", "/tinh-hinh/", cookie="not.a.token")
    assert forged.status in (401, 403)


def an_officer_reaches_no_address_of_airflow(house: House) -> None:
    """Nor does who is of one estate: Airflow's runs, logs and assets are of all of them.

    404, 422: no such thing, or no such order, so nothing was done. PUBLIC is left out: one signs out.
    """
    listed = addresses(house)
    for name in ("canbo", "truc_dt", "kiemtra_dt"):
        token = house.signed_in[name]
        opened = {
            f"{method} {path}"
            for method, path in listed
            if f"{method} {path}" not in PUBLIC
            and house.airflow.ask(method, path, token=token, json_body=_body(method)).status
            not in (403, 404, 422)
        }
        assert opened == {"GET /api/v2/plugins", "GET /api/v2/plugins/importErrors"}, name


def _body(method: str) -> object:
    return None if method == "GET" else {}


def no_answer_shows_the_password(house: House) -> None:
    for path in ("connections", "connections/ksc_dtp", "eventLogs?limit=100"):
        answer = house.airflow.ask("GET", f"/api/v2/{path}", token=house.signed_in["kysu"])
        assert answer.status == 200
        assert PASSWORD not in json.dumps(json.loads(answer.body), ensure_ascii=False)


def who_is_deleted_is_locked_out(house: House) -> None:
    """Though his token would last a day. FAB remembers people for half a minute (cache_ttl)."""
    house.airflow.cli("users", "delete", "--username", "la")
    end = time.monotonic() + 60
    while house.airflow.ask("GET", "/api/v2/dags", token=house.signed_in["la"]).status == 200:
        assert time.monotonic() < end, "still let in"
        time.sleep(1)
    answer = house.airflow.ask("GET", "/api/v2/dags", token=house.signed_in["la"])
    assert answer.status in (401, 403)


def keys_are_changed(house: House) -> None:
    """As docs/security.md says: Fernet with both keys for a while, the others at once."""
    airflow = house.airflow
    old = airflow.key_file("fernet_key").read_text()
    new = Fernet.generate_key().decode()
    script = (
        "from airflow.models import Connection;from airflow.utils.session import create_session\n"
        "with create_session() as s:\n"
        "    c = s.query(Connection).filter_by(conn_id='ksc_dtp').one()\n"
        "    print('PASSWORD', c.password, 'KEPT', c._password)"
    )
    before = airflow.run("-c", script)
    assert f"PASSWORD {PASSWORD} " in before
    assert PASSWORD not in before.split("KEPT")[1]
    airflow.write_key("fernet_key", f"{new},{old}")
    assert f"PASSWORD {PASSWORD} " in airflow.run("-c", script)
    airflow.cli("rotate-fernet-key")
    airflow.write_key("fernet_key", new)
    after = airflow.run("-c", script)
    assert f"PASSWORD {PASSWORD} " in after
    assert after.split("KEPT")[1] != before.split("KEPT")[1]
    airflow.write_key("fernet_key", old)
    with pytest.raises(AssertionError, match="InvalidToken"):
        airflow.run("-c", script)
    airflow.write_key("fernet_key", new)
    airflow.stop()
    airflow.write_key("jwt", "0123456789abcdef" * 8)
    airflow.start()
    refused = airflow.ask("GET", "/api/v2/dags", token=house.signed_in["kysu"])
    assert refused.status in (401, 403)
    again = airflow.ask("GET", "/api/v2/dags", token=airflow.token("kysu"))
    assert again.status == 200
