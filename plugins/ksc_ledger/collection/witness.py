"""What one tick of the link watch can see of an estate: knocks, and now and then a question.

A knock is TCP and TLS only. Logging in writes an audit event and, with a wrong password, locks an
account; so the province is asked only when it is due, and never with an account that was refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ksc_ledger.collection.knock import knock
from ksc_ledger.errors import FaultCode, LedgerError, SourceFault
from ksc_ledger.rules.links_evidence import (
    Knock,
    ProvinceWord,
    ServerEvidence,
    Tick,
    WatchedServer,
)
from ksc_ledger.rules.text import matching_key
from ksc_ledger.sources.client import ChildServer, KscClient
from ksc_ledger.sources.endpoint import Budget, Endpoint

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = logging.getLogger(__name__)

KNOCKS_AT_A_TIME = 12

EndpointOf = Callable[[str], Endpoint]


@dataclass(frozen=True, slots=True)
class Seen:
    """A tick's evidence, and the words of a province that are new and to be remembered."""

    tick: Tick
    new_words: Mapping[str, ProvinceWord] = field(default_factory=dict)


def look(
    engine: Engine,
    servers: Sequence[WatchedServer],
    console_names: Mapping[str, str],
    endpoint_of: EndpointOf,
    budget: Budget,
    *,
    now: datetime,
    words: Mapping[str, ProvinceWord],
    ask: Iterable[str],
    said: Mapping[str, Knock] | None = None,
) -> Seen:
    """Knock at every server, ask the provinces in ``ask``, and put it together.

    ``console_names``: how a province's console calls each district's server. ``words``: what was
    remembered of earlier questions. ``now`` is on the mode's clock. A server without a usable
    connection is not tried: no evidence. ``said``: servers that only reach out, and what their own
    word is worth as a knock; they are neither knocked at nor asked.
    """
    from ksc_ledger.state import accounts

    said = said or {}
    endpoints: dict[str, Endpoint] = {}
    for server in servers:
        if server.server_code in said:
            continue
        try:
            endpoints[server.server_code] = endpoint_of(server.server_code)
        except LedgerError as error:
            log.warning("%s: %s", server.server_code, error)
    with ThreadPoolExecutor(max_workers=KNOCKS_AT_A_TIME) as pool:
        outcomes = pool.map(lambda endpoint: knock(endpoint, budget), endpoints.values())
        knocks = {
            code: Knock(found.outcome.value)
            for code, found in zip(endpoints, outcomes, strict=True)
        }
    for code in accounts.held_of(engine, endpoints):
        if knocks[code] is Knock.OK:
            knocks[code] = Knock.CREDENTIALS
    new_words: dict[str, ProvinceWord] = {}
    for province in ask:
        if knocks.get(province) is not Knock.OK:
            continue  # nor one that only reaches out
        try:
            new_words |= _words_of(endpoints[province], servers, console_names, budget, now)
        except SourceFault as fault:
            knocks[province] = _knock_of(fault)
            if knocks[province] is Knock.CREDENTIALS:
                _hold(engine, endpoints[province], fault, now)
            log.warning("%s: %s", province, fault)
    heard = {**words, **new_words}
    knocks |= said
    evidence = {
        server.server_code: ServerEvidence(
            knock=knocks.get(server.server_code, Knock.NOT_TRIED),
            province_word=heard.get(server.server_code),
        )
        for server in servers
    }
    return Seen(Tick(at=now, evidence=evidence), new_words)


def _words_of(
    endpoint: Endpoint,
    servers: Sequence[WatchedServer],
    console_names: Mapping[str, str],
    budget: Budget,
    now: datetime,
) -> dict[str, ProvinceWord]:
    """One login and one question: what the province says about each district below it."""
    with KscClient(endpoint, budget, archive=None, now=lambda: now) as client:
        children = {matching_key(child.display_name or ""): child for child in client.servers()}
    found: dict[str, ProvinceWord] = {}
    for server in servers:
        if server.parent_code != endpoint.server_code:
            continue
        name = console_names.get(server.server_code)
        child = children.get(matching_key(name)) if name else None
        if child is None:
            log.warning(
                "%s: máy chủ tỉnh không có máy chủ nào tên %r; kiểm tra cột console_name",
                server.server_code,
                name,
            )
            continue
        found[server.server_code] = _word(child, now)
    return found


def _word(child: ChildServer, now: datetime) -> ProvinceWord:
    contact = child.last_connected_at
    return ProvinceWord(
        is_active=child.status == 1,
        read_at=now,
        last_connected_at=contact if contact is not None and contact <= now else None,
    )


def _knock_of(fault: SourceFault) -> Knock:
    """What a failed question says about the way to the console."""
    if fault.fault_code in (FaultCode.CREDENTIALS, FaultCode.SECOND_FACTOR):
        return Knock.CREDENTIALS
    if fault.fault_code is FaultCode.CERTIFICATE:
        return Knock.CERTIFICATE
    if fault.fault_code is FaultCode.UNREACHABLE:
        return Knock.TIMEOUT
    return Knock.PROTOCOL


def _hold(engine: Engine, endpoint: Endpoint, fault: SourceFault, now: datetime) -> None:
    from ksc_ledger.state import accounts

    accounts.hold(engine, endpoint.server_code, endpoint.fingerprint, str(fault), now)
