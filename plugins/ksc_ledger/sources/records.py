"""What is asked for, attribute by attribute, and what small answers become."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from ksc_ledger.sources.drift import Kind

HOST_ID = "KLHST_WKS_HOSTNAME"
HOST_KINDS = {
    HOST_ID: Kind.TEXT,
    "KLHST_WKS_DN": Kind.TEXT,
    "KLHST_WKS_WINHOSTNAME": Kind.TEXT,
    "KLHST_WKS_DNSNAME": Kind.TEXT,
    "KLHST_WKS_FQDN": Kind.TEXT,
    "KLHST_WKS_GROUPID": Kind.NUMBER,
    "name": Kind.TEXT,
    "grp_full_name": Kind.TEXT,
    "KLHST_WKS_FROM_UNASSIGNED": Kind.FLAG,
    "KLHST_WKS_STATUS": Kind.NUMBER,
    "KLHST_WKS_STATUS_ID": Kind.NUMBER,
    "KLHST_WKS_STATUS_MASK": Kind.NUMBER,
    "KLHST_WKS_RTP_STATE": Kind.NUMBER,
    "KLHST_WKS_RTP_AV_VERSION": Kind.TEXT,
    "KLHST_WKS_RTP_AV_BASES_TIME": Kind.INSTANT,
    "KLHST_WKS_NAG_VERSION": Kind.TEXT,
    "KLHST_WKS_LAST_VISIBLE": Kind.INSTANT,
    "KLHST_WKS_LAST_NAGENT_CONNECTED": Kind.INSTANT,
    "KLHST_WKS_LAST_FULLSCAN": Kind.INSTANT,
    "KLHST_WKS_CREATED": Kind.INSTANT,
    "KLHST_WKS_OS_NAME": Kind.TEXT,
    "KLHST_WKS_CTYPE": Kind.NUMBER,
    "KLHST_WKS_IP_LONG": Kind.NUMBER,
    "KLHST_WKS_VIRUS_COUNT": Kind.NUMBER,
    "KLHST_WKS_UNCURED_COUNT": Kind.NUMBER,
}
HOST_ATTRIBUTES = tuple(HOST_KINDS)
SWEEP_ORIGIN = ("KLSRVH_SRV_ID", "KLSRVH_SRV_DN")
KEY_ATTRIBUTES = (
    "KLLIC_SERIAL",
    "KLLIC_PROD_NAME",
    "KLLIC_KEY_TYPE",
    "KLLIC_LIC_COUNT",
    "KLLIC_NHOSTS_ASCURRENT",
    "KLLIC_NHOSTS_ASNEXT",
    "KLLIC_CREATION_DATE",
    "KLLIC_LIMIT_DATE",
    "KLLICSRV_KEY_INSTALLED",
)
KEY_HOST_ATTRIBUTES = (
    "KLLICSRV_HOSTNAME",
    "KLLICSRV_HOST_GRPID",
    "KLLICSRV_HOST_CURRENT",
    "KLLICSRV_EXPIRATION_TIME",
    "KLLICSRV_INSTALL_TIME",
    "KLLICSRV_PRODUCT",
    "KLLICSRV_VERSION",
)
DETECTION_EVENTS = (
    "GNRL_EV_VIRUS_FOUND",
    "GNRL_EV_VIRUS_FOUND_BY_KSN",
    "GNRL_EV_SUSPICIOUS_OBJECT_FOUND",
)
OUTCOME_EVENTS = (
    "GNRL_EV_OBJECT_CURED",
    "GNRL_EV_OBJECT_DELETED",
    "GNRL_EV_OBJECT_QUARANTINED",
    "GNRL_EV_OBJECT_BLOCKED",
    "GNRL_EV_OBJECT_REPORTED",
    "GNRL_EV_OBJECT_PASSED",
    "GNRL_EV_OBJECT_NOTCURED",
)
# Not PARAM_7: it names the person who was logged in, and no figure needs to know.
EVENT_ATTRIBUTES = (
    "event_db_id",
    "event_type",
    "hostname",
    "group_id",
    "rise_time",
    "registration_time",
    "GNRL_EA_PARAM_2",
    "GNRL_EA_PARAM_5",
    "GNRL_EA_PARAM_6",
    "GNRL_EA_PARAM_8",
)
HARDWARE_ATTRIBUTES = (
    "Id",
    "Name",
    "CPU",
    "MemorySize",
    "DiskSize",
    "OS",
    "Manufacturer",
    "SerialNumber",
    "StrMac",
    "LastVisible",
    "Created",
    "IsWrittenOff",
)
PRODUCT_ATTRIBUTES = (
    "ProductID",
    "DisplayName",
    "DisplayVersion",
    "Publisher",
    "InstallDate",
    "CleanerProductName",
)


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server says of itself.

    ``host_id`` is the server's own; ``server_time`` its clock (header ``Date``) and
    ``clock_skew_seconds`` how far that is ahead of ours. None: it did not say.
    """

    product_version: str | None
    host_id: str | None
    server_time: datetime | None
    clock_skew_seconds: int | None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """An administration group; encodes to JSON under the protocol's names."""

    id: int
    parent_id: int | None = msgspec.field(name="parentId", default=None)
    name: str
    full_name: str | None = msgspec.field(name="grp_full_name", default=None)


