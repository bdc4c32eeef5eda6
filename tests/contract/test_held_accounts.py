"""After one 401 no task tries that account again, whichever process it runs in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.one_task import attempt
from contract.provinces import PROVINCE, district, machines, write_province
from ksc_ledger.errors import LedgerError
from ksc_ledger.simulator import Simulator

AT = "2022-10-12T08:00:00+07:00"
ONE = district(1)
TESTS = Path(__file__).resolve().parents[1]
PLUGINS = TESTS.parent / "plugins"


@dataclass
class Town:
    """One district's server that refuses the password it is given, and a home."""

    simulator: Simulator
    home: Path

    @property
    def logins(self) -> int:
        """How often credentials reached the server."""
        return sum(asked["had_authorization"] for asked in self.simulator.log().get(ONE, []))

    def order(self, password: str | None = None) -> dict[str, object]:
        described = self.simulator.ports["servers"][ONE]
        return {
            "home": str(self.home),
            "server_code": ONE,
            "port": described["port"],
            "sha256": described["sha256"],
            "login": described["login"],
            "password": password or self.simulator.password(ONE),
            "at": AT,
        }

    def task(self, password: str | None = None) -> str:
        """An attempt in a process of its own; the fault code of its load."""
        return self._run("contract.one_task", json.dumps(self.order(password)))

    def resume(self) -> str:
        """What an operator types."""
        return self._run("ksc_ledger.cli", "accounts", "resume", ONE)

    def _run(self, module: str, *words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join((str(TESTS), str(PLUGINS))),
                "KSC_LEDGER_HOME": str(self.home),
            },
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout.strip()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    scenario = write_province(
        tmp_path / "mau", [*machines(0, 2), *machines(1, 12)], districts=1, collected_at=[AT]
    )
    home = tmp_path / "home"
    home.mkdir()
    with Simulator([scenario], tmp_path / "run", port=0) as simulator:
        assert PROVINCE in simulator.ports["servers"]
        simulator.fault(ONE, "unauthorized")
        yield Town(simulator, home)


def test_a_refused_account_is_left_alone_by_every_process_until_it_changes_or_is_resumed(
    town: Town,
) -> None:
    assert town.task() == "credentials"
    assert town.logins == 1
    assert town.task() == "credentials"  # another process, which has nothing but the state
    assert attempt(town.order()) == "credentials"
    assert town.logins == 1

    assert town.task("another password") == "credentials"  # the connection was changed
    assert town.task("another password") == "credentials"
    assert town.logins == 2

    town.simulator.clear_faults()
    assert attempt(town.order()) == "credentials"  # right by now, and still held
    assert town.logins == 2
    assert ONE in town.resume()
    assert town.task() == "None"
    assert town.logins == 3


@pytest.mark.parametrize(
    ("kind", "refusal"), [("unauthorized", "credentials"), ("second_factor", "second_factor")]
)
def test_many_attempts_at_once_send_one_password(town: Town, kind: str, refusal: str) -> None:
    """Eight tasks, all of them begun before the first refusal."""
    town.simulator.clear_faults()
    town.simulator.fault(ONE, kind)
    order = town.order()

    def task(_: int) -> str | None:
        try:
            return attempt(order)
        except LedgerError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(task, range(8)))
    assert town.logins == 1
    assert refusal in found
    # The others came while it was asked, or found the account held.
    assert found <= {refusal, "credentials", "collection_already_running"}
