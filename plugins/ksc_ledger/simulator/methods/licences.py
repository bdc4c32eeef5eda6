"""LicenseKeys.*, LicenseInfoSync.* and GroupSyncIterator.*: keys and who uses them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ksc_ledger.simulator import query, wire
from ksc_ledger.simulator.filters import Row
from ksc_ledger.simulator.hosts import Host
from ksc_ledger.simulator.methods.groups_and_hosts import host_of
from ksc_ledger.simulator.methods.registry import Call, method
from ksc_ledger.simulator.methods.result_sets import keep_rows
from ksc_ledger.simulator.pxg import bad_argument, not_found
from ksc_ledger.simulator.scenario import KeyRow
from ksc_ledger.simulator.wire import Answer

DEFAULT_LIFE_SECONDS: Final = 900.0

KEY_FIELDS: Final = frozenset(
    {
        "KLLIC_SERIAL",
        "KLLIC_PROD_NAME",
        "KLLIC_KEY_TYPE",
        "KLLIC_LIC_COUNT",
        "KLLIC_NHOSTS_ASCURRENT",
        "KLLIC_NHOSTS_ASNEXT",
        "KLLIC_CREATION_DATE",
        "KLLIC_LIMIT_DATE",
        "KLLIC_NEAREST_EXPIRATION_DATE",
        "KLLIC_LICENSE_PERIOD",
        "KLLIC_APP_ID",
        "KLLIC_LICTYPE_IS_SUBSCRIPTION",
        "KLLICSRV_KEY_INSTALLED",
        "KLLICSRV_AUTOKEY",
        "KLLIC_PROD_SUITE_ID",
        "KLLIC_MAJ_VER",
        "KLLIC_LICINFO",
        "KLLIC_SUPPORT_INFO",
        "KLLIC_CUSTOMER_INFO",
        # Without a value in any estate: no key here is a subscription, none has more than one app.
        "KLLIC_APP_IDS",
        "KLLIC_SUBSCRINFO_STATE",
        "KLLIC_SUBSCRINFO_ENDDATETYPE",
        "KLLIC_SUBSCRINFO_ENDDATE",
        "KLLIC_SUBSCRINFO_GRACETERM",
        "KLLIC_SUBSCRINFO_PROVIDERURL",
    }
)
KEY_HOST_FIELDS: Final = frozenset(
    {
        "KLLICSRV_HOSTNAME",
        "KLLICSRV_HOSTDN",
        "KLLICSRV_HOST_GRPID",
        "KLLICSRV_HOST_GRPNAME",
        "KLLICSRV_HOST_CURRENT",
        "KLLICSRV_EXPIRATION_TIME",
        "KLLICSRV_INSTALL_TIME",
        "KLLICSRV_PRODUCT",
        "KLLICSRV_VERSION",
    }
)


@method("LicenseKeys.EnumKeys", "pFields pFieldsToOrder pOptions lTimeoutSec")
def enum_keys(call: Call) -> Answer:
    fields = call.arguments.names("pFields")
    query.check_known(fields, KEY_FIELDS, "pFields")
    call.arguments.params("pOptions")  # every key of an estate is installed: nothing to leave out
    found = query.select(
        [_key_members(key, _users(call, key.serial)) for key in call.server.view().keys],
        text="",
        order=call.arguments.order("pFieldsToOrder"),
        searchable=KEY_FIELDS,
        now=call.server.now(),
    )
    return _iterator(call, found, fields)


@method("LicenseKeys.AcquireKeyHosts", "pInData pFields pFieldsToOrder pOptions lTimeoutSec")
def acquire_key_hosts(call: Call) -> Answer:
    fields = call.arguments.names("pFields")
    query.check_known(fields, KEY_HOST_FIELDS, "pFields")
    key = _key(call, call.arguments.params("pInData").get("KLLIC_SERIAL"))
    call.arguments.params("pOptions")
    found = query.select(
        [_host_members(host, key.expires_at) for host in _users(call, key.serial)],
        text="",
        order=call.arguments.order("pFieldsToOrder"),
        searchable=KEY_HOST_FIELDS,
        now=call.server.now(),
    )
    return _iterator(call, found, fields)


@method("LicenseKeys.GetKeyData", "pKeyInfo")
def get_key_data(call: Call) -> Answer:
    """The key's attributes; never its body, for which the account has no right."""
    key = _key(call, call.arguments.params("pKeyInfo").get("KLLIC_SERIAL"))
    return Answer(wire.Params(_key_members(key, _users(call, key.serial))))


