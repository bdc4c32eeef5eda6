"""What a tick of the link watch saw, and what may be concluded from it for each server.

Two independent witnesses: the province's word about its district (the KSC hierarchy) and our own
knock on the district's console; a third, the way out of our own house, says whether the first two
are worth anything. No evidence is never evidence of loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Knock(StrEnum):
    """How a server's console answered when we knocked (TCP, TLS, now and then a question)."""

    OK = "ok"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    DNS = "dns"
    CERTIFICATE = "certificate"  # not the certificate we know, or an expired one
    CREDENTIALS = (
        "credentials"  # said as long as the account is held, not only in the tick of the 401
    )
    PROTOCOL = "protocol"  # something answers, but not as a KSC server does
    NOT_TRIED = "not_tried"


class Verdict(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"  # connected, but our own way to the console is in trouble
    LOST = "lost"
    NO_EVIDENCE = "no_evidence"


class Cause(StrEnum):
    """Why a link is lost, in trouble, or unknown."""

    SERVER = "server"  # server or site down
    LINK = "link"  # the server lives, its link to the province is cut
    PROVINCE = "province"
    CERTIFICATE = "certificate"
    CREDENTIALS = "credentials"
    PATH = "path"  # the province sees the district, our own knock does not get through
    COLLECTOR = "collector"  # we are the ones who cannot see


class Role(StrEnum):
    PROVINCE = "province"
    DISTRICT = "district"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedServer:
    """A server of the registry as the watch needs it. ``place`` is how mails call it.

    ``parent_code`` is the province's server; None for the province's own.
    """

    server_code: str
    role: Role
    unit_code: str
    place: str
    parent_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvinceWord:
    """What the province's console said about one district at ``read_at``.

    ``last_connected_at`` is None when it was absent or lay in the future: a clock that is wrong
    never makes a contact fresh.
    """

    is_active: bool
    read_at: datetime
    last_connected_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvidence:
    knock: Knock = Knock.NOT_TRIED
    province_word: ProvinceWord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Everything one tick saw of one estate, at the one instant ``at``.

    ``is_way_out_open`` is our canary (gateway, DNS, a neighbour that always answers); None where
    none is set up. A backfill or rebuild may build ticks; they move nothing.
    """

    at: datetime
    evidence: Mapping[str, ServerEvidence] = field(default_factory=dict)
    is_way_out_open: bool | None = None
    is_backfill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on one server's link.

    ``cause`` belongs to LOST and NO_EVIDENCE. ``trouble`` is our own trouble with the console,
    which is reported apart and never turns a link into a lost one; ``is_trouble_known`` is false
    when the knock proves nothing about it.
    """

    verdict: Verdict
    cause: Cause | None = None
    trouble: Cause | None = None
    is_trouble_known: bool = True
    last_contact_at: datetime | None = None


_UNREACHABLE = frozenset({Knock.REFUSED, Knock.TIMEOUT, Knock.DNS, Knock.PROTOCOL})
_TROUBLE = {Knock.CERTIFICATE: Cause.CERTIFICATE, Knock.CREDENTIALS: Cause.CREDENTIALS}


def judge(
    tick: Tick, servers: Sequence[WatchedServer], *, word_max_age: timedelta
) -> dict[str, Judgement]:
    """Judge every server from the tick's evidence.

    A province's word of this very tick decides. An older one, up to ``word_max_age``, is carried
    on while the district's console answers (the province need not be logged in to at every tick),
    but it never counts against a district: a loss is only counted on a word that is fresh.
    """
    unseen = ServerEvidence()
    is_blind = _is_collector_blind(tick, servers)
    judged: dict[str, Judgement] = {}
    for server in sorted(servers, key=lambda server: server.parent_code is not None):
        evidence = tick.evidence.get(server.server_code, unseen)
        if is_blind:
            judged[server.server_code] = Judgement(
                verdict=Verdict.NO_EVIDENCE, cause=Cause.COLLECTOR, is_trouble_known=False
            )
        elif server.parent_code is None:
            judged[server.server_code] = _judge_province(evidence.knock)
        else:
            judged[server.server_code] = _judge_district(
                evidence, judged.get(server.parent_code), tick.at, word_max_age
            )
    return judged


def _is_collector_blind(tick: Tick, servers: Sequence[WatchedServer]) -> bool:
    """Whether it is our own way out that is closed.

    The canary's word stands. Without a canary, a province that cannot be reached together with at
    least three and half of its districts (all of them where there are fewer) is taken for our own
    blindness: better one mail about ourselves than twelve wrong ones.
    """
    if tick.is_way_out_open is not None:
        return not tick.is_way_out_open
    knocks = {code: evidence.knock for code, evidence in tick.evidence.items()}
    provinces = [server.server_code for server in servers if server.parent_code is None]
    districts = [server.server_code for server in servers if server.parent_code is not None]
    if not any(knocks.get(code) in _UNREACHABLE for code in provinces):
        return False
    failed = sum(knocks.get(code) in _UNREACHABLE for code in districts)
    return failed >= min(len(districts), max(3, -(-len(districts) // 2)))


def _judge_province(knock: Knock) -> Judgement:
    if knock is Knock.NOT_TRIED:
        return Judgement(verdict=Verdict.NO_EVIDENCE, cause=Cause.COLLECTOR, is_trouble_known=False)
    if knock in _UNREACHABLE:
        return Judgement(verdict=Verdict.LOST, cause=Cause.PROVINCE, is_trouble_known=False)
    if knock in _TROUBLE:
        return Judgement(verdict=Verdict.DEGRADED, trouble=_TROUBLE[knock])
    return Judgement(verdict=Verdict.OK)


def _judge_district(
    evidence: ServerEvidence, parent: Judgement | None, at: datetime, word_max_age: timedelta
) -> Judgement:
    word, knock = evidence.province_word, evidence.knock
    trouble = _TROUBLE.get(knock)
    contact = word.last_connected_at if word else None
    is_fresh = word is not None and word.read_at >= at
    is_carried = word is not None and not is_fresh and at - word.read_at <= word_max_age
    if word is not None and is_fresh and not word.is_active:
        # Our own trouble neither makes a loss nor hides one: the province's word stands.
        return Judgement(
            verdict=Verdict.LOST,
            cause=Cause.SERVER if knock in _UNREACHABLE else Cause.LINK,
            trouble=trouble,
            is_trouble_known=trouble is not None or knock is Knock.OK,
            last_contact_at=contact,
        )
    if word is not None and word.is_active and (is_fresh or (is_carried and knock is Knock.OK)):
        trouble = Cause.PATH if knock in _UNREACHABLE else trouble
        return Judgement(
            verdict=Verdict.DEGRADED if trouble else Verdict.OK,
            trouble=trouble,
            is_trouble_known=knock is not Knock.NOT_TRIED,
            last_contact_at=contact,
        )
    if parent is not None and parent.verdict is Verdict.LOST:
        cause = Cause.PROVINCE
    else:
        cause = (parent.trouble if parent else None) or Cause.COLLECTOR
    return Judgement(
        verdict=Verdict.NO_EVIDENCE,
        cause=cause,
        trouble=trouble,
        is_trouble_known=trouble is not None,
        last_contact_at=contact,
    )
