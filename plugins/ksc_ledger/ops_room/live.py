"""What the marts do not say yet: links at this minute, the mail queue, the watchdog.

Read from the operational database. When it cannot be read, the page says so and still shows the
marts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.links_model import Link, Mute
from ksc_ledger.settings import Settings
from ksc_ledger.state import links as links_state
from ksc_ledger.state import open_state
from ksc_ledger.watchdog.judging import USUAL_LIMITS, Sighting
from ksc_ledger.watchdog.looking import look
from ksc_ledger.watchdog.process import heartbeat_file

log = logging.getLogger(__name__)

# Between two looks the watchdog rests a minute; after this long it is not there any more.
HEARTBEAT_LIMIT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The watchdog's last look, in real time. ``is_there``: it was lately enough."""

    at: datetime
    is_there: bool
    is_well: bool
    is_driven: bool
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What is so now. ``error``: why the operational database says nothing."""

    now: datetime
    links: Mapping[str, Link] = field(default_factory=dict)
    silences: tuple[Mute, ...] = ()
    ticked_at: Mapping[str, datetime | None] = field(default_factory=dict)
    sighting: Sighting | None = None
    heartbeat: Heartbeat | None = None
    error: str | None = None

    def silence_of(self, server_code: str) -> Mute | None:
        return next((one for one in self.silences if one.covers(server_code, self.now)), None)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What the page's own look finds wrong, by the watchdog's limits."""
        seen = self.sighting
        if seen is None:
            return ()
        limits = USUAL_LIMITS
        found = {
            "ticks": seen.tick_age is not None and seen.tick_age > limits.tick_age,
            "loads": seen.load_age is not None and seen.load_age > limits.load_age,
            "mails_waiting": seen.waiting_age is not None and seen.waiting_age > limits.mail_age,
            "mails_dead": seen.dead_count > 0,
            "disk": seen.free_bytes < limits.free_bytes,
        }
        return tuple(name for name, is_bad in found.items() if is_bad)


def read(settings: Settings, estates: tuple[str, ...], now: datetime, real_now: datetime) -> Live:
    """Look once. ``now`` is on the mode's clock; the watchdog's heartbeat is in real time."""
    heartbeat = _heartbeat(settings, real_now)
    try:
        sighting = look(settings, now, real_now)
        engine = open_state(settings.state_url)
        try:
            kept = [links_state.load(engine, estate) for estate in estates]
            silences = links_state.silences(engine, now)
        finally:
            engine.dispose()
    except LedgerError as error:
        return Live(now=now, heartbeat=heartbeat, error=error.text)
    except Exception as error:  # whatever a driver raises, it means: not readable now
        log.warning("the operational database cannot be read: %r", error)
        return Live(now=now, heartbeat=heartbeat, error=f"{type(error).__name__}")
    return Live(
        now=now,
        links={link.server_code: link for one in kept for link in one.watch.links},
        ticked_at={one.watch.estate_code: one.watch.ticked_at for one in kept},
        silences=silences,
        sighting=sighting,
        heartbeat=heartbeat,
        error=sighting.state_error,
    )


def _heartbeat(settings: Settings, real_now: datetime) -> Heartbeat | None:
    """None: no watchdog ever looked at this home."""
    try:
        raw: dict[str, Any] = json.loads(heartbeat_file(settings.places).read_text("utf-8"))
        at = datetime.fromisoformat(raw["at"]).astimezone(UTC)
        return Heartbeat(
            at=at,
            is_there=real_now - at <= HEARTBEAT_LIMIT,
            is_well=bool(raw["is_well"]),
            is_driven=bool(raw["is_driven"]),
            troubles=tuple(str(one) for one in raw["troubles"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("the watchdog's heartbeat cannot be read: %r", error)
        return None
