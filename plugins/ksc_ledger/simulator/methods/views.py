"""SrvView.*: hardware, threats and software as tables."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ksc_ledger.simulator import hosts, query, wire
from ksc_ledger.simulator.methods.registry import Call, method
from ksc_ledger.simulator.methods.result_sets import keep_rows, range_of
from ksc_ledger.simulator.pxg import bad_argument, not_found
from ksc_ledger.simulator.wire import Answer

Rows = list[Mapping[str, wire.Member]]


@dataclass(frozen=True, slots=True)
class View:
    """A view: its columns, its rows, and what must be among ``pParams``."""

    columns: frozenset[str]
    rows: Callable[[Call], Rows]
    needed_params: tuple[str, ...] = ()


@method(
    "SrvView.ResetIterator",
    "wstrViewName wstrFilter vecFieldsToReturn vecFieldsToOrder pParams lifetimeSec",
)
def reset_iterator(call: Call) -> Answer:
    name = call.arguments.text("wstrViewName")
    view = VIEWS.get(name)
    if view is None:
        raise not_found("view", name)
    fields = call.arguments.names("vecFieldsToReturn")
    query.check_known(fields, view.columns, "vecFieldsToReturn")
    params = call.arguments.params("pParams")
    for needed in view.needed_params:
        if needed not in params:
            raise bad_argument(f"pParams needs '{needed}'", needed)
    life = call.arguments.integer("lifetimeSec")
    if life < 1:
        raise bad_argument("lifetimeSec must be positive", "lifetimeSec")
    found = query.select(
        view.rows(call),
        text=call.arguments.text("wstrFilter", is_optional=True),
        order=call.arguments.order("vecFieldsToOrder"),
        searchable=view.columns,
        now=call.server.now(),
    )
    top = params.get("TOP_N")
    if isinstance(top, int):
        found = found[: max(top, 0)]
    return Answer(out={"wstrIteratorId": keep_rows(call, found, fields, float(life))})


@method("SrvView.GetRecordCount", "wstrIteratorId")
def get_record_count(call: Call) -> Answer:
    iterator = call.arguments.text("wstrIteratorId")
    return Answer(len(call.entrance.sessions.set_of(call.session, iterator).rows))


@method("SrvView.GetRecordRange", "wstrIteratorId nStart nEnd")
def get_record_range(call: Call) -> Answer:
    items = range_of(call, "wstrIteratorId")
    return Answer(out={"pRecords": wire.Params({"KLCSP_ITERATOR_ARRAY": wire.EncodedArray(items)})})


@method("SrvView.ReleaseIterator", "wstrIteratorId")
def release_iterator(call: Call) -> Answer:
    iterator = call.arguments.text("wstrIteratorId")
    call.entrance.sessions.set_of(call.session, iterator)
    del call.session.sets[iterator]
    return Answer()


def _hardware(call: Call) -> Rows:
    """Managed devices whose hardware the agent has reported. There is no column with a host id."""
    ids = sorted({row.host_id for row in call.server.facts.hosts})
    numbers = {host_id: 300 + position for position, host_id in enumerate(ids)}
    rows: Rows = []
    for host in call.server.view().hosts:
        row = host.row
        known: dict[str, wire.Member | None] = {
            "CPU": row.cpu or None,
            "MemorySize": row.memory_mb,
            "DiskSize": row.disk_gb,
            "SerialNumber": row.serial_number or None,
            "StrMac": row.mac_address or None,
        }
        facts = {name: value for name, value in known.items() if value is not None}
        if not row.agent_version or not facts:
            continue
        facts |= {
            "Id": numbers[row.host_id],
            "Type": 0,
            "Name": row.display_name,
            "IsWrittenOff": False,
        }
        if row.os_name:
            facts["OS"] = row.os_name
        if host.last_visible is not None:
            facts["LastVisible"] = wire.DateTime(host.last_visible)
        if row.created_at is not None:
            facts["Created"] = wire.DateTime(row.created_at)
        rows.append(facts)
    return rows


_ACTIONS: Final = {
    "cured": "Disinfected",
    "deleted": "Deleted",
    "quarantined": "Quarantined",
    "blocked": "Blocked",
    "notcured": "Not disinfected",
}


def _threats(call: Call) -> Rows:
    """One row a detection; ``nEventResult`` 0 = not resolved."""
    rows: Rows = []
    for row in call.server.view().detections:
        number = zlib.crc32(f"{row.host_id} {row.line}".encode())
        threat: dict[str, wire.Member] = {
            "nEventVirus": wire.Long(number),
            "nEventResult": wire.Long(0 if row.outcome == "notcured" else number + 1),
            "tmVirusFoundTime": wire.DateTime(row.rise_at),
            "sVirusName": row.threat_name,
            "sObject": row.object_name,
            "binObjectHash": wire.Binary(hashlib.sha256(row.object_name.encode()).digest()),
            "sAction": _ACTIONS[row.outcome],
            "sResultEvent": _ACTIONS[row.outcome],
            "sDetectionType": "Trojware",
            "sProductName": "KES",
            "sProductVersion": "21.0.0.0",
            "sProductDisplVersion": "12.2.0.462",
        }
        if row.user_name:
            threat["sAccount"] = row.user_name
        rows.append(threat)
    return rows


def _software(call: Call) -> Rows:
    """Programs by name and version, with the number of devices that have them."""
    programs: dict[str, dict[str, wire.Member]] = {}
    counts: dict[str, int] = {}
    for host in call.server.view().hosts:
        for program in hosts.inventory(host):
            key = str(program.members["ProductID"])
            counts[key] = counts.get(key, 0) + 1
            programs.setdefault(
                key,
                {
                    "strID": key,
                    "bIsMsi": program.members["bIsMsi"],
                    "wstrDisplayName": program.members["DisplayName"],
                    "wstrDisplayVersion": program.members["DisplayVersion"],
                    "wstrPublisher": program.members["Publisher"],
                    "wstrARPRegKey": key,
                    **({"tmFirstAppear": wire.DateTime(host.row.created_at)}
                       if host.row.created_at else {}),
                },
            )  # fmt: skip
    return [
        {"nId": position, "nHostCount": counts[key], **programs[key]}
        for position, key in enumerate(sorted(programs), 1)
    ]


VIEWS: Final[Mapping[str, View]] = {
    "HWInvStorageSrvViewName": View(
        frozenset(
            [
                "Id",
                "Type",
                "Name",
                "CPU",
                "MemorySize",
                "DiskSize",
                "MotherBoard",
                "OS",
                "Manufacturer",
                "SerialNumber",
                "StrMac",
                "LastVisible",
                "Created",
                "IsWrittenOff",
                "InvNum",
                "UserName",
                "Placement",
            ]
        ),
        _hardware,
    ),
    "RptViractSrvViewName": View(
        frozenset(
            [
                "nEventVirus",
                "nEventResult",
                "tmVirusFoundTime",
                "sVirusName",
                "sObject",
                "binObjectHash",
                "sAction",
                "sResultEvent",
                "sDetectionType",
                "sAccount",
                "sProductName",
                "sProductVersion",
                "sProductDisplVersion",
            ]
        ),
        _threats,
        (
            "EDetectionTypeLoc",
            "EDetectionEngineLoc",
            "EDetectionMethodLoc",
            "EViractResultLoc",
        ),
    ),
    "InvSrvViewName": View(
        frozenset(
            [
                "nId",
                "strID",
                "bIsMsi",
                "wstrDisplayName",
                "wstrDisplayVersion",
                "wstrPublisher",
                "nHostCount",
                "tmFirstAppear",
                "wstrARPRegKey",
            ]
        ),
        _software,
    ),
}
