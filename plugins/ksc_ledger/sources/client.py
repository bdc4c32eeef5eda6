"""The questions this product puts to a KSC server, in one session.

Reading only, by construction: ``transport.ALLOWED`` is all that can be called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from ksc_ledger.landing.archive import Archive
from ksc_ledger.sources import faults, wire
from ksc_ledger.sources.faults import NotOffered, ServerSaidNo
from ksc_ledger.sources.records import (
    DETECTION_EVENTS,
    EVENT_ATTRIBUTES,
    HARDWARE_ATTRIBUTES,
    HOST_ATTRIBUTES,
    HOST_ID,
    HOST_KINDS,
    KEY_ATTRIBUTES,
    KEY_HOST_ATTRIBUTES,
    OUTCOME_EVENTS,
    PRODUCT_ATTRIBUTES,
    SWEEP_ORIGIN,
    ChildServer,
    EventsRead,
    Group,
    Limits,
    ProductsRead,
    ServerInfo,
    SilentServer,
    Sweep,
    Thresholds,
)
from ksc_ledger.sources.session import Gateway
from ksc_ledger.sources.sets import (
    ACCESSOR,
    CHUNK_SIZE,
    CHUNK_SIZE_FLOOR,
    EVENTS,
    VIEW,
    RowSink,
    RowsInMemory,
    Rule,
    SetRead,
    SetReader,
)
from ksc_ledger.sources.transport import ALLOWED
from ksc_ledger.sources.wire import NotTheWire

__all__ = [
    "ALLOWED",
    "CHUNK_SIZE",
    "CHUNK_SIZE_FLOOR",
    "HOST_ATTRIBUTES",
    "ChildServer",
    "EventsRead",
    "Group",
    "KscClient",
    "Limits",
    "ProductsRead",
    "RowSink",
    "ServerInfo",
    "SetRead",
    "SilentServer",
    "Sweep",
    "Thresholds",
]

INCOMPATIBLE_BIT = 12  # of KLHST_WKS_STATUS_MASK: an incompatible application is installed
_SET_LIFE_SECONDS = 1800  # since its last use; the protocol allows 7200
_ITERATOR_LIFE_SECONDS = 600
_VIEW_ROWS_AT_MOST = 1_000_000
_POLL_SECONDS = 0.1  # at least, be the delay that the server names as short as may be


class KscClient(SetReader):
    """The questions. A context manager: a session with one server.

    Questions that some servers do not know, or do not allow, raise ``faults.NotOffered`` (a
    SourceFault); all raise SourceFault and nothing else on account of the server.
    """

    _has_short_way = True  # to a secondary server; False once the server said that it has not

    def server_info(self) -> ServerInfo:
        """Version, identity and clock of the server."""
        method = "HostGroup.GetStaticInfo"
        answer, date = self._ask(method, {"pValues": None})
        said_at = self._now()
        facts = self._unwrapped(method, answer)
        if not isinstance(facts, dict):
            self._refuse(method, NotTheWire("thiếu thông tin máy chủ"))
        version = facts.get("KLADMSRV_PRODUCT_FULL_VERSION")
        host_id = facts.get("KLADMSRV_SERVER_HOSTNAME")
        return ServerInfo(
            product_version=faults.one_line(str(version), 64) if version else None,
            host_id=faults.one_line(str(host_id), 64) if host_id else None,
            server_time=date,
            clock_skew_seconds=None if date is None else round((date - said_at).total_seconds()),
        )

    def servers(self) -> list[ChildServer]:
        """Every direct secondary server, with the state of its link."""
        method = "ServerHierarchy.GetChildServers"
        answer, _ = self._ask(method, {"nGroupId": -1})
        facts = self._unwrapped(method, answer)
        if not isinstance(facts, list):
            self._refuse(method, NotTheWire("thiếu danh sách máy chủ"))
        return [self._record(method, one, ChildServer) for one in facts]

    def groups(self) -> list[Group]:
        """Every administration group of this server, in the order of ids."""
        method = "HostGroup.FindGroups"
        fields = ("id", "parentId", "name", "grp_full_name")
        rows = RowsInMemory()
        self._whole_set(
            lambda: self._found(method, fields, params={"KLSRVH_SLAVE_REC_DEPTH": 0}),
            ACCESSOR,
            wire.RowShape(fields[0], fields),
            rows,
        )
        return [self._record(method, facts, Group) for facts in self._facts(method, rows)]

    def hosts(self, sink: RowSink) -> SetRead:
        """Every device in this server's own database, unassigned ones too, into ``sink``.

        A set that does not add up is read anew as a whole, at most SET_READS_AT_MOST times in
        all; then SourceFault INCOMPLETE.
        """
        return self._whole_set(
            lambda: self._found("HostGroup.FindHosts", HOST_ATTRIBUTES),
            ACCESSOR,
            wire.RowShape(HOST_ID, {name: HOST_KINDS.get(name) for name in HOST_ATTRIBUTES}),
            sink,
        )

    def incompatible_hosts(self) -> list[str]:
        """The ids of the devices on which the server has seen an incompatible application."""
        method = "HostGroup.FindHosts"
        mask = "KLHST_WKS_STATUS_MASK"
        rows = RowsInMemory()
        self._whole_set(
            lambda: self._found(
                method,
                (HOST_ID, mask),
                where=f"({mask}_{INCOMPATIBLE_BIT} <> 0)",
                opening=self._open,
            ),
            ACCESSOR,
            wire.RowShape(HOST_ID, (HOST_ID, mask)),
            rows,
        )
        # Looked at again: a server that takes no notice of the filter must not make us ask it
        # about every single device.
        return [
            str(facts[HOST_ID])
            for facts in self._facts(method, rows)
            if isinstance(bits := facts.get(mask), int) and bits >> INCOMPATIBLE_BIT & 1
        ]

    def sweep(self, sink: RowSink, *, depth: int = 1, patience_seconds: float = 300.0) -> Sweep:
        """Every device of this server and, ``depth`` levels down, of its secondary servers.

        Rows of a secondary server carry KLSRVH_SRV_ID and _DN where the server tells them; a
        device may stand there twice. Evidence, never a count: what a silent server holds is
        missing. Waits at most ``patience_seconds`` for the search.
        """
        silent: list[SilentServer] = []

        def opening() -> str:
            silent.clear()
            accessor, others = self._swept(depth, patience_seconds)
            silent.extend(others)
            return accessor

        fields = (*HOST_ATTRIBUTES, *SWEEP_ORIGIN)
        shape = wire.RowShape(HOST_ID, fields)
        found = self._whole_set(opening, ACCESSOR, shape, sink, Rule.ANY)
        return Sweep(found.read, tuple(silent))

    def licence_keys(self, sink: RowSink) -> list[str]:
        """Every key the server knows, into ``sink``; the serials."""
        found = self._all_items(
            "LicenseKeys.EnumKeys",
            {
                "pFields": list(KEY_ATTRIBUTES),
                "pFieldsToOrder": [],
                "pOptions": {"KLLICSRV_ENOPT_INSTALLED_ONLY": False},
                "lTimeoutSec": _ITERATOR_LIFE_SECONDS,
            },
            wire.RowShape("KLLIC_SERIAL", KEY_ATTRIBUTES, wire.NEXT_ITEMS),
        )
        sink.begin(len(found.rows))
        sink.write(found.rows)
        return list(dict.fromkeys(str(one) for one in found.ids))

    def licence_hosts(self, serials: Iterable[str], sink: RowSink) -> int:
        """Which devices use these keys, into ``sink``; how many rows.

        Each row begins with ``licence_serial``, which is ours; the rest is as the server has it.
        """
        shape = wire.RowShape("KLLICSRV_HOSTNAME", KEY_HOST_ATTRIBUTES, wire.NEXT_ITEMS)
        rows: list[msgspec.Raw] = []
        for serial in serials:
            found = self._all_items(
                "LicenseKeys.AcquireKeyHosts",
                {
                    "pInData": {"KLLIC_SERIAL": serial},
                    "pFields": list(KEY_HOST_ATTRIBUTES),
                    "pFieldsToOrder": [],
                    "pOptions": {},
                    "lTimeoutSec": _ITERATOR_LIFE_SECONDS,
                },
                shape,
            )
            begins = b'{"licence_serial":' + msgspec.json.encode(serial) + b","
            rows += [msgspec.Raw(begins + bytes(row)[1:]) for row in found.rows]
        sink.begin(len(rows))
        sink.write(rows)
        return len(rows)

    def detections(self, since: datetime, sink: RowSink) -> EventsRead:
        """What the server has stored since an instant about objects found and dealt with.

        A detection and its outcome are two events with one GNRL_EA_PARAM_6. The outcome may be
        registered much later, so nothing is joined here. ``since`` is against registration_time,
        the server's own: a device may report weeks after rise_time.
        """
        question = {
            "pFilter": {
                "EVP_INCL_GNRL_EVENTS": True,
                "KLEVP_EVENT_GNRL_TYPES_ARRAY": [*DETECTION_EVENTS, *OUTCOME_EVENTS],
                "KLEVP_RFC2254_FILTER": (
                    f'(registration_time>T"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S}")'
                ),
            },
            "vecFieldsToReturn": list(EVENT_ATTRIBUTES),
            "vecFieldsToOrder": [_ascending("event_db_id")],
            "lifetimeSec": _SET_LIFE_SECONDS,
        }
        method = "EventProcessingFactory.CreateEventProcessing2"
        newest = _Newest(sink)
        try:
            found = self._whole_set(
                lambda: self._text(method, self._open(method, question), EVENTS.id_name),
                EVENTS,
                wire.RowShape("event_db_id", EVENT_ATTRIBUTES, wire.EVENTS),
                newest,
                Rule.LOG,
            )
            return EventsRead(found.read, newest.registered_at())
        except NotTheWire as error:
            self._refuse(EVENTS.page, error)

    def hardware(self, sink: RowSink) -> SetRead:
        """The hardware of managed devices, as their agents reported it, into ``sink``.

        There is no id of the device in it: it is found again by name and network card.
        """
        question = {
            "wstrViewName": "HWInvStorageSrvViewName",
            "wstrFilter": "(Type=0)",
            "vecFieldsToReturn": list(HARDWARE_ATTRIBUTES),
            "vecFieldsToOrder": [_ascending("Id")],
            "pParams": {"TOP_N": _VIEW_ROWS_AT_MOST},
            "lifetimeSec": _SET_LIFE_SECONDS,
        }
        method = "SrvView.ResetIterator"
        return self._whole_set(
            lambda: self._text(method, self._open(method, question), VIEW.id_name),
            VIEW,
            wire.RowShape("Id", HARDWARE_ATTRIBUTES, wire.RECORDS),
            sink,
        )

    def installed_products(self, host_ids: Iterable[str], sink: RowSink) -> ProductsRead:
        """The programs on these devices that the vendor lists as incompatible, into ``sink``.

        One question a device. Each row begins with ``endpoint_id``, which is ours. A device that
        was deleted meanwhile is refused; when every one is, the question is not offered.
        """
        method = "InventoryApi.GetHostInvProducts"
        rows: list[msgspec.Raw] = []
        refused: list[NotOffered] = []
        asked = 0
        for host_id in host_ids:
            asked += 1
            try:
                answer = self._ask_if_offered(method, {"szwHostId": host_id, "pParams": {}})
            except NotOffered as fault:
                if not isinstance(fault.__cause__, ServerSaidNo):
                    raise
                refused.append(fault)
                continue
            found = self._record(method, answer.value.get("PxgRetVal"), _Inventory)
            for element in found.in_answers or found.documented or ():
                product = element.value
                if product.get("CleanerProductName"):
                    known = {name: product[name] for name in PRODUCT_ATTRIBUTES if name in product}
                    row = msgspec.json.encode({"endpoint_id": host_id, **known})
                    rows.append(msgspec.Raw(row))
        if refused and len(refused) == asked:
            raise refused[-1]
        sink.begin(len(rows))
        sink.write(rows)
        return ProductsRead(len(rows), len(refused))

    def thresholds(self) -> Thresholds:
        """The limits by which this server judges its managed devices."""
        method = "HostGroup.GroupIdGroups"
        managed = self._ask_if_offered(method, {}).value.get("PxgRetVal")
        if type(managed) is not int:
            self._refuse(method, NotTheWire("thiếu mã nhóm"))
        method = "HostGroup.GetGroupInfoEx"
        asked = ["KLSRV_HSTSTAT_CRITICAL", "KLSRV_HSTSTAT_WARNING"]
        answer = self._ask_if_offered(method, {"nGroupId": managed, "pArrAttributes": asked})
        return self._record(method, self._unwrapped(method, answer), Thresholds)

    def through_gateway(self, child: ChildServer, archive: Archive | None = None) -> KscClient:
        """A session with a secondary server through this one, within this one's time.

        Same address and certificate; no password travels, a one-time key does. It is to be
        entered and left while this session is open, which gives it a new key when its own session
        is lost. Only from the server that was dialled: ValueError behind a gateway.
        """
        if self._gateway is not None:
            raise ValueError("one gateway at a time: ask the server that was dialled")
        return KscClient(
            replace(self._endpoint, beyond=_name_of(child)),
            self._budget,
            archive,
            self._now,
            chunk_size=self._chunk_size,
            sleep=self._sleep,
            gateway=Gateway(lambda: self._gateway_key(child), self._transport.end_at),
        )

    def _gateway_key(self, child: ChildServer) -> str:
        """A one-time key, good for a minute. The secondary may be out of reach: SourceFault."""
        ways = [self._key_by_location]
        if child.instance_id and self._has_short_way:
            ways.insert(0, self._key_by_instance)
        refused: list[NotOffered] = []
        for way in ways:
            try:
                return way(child)
            except NotOffered as fault:
                refused.append(fault)
        # Who has the method and says no knows more than who does not have it.
        for one in refused:
            if isinstance(one.__cause__, ServerSaidNo):
                said = one.__cause__
                raise faults.gateway_closed(self._endpoint, _name_of(child), said) from one
        raise refused[-1]

    def _key_by_instance(self, child: ChildServer) -> str:
        """From version 15 on."""
        method = "GatewayConnection.PrepareGatewayConnectionToSecondaryServer"
        try:
            answer = self._ask_if_offered(method, {"srvInstanceId": child.instance_id})
        except NotOffered as fault:
            self._has_short_way = isinstance(fault.__cause__, ServerSaidNo)
            raise
        return self._text(method, answer, "wstrAuthKey")

    def _key_by_location(self, child: ChildServer) -> str:
        method = "CgwHelper.GetSlaveServerLocation"
        answer = self._ask_if_offered(method, {"nSlaveServerId": child.server_id})
        location = answer.value.get("PxgRetVal")
        if not isinstance(location, dict) or not location:
            self._refuse(method, NotTheWire("thiếu vị trí máy chủ cấp dưới"))
        method = "GatewayConnection.PrepareGatewayConnection"
        locations = [{"type": "params", "value": location}]  # handed on as it came
        answer = self._ask_if_offered(method, {"pLocations": locations})
        return self._text(method, answer, "wstrAuthKey")

    def _found(
        self,
        method: str,
        fields: Sequence[str],
        *,
        where: str = "",
        params: Mapping[str, Any] | None = None,
        opening: Callable[[str, Mapping[str, Any]], wire.Parsed] | None = None,
    ) -> str:
        """Let the server find a set among its own; its accessor."""
        question = {
            "wstrFilter": where,
            "vecFieldsToReturn": list(fields),
            "vecFieldsToOrder": [_ascending(fields[0])],
            "pParams": {"KLGRP_FIND_FROM_CUR_VS_ONLY": True, **(params or {})},
            "lMaxLifeTime": _SET_LIFE_SECONDS,
        }
        answer = opening(method, question) if opening else self._call(method, question)[0]
        return self._text(method, answer, ACCESSOR.id_name)

    def _swept(self, depth: int, patience_seconds: float) -> tuple[str, list[SilentServer]]:
        """Search the hierarchy and wait for it: the accessor, and who did not answer."""
        method = "HostGroup.FindHostsAsync"
        question = {
            "wstrFilter": "",
            "vecFieldsToReturn": [*HOST_ATTRIBUTES, *SWEEP_ORIGIN],
            "vecFieldsToOrder": [],
            "pParams": {"KLSRVH_SLAVE_REC_DEPTH": depth, "KLGRP_FIND_FROM_CUR_VS_ONLY": False},
            "lMaxLifeTime": _SET_LIFE_SECONDS,
        }
        request = self._text(method, self._open(method, question), "strRequestId")
        self._await(request, patience_seconds)
        method = "HostGroup.FindHostsAsyncGetAccessor"
        answer = self._call_again(method, {"strRequestId": request})
        failed = self._unwrapped(method, answer, "pFailedSlavesInfo") or {}
        silent = failed.get("KLGRP_FAILED_SLAVES_PARAMS", []) if isinstance(failed, dict) else None
        if not isinstance(silent, list):
            self._refuse(method, NotTheWire("pFailedSlavesInfo sai cấu trúc"))
        others = [self._record(method, one, SilentServer) for one in silent]
        return self._text(method, answer, ACCESSOR.id_name), others

    def _await(self, request: str, patience_seconds: float) -> None:
        """Until the search is over, never asking sooner than the server wants to be asked."""
        method = "AsyncActionStateChecker.CheckActionState"
        waited = 0.0
        while True:
            answer = self._call_again(method, {"wstrActionGuid": request})
            state = answer.value
            if state.get("bFinalized") is True:
                if state.get("bSuccededFinalized") is True:
                    return
                data = self._unwrapped(method, answer, "pStateData")
                reason = data.get("GNRL_EA_DESCRIPTION") if isinstance(data, dict) else None
                raise faults.sweep_failed(self._endpoint, str(reason or ""))
            delay = state.get("lNextCheckDelay")
            if type(delay) is not int or delay < 0:
                self._refuse(method, NotTheWire("lNextCheckDelay không hợp lệ"))
            seconds = max(delay / 1000, _POLL_SECONDS)
            if waited + seconds > patience_seconds:
                self._say_goodbye(
                    "HostGroup.FindHostsAsyncCancel", {"strRequestId": request}, self._session
                )
                what = f"chưa tìm xong trên các máy chủ cấp dưới sau {patience_seconds:g} giây"
                raise faults.timed_out(self._endpoint, what, was_sent=True)
            self._sleep(seconds)
            waited += seconds

    def _facts(self, method: str, rows: RowsInMemory) -> list[dict[str, Any]]:
        try:
            return [wire.unwrap(wire.parse(row).value) for row in rows.taken]
        except NotTheWire as error:
            self._refuse(method, error)


def _name_of(child: ChildServer) -> str:
    return faults.one_line(child.display_name or f"#{child.server_id}", 64)


def _ascending(name: str) -> dict[str, Any]:
    return {"type": "params", "value": {"Name": name, "Asc": True}}


class _Element(msgspec.Struct):
    value: dict[str, Any]


class _Inventory(msgspec.Struct):
    """Programs as the wire has them, under the name real answers use or the documented one."""

    in_answers: list[_Element] | None = msgspec.field(name="GNRL_EA_PARAM_1", default=None)
    documented: list[_Element] | None = msgspec.field(name="KLEVP_EA_PARAM_1", default=None)


class _Instant(msgspec.Struct):
    value: str


class _Stamped(msgspec.Struct):
    registration_time: _Instant | str | None = None


class _Newest:
    """Hands rows on and remembers the newest registration_time among them."""

    _decoder = msgspec.json.Decoder(_Stamped)

    def __init__(self, sink: RowSink) -> None:
        self._sink = sink
        self._text = ""

    def begin(self, expected: int) -> None:
        self._text = ""
        self._sink.begin(expected)

    def write(self, rows: Sequence[msgspec.Raw]) -> None:
        for row in rows:
            try:
                stamp = self._decoder.decode(row).registration_time
            except msgspec.ValidationError as error:
                raise NotTheWire("registration_time sai kiểu") from error
            text = stamp.value if isinstance(stamp, _Instant) else stamp or ""
            # Texts of one form and one zone sort like the instants they name.
            self._text = max(self._text, text)
        self._sink.write(rows)

    def registered_at(self) -> datetime | None:
        found: datetime | None = wire.unwrap({"type": "datetime", "value": self._text})
        return found
