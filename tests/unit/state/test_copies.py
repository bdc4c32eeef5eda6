"""The whole operational database in another one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.state import accounts, open_state
from ksc_ledger.state.copies import copy_state, held
from ksc_ledger.state.tables import METADATA

AT = datetime(2024, 1, 10, 2, 55, tzinfo=UTC)


def test_every_table_is_copied_with_its_instants(tmp_path: Path) -> None:
    source = open_state(f"sqlite:///{tmp_path / 'a.sqlite'}")
    target = open_state(f"sqlite:///{tmp_path / 'b.sqlite'}")
    accounts.hold(source, "dtp_872", "dấu", "mật khẩu bị từ chối", AT)
    copied = copy_state(source, target)
    assert set(copied) == {table.name for table in METADATA.sorted_tables}
    assert copied["held_account"].rows == 1
    assert held(target) == held(source) == copied
    assert accounts.held(target) == accounts.held(source)
    with pytest.raises(LedgerError) as raised:
        copy_state(source, target)
    assert raised.value.code == "state_not_empty"
    source.dispose()
    target.dispose()
