"""A registry that cannot be used is told to the engineers: once, when it changes, when it is mended.

The last good version stays in force meanwhile (``registry.in_force``), so nobody else notices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ksc_ledger.clock import vietnamese_date
from ksc_ledger.registry import InForce, Mistake, Registry, ServerRole
from ksc_ledger.rules.links import incident_id_of
from ksc_ledger.state import outbox, registry_trouble
from ksc_ledger.state.registry_trouble import News

if TYPE_CHECKING:
    from sqlalchemy import Engine

KIND = "config_invalid"
ROLE = "engineers"  # not a row of the registry: the registry is what is wrong
MISTAKES_SHOWN = 20


def note_registry(
    engine: Engine, found: InForce, identity: outbox.MailIdentity, now: datetime
) -> list[str]:
    """Mail what is news about the registry's files; return the Message-IDs minted.

    One mail an estate with mistakes, to the engineers of its province. Mistakes outside the folder
    of a known estate go to those of the first one.
    """
    minted: list[str] = []
    estates = found.registry.estates
    known = {f"{one.estate_code}/" for one in estates}
    homeless = [
        one for one in found.mistakes if not any(one.file.startswith(folder) for folder in known)
    ]
    for number, estate in enumerate(estates):
        code = estate.estate_code
        mistakes = [one for one in found.mistakes if one.file.startswith(f"{code}/")]
        if number == 0:
            mistakes += homeless

        def mail_of(
            news: News,
            code: str = code,
            name: str = estate.estate_name,
            mistakes: Sequence[Mistake] = mistakes,
        ) -> outbox.NewMail:
            return outbox.NewMail(
                kind=KIND,
                incident_id=news.incident_id,
                step=news.step,
                role=ROLE,
                estate_code=code,
                unit_code=engineers_unit(found.registry, code, now),
                channel=outbox.Channel.ENGINEERS,
                created_at=now,
                facts=_facts(news, name, mistakes, found.registry.sha256),
            )

        def new_incident(code: str = code) -> str:
            return incident_id_of("registry", code, now.isoformat())

        minted += registry_trouble.note(
            engine, code, _sha256(mistakes), now, mail_of, identity, new_incident
        )
    return minted


def _facts(news: News, place: str, mistakes: Sequence[Mistake], version: str) -> dict[str, Any]:
    return {
        "place": place,
        "since": news.since_at.isoformat(),
        "is_over": news.is_over,
        "version": version[:12],
        "mistake_count": len(mistakes),
        "mistakes": [
            {"where": one.place, "text": one.text, "remedy": one.remedy}
            for one in mistakes[:MISTAKES_SHOWN]
        ],
    }


def _sha256(mistakes: Sequence[Mistake]) -> str | None:
    if not mistakes:
        return None
    return hashlib.sha256("\n".join(sorted(str(one) for one in mistakes)).encode()).hexdigest()


def engineers_unit(registry: Registry, estate_code: str, now: datetime) -> str:
    """The unit of the estate's province: where its engineers hold their role."""
    ours = [one for one in registry.servers if one.estate_code == estate_code]
    in_force = [one for one in ours if one.is_in_force(vietnamese_date(now))]
    provinces = [one for one in in_force or ours if one.server_role is ServerRole.PROVINCE]
    return provinces[0].unit_code if provinces else estate_code
