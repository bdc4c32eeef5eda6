"""When a licence key runs out, and when somebody has to hear of it.

The key's own expiry is the truth. A purchase takes months, so the first notice comes long before.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from ksc_ledger.rules.working_days import VIETNAM

LATER_STAGES = (90, 60, 30, 14, 7)  # calendar days before the key's last day
PURCHASE_DAYS = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceNotice:
    """One notice about one key; ``stage`` is the number of days before the expiry it is for."""

    licence_serial: str
    expires_at: datetime
    stage: int
    days_left: int

    @property
    def key(self) -> str:
        """Given once: a renewed key has another expiry, hence notices of its own."""
        day = self.expires_at.astimezone(VIETNAM).date().isoformat()
        return notice_key(self.licence_serial, day, self.stage)


def notice_key(licence_serial: str, expiry_day: str, stage: int) -> str:
    return f"licence|{licence_serial[:120]}|{expiry_day}|{stage}"


def days_left(expires_at: datetime, now: datetime) -> int:
    """Calendar days from the Vietnamese day of ``now`` to that of the expiry; negative after it."""
    last: date = expires_at.astimezone(VIETNAM).date()
    return (last - now.astimezone(VIETNAM).date()).days


def licence_notice(
    licence_serial: str,
    expires_at: datetime,
    now: datetime,
    sent: Collection[str],
    purchase_days: int = PURCHASE_DAYS,
) -> LicenceNotice | None:
    """The notice that is due now, or None.

    The stages are ``purchase_days`` and 90, 60, 30, 14, 7 days before. After a standstill only the
    newest stage is told, and an older one is never told after a newer one. A key that has already
    run out needs no notice of this kind.
    """
    left = days_left(expires_at, now)
    reached = [stage for stage in {purchase_days, *LATER_STAGES} if left <= stage]
    if not reached or expires_at <= now:
        return None
    notice = LicenceNotice(
        licence_serial=licence_serial,
        expires_at=expires_at,
        stage=min(reached),
        days_left=left,
    )
    return None if notice.key in sent else notice
