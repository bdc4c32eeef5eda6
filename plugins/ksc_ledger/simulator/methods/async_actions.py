"""Actions that run on the server while the client polls, and the search that is one of them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ksc_ledger.simulator import hosts, query, wire
from ksc_ledger.simulator.hosts import Host
from ksc_ledger.simulator.methods.groups_and_hosts import FIND, host_fields
from ksc_ledger.simulator.methods.registry import Call, method
from ksc_ledger.simulator.methods.result_sets import keep_rows
from ksc_ledger.simulator.pxg import BusinessError, Symbol, bad_argument, not_found
from ksc_ledger.simulator.server import SimulatedServer
from ksc_ledger.simulator.sessions import life_seconds
from ksc_ledger.simulator.wire import Answer

DURATION_SECONDS: Final = 0.5


@dataclass(slots=True)
class Action:
    """An action of one session. ``state`` is what the last poll gets as ``pStateData``."""

    ready_at: float
    next_poll_at: float
    state: Mapping[str, wire.Member]
    search: Search | None = None
    is_finalized: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found, and the secondary servers that could not be asked."""

    rows: Sequence[SweptHost]
    fields: tuple[str, ...]
    life: float
    failed: Sequence[wire.Member]


class SweptHost:
    """A device found by a search over servers; of a secondary one it carries that server's name."""

    def __init__(self, host: Host, origin: Mapping[str, wire.Member]) -> None:
        self.host = host
        self.origin = origin

    def get(self, name: str, /) -> wire.Member | tuple[wire.Member, ...] | None:
        return self.origin[name] if name in self.origin else self.host.get(name)


def begin(call: Call, state: Mapping[str, wire.Member], search: Search | None = None) -> str:
    """Start an action of the call's session and return its id."""
    action_id = str(uuid.uuid4())
    now = call.entrance.sessions.now()
    call.session.actions[action_id] = Action(now + DURATION_SECONDS, now, state, search)
    return action_id


@method("AsyncActionStateChecker.CheckActionState", "wstrActionGuid")
def check_action_state(call: Call) -> Answer:
    """Polled too early: STDE_UNAVAIL; from another session: STDE_NOACCESS; done before: gone."""
    action_id = call.arguments.text("wstrActionGuid")
    action = _action(call, action_id)
    now = call.entrance.sessions.now()
    if action.is_finalized:
        raise not_found("action", action_id)
    if now < action.next_poll_at:
        raise BusinessError(Symbol.UNAVAIL, "Polled before lNextCheckDelay", action_id)
    action.is_finalized = now >= action.ready_at
    if action.is_finalized:
        if action.search is None:
            del call.session.actions[action_id]
        return Answer(out=_state(is_over=True, state=action.state, delay=0))
    action.next_poll_at = action.ready_at
    delay = max(1, round((action.ready_at - now) * 1000))
    return Answer(out=_state(is_over=False, state={}, delay=delay))


def _state(
    *, is_over: bool, state: Mapping[str, wire.Member], delay: int
) -> dict[str, wire.Member | None]:
    return {
        "bFinalized": is_over,
        "bSuccededFinalized": is_over,
        "lStateCode": int(is_over),
        "pStateData": wire.Params(state),
        "lNextCheckDelay": delay,
    }


def _action(call: Call, action_id: str) -> Action:
    action: Action | None = call.session.actions.get(action_id)
    if action is not None:
        return action
    if call.entrance.sessions.has_action(action_id):
        raise BusinessError(Symbol.NOACCESS, "The action belongs to another session", action_id)
    raise not_found("action", action_id)


@method("HostGroup.FindHostsAsync", FIND)
def find_hosts_async(call: Call) -> Answer:
    """Unlike FindHosts this descends into secondary servers."""
    fields = host_fields(call)
    life = life_seconds(call.arguments.integer("lMaxLifeTime"))
    options = call.arguments.params("pParams")
    depth = options.get("KLSRVH_SLAVE_REC_DEPTH", 0)
    if not isinstance(depth, int) or depth < 0:
        raise bad_argument("KLSRVH_SLAVE_REC_DEPTH must be an int", "pParams")
    if options.get("KLGRP_FIND_FROM_CUR_VS_ONLY") is True:  # one script sends the text "false"
        depth = 0
    failed: list[wire.Member] = []
    rows = [SweptHost(host, {}) for host in call.server.view().hosts]
    rows += _below(call, call.server, depth, failed)
    found = query.select(
        rows,
        text=call.arguments.text("wstrFilter", is_optional=True),
        order=call.arguments.order("vecFieldsToOrder"),
        searchable=hosts.SEARCHABLE,
        now=call.server.now(),
    )
    request_id = begin(call, {}, Search(found, fields, life, failed))
    return Answer(out={"strRequestId": request_id})


def _below(
    call: Call, server: SimulatedServer, depth: int, failed: list[wire.Member]
) -> list[SweptHost]:
    if depth == 0:
        return []
    found: list[SweptHost] = []
    for server_id, child in call.estate.children(server.code):
        origin: dict[str, wire.Member] = {
            "KLSRVH_SRV_ID": server_id,
            "KLSRVH_SRV_DN": child.row.display_name,
        }
        if call.estate.link(child.code).is_up:
            found += [SweptHost(host, origin) for host in child.view().hosts]
            found += _below(call, child, depth - 1, failed)
        else:
            failed.append(wire.Params(origin))
    return found


@method("HostGroup.FindHostsAsyncGetAccessor", "strRequestId")
def find_hosts_async_get_accessor(call: Call) -> Answer:
    request_id = call.arguments.text("strRequestId")
    search = _search(call, request_id)
    if not call.session.actions[request_id].is_finalized:
        raise BusinessError(Symbol.UNAVAIL, "The search is not over", request_id)
    del call.session.actions[request_id]
    accessor = keep_rows(call, search.rows, search.fields, search.life)
    return Answer(
        len(search.rows),
        {
            "strAccessor": accessor,
            "pFailedSlavesInfo": wire.Params(
                {"KLGRP_FAILED_SLAVES_PARAMS": wire.Array(search.failed)}
            ),
        },
    )


@method("HostGroup.FindHostsAsyncCancel", "strRequestId")
def find_hosts_async_cancel(call: Call) -> Answer:
    request_id = call.arguments.text("strRequestId")
    _search(call, request_id)
    del call.session.actions[request_id]
    return Answer()


def _search(call: Call, request_id: str) -> Search:
    action = _action(call, request_id)
    if action.search is None:
        raise not_found("search", request_id)
    return action.search
