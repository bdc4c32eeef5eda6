"""A site with one whole load of twelve devices, and a centre that knows its key."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from ksc_ledger.landing.manifest import Load
from ksc_ledger.push.sending import Site
from ksc_ledger.state import open_state
from unit.push.a_site import House, a_site, key_row, settings_of
from unit.sources.scripted import ScriptedKsc, host, make_identity


@dataclass
class World:
    house: House
    site: Site
    load: Load


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Site, Load]:
    """A home in which a site has read its server once; copied for every test."""
    home = tmp_path_factory.mktemp("collected") / "site"
    identity = make_identity(tmp_path_factory.mktemp("ksc"), "server")
    with ScriptedKsc(identity, hosts=[host(n) for n in range(1, 13)]) as server:
        site = a_site(home, server.endpoint(), "https://127.0.0.1:9/v1")
        load = site.collect()
    return home, site, load


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty operational database: migrating costs more than a test."""
    file = tmp_path_factory.mktemp("state") / "state.sqlite"
    open_state(f"sqlite:///{file}").dispose()
    return file


@pytest.fixture
def world(collected: tuple[Path, Site, Load], migrated: Path, tmp_path: Path) -> World:
    home, made, load = collected
    shutil.copytree(home, tmp_path / "site")
    site = a_site(tmp_path / "site", made.endpoint, made.centre.url)
    house = House(settings_of(tmp_path / "centre"))
    house.know(key_row(site.key))
    house.settings.places.state.mkdir(parents=True)
    shutil.copy(migrated, house.settings.places.state_database)
    return World(house, site, load)
