"""Why a district is not given an edge worker (ADR 23), asked of a real Airflow.

The first half of what was wished holds: a worker can have a key of its own, and that key opens
nothing else. The second half does not, and it is the one that matters. Should a later version bind
a worker to its queue or a task to its connections, this test fails, and the ADR is to be read again.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.settings import REPOSITORY

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

PYTHON = REPOSITORY / ".venv-edge" / "bin" / "python"
SCRIPT = Path(__file__).with_name("ask_an_airflow.py")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    done = subprocess.run(
        [str(PYTHON), str(SCRIPT), str(tmp_path_factory.mktemp("edge"))],
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def test_a_key_of_its_own_is_enough_for_a_worker_and_for_nothing_beside(
    said: dict[str, Any],
) -> None:
    assert said["own_key"] == 200
    refused = {name: said[name] for name in ("HS512", "HS256", "unknown_key", "others_name")}
    assert refused == dict.fromkeys(refused, 403)
    assert said["public_api"] == [403, "Invalid JWT token"]
    assert said["execution_api"] == 403


def test_a_key_may_say_that_it_is_another_districts(said: dict[str, Any]) -> None:
    """The verifier is told the claims and the path, not which key signed."""
    assert said["under_others_name"] == 200


def test_a_worker_is_given_the_tasks_of_any_queue(said: dict[str, Any]) -> None:
    """Under its own name and with an honest token; what it asks for is in the body, which no verifier sees.

    A team is no wall either: a worker says itself to which it belongs.
    """
    assert said["job_as_our_team"] is None
    assert said["own_name_others_team"] == 200
    assert said["queue_of_the_job"] == "dtp_613"


def test_a_tasks_token_reads_every_connection(said: dict[str, Any]) -> None:
    """This one alone would be enough, were the others mended."""
    assert said["password_of_another"] == said["password"]
