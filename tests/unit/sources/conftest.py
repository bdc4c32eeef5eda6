"""Certificates for the scripted servers, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.sources.scripted import Identity, make_identity


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identities")


@pytest.fixture(scope="session")
def identity(identities: Path) -> Identity:
    return make_identity(identities, "server")


@pytest.fixture(scope="session")
def other_identity(identities: Path) -> Identity:
    return make_identity(identities, "other")
