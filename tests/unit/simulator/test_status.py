from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ksc_ledger.simulator import status

NOW = datetime(2023, 10, 20, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


HEALTHY = status.Facts(
    is_managed=True,
    has_agent=True,
    has_antivirus=True,
    rtp_state=4,
    last_visible=ago(minutes=5),
    last_connected=ago(minutes=5),
    last_scan=ago(days=3),
    bases=ago(hours=10),
    created=ago(days=300),
    licence_expires=None,
    has_foreign_antivirus=False,
    virus_count=0,
    uncured_count=0,
)


def judge(**facts: Any) -> status.Status:
    return status.judge(replace(HEALTHY, **facts), NOW)


def test_a_healthy_device_is_ok_with_all_five_plain_bits() -> None:
    assert judge() == status.Status(bits=31, mask=0, id=0)


def test_the_example_of_the_protocol_without_protection_and_with_a_foreign_antivirus() -> None:
    """Visible, in a group, agent silent for weeks: 7 and bits 0, 5, 8, 12 (4385), critical."""
    judged = judge(
        has_antivirus=False,
        rtp_state=0,
        bases=None,
        last_scan=None,
        last_connected=ago(days=20),
        has_foreign_antivirus=True,
    )
    assert judged == status.Status(bits=7, mask=4385, id=1)


@pytest.mark.parametrize(
    ("facts", "bit", "expected"),
    [
        ({"last_visible": ago(hours=2)}, 0x1, True),
        ({"last_visible": ago(hours=2) - SECOND}, 0x1, False),
        ({"last_visible": None}, 0x1, False),
        ({"last_connected": ago(hours=2)}, 0x8, True),
        ({"last_connected": ago(hours=2) - SECOND}, 0x8, False),
        ({"has_agent": False}, 0x4, False),
        ({"has_agent": False}, 0x8, False),
        ({"has_antivirus": False, "rtp_state": 0}, 0x10, False),
        ({"is_managed": False}, 0x2, False),
    ],
)
def test_a_plain_bit_follows_from_its_fact(facts: Any, bit: int, expected: bool) -> None:
    assert bool(judge(**facts).bits & bit) is expected


@pytest.mark.parametrize(
    ("facts", "mask", "status_id"),
    [
        ({"bases": ago(days=7)}, 0, 0),
        ({"bases": ago(days=7) - SECOND}, 1 << 7, 2),
        ({"bases": ago(days=14)}, 1 << 7, 2),
        ({"bases": ago(days=14) - SECOND}, 1 << 7, 1),
        ({"bases": None}, 1 << 7, 1),
        ({"bases": None, "created": ago(days=1)}, 0, 0),
        ({"last_scan": ago(days=14)}, 0, 0),
        ({"last_scan": ago(days=14) - SECOND}, 1 << 6, 2),
        ({"last_scan": None}, 1 << 6, 2),
        ({"last_connected": ago(days=7), "last_visible": ago(days=7)}, 0, 0),
        ({"last_connected": ago(days=7) - SECOND, "last_visible": None}, 1 << 8, 2),
        ({"last_connected": ago(days=14) - SECOND, "last_visible": None}, 1 << 8, 1),
        ({"last_connected": ago(hours=3)}, 1 << 0, 1),
        ({"rtp_state": 2}, 1 << 1, 2),
        ({"rtp_state": 1}, 1 << 2, 1),
        ({"rtp_state": 9}, 1 << 2, 1),
        ({"rtp_state": 8}, 0, 0),
        ({"virus_count": 49}, 0, 0),
        ({"virus_count": 50}, 1 << 3, 1),
        ({"uncured_count": 1}, 1 << 10, 2),
        ({"uncured_count": 5}, 1 << 10, 1),
        ({"has_foreign_antivirus": True}, 1 << 12, 2),
        ({"licence_expires": NOW + timedelta(days=14) + SECOND}, 0, 0),
        ({"licence_expires": NOW + timedelta(days=14)}, 1 << 9, 2),
        ({"licence_expires": NOW}, 1 << 9, 1),
    ],
)
def test_a_reason_begins_exactly_at_its_limit(facts: Any, mask: int, status_id: int) -> None:
    judged = judge(**facts)
    assert (judged.mask, judged.id) == (mask, status_id)


def test_unassigned_devices_have_no_reasons() -> None:
    judged = judge(is_managed=False, has_antivirus=False, rtp_state=0, last_connected=ago(days=90))
    assert (judged.mask, judged.id) == (0, 0)
