"""In production's environment: an API server that accepts edge workers by key only, and what it answers.

usage: ask_an_airflow.py HOME. Prints one JSON object as its last line. HOME is empty before. The
server is asked in this process; its database, its plugins and its executor are the real ones.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

HERE = Path(__file__).resolve().parent
OURS, OTHERS = "dtp_872", "dtp_613"
WORKERS = "/edge_worker/v1/"
CONNECTION = f"ksc_{OTHERS}"
KEYS = {
    name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in (OURS, OTHERS)
}
THE_WORKERS_OWN_SIGNER = """
from airflow.configuration import conf
from airflow.providers.edge3.cli.api_client import jwt_generator
assert not conf.get("api_auth", "jwt_secret")
print(jwt_generator().generate({"method": "worker/dtp_872"}))
"""


def jwk(name: str) -> dict[str, Any]:
    public = RSAAlgorithm.to_jwk(KEYS[name].public_key(), as_dict=True)
    return {**public, "kid": name, "alg": "RS256", "use": "sig"}


def claims(issuer: str, **more: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": issuer, "aud": "api", "iat": now, "nbf": now, "exp": now + 30} | more


def token(name: str, *, issuer: str | None = None, **more: Any) -> str:
    """Signed with the key of ``name``; ``issuer`` as whoever holds the key may lie."""
    return jwt.encode(claims(issuer or name, **more), KEYS[name], "RS256", headers={"kid": name})


def settle(home: Path, shared: str) -> None:
    """What the server is told by its environment."""
    (home / "plugins").mkdir()
    (home / "jwks.json").write_text(json.dumps({"keys": [jwk(name) for name in KEYS]}))
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": str(HERE),
        "PYTHONWARNINGS": "ignore",
        "AIRFLOW__API_AUTH__JWT_SECRET": shared,
        "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "airflow.providers.edge3.executors.EdgeExecutor",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS": (
            "airflow.providers.edge3.models.db.EdgeDBManager"
        ),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__EDGE__API_ENABLED": "True",
        "AIRFLOW__EDGE__API_URL": f"http://127.0.0.1:9{WORKERS}rpcapi",
        "AIRFLOW__EDGE__TRUSTED_JWKS_URL": str(home / "jwks.json"),
        "AIRFLOW__EDGE__JWT_AUDIENCE": "api",
        "AIRFLOW__EDGE__JWT_VERIFIER": "strict_verifier.verify",
    }
    sys.path.insert(0, str(HERE))
    sys.argv = ["airflow", "api-server"]  # by this the edge's plugin knows where it is


def workers_own_token(home: Path) -> str:
    """What the worker's own client signs without the shared secret and without a database."""
    key = home / "district.pem"
    key.write_bytes(
        KEYS[OURS].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (home / "worker").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    own = {
        "AIRFLOW_HOME": str(home / "worker"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": "",
        "AIRFLOW__API_AUTH__JWT_PRIVATE_KEY_PATH": str(key),
        "AIRFLOW__API_AUTH__JWT_ISSUER": OURS,
        "AIRFLOW__API_AUTH__JWT_KID": OURS,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg://nobody:none@127.0.0.1:1/none",
    }
    done = subprocess.run(
        [sys.executable, "-c", THE_WORKERS_OWN_SIGNER],
        env=kept | own,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip().splitlines()[-1]


def queue_a_task(password: str) -> None:
    """A connection and a queued task of another district, as the scheduler hands it to its executor."""
    from airflow._shared.timezones import timezone
    from airflow.executors.workloads import ExecuteTask
    from airflow.models.connection import Connection
    from airflow.models.dagbag import DBDagBag
    from airflow.providers.edge3.executors import EdgeExecutor
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, TaskInstanceState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    initdb()
    subprocess.run(
        [sys.executable, "-m", "airflow", "dags", "reserialize"], check=True, capture_output=True
    )
    executor = EdgeExecutor()
    with create_session() as session:
        executor.start(session=session)
    with create_session() as session:
        session.add(
            Connection(
                conn_id=CONNECTION,
                conn_type="generic",
                host="ksc.example",
                login="ledger",
                password=password,
            )
        )
        dag = DBDagBag().get_latest_version_of_dag("two_districts", session=session)
        now = timezone.utcnow()
        run = dag.create_dagrun(
            run_id="manual__1",
            run_type=DagRunType.MANUAL,
            run_after=now,
            logical_date=None,
            data_interval=None,
            state=DagRunState.RUNNING,
            triggered_by=DagRunTriggeredByType.TEST,
            session=session,
        )
        session.flush()
        (task,) = run.get_task_instances(session=session)
        task.set_state(TaskInstanceState.QUEUED, session=session)
        task.try_number, task.queued_dttm = 1, now
        session.flush()
        workload = ExecuteTask.make(task, generator=executor.jwt_generator)
        executor.team_name = OTHERS  # as the executor of that district's team would queue it
        executor.queue_workload(workload, session=session)


def ask(shared: str, own: str) -> dict[str, Any]:
    import airflow
    from airflow.api_fastapi.app import create_app
    from airflow.providers import edge3
    from starlette.testclient import TestClient

    system = {
        "airflow_version": airflow.__version__,
        "edge_provider_version": edge3.__version__,
        "concurrency": 1,
    }

    def state(queue: str, team: str) -> dict[str, Any]:
        return {
            "state": "offline",
            "jobs_active": 0,
            "queues": [queue],
            "sysinfo": system,
            "team_name": team,
        }

    said: dict[str, Any] = {"versions": [airflow.__version__, edge3.__version__]}
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    mine = claims(OURS, method=f"worker/{OURS}")
    with TestClient(create_app(apps="all")) as server:

        def work(method: str, path: str, bearer: str, body: Any) -> Any:
            return server.request(
                method, f"{WORKERS}{path}", json=body, headers={"Authorization": bearer}
            )

        def read(path: str, bearer: str) -> Any:
            return server.get(path, headers={"Authorization": f"Bearer {bearer}"})

        # What holds.
        said["own_key"] = work("POST", f"worker/{OURS}", own, state(OURS, OURS)).status_code
        for name, forged in {
            "HS512": jwt.encode(mine, shared, "HS512", headers={"kid": OURS}),
            "HS256": jwt.encode(mine, shared, "HS256", headers={"kid": OURS}),
            "unknown_key": jwt.encode(mine, stranger, "RS256", headers={"kid": OURS}),
            "others_name": token(OTHERS),
        }.items():
            said[name] = work("PATCH", f"worker/{OURS}", forged, state(OURS, OURS)).status_code
        public = read("/api/v2/connections", token(OURS, sub="1"))
        said["public_api"] = [public.status_code, public.json()["detail"]]
        as_task = token(OURS, sub=str(uuid.uuid4()), scope="execution")
        said["execution_api"] = read(f"/execution/connections/{CONNECTION}", as_task).status_code

        # What does not.
        lie = token(OURS, issuer=OTHERS)
        said["under_others_name"] = work(
            "POST", f"worker/{OTHERS}", lie, state(OTHERS, OTHERS)
        ).status_code
        any_queue = {"queues": None, "free_concurrency": 1, "supports_task_instance_uuid": True}
        fetch = f"jobs/fetch/{OURS}"
        said["job_as_our_team"] = work("POST", fetch, token(OURS), any_queue).json()
        again = work("POST", f"worker/{OURS}", token(OURS), state(OURS, OTHERS))
        said["own_name_others_team"] = again.status_code
        given = work("POST", fetch, token(OURS), any_queue)
        command = given.json()["command"]
        said["queue_of_the_job"] = command["ti"]["queue"]
        begun = server.patch(
            f"/execution/task-instances/{command['ti']['id']}/run",
            json={
                "state": "running",
                "hostname": "x",
                "unixname": "x",
                "pid": 1,
                "start_date": "2026-01-01T00:00:00Z",
            },
            headers={"Authorization": f"Bearer {command['token']}"},
        )
        task_token = begun.headers["refreshed-api-token"]
        connection = read(f"/execution/connections/{CONNECTION}", task_token)
        said["password_of_another"] = connection.json().get("password")
    return said


def main() -> None:
    home = Path(sys.argv[1])
    shared, password = secrets.token_hex(32), secrets.token_hex(8)
    own = workers_own_token(home)
    settle(home, shared)
    queue_a_task(password)
    said = ask(shared, own)
    said["password"] = password
    sys.stdout.write(f"\n{json.dumps(said)}\n")


if __name__ == "__main__":
    main()
