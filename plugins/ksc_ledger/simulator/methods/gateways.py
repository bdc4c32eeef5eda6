"""Reaching a secondary server through its primary: CgwHelper.*, GatewayConnection.*, VServers.*."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from ksc_ledger.simulator import wire
from ksc_ledger.simulator.http_message import HttpError
from ksc_ledger.simulator.methods.registry import Call, method
from ksc_ledger.simulator.methods.server_hierarchy import child_of
from ksc_ledger.simulator.pxg import BusinessError, Symbol, bad_argument, not_found
from ksc_ledger.simulator.server import SimulatedServer
from ksc_ledger.simulator.wire import Answer


@method("CgwHelper.GetSlaveServerLocation", "nSlaveServerId")
def get_slave_server_location(call: Call) -> Answer:
    """The location is opaque to clients: they hand it on as it is."""
    child = child_of(call, call.arguments.integer("nSlaveServerId"))
    return Answer(
        wire.Params(
            {
                "GwLocHostId": child.host_guid,
                "GwLocLocation": child.row.address or "127.0.0.1:13000",
                "GwLocIndirect": child.row.is_passive,
                "GwLocTargetComponent": "klserver",
                "GwLocUseCompression": False,
                "GwLocSignUdp": False,
            }
        )
    )


@method("GatewayConnection.PrepareGatewayConnection", "pLocations")
def prepare_gateway_connection(call: Call) -> Answer:
    """One location a level, from this server downwards."""
    ids = [str(one.get("GwLocHostId")) for one in call.arguments.list_of_params("pLocations")]
    if not ids:
        raise bad_argument("pLocations is empty", "pLocations")
    return _key_to(call, _descend(call, ids))


@method("GatewayConnection.PrepareGatewayConnectionToSecondaryServer", "srvInstanceId")
def prepare_gateway_connection_to_secondary_server(call: Call) -> Answer:
    """Only servers of version 15 and later have this method."""
    if int(call.server.row.version.partition(".")[0]) < 15:
        raise HttpError(HTTPStatus.NOT_FOUND, "Unknown method")
    instance_id = call.arguments.text("srvInstanceId")
    for _, child in call.estate.children(call.server.code):
        if child.instance_id == instance_id:
            _check_reachable(call, child)
            return _key_to(call, child)
    raise not_found("server", instance_id)


@method("VServers.GetVServers", "lParentGroup")
def get_virtual_servers(call: Call) -> Answer:
    """No estate has virtual servers."""
    call.arguments.integer("lParentGroup")
    return Answer(wire.Array([]))


def _descend(call: Call, host_ids: Sequence[str]) -> SimulatedServer:
    server = call.server
    for host_id in host_ids:
        for _, child in call.estate.children(server.code):
            if child.host_guid == host_id:
                server = child
                break
        else:
            raise not_found("location", host_id)
        _check_reachable(call, server)
    return server


def _check_reachable(call: Call, server: SimulatedServer) -> None:
    if not call.estate.link(server.code).is_up:
        raise BusinessError(
            Symbol.UNAVAIL, "The secondary server is not reachable", server.row.display_name
        )


def _key_to(call: Call, server: SimulatedServer) -> Answer:
    return Answer(out={"wstrAuthKey": call.entrance.sessions.make_gateway_key(server)})
