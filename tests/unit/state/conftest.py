from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ksc_ledger.state import open_state


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'state' / 'state.sqlite'}"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_state(url)
    yield engine
    engine.dispose()
