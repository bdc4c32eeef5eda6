"""An operational database of any older release, opened by this code: nothing of it is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import inspect

from ksc_ledger.state import accounts, database, open_state, registry_log
from ksc_ledger.state.database import HEAD, revision_of
from unit.state.older import content, fill, make, revisions


@pytest.mark.parametrize("revision", revisions())
def test_a_database_of_any_release_keeps_every_row_and_comes_to_the_newest(
    revision: str, url: str
) -> None:
    old = make(url, revision)
    before = fill(old)
    old.dispose()
    assert revision_of(url) == revision
    assert all(len(rows) == 3 for rows in before.values())
    engine = open_state(url)
    assert content(engine, like=before) == before
    assert revision_of(url) == HEAD
    engine.dispose()
    again = open_state(url)  # a second time there is nothing to do
    assert content(again, like=before) == before
    again.dispose()


def test_what_the_first_release_knew_is_still_understood(url: str) -> None:
    """Not only kept: the code of today reads it."""
    old = make(url, "0001")
    fill(old)
    old.dispose()
    engine = open_state(url)
    held = accounts.held(engine)
    assert [one.server_code for one in held] == ["số 0", "số 1", "số 2"]
    assert accounts.is_held(engine, "số 0", "số 0")
    assert len(registry_log.versions(engine)) == 3
    engine.dispose()


def test_the_first_release_had_less(url: str) -> None:
    """So that the test above is about an older shape and not about today's."""
    old = make(url, "0001")
    there = set(inspect(old).get_table_names())
    old.dispose()
    assert there == {"lease", "held_account", "registry_version", database.REVISION_TABLE}


def test_a_release_is_looked_at_without_being_upgraded(url: str) -> None:
    make(url, "0002").dispose()
    assert revision_of(url) == "0002"
    assert revision_of(url) == "0002"


def test_where_there_is_no_database_looking_makes_none(tmp_path: Path) -> None:
    assert revision_of(f"sqlite:///{tmp_path / 'state' / 'none.sqlite'}") is None
    assert list(tmp_path.iterdir()) == []
