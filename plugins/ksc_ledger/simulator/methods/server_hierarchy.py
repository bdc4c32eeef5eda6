"""ServerHierarchy.*: what a primary server knows of its secondary servers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ksc_ledger.simulator import query, wire
from ksc_ledger.simulator.groups import MANAGED_ID
from ksc_ledger.simulator.methods.registry import Call, method
from ksc_ledger.simulator.methods.result_sets import keep_rows
from ksc_ledger.simulator.pxg import not_found
from ksc_ledger.simulator.server import SimulatedServer
from ksc_ledger.simulator.sessions import life_seconds
from ksc_ledger.simulator.wire import Answer

_LISTED = (
    "KLSRVH_SRV_ID",
    "KLSRVH_SRV_INST_ID",
    "KLSRVH_SRV_DN",
    "KLSRVH_SRV_ADDR",
    "KLSRVH_SRV_GROUPID",
    "KLSRVH_SRV_STATUS",
    "KLSRVH_SRV_VERSION",
    "KLSRVH_SRV_PASSIVE",
    "KLSRVH_SRV_LAST_CONNECTED",
    "KLSRVH_SRV_MASTER_ADDR",
)
_FIELDS = frozenset(
    {*_LISTED, "KLSRVH_SRV_CERTIFICATE", "KLSRVH_SRV_PUBLIC_KEY_HASH", "KLSRVH_SRV_HOST_GUID"}
)
_FOUND_FIELDS = frozenset(
    {
        "KLSRVH_SRV_ID",
        "KLSRVH_SRV_DN",
        "KLSRVH_SRV_GROUPID",
        "KLSRVH_SRV_STATUS",
        "KLSRVH_SRV_GROUPID_GP",
        "KLHST_WKS_CREATED",
        "name",
    }
)


@method("ServerHierarchy.GetChildServers", "nGroupId")
def get_child_servers(call: Call) -> Answer:
    """Direct secondary servers; -1 asks for those of all groups."""
    group_id = call.arguments.integer("nGroupId")
    return Answer(
        wire.Array(
            [
                wire.Params(query.pick(record, _LISTED))
                for record in _records(call)
                if group_id in (-1, record["KLSRVH_SRV_GROUPID"])
            ]
        )
    )


@method("ServerHierarchy.GetServerInfo", "lServer pFields")
def get_server_info(call: Call) -> Answer:
    names = call.arguments.names("pFields")
    query.check_known(names, _FIELDS, "pFields")
    server_id = call.arguments.integer("lServer")
    for record in _records(call):
        if record["KLSRVH_SRV_ID"] == server_id:
            return Answer(wire.Params(query.pick(record, names)))
    raise not_found("server", server_id)


@method(
    "ServerHierarchy.FindSlaveServers",
    "wstrFilter pFieldsToReturn pFieldsToOrder pParams lMaxLifeTime",
)
def find_slave_servers(call: Call) -> Answer:
    """The set is read with ChunkAccessor, although its name here is ``wstrIterator``."""
    fields = call.arguments.names("pFieldsToReturn")
    query.check_known(fields, _FOUND_FIELDS, "pFieldsToReturn")
    life = life_seconds(call.arguments.integer("lMaxLifeTime"))
    rows = [
        {
            **record,
            "KLSRVH_SRV_GROUPID_GP": record["KLSRVH_SRV_GROUPID"],
            "name": record["KLSRVH_SRV_DN"],
        }
        for record in _records(call)
    ]
    found = query.select(
        rows,
        text=call.arguments.text("wstrFilter", is_optional=True),
        order=call.arguments.order("pFieldsToOrder"),
        searchable=_FOUND_FIELDS,
        now=call.server.now(),
    )
    return Answer(len(found), {"wstrIterator": keep_rows(call, found, fields, life)})


def child_of(call: Call, server_id: int) -> SimulatedServer:
    """The secondary server with an id of the answering server."""
    for own_id, child in call.estate.children(call.server.code):
        if own_id == server_id:
            return child
    raise not_found("server", server_id)


def _records(call: Call) -> list[Mapping[str, wire.Member]]:
    skew = call.server.now() - call.estate.clock.now()
    records: list[Mapping[str, wire.Member]] = []
    for own_id, child in call.estate.children(call.server.code):
        link = call.estate.link(child.code)
        row = child.row
        record: dict[str, wire.Member] = {
            "KLSRVH_SRV_ID": own_id,
            "KLSRVH_SRV_INST_ID": child.instance_id,
            "KLSRVH_SRV_DN": row.display_name,
            "KLSRVH_SRV_GROUPID": MANAGED_ID,
            "KLSRVH_SRV_STATUS": int(link.is_up),
            "KLSRVH_SRV_VERSION": row.version,
            "KLSRVH_SRV_PASSIVE": row.is_passive,
            # Stamped by the primary server, by its own clock.
            "KLSRVH_SRV_LAST_CONNECTED": wire.DateTime(link.last_connected + skew),
            "KLSRVH_SRV_HOST_GUID": child.host_guid,
            "KLSRVH_SRV_CERTIFICATE": wire.Binary(child.certificate_der),
            "KLSRVH_SRV_PUBLIC_KEY_HASH": hashlib.md5(
                child.certificate_der, usedforsecurity=False
            ).hexdigest(),
        }
        if row.address:
            record["KLSRVH_SRV_ADDR"] = row.address
        if not row.is_passive and call.server.row.address:
            record["KLSRVH_SRV_MASTER_ADDR"] = call.server.row.address.partition(":")[0]
        records.append(record)
    return records
