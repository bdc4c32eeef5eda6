"""EventProcessingFactory.* and EventProcessing.*: reading what a server has stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ksc_ledger.simulator import events, query, wire
from ksc_ledger.simulator.events import Event, LinkLoss
from ksc_ledger.simulator.faults import FaultKind
from ksc_ledger.simulator.groups import MANAGED_ID, MANAGED_NAME
from ksc_ledger.simulator.methods.registry import Call, method
from ksc_ledger.simulator.methods.result_sets import keep_rows, range_of
from ksc_ledger.simulator.pxg import bad_argument
from ksc_ledger.simulator.wire import Answer

_KNOWN_FILTERS: Final = frozenset(
    {
        "GNRL_EA_SEVERITY",
        "KLEVP_EVENT_TYPE",
        "KLEVP_EVENT_GNRL_TYPE",
        "KLEVP_EVENT_GNRL_TYPES_ARRAY",
        "EVP_INCL_GNRL_EVENTS",
        "EVP_INCL_TASK_STATES",
        "KLEVP_EVENT_HOST",
        "KLEVP_EVENT_HOST_DISPNAME",
        "KLEVP_EVENT_HOST_GROUP",
        "KLEVP_EVENT_PRODUCT",
        "KLEVP_EVENT_INTERNAL_VERSION",
        "KLEVP_EVENT_DISPLAY_VERSION",
        "KLEVP_RFC2254_FILTER",
        "KLEVP_EVENT_RISE_TIME_LAST_DAYS",
        "KLEVP_EVENT_RISE_TIME_LEAST",
        "KLEVP_EVENT_RISE_TIME_GREATEST",
        "KLEVP_EVENT_HOST_NETBIOSNAME",
    }
)
# Filters that are an attribute's value.
_EQUALS: Final = {
    "GNRL_EA_SEVERITY": "GNRL_EA_SEVERITY",
    "KLEVP_EVENT_TYPE": "event_type",
    "KLEVP_EVENT_GNRL_TYPE": "event_type",
    "KLEVP_EVENT_HOST": "hostname",
    "KLEVP_EVENT_HOST_DISPNAME": "hostdn",
    "KLEVP_EVENT_HOST_GROUP": "group_id",
    "KLEVP_EVENT_PRODUCT": "product_name",
    "KLEVP_EVENT_INTERNAL_VERSION": "product_version",
    "KLEVP_EVENT_DISPLAY_VERSION": "product_displ_version",
}


@method(
    "EventProcessingFactory.CreateEventProcessing",
    "vecFieldsToReturn vecFieldsToOrder lifetimeSec pFilter",
)
def create_event_processing(call: Call) -> Answer:
    """All events. A known client always sends a filter, too: it means nothing here."""
    return _iterator(call, _stored(call), "")


@method(
    "EventProcessingFactory.CreateEventProcessing2",
    "pFilter vecFieldsToReturn vecFieldsToOrder lifetimeSec",
)
def create_event_processing_2(call: Call) -> Answer:
    """General events are left out unless EVP_INCL_GNRL_EVENTS is true: so it is documented."""
    wanted = call.arguments.params("pFilter")
    query.check_known(wanted, _KNOWN_FILTERS, "pFilter")
    between = _rise_times(call, wanted)
    rows = [row for row in _stored(call) if _passes(call, row, wanted, between)]
    return _iterator(call, rows, str(wanted.get("KLEVP_RFC2254_FILTER", "")))


@method("EventProcessing.GetRecordCount", "strIteratorId")
def get_record_count(call: Call) -> Answer:
    iterator = call.arguments.text("strIteratorId")
    return Answer(len(call.entrance.sessions.set_of(call.session, iterator).rows))


@method("EventProcessing.GetRecordRange", "strIteratorId nStart nEnd")
def get_record_range(call: Call) -> Answer:
    items = range_of(call, "strIteratorId")
    return Answer(
        out={"pParamsEvents": wire.Params({"KLEVP_EVENT_RANGE_ARRAY": wire.EncodedArray(items)})}
    )


@method("EventProcessing.ReleaseIterator", "strIteratorId")
def release_iterator(call: Call) -> Answer:
    iterator = call.arguments.text("strIteratorId")
    call.entrance.sessions.set_of(call.session, iterator)
    del call.session.sets[iterator]
    return Answer()


def _iterator(call: Call, rows: Sequence[Mapping[str, wire.Member]], text: str) -> Answer:
    fields = call.arguments.names("vecFieldsToReturn")
    query.check_known(fields, events.FIELDS, "vecFieldsToReturn")
    life = call.arguments.integer("lifetimeSec")
    if life < 1:
        raise bad_argument("lifetimeSec must be positive", "lifetimeSec")
    found = query.select(
        rows,
        text=text,
        order=call.arguments.order("vecFieldsToOrder"),
        searchable=events.FIELDS,
        now=call.server.now(),
    )
    return Answer(out={"strIteratorId": keep_rows(call, found, fields, float(life))})


def _stored(call: Call) -> list[Mapping[str, wire.Member]]:
    """What is registered by now; an event's id does not depend on when one asks."""
    now = call.estate.clock.now()
    found: list[Mapping[str, wire.Member]] = []
    for position, event in enumerate(events.history(call.server.facts.detections, _losses(call))):
        if event.registered_at <= now:
            found.append(events.members(event, position, _where(call, event)))
    return found


