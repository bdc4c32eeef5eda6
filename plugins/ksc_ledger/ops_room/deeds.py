"""The two things a reader may do: take an outage on, and silence a server for a while.

What is kept (who, when, until when, why) is the row of the deed and its row in the audit, written
together by ``state.links``; a line in the log of the API server says the same.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import uuid4

from ksc_ledger.errors import LedgerError
from ksc_ledger.ops_room.access import Reader
from ksc_ledger.rules.links_model import Mute, MuteKind
from ksc_ledger.settings import Settings
from ksc_ledger.state import links as links_state
from ksc_ledger.state import open_state

log = logging.getLogger(__name__)

HOURS = (1, 4, 8, 24, 72)
LONGEST_TEXT = 500


def acknowledge(
    settings: Settings,
    reader: Reader,
    server_code: str,
    incident_id: str,
    hours: str,
    note: str,
    now: datetime,
) -> None:
    """No reminder and no escalation of this outage of this server for so many hours."""
    until_at = now + _hours(hours)
    engine = open_state(settings.state_url)
    try:
        links_state.acknowledge(
            engine,
            incident_id,
            server_code=server_code,
            until_at=until_at,
            owner=reader.user_name,
            note=_text(note, "nội dung tiếp nhận"),
            made_at=now,
        )
    finally:
        engine.dispose()
    log.info("%s acknowledged %s until %s", reader.user_name, incident_id, until_at.isoformat())


def silence(
    settings: Settings,
    reader: Reader,
    server_code: str,
    hours: str,
    reason: str,
    owner: str,
    now: datetime,
) -> None:
    """No mail about this server for so many hours. ``owner`` is who answers for it."""
    mute = Mute(
        kind=MuteKind.SILENCE,
        server_code=server_code,
        from_at=now,
        to_at=now + _hours(hours),
    )
    engine = open_state(settings.state_url)
    try:
        links_state.silence(
            engine,
            uuid4().hex,
            mute,
            reason=_text(reason, "lý do"),
            owner=_text(owner, "người chịu trách nhiệm", 120),
            made_at=now,
            actor=reader.user_name,
        )
    finally:
        engine.dispose()
    log.info("%s silenced %s until %s", reader.user_name, server_code, mute.to_at.isoformat())


def _hours(text: str) -> timedelta:
    if text not in {str(hours) for hours in HOURS}:
        raise LedgerError(
            "hours_not_offered",
            "Thời hạn không nằm trong danh sách cho phép.",
            f"Chọn một trong {', '.join(map(str, HOURS))} giờ.",
        )
    return timedelta(hours=int(text))


def _text(text: str, what: str, longest: int = LONGEST_TEXT) -> str:
    text = " ".join(text.split())
    if not text or len(text) > longest:
        raise LedgerError(
            "text_missing",
            f"Phải ghi {what}, không quá {longest} ký tự.",
            "Ghi đủ rồi thực hiện lại.",
        )
    return text
