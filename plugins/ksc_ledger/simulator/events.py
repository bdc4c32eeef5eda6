"""The events a server has stored: detections, and losses and returns of links."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ksc_ledger.simulator import wire
from ksc_ledger.simulator.scenario import DetectionRow

FIRST_ID: Final = 900_001
CRITICAL: Final = 4
WARNING: Final = 2
INFO: Final = 1
_SUITE: Final = ("KES", "21.0.0.0", "Kaspersky Endpoint Security for Windows")
_SERVER: Final = ("1093", "1.0.0.0", "Kaspersky Security Center")

OUTCOME_TYPES: Final = {
    "cured": "GNRL_EV_OBJECT_CURED",
    "deleted": "GNRL_EV_OBJECT_DELETED",
    "quarantined": "GNRL_EV_OBJECT_QUARANTINED",
    "blocked": "GNRL_EV_OBJECT_BLOCKED",
    "notcured": "GNRL_EV_OBJECT_NOTCURED",
}

FIELDS: Final = frozenset(
    {
        "event_db_id",
        "event_id",
        "event_type",
        "event_type_display_name",
        "GNRL_EA_SEVERITY",
        "GNRL_EA_DESCRIPTION",
        "rise_time",
        "registration_time",
        "hostname",
        "hostdn",
        "domain_name",
        "host_id",
        "host_type",
        "group_id",
        "group_name",
        "product_name",
        "product_version",
        "product_displ_version",
        "task_display_name",
        "task_new_state",
        "task_old_state",
        "body",
        *(f"GNRL_EA_PARAM_{number}" for number in range(1, 10)),
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """One stored event. ``params`` are GNRL_EA_PARAM_n by n; ``host_id`` '' = the server itself."""

    type: str
    severity: int
    description: str
    rise_at: datetime
    registered_at: datetime
    host_id: str
    product: tuple[str, str, str]
    params: tuple[tuple[int, str], ...] = ()

    @property
    def is_general(self) -> bool:
        return self.type.startswith("GNRL_")


@dataclass(frozen=True, slots=True)
class LinkLoss:
    """A period in which a link was cut, seen from the server that stores the events."""

    prefix: str  # of the event's name: who lost whom
    from_at: datetime
    to_at: datetime | None
    peer: str


def history(detections: Sequence[DetectionRow], losses: Iterable[LinkLoss]) -> list[Event]:
    """All events of all time in the order of their registration: an event's place is its id.

    What was registered at one instant stays in the order of the file, a detection before its outcome.
    """
    found: list[Event] = []
    for row in detections:
        found += _of_detection(row)
    for loss in losses:
        for at, suffix, severity in (
            (loss.from_at, "DISCONNECTED", CRITICAL),
            (loss.to_at, "CONNECTED", INFO),
        ):
            if at is not None:
                kind = f"{loss.prefix}_{suffix}"
                text = f"{loss.peer}: {suffix.lower()}"
                found.append(Event(kind, severity, text, at, at, "", _SERVER))
    return sorted(found, key=lambda event: event.registered_at)


def _of_detection(row: DetectionRow) -> Iterable[Event]:
    """Two events share one link id (PARAM_6): what was found, and what became of it."""
    link = f"{row.host_id[:8]}-{row.line:x}"
    shared = ((2, row.object_name), (5, row.threat_name), (6, link), (7, row.user_name))
    params = tuple((number, text) for number, text in shared if text)
    is_open = row.outcome == "notcured"
    yield Event(
        "GNRL_EV_VIRUS_FOUND",
        CRITICAL,
        "Malicious object detected",
        row.rise_at,
        row.registered_at,
        row.host_id,
        _SUITE,
        params,
    )
    yield Event(
        OUTCOME_TYPES[row.outcome],
        CRITICAL if is_open else INFO,
        "Object not disinfected" if is_open else "Object processed",
        row.rise_at,
        row.registered_at,
        row.host_id,
        _SUITE,
        params,
    )


def members(event: Event, position: int, where: tuple[str, int, str]) -> dict[str, wire.Member]:
    """An event's attributes; ``where`` is the device's name and its group's id and name."""
    found: dict[str, wire.Member] = {
        "event_db_id": wire.Long(FIRST_ID + position),
        "event_type": event.type,
        "event_type_display_name": event.description,
        "GNRL_EA_SEVERITY": event.severity,
        "GNRL_EA_DESCRIPTION": event.description,
        "rise_time": wire.DateTime(event.rise_at),
        "registration_time": wire.DateTime(event.registered_at),
        "hostname": event.host_id,
        "hostdn": where[0],
        "group_id": where[1],
        "group_name": where[2],
        "product_name": event.product[0],
        "product_version": event.product[1],
        "product_displ_version": event.product[2],
    }
    found |= {f"GNRL_EA_PARAM_{number}": text for number, text in event.params}
    return found
