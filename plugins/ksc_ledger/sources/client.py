"""The questions this product puts to a KSC server, in one session.

Reading only, by construction: ``transport.ALLOWED`` is all that can be called. A result set is
taken whole from one accessor or not at all; pages of two accessors are never put together.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NoReturn, Protocol, Self, TypeVar

import msgspec

from ksc_ledger.errors import SourceFault
from ksc_ledger.landing.archive import Archive
from ksc_ledger.sources import faults, wire
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.sources.faults import CallFault, ServerSaidNo, Trouble
from ksc_ledger.sources.transport import ALLOWED, LOGIN, Answer, Transport
from ksc_ledger.sources.wire import NotTheWire, Parsed

__all__ = [
    "ALLOWED",
    "HOST_ATTRIBUTES",
    "ChildServer",
    "Group",
    "KscClient",
    "RowSink",
    "ServerInfo",
    "SetRead",
]

log = logging.getLogger(__name__)

HOST_ID = "KLHST_WKS_HOSTNAME"
HOST_ATTRIBUTES = (
    HOST_ID,
    "KLHST_WKS_DN",
    "KLHST_WKS_WINHOSTNAME",
    "KLHST_WKS_DNSNAME",
    "KLHST_WKS_FQDN",
    "KLHST_WKS_GROUPID",
    "name",
    "grp_full_name",
    "KLHST_WKS_FROM_UNASSIGNED",
    "KLHST_WKS_STATUS",
    "KLHST_WKS_STATUS_ID",
    "KLHST_WKS_STATUS_MASK",
    "KLHST_WKS_RTP_STATE",
    "KLHST_WKS_RTP_AV_VERSION",
    "KLHST_WKS_RTP_AV_BASES_TIME",
    "KLHST_WKS_NAG_VERSION",
    "KLHST_WKS_LAST_VISIBLE",
    "KLHST_WKS_LAST_NAGENT_CONNECTED",
    "KLHST_WKS_LAST_FULLSCAN",
    "KLHST_WKS_CREATED",
    "KLHST_WKS_OS_NAME",
    "KLHST_WKS_CTYPE",
    "KLHST_WKS_IP_LONG",
    "KLHST_WKS_VIRUS_COUNT",
    "KLHST_WKS_UNCURED_COUNT",
)
CHUNK_SIZE = 1000
CHUNK_SIZE_FLOOR = 25
SET_READS_AT_MOST = 3
_SET_LIFE_SECONDS = 1800  # since its last use; the protocol allows 7200
_SESSION = re.compile(r"[\x21-\x7e]{1,4096}")


class RowSink(Protocol):
    """Takes the rows of one set as they come."""

    def begin(self, expected: int) -> None:
        """A set of so many rows begins; whatever was written before belongs to a lost one."""

    def write(self, rows: Sequence[msgspec.Raw]) -> None:
        """Rows in the set's order, each one line of JSON. Their memory is the caller's."""


@dataclass(frozen=True, slots=True)
class SetRead:
    """A set read whole. ``content_sha256`` is the same for the same rows in any order."""

    expected: int
    read: int
    content_sha256: str


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


_T = TypeVar("_T", bound=msgspec.Struct)


class _SessionGone(Exception):  # noqa: N818 - internal signal
    """401 or 403 after a login that had been accepted."""

    def __init__(self, fault: CallFault, method: str) -> None:
        super().__init__(method)
        self.fault = fault
        self.is_reading = method.startswith("ChunkAccessor.")


class _SetDisagrees(Exception):  # noqa: N818 - internal signal
    """The set contradicts itself or its accessor is gone; only a new set can help."""

    def __init__(self, what: str, fault: SourceFault | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.fault = fault


class KscClient:
    """A session with one server: logs in on entry, logs out on exit, whatever happened between.

    ``archive`` gets every body before it is parsed. ``now`` is the mode's clock, used for the
    skew only. All methods raise SourceFault and nothing else on account of the server.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        budget: Budget,
        archive: Archive | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        chunk_size: int = CHUNK_SIZE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = endpoint
        self._archive = archive
        self._now = now
        self._chunk_size = max(CHUNK_SIZE_FLOOR, chunk_size)
        self._transport = Transport(endpoint, budget, self._keep, sleep=sleep)
        self._session: str | None = None
        self._logins = 0

    def __enter__(self) -> Self:
        try:
            self._log_in()
        except BaseException:
            self._transport.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._session is not None:
                self._say_goodbye("Session.EndSession", {}, self._session)
        finally:
            self._session = None
            self._transport.close()

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
        rows = _Rows()
        self._whole_set(
            method,
            fields=("id", "parentId", "name", "grp_full_name"),
            extra={"KLSRVH_SLAVE_REC_DEPTH": 0},
            sink=rows,
        )
        try:
            unwrapped = [wire.unwrap(wire.parse(row).value) for row in rows.taken]
        except NotTheWire as error:
            self._refuse(method, error)
        return [self._record(method, one, Group) for one in unwrapped]

    def hosts(self, sink: RowSink) -> SetRead:
        """Every device in this server's own database, unassigned ones too, into ``sink``.

        A set that does not add up is read anew as a whole, at most SET_READS_AT_MOST times in
        all; then SourceFault INCOMPLETE.
        """
        return self._whole_set("HostGroup.FindHosts", fields=HOST_ATTRIBUTES, extra={}, sink=sink)

    def _whole_set(
        self, method: str, *, fields: Sequence[str], extra: Mapping[str, Any], sink: RowSink
    ) -> SetRead:
        shape = wire.RowShape(fields[0], fields)
        question = {
            "wstrFilter": "",
            "vecFieldsToReturn": list(fields),
            "vecFieldsToOrder": [{"type": "params", "value": {"Name": fields[0], "Asc": True}}],
            "pParams": {"KLGRP_FIND_FROM_CUR_VS_ONLY": True, **extra},
            "lMaxLifeTime": _SET_LIFE_SECONDS,
        }
        reads = 0
        while True:
            reads += 1
            try:
                return self._one_set(method, question, fields[0], shape, sink)
            except _SetDisagrees as lost:
                log.warning("%s: %s (lần đọc %d)", self._endpoint.label, lost.what, reads)
                if reads >= SET_READS_AT_MOST:
                    raise lost.fault or faults.set_disagrees(
                        self._endpoint, lost.what, reads
                    ) from lost
            except _SessionGone as gone:
                self._log_in_again(gone)

    def _one_set(
        self,
        method: str,
        question: Mapping[str, Any],
        key: str,
        shape: wire.RowShape,
        sink: RowSink,
    ) -> SetRead:
        answer, _ = self._call(method, question)
        accessor = answer.value.get("strAccessor")
        if not isinstance(accessor, str) or not accessor:
            self._refuse(method, NotTheWire("thiếu strAccessor"))
        try:
            read = self._all_rows(accessor, key, shape, sink)
        except _SetDisagrees:
            self._say_goodbye("ChunkAccessor.Release", {"strAccessor": accessor}, self._session)
            raise
        self._say_goodbye("ChunkAccessor.Release", {"strAccessor": accessor}, self._session)
        return read

    def _all_rows(self, accessor: str, key: str, shape: wire.RowShape, sink: RowSink) -> SetRead:
        expected = self._count(accessor)
        sink.begin(expected)
        digests: dict[str | int, bytes] = {}
        while len(digests) < expected:
            chunk = self._chunk(accessor, len(digests), key, shape)
            if not chunk.rows:
                if not digests:
                    self._refuse(
                        "ChunkAccessor.GetItemsChunk",
                        NotTheWire(f"báo có {expected} bản ghi nhưng không trả về bản ghi nào"),
                    )
                raise _SetDisagrees(f"báo có {expected} bản ghi nhưng chỉ trả về {len(digests)}")
            before = len(digests)
            for one, row in zip(chunk.ids, chunk.rows, strict=True):
                digests[one] = hashlib.sha256(row).digest()
            if len(digests) != before + len(chunk.rows):
                raise _SetDisagrees(f"một bản ghi ({key}) xuất hiện hai lần")
            sink.write(chunk.rows)
        if len(digests) != expected:
            raise _SetDisagrees(f"báo có {expected} bản ghi nhưng trả về {len(digests)}")
        if (afterwards := self._count(accessor)) != expected:
            raise _SetDisagrees(f"số bản ghi đổi từ {expected} thành {afterwards} khi đang đọc")
        content = hashlib.sha256()
        for one in sorted(digests, key=str):
            content.update(digests[one])
        return SetRead(expected, len(digests), content.hexdigest())

    def _count(self, accessor: str) -> int:
        method = "ChunkAccessor.GetItemsCount"
        answer = self._post(method, {"strAccessor": accessor})
        count = self._accessed(method, answer).value.get("PxgRetVal")
        if type(count) is not int or count < 0:
            self._refuse(method, NotTheWire("số bản ghi không hợp lệ"))
        return count

    def _chunk(self, accessor: str, start: int, key: str, shape: wire.RowShape) -> wire.Chunk:
        """One chunk from ``start``; asks for fewer rows when the server cannot answer in time."""
        method = "ChunkAccessor.GetItemsChunk"
        while True:
            asked = self._chunk_size
            try:
                answer = self._post(
                    method, {"strAccessor": accessor, "nStart": start, "nCount": asked}
                )
                break
            except CallFault as fault:
                is_slow = fault.trouble is Trouble.TIMEOUT and fault.was_sent
                if not is_slow or asked <= CHUNK_SIZE_FLOOR:
                    raise
                self._chunk_size = max(CHUNK_SIZE_FLOOR, asked // 2)
                log.warning("%s Giảm còn %d bản ghi mỗi lượt.", fault.text, self._chunk_size)
        chunk = shape.split(answer.body)
        if chunk is None:
            try:
                chunk = wire.split(self._accessed(method, answer), key)
            except NotTheWire as error:
                self._refuse(method, error)
        if len(chunk.rows) > asked:
            self._refuse(method, NotTheWire(f"hỏi {asked} bản ghi nhưng trả về {len(chunk.rows)}"))
        if chunk.returned != len(chunk.rows):
            raise _SetDisagrees(f"báo trả về {chunk.returned} bản ghi nhưng gửi {len(chunk.rows)}")
        return chunk

    def _accessed(self, method: str, answer: Answer) -> Parsed:
        """The answer of a call on an accessor. A business error means that the accessor is gone."""
        try:
            return self._parsed(method, answer)
        except ServerSaidNo as fault:
            raise _SetDisagrees("tập kết quả không còn đọc được", fault) from fault

    def _ask(self, method: str, arguments: Mapping[str, Any]) -> tuple[Parsed, datetime | None]:
        """A call that stands alone: after a lost session it is simply asked again, once."""
        try:
            return self._call(method, arguments)
        except _SessionGone as gone:
            self._log_in_again(gone)
        try:
            return self._call(method, arguments)
        except _SessionGone as gone:
            raise gone.fault from gone

    def _call(self, method: str, arguments: Mapping[str, Any]) -> tuple[Parsed, datetime | None]:
        """One call in the session: the parsed answer and the server's clock."""
        answer = self._post(method, arguments)
        return self._parsed(method, answer), answer.date

    def _post(self, method: str, arguments: Mapping[str, Any]) -> Answer:
        """One call in the session."""
        try:
            return self._transport.post(method, arguments, session=self._session)
        except CallFault as fault:
            if fault.http_status in (401, 403):
                raise _SessionGone(fault, method) from fault
            raise

    def _parsed(self, method: str, answer: Answer) -> Parsed:
        try:
            parsed = wire.parse(answer.body)
        except NotTheWire as error:
            if not answer.is_framed and answer.body:
                # Only the end of the connection marked the end: most likely it came too early.
                raise faults.cut(self._endpoint, method, 200) from error
            self._refuse(method, error)
        if "PxgError" in parsed.value:
            raise self._business_error(method, parsed.value["PxgError"])
        return parsed

    def _business_error(self, method: str, error: Any) -> ServerSaidNo:
        facts = error if isinstance(error, dict) else {}
        number = facts.get("code")
        return ServerSaidNo(
            self._endpoint,
            method,
            module=faults.one_line(str(facts.get("module") or ""), 40),
            number=number if type(number) is int else 0,
            message=str(facts.get("message") or ""),
        )

    def _unwrapped(self, method: str, answer: Parsed) -> Any:
        try:
            return wire.unwrap(answer.value.get("PxgRetVal"))
        except NotTheWire as error:
            self._refuse(method, error)

    def _record(self, method: str, facts: Any, kind: type[_T]) -> _T:
        try:
            return msgspec.convert(facts, kind)
        except msgspec.ValidationError as error:
            log.warning("%s: %s: %s", self._endpoint.label, method, error)
            self._refuse(method, NotTheWire("bản ghi thiếu thuộc tính hoặc sai kiểu"))

    def _refuse(self, method: str, error: NotTheWire) -> NoReturn:
        raise faults.not_the_protocol(self._endpoint, method, str(error)) from error

    def _log_in(self) -> None:
        self._session = None
        self._logins += 1
        try:
            answer = self._transport.post(LOGIN, {}, authorization=self._endpoint.authorization())
        except CallFault as fault:
            if fault.pending_session and _SESSION.fullmatch(fault.pending_session):
                self._say_goodbye("Session.EndSession", {}, fault.pending_session)
            raise
        parsed = self._parsed(LOGIN, answer)
        session = parsed.value.get("PxgRetVal")
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            self._refuse(LOGIN, NotTheWire("thiếu mã phiên làm việc"))
        self._session = session

    def _log_in_again(self, gone: _SessionGone) -> None:
        """The one new login a client may make; the second loss is a fault."""
        if self._logins > 1:
            raise (faults.set_lost(self._endpoint) if gone.is_reading else gone.fault) from gone
        log.warning("%s: phiên làm việc bị kết thúc, đăng nhập lại.", self._endpoint.label)
        self._log_in()

    def _say_goodbye(self, method: str, arguments: Mapping[str, Any], session: str | None) -> None:
        """Free what the server holds for us. It frees it by itself in time, so failing is no harm."""
        try:
            self._transport.post(method, arguments, session=session, is_patient=False)
        except CallFault as fault:
            log.info("%s (%s)", fault.text, method)

    def _keep(self, method: str, status: int, body: bytes, is_whole: bool) -> None:
        if self._archive is None:
            return
        if method == LOGIN:
            if status == 200 and body.lstrip()[:1] in (b"{", b""):
                return  # holds the session's id
            text = body.decode(errors="replace")
            body = self._endpoint.without_secrets(text).encode()
        self._archive.keep(method, status, body, is_whole=is_whole)


class _Rows:
    """A sink in memory, for small sets."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def begin(self, expected: int) -> None:
        self.taken = []

    def write(self, rows: Sequence[msgspec.Raw]) -> None:
        self.taken.extend(bytes(row) for row in rows)
