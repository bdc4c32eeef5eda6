"""A device as the server knows it at one instant, and its attributes on the wire."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Final

from ksc_ledger.simulator import status, wire
from ksc_ledger.simulator.cells import Moment
from ksc_ledger.simulator.groups import UNASSIGNED_ID, Group
from ksc_ledger.simulator.scenario import HostRow, KeyRow

_SUFFIX: Final = re.compile(r"~{1,2}\d+$")


class Host:
    """One device at one instant. ``now`` is the server's clock, ``true_now`` the estate's.

    Ages of what the server itself stamps count from its own clock; the date of the bases is the
    vendor's and does not care how wrong that clock is.
    """

    def __init__(
        self,
        row: HostRow,
        group: Group,
        key: KeyRow | None,
        now: datetime,
        true_now: datetime,
    ) -> None:
        self.row = row
        self.group = group
        self.key = key
        self.now = now
        self.last_connected = _instant(row.last_connected, now)
        self.last_visible = _instant(row.last_visible, now)
        self.last_scan = _instant(row.last_full_scan, now)
        self.bases = _instant(row.bases, true_now)
        self.encoded: tuple[tuple[str, ...], bytes] = ((), b"")

    @property
    def is_unassigned(self) -> bool:
        return self.group.id == UNASSIGNED_ID

    @cached_property
    def status(self) -> status.Status:
        row = self.row
        return status.judge(
            status.Facts(
                is_managed=not self.is_unassigned,
                has_agent=bool(row.agent_version),
                has_antivirus=bool(row.antivirus_version),
                rtp_state=row.rtp_state,
                last_visible=self.last_visible,
                last_connected=self.last_connected,
                last_scan=self.last_scan,
                bases=self.bases,
                created=row.created_at,
                licence_expires=self.key.expires_at if self.key else None,
                has_foreign_antivirus=bool(row.foreign_antivirus),
                virus_count=row.virus_count,
                uncured_count=row.uncured_count,
            ),
            self.now,
        )

    @property
    def dns_name(self) -> str:
        return self.row.dns_name or _SUFFIX.sub("", self.row.display_name).lower()

    @property
    def netbios_name(self) -> str:
        return self.row.netbios_name or self.dns_name[:15].upper()

    def get(self, name: str, /) -> wire.Member | tuple[wire.Member, ...] | None:
        """An attribute for the filter language, search-only ones included."""
        attribute = ATTRIBUTES.get(name)
        if attribute is not None:
            return attribute(self)
        search = SEARCH_ONLY.get(name)
        return None if search is None else search(self)


def encode(host: Host, fields: tuple[str, ...]) -> bytes:
    """One element of a chunk: the params container with the fields that have a value.

    The last encoding is kept: a set is mostly read more than once with the same fields.
    """
    if host.encoded[0] == fields:
        return host.encoded[1]
    parts = []
    for prefix, attribute in _plan(fields):
        value = attribute(host)
        if value is not None:
            parts.append(prefix + wire.encode_member(value))
    item = b'{"type":"params","value":{' + b",".join(parts) + b"}}"
    host.encoded = (fields, item)
    return item


@lru_cache(maxsize=64)
def _plan(fields: tuple[str, ...]) -> tuple[tuple[bytes, Attribute], ...]:
    """The attributes behind field names, each with its name as it stands on the wire."""
    return tuple((b'"%b":' % n.encode(), ATTRIBUTES[n]) for n in fields if n in ATTRIBUTES)


def _instant(moment: Moment, now: datetime) -> datetime | None:
    return now - moment if isinstance(moment, timedelta) else moment


def _when(at: datetime | None) -> wire.DateTime | None:
    return None if at is None else wire.DateTime(at)


def _version_number(version: str) -> wire.Long:
    """A version as four 16-bit parts of one number."""
    parts = [min(int(part), 0xFFFF) for part in version.split(".")][:4]
    number = 0
    for part in [*parts, 0, 0, 0][:4]:
        number = (number << 16) | part
    return wire.Long(number)


def _swapped_ip(ip: int) -> int:
    """An IPv4 in network byte order read little-endian into a signed 32-bit int."""
    return int.from_bytes(ip.to_bytes(4, "big"), "little", signed=True)


Attribute = Callable[[Host], wire.Member | None]

ATTRIBUTES: Final[Mapping[str, Attribute]] = {
    "KLHST_WKS_HOSTNAME": lambda host: host.row.host_id,
    "KLHST_WKS_DN": lambda host: host.row.display_name,
    "KLHST_WKS_WINHOSTNAME": lambda host: host.netbios_name or None,
    "KLHST_WKS_DNSNAME": lambda host: host.dns_name or None,
    "KLHST_WKS_FQDN": lambda host: host.dns_name or None,
    "KLHST_WKS_WINDOMAIN": lambda host: "WORKGROUP",
    "KLHST_WKS_WINDOMAIN_TYPE": lambda host: 1,
    "KLHST_WKS_GROUPID": lambda host: host.group.id,
    "name": lambda host: host.group.name,
    "grp_full_name": lambda host: host.group.full_name,
    "KLHST_WKS_FROM_UNASSIGNED": lambda host: host.is_unassigned,
    "KLHST_WKS_STATUS": lambda host: host.status.bits,
    "KLHST_WKS_STATUS_ID": lambda host: host.status.id,
    "KLHST_WKS_STATUS_MASK": lambda host: host.status.mask,
    "KLHST_WKS_RTP_STATE": lambda host: host.row.rtp_state,
    "KLHST_WKS_RTP_AV_VERSION": lambda host: host.row.antivirus_version or None,
    "KLHST_WKS_RTP_AV_BASES_TIME": lambda host: _when(host.bases),
    "KLHST_WKS_LAST_UPDATE": lambda host: _when(host.bases),
    "KLHST_WKS_NAG_VERSION": lambda host: host.row.agent_version or None,
    "KLHST_WKS_LAST_VISIBLE": lambda host: _when(host.last_visible),
    "KLHST_WKS_LAST_NAGENT_CONNECTED": lambda host: _when(host.last_connected),
    "KLHST_WKS_LAST_INFOUDATE": lambda host: _when(host.last_connected),
    "KLHST_WKS_LAST_FULLSCAN": lambda host: _when(host.last_scan),
    "KLHST_WKS_CREATED": lambda host: _when(host.row.created_at),
    "KLHST_WKS_OS_NAME": lambda host: host.row.os_name or None,
    "KLHST_WKS_CTYPE": lambda host: 2 if host.row.is_server else 1,
    "KLHST_WKS_IP_LONG": lambda host: None if host.row.ip is None else wire.Long(host.row.ip),
    "KLHST_WKS_IP": lambda host: None if host.row.ip is None else _swapped_ip(host.row.ip),
    "KLHST_WKS_CONNECT_IP_LONG": lambda host: (
        None if host.row.ip is None else wire.Long(host.row.ip)
    ),
    "KLHST_WKS_VIRUS_COUNT": lambda host: wire.Long(host.row.virus_count),
    "KLHST_WKS_UNCURED_COUNT": lambda host: wire.Long(host.row.uncured_count),
    "KLHST_MANAGED_OTHER_SERVER": lambda host: False,
    "KLHST_APP_INFO": lambda host: products(host),
}

# Attributes of the protocol without a value in any estate: never an error, never there.
VALUELESS: Final = frozenset(
    {
        "HST_VM_VDI",
        "KLHST_WKS_LID",
        "KLHST_WKS_DNSDOMAIN",
        "KLHST_WKS_LAST_SYSTEM_START",
        "KLHST_WKS_STATUS_HSDP",
        "KLHST_WKS_RTP_ERROR_CODE",
        "KLHST_WKS_NAG_VER_ID",
        "KLHST_WKS_OS_VER_MAJOR",
        "KLHST_WKS_OS_VER_MINOR",
        "KLHST_WKS_OSSP_VER_MAJOR",
        "KLHST_WKS_OSSP_VER_MINOR",
        "KLHST_WKS_OS_BUILD_NUMBER",
        "KLHST_WKS_OS_RELEASE_ID",
        "KLHST_WKS_PTYPE",
        "KLHST_WKS_CPU_ARCH",
        "KLHST_WKS_RBT_REQUIRED",
        "KLHST_WKS_RBT_REQUEST_REASON",
        "KLHST_WKS_KEEP_CONNECTION",
        "KLHST_INSTANCEID",
        "KLHST_NAG_INSTID",
        "KLHST_WKS_COMMENT",
        "KLHST_WKS_ANTI_SPAM_STATUS",
        "KLHST_WKS_DLP_STATUS",
        "KLHST_WKS_COLLAB_SRVS_STATUS",
        "KLHST_WKS_EMAIL_AV_STATUS",
        "KLHST_WKS_EDR_STATUS",
        "KLHST_WKS_OWNER_ID",
        "KLHST_WKS_OWNER_IS_CUSTOM",
        "KLHST_WKS_CUSTOM_OWNER_ID",
        "KLHST_AD_ORGUNIT",
        "KLHST_AD_ORGUNIT_GP",
        "KLDPNS_ID",
        "KLSRVH_SRV_ID",
        "KLSRVH_SRV_DN",
        "KLVSRV_ID",
        "KLVSRV_DN",
    }
)


def products(host: Host) -> wire.Params:
    """Kaspersky's products on a device: product id, version, attributes. Never a foreign one."""
    found: dict[str, wire.Member] = {}
    row = host.row
    if row.agent_version:
        found["1103"] = _product("1.0.0.0", "Kaspersky Security Center Network Agent", row, {})
    if row.antivirus_version:
        bases: dict[str, wire.Member] = {"BaseRecords": 22_914_780}
        if host.bases is not None:
            bases |= {
                "BaseDate": wire.DateTime(host.bases),
                "BaseInstallDate": wire.DateTime(host.bases),
                "LastUpdateTime": wire.DateTime(host.bases),
            }
        name = "Kaspersky Endpoint Security for Windows"
        found["KES"] = _product("21.0.0.0", name, row, bases)
    return wire.Params(found)


