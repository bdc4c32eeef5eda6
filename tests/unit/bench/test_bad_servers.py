"""Turns with and without the bad servers are compared only when both did the same work."""

from __future__ import annotations

from typing import Any

import pytest
from bench.groups.bad_servers import BAD, SERVERS, last_of_the_ten, problems

TEN = [f"good_{number}" for number in range(SERVERS - len(BAD))]


def landed(*, seconds: float, with_bad: bool) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {
        code: {"seconds": seconds + place, "rows": 400, "status": "complete", "fault": None}
        for place, code in enumerate(TEN)
    }
    if with_bad:
        for code, (_, fault) in BAD.items():
            found[code] = {"seconds": 99.0, "rows": 0, "status": "failed", "fault": fault}
    return found


def test_the_bad_ones_do_not_count_into_the_time_of_the_ten() -> None:
    assert last_of_the_ten(landed(seconds=2.0, with_bad=True)) == 11.0


def test_turns_that_did_the_same_work_are_comparable() -> None:
    assert problems(landed(seconds=2, with_bad=False), landed(seconds=3, with_bad=True)) == []


@pytest.mark.parametrize(
    ("code", "changes", "what"),
    [
        ("good_3", {"rows": 399}, "400 rows and 399"),
        ("good_3", {"status": "failed", "fault": "unreachable"}, "was not landed"),
        ("dtp_868", {"fault": None}, "ended with None instead of unreachable"),
        ("dtp_874", {"fault": "server_error"}, "ended with server_error instead of None"),
    ],
)
def test_turns_that_did_not_are_refused(code: str, changes: dict[str, Any], what: str) -> None:
    beside = landed(seconds=3, with_bad=True)
    beside[code] |= changes
    (found,) = problems(landed(seconds=2, with_bad=False), beside)
    assert found.startswith(code)
    assert what in found


def test_a_turn_without_its_servers_is_refused() -> None:
    alone = landed(seconds=2, with_bad=False)
    assert problems(alone, alone)[0] == "10 and 10 servers were asked"
