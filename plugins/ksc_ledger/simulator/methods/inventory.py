"""InventoryApi.*, HostGroup.GetHostProducts and HostGroup.FindIncidents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ksc_ledger.simulator import hosts, query, wire
from ksc_ledger.simulator.methods.groups_and_hosts import host_of
from ksc_ledger.simulator.methods.registry import Call, method
from ksc_ledger.simulator.methods.result_sets import keep_rows
from ksc_ledger.simulator.pxg import bad_argument
from ksc_ledger.simulator.sessions import life_seconds
from ksc_ledger.simulator.wire import Answer

# The documentation names the array KLEVP_EA_PARAM_1; real answers carry this name.
ARRAY: Final = "GNRL_EA_PARAM_1"
_INCIDENT_FIELDS: Final = frozenset(
    {
        "KLINCDT_ID",
        "KLINCDT_SEVERITY",
        "KLINCDT_ADDED",
        "KLINCDT_BODY",
        "KLINCDT_IS_HANDLED",
        "KLHST_WKS_HOSTNAME",
        "GNRL_EXTRA_PARAMS",
    }
)
_UNSORTABLE: Final = frozenset({"KLINCDT_BODY", "KLHST_WKS_HOSTNAME", "GNRL_EXTRA_PARAMS"})


@method("HostGroup.GetHostProducts", "strHostName")
def get_host_products(call: Call) -> Answer:
    return Answer(hosts.products(host_of(call, call.arguments.text("strHostName"))))


@method("InventoryApi.GetHostInvProducts", "szwHostId pParams")
def get_host_inv_products(call: Call) -> Answer:
    call.arguments.params("pParams")
    host = host_of(call, call.arguments.text("szwHostId"))
    return Answer(wire.Params({ARRAY: wire.Array(hosts.inventory(host))}))


@method("InventoryApi.GetInvProductsList", "pParams")
def get_inv_products_list(call: Call) -> Answer:
    call.arguments.params("pParams")
    programs = {
        program.members["ProductID"]: program
        for host in call.server.view().hosts
        for program in hosts.inventory(host)
    }
    return Answer(wire.Params({ARRAY: wire.Array(list(programs.values()))}))


@method("InventoryApi.GetSrvCompetitorIniFileInfoList", "wstrType pParams")
def get_srv_competitor_ini_file_info_list(call: Call) -> Answer:
    """Definitions of incompatible products: of all foreign antivirus programs of the estates.

    Here the array itself is the result.
    """
    kind = call.arguments.text("wstrType")
    call.arguments.params("pParams")
    if kind not in ("", "uninstall", "detect-only"):
        raise bad_argument("wstrType must be '', 'uninstall' or 'detect-only'", "wstrType")
    names = sorted(
        {
            row.foreign_antivirus
            for server in call.estate.servers.values()
            for row in server.facts.hosts
            if row.foreign_antivirus
        }
    )
    definitions: list[wire.Member] = [
        wire.Params(
            {
                "INIFILE_PRODUCT_NAME": name,
                "INIFILE_FILE_NAME": f"competitor_{position}.ini",
                "INIFILE_TYPE": "uninstall",
                "INIFILE_DETECT_REGISTRY": name,
                "INIFILE_DETECT_MSI": "",
            }
        )
        for position, name in enumerate(names, 1)
        if kind != "detect-only"
    ]
    return Answer(wire.Array(definitions))


@method("HostGroup.FindIncidents", "strFilter pFieldsToReturn pFieldsToOrder lMaxLifeTime")
def find_incidents(call: Call) -> Answer:
    """An object that could not be disinfected is an incident, handled when the server says so.

    All are handled here: an open one would have to show in the device's status, which follows from
    the facts of estate/hosts alone.
    """
    fields = call.arguments.names("pFieldsToReturn")
    query.check_known(fields, _INCIDENT_FIELDS, "pFieldsToReturn")
    life = life_seconds(call.arguments.integer("lMaxLifeTime"))
    rows: list[Mapping[str, wire.Member]] = [
        {
            "KLINCDT_ID": row.line,
            "KLINCDT_SEVERITY": 4,
            "KLINCDT_ADDED": wire.DateTime(row.registered_at),
            "KLINCDT_BODY": f"{row.threat_name}: {row.object_name}",
            "KLINCDT_IS_HANDLED": True,
            "KLHST_WKS_HOSTNAME": row.host_id,
        }
        for row in call.server.view().detections
        if row.outcome == "notcured"
    ]
    order = call.arguments.order("pFieldsToOrder")
    query.check_known([name for name, _ in order], _INCIDENT_FIELDS - _UNSORTABLE, "order")
    found = query.select(
        rows,
        text=call.arguments.text("strFilter", is_optional=True),
        order=order,
        searchable=_INCIDENT_FIELDS,
        now=call.server.now(),
    )
    return Answer(len(found), {"strAccessor": keep_rows(call, found, fields, life)})
