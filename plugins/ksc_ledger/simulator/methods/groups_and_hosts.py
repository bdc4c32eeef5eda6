"""HostGroup.*: devices, groups, and what the server says about itself."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from ksc_ledger.simulator import hosts, query, wire
from ksc_ledger.simulator.faults import FaultKind
from ksc_ledger.simulator.groups import MANAGED_ID, SUPER_ID, UNASSIGNED_ID, Group, GroupTree
from ksc_ledger.simulator.hosts import Host
from ksc_ledger.simulator.methods.registry import Call, method
from ksc_ledger.simulator.methods.result_sets import keep_hosts, keep_rows
from ksc_ledger.simulator.pxg import bad_argument, not_found
from ksc_ledger.simulator.server import GROUP_FIELDS, SimulatedServer
from ksc_ledger.simulator.sessions import life_seconds
from ksc_ledger.simulator.wire import Answer

FIND = "wstrFilter vecFieldsToReturn vecFieldsToOrder pParams lMaxLifeTime"


@method("HostGroup.FindHosts", FIND)
def find_hosts(call: Call) -> Answer:
    """Only this server's own devices: descending into secondary servers is FindHostsAsync's."""
    fields = host_fields(call)
    life = call.arguments.integer("lMaxLifeTime")
    life_seconds(life)
    found = select_hosts(call, call.server)
    late = _late_host(call, found)
    return Answer(len(found), {"strAccessor": keep_hosts(call, found, fields, life, late)})


def _late_host(call: Call, found: list[Host]) -> Host | None:
    """Keep back one device that is to come into the set while it is read; always the same one."""
    at = call.estate.clock.now()
    if not found or not call.estate.faults.find(call.server.code, FaultKind.HOST_ADDED, at):
        return None
    return found.pop(max(range(len(found)), key=lambda place: found[place].row.host_id))


def host_fields(call: Call) -> tuple[str, ...]:
    fields = call.arguments.names("vecFieldsToReturn")
    if not fields:
        raise bad_argument("vecFieldsToReturn is empty", "vecFieldsToReturn")
    query.check_known(fields, hosts.FIELDS, "vecFieldsToReturn")
    return fields


def select_hosts(call: Call, server: SimulatedServer) -> list[Host]:
    """The devices of one server that pass the call's filter, in the call's order."""
    call.arguments.params("pParams")  # for its shape: nothing in it changes a server's own rows
    view = server.view()
    found = query.select(
        view.hosts,
        text=call.arguments.text("wstrFilter", is_optional=True),
        order=call.arguments.order("vecFieldsToOrder"),
        searchable=hosts.SEARCHABLE,
        now=view.now,
    )
    at = call.estate.clock.now()
    take = call.estate.faults.take
    if take(server.code, FaultKind.ZERO_HOSTS, at, "HostGroup.FindHosts"):
        return []
    drop = take(server.code, FaultKind.HOST_DROP, at, "HostGroup.FindHosts")
    if drop:
        kept = round(len(found) * (1 - min(drop.number, 100) / 100))
        found.sort(key=lambda host: zlib.crc32(host.row.host_id.encode()))
        return found[:kept]
    return found


@method("HostGroup.FindGroups", FIND)
def find_groups(call: Call) -> Answer:
    fields = call.arguments.names("vecFieldsToReturn")
    if not fields:
        raise bad_argument("vecFieldsToReturn is empty", "vecFieldsToReturn")
    query.check_known(fields, GROUP_FIELDS, "vecFieldsToReturn")
    life = life_seconds(call.arguments.integer("lMaxLifeTime"))
    call.arguments.params("pParams")
    view = call.server.view()
    found = query.select(
        view.group_rows.values(),
        text=call.arguments.text("wstrFilter", is_optional=True),
        order=call.arguments.order("vecFieldsToOrder"),
        searchable=GROUP_FIELDS,
        now=view.now,
    )
    return Answer(len(found), {"strAccessor": keep_rows(call, found, fields, life)})


@method("HostGroup.GroupIdGroups")
def group_id_groups(call: Call) -> Answer:
    return Answer(MANAGED_ID)


@method("HostGroup.GroupIdSuper")
def group_id_super(call: Call) -> Answer:
    return Answer(SUPER_ID)


@method("HostGroup.GroupIdUnassigned")
def group_id_unassigned(call: Call) -> Answer:
    return Answer(UNASSIGNED_ID)


@method("HostGroup.GetSubgroups", "nGroupId|nParent nDepth")
def get_subgroups(call: Call) -> Answer:
    """``nDepth`` 0 is the whole tree."""
    tree = call.server.view().groups
    group_id = call.arguments.integer("nGroupId")
    depth = call.arguments.integer("nDepth", 0)
    if group_id != SUPER_ID and tree.of_id(group_id) is None:
        raise not_found("group", group_id)
    return Answer(wire.Array(_subgroups(tree, tree.children(group_id), depth)))


def _subgroups(tree: GroupTree, groups: Sequence[Group], depth: int) -> list[wire.Member]:
    found: list[wire.Member] = []
    for group in groups:
        members: dict[str, wire.Member] = {"id": group.id, "name": group.name}
        below = tree.children(group.id)
        if below and depth != 1:
            members["groups"] = wire.Array(_subgroups(tree, below, max(depth - 1, 0)))
        found.append(wire.Params(members))
    return found


@method("HostGroup.GetGroupId", "nParent strName")
def get_group_id(call: Call) -> Answer:
    name = call.arguments.text("strName")
    for group in call.server.view().groups.children(call.arguments.integer("nParent")):
        if group.name == name:
            return Answer(group.id)
    return Answer(-1)


@method("HostGroup.GetGroupInfo", "nGroupId")
def get_group_info(call: Call) -> Answer:
    return Answer(wire.Params(_group(call, call.arguments.integer("nGroupId"))))


@method("HostGroup.GetGroupInfoEx", "nGroupId pArrAttributes")
def get_group_info_ex(call: Call) -> Answer:
    names = call.arguments.names("pArrAttributes")
    if not 1 <= len(names) <= 100:
        raise bad_argument("pArrAttributes must have 1..100 names", "pArrAttributes")
    query.check_known(names, GROUP_FIELDS, "pArrAttributes")
    group_id = call.arguments.integer("nGroupId", 0)  # a known client leaves out what is 0
    return Answer(wire.Params(query.pick(_group(call, group_id), names)))


def _group(call: Call, group_id: int) -> dict[str, wire.Member]:
    record = call.server.view().group_rows.get(group_id)
    if record is None:
        raise not_found("group", group_id)
    return dict(record.members)


@method("HostGroup.GetHostInfo", "strHostName pFields2Return")
def get_host_info(call: Call) -> Answer:
    names = call.arguments.names("pFields2Return")
    query.check_known(names, hosts.FIELDS, "pFields2Return")
    host = host_of(call, call.arguments.text("strHostName"))
    members: dict[str, wire.Member] = {}
    for name in names:
        attribute = hosts.ATTRIBUTES.get(name)
        value = attribute(host) if attribute else None
        if value is not None:
            members[name] = value
    return Answer(wire.Params(members))


def host_of(call: Call, host_id: str) -> Host:
    """The device with an id; its network name is not an id."""
    host = call.server.view().hosts_by_id.get(host_id)
    if host is None:
        raise not_found("host", host_id)
    return host


@method("HostGroup.GetDomains")
def get_domains(call: Call) -> Answer:
    domain: dict[str, wire.Member] = {
        "KLHST_WKS_WINDOMAIN": "WORKGROUP",
        "KLHST_WKS_WINDOMAIN_TYPE": 1,
    }
    return Answer(wire.Array([wire.Params(domain)]))


@method("HostGroup.GetStaticInfo", "pValues")
def get_static_info(call: Call) -> Answer:
    names = call.arguments.names("pValues", is_optional=True)
    server = call.server
    everything: dict[str, wire.Member] = {
        "KLADMSRV_IS_VIRTUAL": False,
        "KLADMSRV_VSID": 0,
        "KLADMSRV_VSUID": "",
        "KLADMSRV_GRP_ROOT": MANAGED_ID,
        "KLADMSRV_GRP_UNASSIGNED": UNASSIGNED_ID,
        "KLADMSRV_GRP_SUPER": SUPER_ID,
        "KLADMSRV_SERVER_VERSION_ID": 1100,
        "KLADMSRV_PRODUCT_NAME": "1093",
        "KLADMSRV_PRODUCT_VERSION": "1.0.0.0",
        "KLADMSRV_PRODUCT_FULL_VERSION": server.row.version,
        "KLADMSRV_SERVER_HOSTNAME": server.host_guid,
        "KLADMSRV_NAGENT_RUNNING": True,
        "KLADMSRV_LINUX_EDITION": False,
        "KLADMSRV_KSC_MODE": 0,
        "KLADMSRV_B2B_CLOUD_MODE": False,
        "KLADMSRV_PCLOUD_MODE": False,
        "KLSRV_NETSIZE": len(server.view().hosts),
        "KLADMSRV_USERID": 1,
        "KLADMSRV_EV_EV_SIZE": wire.Double(2.1),
    }
    on_request: dict[str, wire.Member] = {
        "KLADMSRV_SERVER_ADDRESSSES": wire.Array([server.row.address or "127.0.0.1:13000"]),
        "KLADMSRV_SERVER_CERT": wire.Binary(server.certificate_der),
    }
    return Answer(wire.Params(_asked(names, everything, on_request)))


@method("HostGroup.GetRunTimeInfo", "pValues")
def get_run_time_info(call: Call) -> Answer:
    names = call.arguments.names("pValues", is_optional=True)
    everything: dict[str, wire.Member] = {
        "KLADMSRV_SSS_PORT": 13292,
        "KLADMSRV_SSS_ID": call.server.host_guid,
        "KLADMSRV_VS_LICDISABLED": False,
        "KLADMSRV_SAAS_BLOCKED": False,
        "KLADMSRV_SAAS_EXPIRED_DAYS_TO_WORK": 0,
        "KLADMSRV_SAAS_OVERUSE": False,
        "KLADMSRV_IF_WAIK_INSTALLED": False,
    }
    return Answer(wire.Params(_asked(names, everything, {})))


@method("HostGroup.GetInstanceStatistics", "vecFilterFields")
def get_instance_statistics(call: Call) -> Answer:
    names = call.arguments.names("vecFilterFields")
    view = call.server.view()
    agents = sum(1 for host in view.hosts if host.row.agent_version)
    everything: dict[str, wire.Member] = {
        "KLSRV_ST_PING_CNT": agents,
        "KLSRV_ST_PING_REJECTED_CNT": 0,
        "KLSRV_ST_PING_ERROR_CNT": 0,
        "KLSRV_ST_SYNC_CNT": agents,
        "KLSRV_ST_SYNC_SUC_CNT": agents,
        "KLSRV_ST_EVENTS_CNT": len(view.detections),
        "KLSRV_ST_NETWORK_SCANNED": True,
    }
    on_request: dict[str, wire.Member] = {
        "KLSRV_ST_ALL_CONS_CNT": agents,
        "KLSRV_ST_NAG_CONS_CNT": agents,
        "KLSRV_ST_CTLNGT_CONS_CNT": 0,
        "KLSRV_ST_VIRT_SERVER_COUNT": 0,
        "KLSRV_ST_TOTAL_HOSTS_COUNT": len(view.hosts),
        "KLSRV_ST_CON_EVENTS": wire.Params(
            {"KLSRV_ST_CON_EV_SESSION_COUNT": 0, "KLSRV_ST_CON_EV_SUBS_COUNT": 0}
        ),
    }
    query.check_known(names, frozenset(everything) | frozenset(on_request), "vecFilterFields")
    return Answer(wire.Params(everything | query.pick(on_request, names)))


def _asked(
    names: Sequence[str],
    everything: dict[str, wire.Member],
    on_request: dict[str, wire.Member],
) -> dict[str, wire.Member]:
    """What was asked for by name, else everything that is not given on request only."""
    if not names:
        return everything
    query.check_known(names, frozenset(everything) | frozenset(on_request), "pValues")
    return query.pick(everything | on_request, names)
