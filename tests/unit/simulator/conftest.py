from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from estates import AT, host, write_estate
from ksc_ledger.simulator import Simulator
from unit.simulator.raw_client import RawClient

NOW = datetime.fromisoformat(AT)


class ManualSeconds:
    """Real seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.value = 1000.0

    def __call__(self) -> float:
        return self.value

    def pass_by(self, seconds: float) -> None:
        self.value += seconds


@pytest.fixture
def seconds() -> ManualSeconds:
    return ManualSeconds()


@pytest.fixture
def start(tmp_path: Path, seconds: ManualSeconds) -> Iterator[Callable[..., Simulator]]:
    """Start a simulator on a scenario of the given rows; all are stopped after the test."""
    with ExitStack() as stack:

        def start_one(*hosts: dict[str, Any], **rows: Any) -> Simulator:
            folder = write_estate(tmp_path / "thap_muoi", hosts or [host()], **rows)
            simulator = Simulator([folder], tmp_path / "run", at=NOW, monotonic=seconds)
            return stack.enter_context(simulator)

        yield start_one


@pytest.fixture
def client_of() -> Iterator[Callable[..., RawClient]]:
    """A client that is logged in to one server of a simulator."""
    with ExitStack() as stack:

        def client(
            simulator: Simulator, code: str = "dtp", *, is_logged_in: bool = True
        ) -> RawClient:
            made = stack.enter_context(RawClient(simulator, code))
            return made.log_in() if is_logged_in else made

        yield client
