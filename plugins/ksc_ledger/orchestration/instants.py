"""Which instant a chain of runs is about (``as_of_at``), decided once at its start.

No rule and no task reads Airflow's logical date: a run of 00:30 in Vietnam has the logical date
of the day before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from ksc_ledger.clock import Clock, RehearsalClock
from ksc_ledger.errors import LedgerError


def as_of_at(conf: Mapping[str, Any] | None, clock: Clock) -> datetime:
    """The instant named in the run's conf, else now.

    Raises:
        AirflowSkipException: while a rehearsal's driver moves the clock, a run that the driver
            did not start has nothing to say and ends at once.
    """
    given = (conf or {}).get("as_of_at")
    if given:
        return aware(str(given))
    if is_driven(clock):
        raise AirflowSkipException(
            "Đang diễn tập: lịch tự động tạm nghỉ, trình điều khiển ra lệnh."
        )
    return clock.now()


def is_driven(clock: Clock) -> bool:
    """Whether a rehearsal's driver is moving the clock at this moment."""
    return isinstance(clock, RehearsalClock) and clock.is_driven


def newest_as_of_at(events: Iterable[Mapping[str, Any]]) -> datetime | None:
    """The newest instant among the extras of the waiting asset events; None when none has one."""
    instants = [aware(str(extra["as_of_at"])) for extra in events if extra.get("as_of_at")]
    return max(instants, default=None)


def aware(text: str) -> datetime:
    """An ISO 8601 instant with an offset, in UTC; anything else is an error."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise LedgerError(
            "as_of_not_an_instant",
            f"as_of_at = {text!r} không phải là thời điểm ISO 8601 có múi giờ.",
            "Ghi dạng 2022-10-12T08:00:00+07:00.",
        )
    return instant.astimezone(UTC)
