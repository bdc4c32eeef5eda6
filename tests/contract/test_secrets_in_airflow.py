"""What Airflow keeps of servers that repeat every password: logs, XComs, fields, databases, marts."""

from __future__ import annotations

import base64
import itertools
import json
import os
import secrets
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from contract.canaries import ANSWERS, leaks, written
from ksc_ledger import settings as settings_module
from ksc_ledger.settings import REPOSITORY
from unit.registry.registry_folder import write_registry
from unit.sources.scripted import (
    LOGIN,
    PASSWORD,
    SERVER_DATE,
    Request,
    Scripted,
    ScriptedKsc,
    host,
    make_identity,
    ok,
)

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ROUNDS = 5
FIRST_LOGINS = 3  # two servers are collected, and the watch asks the province


def test_a_password_is_nowhere_in_what_airflow_keeps(tmp_path: Path) -> None:
    home, airflow = tmp_path / "home", tmp_path / "home" / "airflow"
    write_registry(tmp_path / "registry")
    airflow.mkdir(parents=True)
    (home / ".rehearsal").touch()
    (home / "contacts.csv").touch(mode=0o600)
    (home / "contacts.csv").write_text(
        "role,unit_code,name,address\nops,dtp,Tổ trực,truc@tinh.example\n", "utf-8"
    )
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "KSC_LEDGER_HOME": str(home),
        "KSC_LEDGER_REGISTRY": str(tmp_path / "registry"),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "tests"), str(REPOSITORY / "plugins")]),
        "PYTHONWARNINGS": "ignore",
        "GX_ANALYTICS_ENABLED": "false",
        "AIRFLOW_HOME": str(airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    identity = make_identity(tmp_path, "server")
    answers = itertools.cycle(ANSWERS.values())

    def answering(request: Request) -> Scripted:
        """Well-behaved in the first round, so that there is something to publish."""
        if server.asked("Session.StartSession") <= FIRST_LOGINS:
            return server.behave(request)
        return next(answers)(request)

    def children(request: Request) -> Scripted:
        if server.asked("Session.StartSession") <= FIRST_LOGINS:
            return ok({"PxgRetVal": []})
        return next(answers)(request)

    with ScriptedKsc(identity, hosts=[host(number) for number in range(12)]) as server:
        server.on = {
            "HostGroup.GetStaticInfo": answering,
            "HostGroup.FindHosts": answering,
            "ServerHierarchy.GetChildServers": children,
        }
        order = {
            "connection": {
                "host": "127.0.0.1",
                "port": server.port,
                "login": LOGIN,
                "password": PASSWORD,
                "extra": json.dumps({"certificate_sha256": identity.sha256}),
            },
            "begins_at": SERVER_DATE.isoformat(),
            "rounds": ROUNDS,
        }
        said = ""
        for words in (["airflow", "db", "migrate"], ["contract.indiscreet_day", json.dumps(order)]):
            done = subprocess.run(
                [sys.executable, "-m", *words],
                env=env,
                cwd=REPOSITORY,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
            said += done.stdout + done.stderr
        logins = server.asked("Session.StartSession")
    assert logins >= ROUNDS
    with closing(sqlite3.connect(airflow / "airflow.db")) as con:
        kept = {
            table: con.execute(f"select count(*) from {table}").fetchone()[0]
            for table in ("xcom", "rendered_task_instance_fields", "connection")
        }
        (failed,) = con.execute(
            "select count(*) from task_instance where task_id = 'ask_server' and state = 'failed'"
        ).fetchone()
    assert min(kept.values()) > 0, kept
    assert failed == 2 * (ROUNDS - 1)
    places = settings_module.load({"KSC_LEDGER_HOME": str(home)}).places
    assert places.marts_file.exists()
    assert leaks(itertools.chain([("what it printed", said)], written(home))) == {}
