from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from estates import host, server, write_estate
from ksc_ledger.simulator import Simulator
from unit.simulator.conftest import NOW
from unit.simulator.raw_client import RawClient

Start = Callable[..., Simulator]
ClientOf = Callable[..., RawClient]


def ask(port: int, verb: str, path: str, content: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(verb, path, None if content is None else json.dumps(content))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_the_clock_is_moved_and_shown(start: Start) -> None:
    sim = start()
    port = sim.ports["control"]["port"]
    at = (NOW + timedelta(days=1)).isoformat()
    assert ask(port, "PUT", "/clock", {"at": at, "is_driven": True}) == (200, {})
    status, state = ask(port, "GET", "/state")
    assert (status, state["at"], state["is_driven"]) == (200, "2023-10-21T01:00:00+00:00", True)
    assert sim.now() == NOW + timedelta(days=1)


def test_faults_are_switched_on_shown_and_taken_back(start: Start, client_of: ClientOf) -> None:
    sim = start(servers=[server("dtp"), server("dtp_872", "dtp")])
    port = sim.ports["control"]["port"]
    client = client_of(sim)
    fault = {"server_code": "dtp", "kind": "busy", "value": 7, "count": 5}
    assert ask(port, "POST", "/faults", fault) == (200, {})
    assert client.call("Session.Ping").headers["Retry-After"] == "7"
    shown = ask(port, "GET", "/state")[1]["servers"]
    assert shown["dtp"]["faults"] == [{"kind": "busy", "value": "7", "remaining": 4, "methods": []}]
    assert ask(port, "DELETE", "/faults/dtp_872")[0] == 200
    assert client.call("Session.Ping").status == 503
    assert ask(port, "DELETE", "/faults")[0] == 200
    assert client.call("Session.Ping").status == 200


def test_the_log_is_shown(start: Start, client_of: ClientOf) -> None:
    sim = start()
    client_of(sim)
    status, log = ask(sim.ports["control"]["port"], "GET", "/log")
    assert status == 200
    assert [entry["method"] for entry in log["dtp"]] == ["Session.StartSession"]
    assert log == sim.log()


@pytest.mark.parametrize(
    ("verb", "path", "content", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("PUT", "/nothing", {}, 404),
        ("PUT", "/clock", {"at": "2023-10-20"}, 400),
        ("PUT", "/clock", {"at": "2023-10-20T08:00:00"}, 400),
        ("PUT", "/clock", {"at": "2023-10-20T08:00:00Z", "is_driven": "yes"}, 400),
        ("PUT", "/clock", {"when": "now"}, 400),
        ("PUT", "/clock", [], 400),
        ("POST", "/faults", {"server_code": "nowhere", "kind": "html"}, 400),
        ("DELETE", "/faults/nowhere", None, 404),
    ],
)
def test_a_mistake_is_explained_and_changes_nothing(
    start: Start, verb: str, path: str, content: Any, status: int
) -> None:
    sim = start()
    reply = ask(sim.ports["control"]["port"], verb, path, content)
    assert (reply[0], "error" in reply[1]) == (status, True)
    assert sim.now() == NOW


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_stop(
    tmp_path: Path, number: signal.Signals
) -> None:
    folder = write_estate(tmp_path / "thap_muoi", [host()])
    run_dir = tmp_path / "run"
    command = [sys.executable, "-m", "ksc_ledger.simulator", str(folder), "--port", "0",
               "--run-dir", str(run_dir), "--clock", NOW.isoformat()]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        table = [process.stdout.readline() for _ in range(4)]
        assert "dtp" in table[2]
        ports = json.loads((run_dir / "ports.json").read_text("utf-8"))
        state = ask(ports["control"]["port"], "GET", "/state")[1]
        assert state["is_driven"] is False
        os.kill(process.pid, number)
        assert process.wait(20) == 0
    assert not (run_dir / "ports.json").exists()


def test_the_command_refuses_a_scenario_with_mistakes(tmp_path: Path) -> None:
    folder = write_estate(tmp_path / "thap_muoi", [host(ip="x")])
    command = [
        sys.executable,
        "-m",
        "ksc_ledger.simulator",
        str(folder),
        "--run-dir",
        str(tmp_path),
    ]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 1
    assert "estate/hosts/dtp.csv:2" in finished.stderr
