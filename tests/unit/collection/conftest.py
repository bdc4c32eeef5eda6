"""A scripted server's certificate, and a home."""

from __future__ import annotations

from pathlib import Path

import pytest

from ksc_ledger.settings import Places
from unit.sources.scripted import Identity, make_identity


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identities"), "server")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "home")