class ChildServer(msgspec.Struct, frozen=True, kw_only=True):
    """A secondary server as its primary sees it. ``status``: 1 active, 0 not; others unknown.

    ``address`` is the primary's hearsay and is never dialled.
    """

    server_id: int = msgspec.field(name="KLSRVH_SRV_ID")
    instance_id: str | None = msgspec.field(name="KLSRVH_SRV_INST_ID", default=None)
    display_name: str | None = msgspec.field(name="KLSRVH_SRV_DN", default=None)
    address: str | None = msgspec.field(name="KLSRVH_SRV_ADDR", default=None)
    group_id: int | None = msgspec.field(name="KLSRVH_SRV_GROUPID", default=None)
    status: int | None = msgspec.field(name="KLSRVH_SRV_STATUS", default=None)
    version: str | None = msgspec.field(name="KLSRVH_SRV_VERSION", default=None)
    is_passive: bool | None = msgspec.field(name="KLSRVH_SRV_PASSIVE", default=None)
    last_connected_at: datetime | None = msgspec.field(
        name="KLSRVH_SRV_LAST_CONNECTED", default=None
    )
    master_address: str | None = msgspec.field(name="KLSRVH_SRV_MASTER_ADDR", default=None)
    certificate: bytes | None = msgspec.field(name="KLSRVH_SRV_CERTIFICATE", default=None)
    public_key_hash: str | None = msgspec.field(name="KLSRVH_SRV_PUBLIC_KEY_HASH", default=None)
    host_guid: str | None = msgspec.field(name="KLSRVH_SRV_HOST_GUID", default=None)


class SilentServer(msgspec.Struct, frozen=True, kw_only=True):
    """A secondary server that a sweep could not ask."""

    server_id: int = msgspec.field(name="KLSRVH_SRV_ID")
    display_name: str | None = msgspec.field(name="KLSRVH_SRV_DN", default=None)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """When the server calls a device critical, or warns. None: it does not say.

    ``mask``: which reasons count, by the bits of KLHST_WKS_STATUS_MASK. Ages are in days unless
    the name says otherwise.
    """

    mask: int | None = msgspec.field(name="KLSRV_HSTSTAT_MASK", default=None)
    bases_days: int | None = msgspec.field(name="KLSRV_HSTSTAT_OLD_AV_BASES", default=None)
    full_scan_days: int | None = msgspec.field(name="KLSRV_HSTSTAT_OLD_FSCAN", default=None)
    connection_days: int | None = msgspec.field(name="KLSRV_HSTSTAT_OLD_LAST_CONNECT", default=None)
    licence_days: int | None = msgspec.field(name="KLSRV_HSTSTAT_OLD_LICENSE", default=None)
    protection_off_seconds: int | None = msgspec.field(
        name="KLSRV_HSTSTAT_SP_RPT_INACTIVE", default=None
    )
    virus_count: int | None = msgspec.field(name="KLSRV_HSTSTAT_SP_VIRUSES", default=None)
    uncured_count: int | None = msgspec.field(name="KLSRV_HSTSTAT_SP_UNCURED", default=None)
    restart_seconds: int | None = msgspec.field(name="KLSRV_HSTSTAT_SP_BOOT_EXPIRED", default=None)


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of the group "Managed devices"."""

    critical: Limits = msgspec.field(name="KLSRV_HSTSTAT_CRITICAL", default=Limits())
    warning: Limits = msgspec.field(name="KLSRV_HSTSTAT_WARNING", default=Limits())


@dataclass(frozen=True, slots=True)
class Sweep:
    """How many devices a sweep found, and the secondary servers that are missing in it."""

    read: int
    silent: tuple[SilentServer, ...]


@dataclass(frozen=True, slots=True)
class EventsRead:
    """``newest_registered_at`` is by the server's clock; None when there was no event."""

    read: int
    newest_registered_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProductsRead:
    """``refused``: devices about which the server would not say anything."""

    read: int
    refused: int
