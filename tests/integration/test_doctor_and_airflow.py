"""The doctor finds connections where Airflow keeps them: in its metadata database and the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contract.provinces import PROVINCE, district
from integration.clinic import AT, Clinic, a_clinic
from ksc_ledger.clock import RehearsalClock
from ksc_ledger.rehearsal import home
from ksc_ledger.rehearsal.airflow_process import Airflow, environment

pytestmark = [pytest.mark.long, pytest.mark.airflow]


def an_airflow(clinic: Clinic) -> dict[str, str]:
    """The environment of an Airflow whose database was made and given the clinic's connections."""
    places = clinic.settings.places
    places.rehearsal_mark.touch()  # so that the servers' clock is ours
    RehearsalClock(places.clock_file).set(AT, is_driven=True)
    env = environment(places, clinic.registry, home.make_secrets(places), 0, dict(os.environ))
    Airflow(places, env).migrate()
    file = clinic.file
    file.write_text(json.dumps(clinic.connections), "utf-8")
    subprocess.run(
        [sys.executable, "-m", "airflow", "connections", "import", str(file)],
        env=env,
        capture_output=True,
        check=True,
        timeout=240,
    )
    return env


def test_connections_are_tried_as_airflow_has_them(tmp_path: Path) -> None:
    with a_clinic(tmp_path, districts=2) as clinic:
        bad, absent = district(1), district(2)
        clinic.connections[f"ksc_{bad}"]["password"] = "sai-mat-khau"
        in_environment = clinic.connections.pop(f"ksc_{PROVINCE}")
        del clinic.connections[f"ksc_{absent}"]
        env = an_airflow(clinic)
        given = {f"AIRFLOW_CONN_KSC_{PROVINCE.upper()}": json.dumps(in_environment)}
        stray = {"AIRFLOW_CONN_KSC_NOBODY": json.dumps(in_environment)}
        done = subprocess.run(
            [sys.executable, "-m", "ksc_ledger.cli", "doctor", "--json"],
            env={**env, **given, **stray},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        logins = clinic.logins()
    assert done.returncode == 2, done.stderr
    said = json.loads(done.stdout)  # and nothing of what Airflow logs
    codes = {(one["subject"], one["code"]) for one in said["findings"] if one["verdict"] != "ok"}
    assert codes >= {
        (bad, "login_refused"),
        (absent, "connection_missing"),
        ("ksc_nobody", "connection_without_server"),
        ("", "pools_missing"),
        ("", "dags_missing"),
    }
    assert not {code for subject, code in codes if subject == PROVINCE}
    assert not {"airflow_time_zone", "airflow_database_unreadable"} & {code for _, code in codes}
    assert logins == {PROVINCE: 1, bad: 1}
    assert "sai-mat-khau" not in done.stdout + done.stderr
    assert in_environment["password"] not in done.stdout + done.stderr


def test_an_airflow_without_a_database_is_told_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    with a_clinic(tmp_path, districts=1) as clinic:
        places = clinic.settings.places
        made = home.make_secrets(places)
        env = environment(places, clinic.registry, made, 0, dict(os.environ))
        done = subprocess.run(
            [sys.executable, "-m", "ksc_ledger.cli", "doctor", "--json"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
    codes = [one["code"] for one in json.loads(done.stdout)["findings"] if one["verdict"] == "fail"]
    assert codes == ["airflow_database_unreadable"]
