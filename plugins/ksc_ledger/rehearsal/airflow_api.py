"""The few questions the driver asks Airflow's public REST API."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ksc_ledger.errors import LedgerError

PAUSES = (0.5, 1.0, 2.0, 4.0)  # seconds before asking again

# A proxy named in the environment has no business with a server on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class AirflowApi:
    """A session with one Airflow on this machine."""

    url: str
    user: str
    password: str
    token: str = ""
    token_until: float = 0.0

    def health(self) -> dict[str, Any]:
        return self._ask("GET", "/api/v2/monitor/health", authorised=False)

    def get(self, path: str) -> dict[str, Any]:
        return self._ask("GET", path)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._ask("POST", path, body)

    def put_pool(self, name: str, slots: int, description: str) -> None:
        body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        self._create_or_change("/api/v2/pools", name, body)

    def put_connection(self, connection_id: str, body: Mapping[str, Any]) -> None:
        self._create_or_change(
            "/api/v2/connections", connection_id, {"connection_id": connection_id, **body}
        )

    def trigger(self, dag_id: str, conf: Mapping[str, Any], note: str) -> str:
        """Start a run and return its id, which is ours, so that asking twice starts one run."""
        run_id = f"rehearsal__{uuid.uuid4()}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf), "note": note}
        try:
            self.post(f"/api/v2/dags/{dag_id}/dagRuns", body)
        except ApiError as error:
            if error.status != 409:
                raise
        return run_id

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self.get(f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")["state"])

    def task_state(self, dag_id: str, run_id: str, task_id: str) -> str:
        run = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
        return str(self.get(f"{run}/taskInstances/{task_id}")["state"])

    def woken_by(self, run_id: str) -> list[str]:
        """The ids of the runs that the asset events of a run have woken."""
        path = f"/api/v2/assets/events?source_run_id={quote(run_id, safe='')}"
        try:
            found = self._ask_once("GET", path, None, authorised=True)
        except ApiError as error:
            if error.status != 500:
                raise
            return []  # Airflow 3.3.2 cannot tell of a woken run that has not started yet
        return [
            str(run["run_id"])
            for event in found["asset_events"]
            for run in event["created_dagruns"]
        ]

    def unfinished(self, dag_id: str) -> int:
        """How many runs of a DAG are queued or running."""
        path = f"/api/v2/dags/{dag_id}/dagRuns?state=queued&state=running&limit=1"
        return int(self.get(path)["total_entries"])

    def unpause(self, dag_id: str) -> None:
        self._ask("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def note(self, dag_id: str, run_id: str, note: str) -> None:
        """Write a note on a run, shown in the UI."""
        self._ask(
            "PATCH", f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}", {"note": note}
        )

    def _create_or_change(self, path: str, key: str, body: Mapping[str, Any]) -> None:
        try:
            self._ask("POST", path, body)
        except ApiError as error:
            if error.status != 409:
                raise
            self._ask("PATCH", f"{path}/{quote(key, safe='')}", body)

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        authorised: bool = True,
    ) -> dict[str, Any]:
        """One question; asked again when the server itself was in trouble (a busy SQLite)."""
        for pause in PAUSES:
            try:
                return self._ask_once(method, path, body, authorised=authorised)
            except ApiError as error:
                if error.status < 500:
                    raise
            except TimeoutError:
                pass  # asked again below; the last try says so
            time.sleep(pause)
        return self._ask_once(method, path, body, authorised=authorised)

    def _ask_once(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, authorised: bool
    ) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if authorised:
            headers["Authorization"] = f"Bearer {self._token()}"
        request = urllib.request.Request(  # noqa: S310 (the address is our own)
            self.url + path,
            method=method,
            headers=headers,
            data=json.dumps(body).encode() if body is not None else None,
        )
        try:
            with _opener.open(request, timeout=30) as answer:
                return dict(json.loads(answer.read() or b"{}"))
        except urllib.error.HTTPError as error:
            raise ApiError(
                method, path, error.code, error.read().decode("utf-8", "replace")
            ) from error

    def _token(self) -> str:
        if time.monotonic() > self.token_until:
            body = {"username": self.user, "password": self.password}
            self.token = self._ask("POST", "/auth/token", body, authorised=False)["access_token"]
            self.token_until = time.monotonic() + 600
        return self.token


class ApiError(LedgerError):
    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(
            "airflow_api_refused",
            f"Airflow trả lời {status} cho {method} {path}: {body[:500]}",
            "Xem nhật ký của api-server trong airflow/component-logs/.",
        )
        self.status = status