@method("LicenseInfoSync.AcquireKeysForProductOnHost", "szwHostName szwProduct szwVersion")
def acquire_keys_for_product_on_host(call: Call) -> Answer:
    host = host_of(call, call.arguments.text("szwHostName"))
    is_suite = call.arguments.text("szwProduct").lower() == "kes"
    call.arguments.text("szwVersion")
    active = host.row.licence_serial if is_suite and host.row.antivirus_version else ""
    return Answer(out={"wstrActiveKey": active, "wstrReservedKey": ""})


@method("GroupSyncIterator.GetNextItems", "szwIterator nCount")
def get_next_items(call: Call) -> Answer:
    """``bEOF`` is false with the last items, as documented, and true once there are none left.

    The vendor's own samples read on until it is true; a client that believes the documentation is
    done with the last items.
    """
    count = call.arguments.integer("nCount")
    if count < 1:
        raise bad_argument("nCount must be positive", "nCount")
    found = call.entrance.sessions.set_of(call.session, call.arguments.text("szwIterator"))
    begins = found.position
    found.position = min(begins + count, len(found.rows))
    items = [found.encode(position) for position in range(begins, found.position)]
    return Answer(
        len(items),
        {
            "bEOF": not items,
            "pData": wire.Params({"KLCSP_ITERATOR_ARRAY": wire.EncodedArray(items)}),
        },
    )


@method("GroupSyncIterator.ReleaseIterator", "szwIterator")
def release_iterator(call: Call) -> Answer:
    iterator = call.arguments.text("szwIterator")
    call.entrance.sessions.set_of(call.session, iterator)
    del call.session.sets[iterator]
    return Answer()


def _iterator(call: Call, rows: Sequence[Row], fields: tuple[str, ...]) -> Answer:
    life = call.arguments.integer("lTimeoutSec", 0)
    if life < 0:
        raise bad_argument("lTimeoutSec must not be negative", "lTimeoutSec")
    iterator = keep_rows(call, rows, fields, float(life) or DEFAULT_LIFE_SECONDS)
    return Answer(out={"lKeyCount": len(rows), "wstrIterator": iterator})


def _key(call: Call, serial: object) -> KeyRow:
    for key in call.server.view().keys:
        if key.serial == serial:
            return key
    raise not_found("key", serial)


def _users(call: Call, serial: str) -> list[Host]:
    return [
        host
        for host in call.server.view().hosts
        if host.row.licence_serial == serial and host.row.antivirus_version
    ]


def _key_members(key: KeyRow, users: Sequence[Host]) -> dict[str, wire.Member]:
    members: dict[str, wire.Member] = {
        "KLLIC_SERIAL": key.serial,
        "KLLIC_PROD_NAME": key.product_name,
        "KLLIC_KEY_TYPE": key.key_type,
        "KLLIC_LIC_COUNT": key.limit_count,
        "KLLIC_NHOSTS_ASCURRENT": len(users),
        "KLLIC_NHOSTS_ASNEXT": 0,
        "KLLIC_LIMIT_DATE": wire.DateTime(key.expires_at),
        "KLLIC_APP_ID": 1170,
        "KLLIC_PROD_SUITE_ID": 1,
        "KLLIC_MAJ_VER": "",
        "KLLIC_LICINFO": "",
        "KLLIC_SUPPORT_INFO": "",
        "KLLIC_CUSTOMER_INFO": "",
        "KLLIC_LICTYPE_IS_SUBSCRIPTION": key.key_type == 6,
        "KLLICSRV_KEY_INSTALLED": True,
        "KLLICSRV_AUTOKEY": False,
    }
    if key.created_at is not None:
        members["KLLIC_CREATION_DATE"] = wire.DateTime(key.created_at)
        members["KLLIC_LICENSE_PERIOD"] = (key.expires_at - key.created_at).days
    if users:
        members["KLLIC_NEAREST_EXPIRATION_DATE"] = wire.DateTime(key.expires_at)
    return members


def _host_members(host: Host, expires_at: datetime) -> dict[str, wire.Member]:
    members: dict[str, wire.Member] = {
        "KLLICSRV_HOSTNAME": host.row.host_id,
        "KLLICSRV_HOSTDN": host.row.display_name,
        "KLLICSRV_HOST_GRPID": host.group.id,
        "KLLICSRV_HOST_GRPNAME": host.group.name,
        "KLLICSRV_HOST_CURRENT": True,
        "KLLICSRV_EXPIRATION_TIME": wire.DateTime(expires_at),
        "KLLICSRV_PRODUCT": "KES",
        "KLLICSRV_VERSION": "21.0.0.0",
    }
    if host.row.created_at is not None:
        members["KLLICSRV_INSTALL_TIME"] = wire.DateTime(host.row.created_at)
    return members
