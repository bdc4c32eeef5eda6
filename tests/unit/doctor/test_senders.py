"""A server whose site sends by itself is not knocked at: the doctor tells what was heard of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ksc_ledger.clock import FixedClock
from ksc_ledger.doctor import Wish, examine
from ksc_ledger.doctor.findings import Check, Verdict
from ksc_ledger.errors import LedgerError
from ksc_ledger.push import signs
from ksc_ledger.rules.links_evidence import Knock
from unit.push.a_site import CODE, NOW, House, key_row, settings_of


@pytest.mark.parametrize(
    ("minutes", "knock", "verdict", "code"),
    [
        (None, Knock.OK, Verdict.WARN, "push_never_heard"),
        (20, Knock.OK, Verdict.OK, "ok"),
        (21, Knock.OK, Verdict.FAIL, "push_silent"),
        (0, Knock.REFUSED, Verdict.FAIL, "push_server_away"),
    ],
)
def test_what_was_heard_of_a_site(
    tmp_path: Path, minutes: int | None, knock: Knock, verdict: Verdict, code: str
) -> None:
    house = House(settings_of(tmp_path / "centre"))
    house.know(key_row(Ed25519PrivateKey.generate()))
    if minutes is not None:
        heard_at = NOW - timedelta(minutes=minutes)
        sign = signs.Sign(sent_at=heard_at, heard_at=heard_at, knock=knock)
        assert signs.note(house.settings.places, CODE, sign)
    nowhere = LedgerError("none", "Không có.", "Không cần.")
    found = examine(house.settings, Wish(connections=nowhere, server_code=CODE), FixedClock(NOW))
    (said,) = (one for one in found if one.check is Check.ROAD)
    assert (said.subject, said.verdict, said.code) == (CODE, verdict, code)
    assert "push" in said.remedy or verdict is Verdict.OK
