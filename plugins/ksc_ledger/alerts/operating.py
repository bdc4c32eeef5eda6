"""What the operations team does to the watch by hand, and what it looks at before: typed and audited.

The command line calls these; every deed is a row of its own and one of the audit, in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from ksc_ledger.alerts.policy import policy_of
from ksc_ledger.clock import vietnamese_date
from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import Registry
from ksc_ledger.rules.links_evidence import Cause
from ksc_ledger.rules.links_model import Link, LinkState, Mute, MuteKind
from ksc_ledger.state import links

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Why a server's mails are held now. ``silence_id``: of an operator's silence; else a row."""

    kind: MuteKind
    to_at: datetime
    silence_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """One watched server as it is shown now."""

    estate_code: str
    server_code: str
    place: str
    state: LinkState
    since_at: datetime | None
    cause: Cause | None
    incident_id: str | None
    acknowledged_until: datetime | None
    is_flapping: bool
    quiet: tuple[Quiet, ...]


def link_rows(engine: Engine, registry: Registry, now: datetime) -> list[LinkRow]:
    """Every watched server, by estate and in the registry's order; outages carry their incident."""
    day = vietnamese_date(now)
    rows: list[LinkRow] = []
    made = links.silence_rows(engine, now)
    for estate_code in dict.fromkeys(one.estate_code for one in registry.servers_on(day)):
        policy = policy_of(registry, estate_code, day)
        watch = links.load(engine, estate_code).watch
        for server in policy.servers:
            code = server.server_code
            quiet = [
                Quiet(kind=mute.kind, to_at=mute.to_at)
                for mute in policy.mutes
                if mute.covers(code, now)
            ] + [
                Quiet(kind=MuteKind.SILENCE, to_at=row.mute.to_at, silence_id=row.silence_id)
                for row in made
                if row.mute.covers(code, now)
            ]
            link = watch.link(code) or Link(server_code=code)
            shown, outage = link.interval, link.outage
            rows.append(
                LinkRow(
                    estate_code=estate_code,
                    server_code=code,
                    place=server.place,
                    state=shown.state if shown else LinkState.NEW,
                    since_at=outage.started_at if outage else shown.started_at if shown else None,
                    cause=outage.cause if outage else shown.cause if shown else None,
                    incident_id=outage.incident_id if outage else None,
                    acknowledged_until=outage.acknowledged_until if outage else None,
                    is_flapping=link.flapping is not None,
                    quiet=tuple(quiet),
                )
            )
    return rows


def acknowledge(
    engine: Engine, subject: str, *, until_at: datetime, actor: str, note: str, now: datetime
) -> str:
    """Take an open outage on, by its incident or by its server; return the incident.

    Until then there is no reminder and no escalation; the return is told all the same.
    """
    open_ones = [one for one in links.outages(engine) if one.ended_at is None]
    found = [one for one in open_ones if subject in (one.incident_id, one.server_code)]
    if not found:
        known = ", ".join(one.server_code for one in open_ones) or "không có"
        raise LedgerError(
            "outage_unknown",
            f"Không có sự cố mất kết nối nào đang mở cho «{subject}».",
            f"Máy chủ đang mất kết nối: {known}.",
        )
    incident_id = found[-1].incident_id
    links.acknowledge(engine, incident_id, until_at=until_at, owner=actor, note=note, made_at=now)
    return incident_id


def silence(
    engine: Engine,
    registry: Registry,
    server_code: str,
    *,
    from_at: datetime,
    to_at: datetime,
    owner: str,
    reason: str,
    actor: str,
    now: datetime,
) -> str:
    """Hear nothing of one server for a while; return the silence's id. What happens is recorded."""
    known = {one.server_code for one in registry.servers_on(vietnamese_date(now))}
    if server_code not in known:
        raise LedgerError(
            "server_unknown",
            f"Danh mục không có máy chủ {server_code} đang hoạt động.",
            "Xem mã máy chủ bằng ksc-ledger links list.",
        )
    silence_id = uuid4().hex[:12]
    mute = Mute(kind=MuteKind.SILENCE, server_code=server_code, from_at=from_at, to_at=to_at)
    links.silence(engine, silence_id, mute, reason=reason, owner=owner, made_at=now, actor=actor)
    return silence_id


def end_silence(engine: Engine, silence_id: str, *, actor: str, now: datetime) -> str:
    """End an operator's silence now; return its server."""
    return links.end_silence(engine, silence_id, actor=actor, made_at=now).mute.server_code