def _product(version: str, name: str, row: HostRow, more: Mapping[str, wire.Member]) -> wire.Params:
    attributes: dict[str, wire.Member] = {"DisplayName": name}
    if row.created_at is not None:
        attributes["InstallTime"] = wire.DateTime(row.created_at)
    return wire.Params({version: wire.Params({**attributes, **more})})


def _product_names(host: Host) -> tuple[wire.Member, ...]:
    agent = ("Kaspersky Security Center Network Agent",) if host.row.agent_version else ()
    suite = ("Kaspersky Endpoint Security for Windows",) if host.row.antivirus_version else ()
    return (*agent, *suite)


def _product_ids(host: Host) -> tuple[wire.Member, ...]:
    agent = ("1103/1.0.0.0",) if host.row.agent_version else ()
    suite = ("KES/21.0.0.0",) if host.row.antivirus_version else ()
    return (*agent, *suite)


def _bases_age(host: Host) -> wire.Member | None:
    return None if host.bases is None else wire.Long(int((host.now - host.bases).total_seconds()))


def _mask_bit(bit: int) -> Callable[[Host], wire.Member]:
    return lambda host: host.status.mask >> bit & 1


def inventory(host: Host) -> list[wire.Params]:
    """Programs that are not Kaspersky's, as the agent's software inventory lists them."""
    if not host.row.agent_version:
        return []
    programs = [("7-Zip 22.01", "22.01", "Igor Pavlov", "")]
    foreign = host.row.foreign_antivirus
    if foreign:
        programs.append((foreign, "2022", foreign.split()[0], foreign))
    return [
        wire.Params(
            {
                "ProductID": f"{zlib.crc32(name.encode()):08x}",
                "bIsMsi": False,
                "DisplayName": name,
                "DisplayVersion": version,
                "Publisher": publisher,
                "InstallDate": f"{host.row.created_at or host.now:%Y%m%d}",
                "CleanerProductName": cleaner,
                "LangId": 0,
                "VapmBuild": wire.Long(0),
            }
        )
        for name, version, publisher, cleaner in programs
    ]


