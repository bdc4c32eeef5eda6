"""The same on a real PostgreSQL: every older release's database comes to the newest, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ksc_ledger.state import open_state
from ksc_ledger.state.database import HEAD, revision_of
from unit.state.older import content, fill, make, revisions
from unit.state.postgresql import Cluster, running

pytestmark = [pytest.mark.long]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running() as cluster:
        yield cluster


@pytest.mark.parametrize("revision", revisions())
def test_a_database_of_any_release_keeps_every_row_on_postgresql(
    revision: str, cluster: Cluster
) -> None:
    url = cluster.empty()
    assert revision_of(url) is None
    old = make(url, revision)
    before = fill(old)
    old.dispose()
    assert revision_of(url) == revision
    engine = open_state(url)
    assert content(engine, like=before) == before
    assert revision_of(url) == HEAD
    engine.dispose()