def _where(call: Call, event: Event) -> tuple[str, int, str]:
    if not event.host_id:
        return call.server.row.display_name, MANAGED_ID, MANAGED_NAME
    host = call.server.view().hosts_by_id.get(event.host_id)
    if host is None:
        return "", MANAGED_ID, MANAGED_NAME
    return host.row.display_name, host.group.id, host.group.name


def _losses(call: Call) -> list[LinkLoss]:
    """What a scenario's events did to links: stored by the secondary, and by its primary."""
    found = []
    own = call.server
    for fault in call.estate.faults.scheduled(FaultKind.LINK_CUT):
        secondary = call.estate.servers[fault.server_code]
        parent_code = secondary.facts.rows[0].parent_server_code
        if secondary is own:
            prefix, peer = "KLSRV_EV_MASTER_SRV", call.estate.servers[parent_code]
        elif parent_code == own.code:
            prefix, peer = "KLSRV_EV_SLAVE_SRV", secondary
        else:
            continue
        found.append(LinkLoss(prefix, fault.since, fault.period.to_at, peer.row.display_name))
    return found


_Between = tuple[datetime | None, datetime | None]


def _passes(
    call: Call, row: Mapping[str, wire.Member], wanted: Mapping[str, Any], between: _Between
) -> bool:
    kind = str(row["event_type"])
    if kind.startswith("GNRL_") and not wanted.get("EVP_INCL_GNRL_EVENTS", False):
        return False
    types = wanted.get("KLEVP_EVENT_GNRL_TYPES_ARRAY")
    if types is not None and kind not in types:
        return False
    earliest, latest = between
    rise = row["rise_time"]
    at = rise.value if isinstance(rise, wire.DateTime) else None
    if at and ((earliest and at < earliest) or (latest and at > latest)):
        return False
    netbios_name = wanted.get("KLEVP_EVENT_HOST_NETBIOSNAME")
    if netbios_name is not None:
        host = call.server.view().hosts_by_id.get(str(row["hostname"]))
        if host is None or host.netbios_name.casefold() != str(netbios_name).casefold():
            return False
    return all(row.get(_EQUALS[name]) == value for name, value in wanted.items() if name in _EQUALS)


def _rise_times(call: Call, wanted: Mapping[str, Any]) -> _Between:
    """Between which instants an event must have risen; None is open.

    A known client cannot leave the number of days out and sends 0 for no limit.
    """
    earliest = _instant(wanted, "KLEVP_EVENT_RISE_TIME_LEAST")
    latest = _instant(wanted, "KLEVP_EVENT_RISE_TIME_GREATEST")
    days = wanted.get("KLEVP_EVENT_RISE_TIME_LAST_DAYS", 0)
    if not isinstance(days, int) or isinstance(days, bool) or days < 0:
        raise bad_argument("KLEVP_EVENT_RISE_TIME_LAST_DAYS must be an int", "pFilter")
    if days:
        since = call.server.now() - timedelta(days=days)
        earliest = max(earliest, since) if earliest else since
    return earliest, latest


def _instant(wanted: Mapping[str, Any], name: str) -> datetime | None:
    value = wanted.get(name)
    if value is None:
        return None
    try:
        return datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise bad_argument(f"{name} must be a datetime", "pFilter") from error