def _inventory(member: str) -> Callable[[Host], tuple[wire.Member, ...]]:
    return lambda host: tuple(program.members[member] for program in inventory(host))


SEARCH_ONLY: Final[Mapping[str, Callable[[Host], wire.Member | tuple[wire.Member, ...] | None]]] = {
    "KLHST_WKS_GROUPID_GP": lambda host: host.group.ancestor_ids,
    "KLHST_WKS_PRODUCT_NAME": _product_names,
    "KLHST_WKS_PRODUCT_ID": _product_ids,
    "KLHST_WKS_PRODUCT_BUILD": lambda host: (
        _version_number(host.row.antivirus_version) if host.row.antivirus_version else None
    ),
    "KLHST_WKS_PRODUCT_INSTALLED": lambda host: bool(host.row.antivirus_version),
    "KLHST_WKS_AV_BASES_DATE": lambda host: _when(host.bases),
    "KLHST_WKS_AV_BASES_RECORDS": lambda host: 22_914_780 if host.bases else None,
    "KLHST_WKS_AV_BASES_SEC": _bases_age,
    "KLHST_INVENTORY_PRODUCT_NAME": _inventory("DisplayName"),
    "KLHST_INVENTORY_PRODUCT_DISPLAY_VERSION": _inventory("DisplayVersion"),
    "KLHST_INVENTORY_PRODUCT_PUBLISHER": _inventory("Publisher"),
    **{f"KLHST_WKS_STATUS_MASK_{bit}": _mask_bit(bit) for bit in range(20)},
}

FIELDS: Final = frozenset(ATTRIBUTES) | VALUELESS
SEARCHABLE: Final = FIELDS | frozenset(SEARCH_ONLY)
